"""What a run has recorded, as far as this process needs it.

A run that begins here has recorded nothing, so its steps ask for nothing. One that is resumed loads its
records page by page at once, so that ten thousand finished steps are not ten thousand reads. From the moment
that another worker is known to be at it, each step asks first.

* H1. What is held is bounded: beyond `_HELD_BYTES_MAX` records are read one by one.
* H2. A held record is let go when it is asked for.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from statehouse.client.connection import Connection
from statehouse.extend import Entry, Flow, Get, Page, Read, RecordKey, Scan
from statehouse.steps import keys
from statehouse.steps.record import StepRecord, step_from_entry

if TYPE_CHECKING:
    from statehouse.steps.calls import StepCall

_HELD_BYTES_MAX: Final = 64 * 1024 * 1024
_PAGE_ROWS: Final = 1000


class History:
    """The records of a run; safe from any thread.

    Args:
        connection: Where they are.
        namespace: Their namespace.
        run_id: The run.
    """

    def __init__(self, connection: Connection, namespace: str, run_id: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._run_id = run_id
        self._lock = threading.Lock()
        self._held: dict[str, Entry] = {}
        self._shared = False

    def load(self) -> Flow[None]:
        """Reads what earlier workers have recorded; from now on, every step asks first."""
        self._shared = True
        held_bytes = 0
        cursor: str | None = None
        while True:
            page: Page = yield Scan(self._namespace, self._run_id, keys.STEP, limit=_PAGE_ROWS, cursor=cursor)
            for entry in page.entries:
                if entry.payload is not None:
                    held_bytes += len(entry.payload.data)
                    self._held[entry.key.key.removeprefix(keys.STEP)] = entry
            cursor = page.cursor
            # H1
            if cursor is None or held_bytes > _HELD_BYTES_MAX:
                return

    def rival(self) -> None:
        """Takes in that another worker is at this run."""
        self._shared = True

    def find(self, call: StepCall) -> Flow[StepRecord | None]:
        """Gives the record of a step that is called, if there is one."""
        path = call.identity.path
        if self._held:
            # H2
            with self._lock:
                entry = self._held.pop(path, None)
            if entry is not None:
                return step_from_entry(entry)
        # The children of a step that runs again may have run before.
        if self._shared or (call.parent is not None and call.parent.repeated):
            return (yield from self.read(path))
        return None

    def read(self, path: str) -> Flow[StepRecord | None]:
        """Reads the record of a step as it is now."""
        reply: Read = yield Get(RecordKey(self._namespace, self._run_id, keys.STEP + path))
        return step_from_entry(reply.entry) if reply.entry.exists else None

    def not_asked_for(self) -> list[str]:
        """Gives the paths of what was loaded and never asked for, though nothing around it answered."""
        with self._lock:
            return sorted(path for path in self._held if "/" not in path)
