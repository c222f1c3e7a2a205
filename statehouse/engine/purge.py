"""Rewriting the store's files without what was deleted and overwritten, for as long as that takes.

That may be minutes in a large store: a purge is begun once, goes on by itself, and is asked for until it
is done.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from statehouse.engine import layout
from statehouse.storage import Store, Table

_WAIT_S: Final = 1.0
_KNOWN_MAX: Final = 64


class Purger:
    """Purges of agents, one after the other."""

    def __init__(self, store: Store) -> None:
        """Prepares to purge."""
        self._store = store
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._known: dict[str, Future[None]] = {}

    def is_done(self, what: str, agent: bytes) -> bool:
        """Whether a purge is done, after waiting a second for it; begins it when it is new.

        Args:
            what: Its name; what is to be purged was deleted before this name was first used.
            agent: An `agent_prefix`.

        Raises:
            EngineError: It failed.
        """
        with self._lock:
            purge = self._known.get(what)
            if purge is None:
                purge = self._begin_locked(what, agent)
        try:
            purge.result(_WAIT_S)
        except TimeoutError:
            if not purge.done():
                return False
            raise
        finally:
            if purge.done():
                self._known.pop(what, None)
        return True

    def _begin_locked(self, what: str, agent: bytes) -> Future[None]:
        # Those who asked for these have gone away.
        for done in [each for each, purge in self._known.items() if purge.done()][_KNOWN_MAX:]:
            self._known.pop(done, None)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="statehouse-purge")
        purge = self._known[what] = self._pool.submit(self._purge, agent)
        return purge

    def close(self) -> None:
        """Returns when no purge is at work any more; none begins."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _purge(self, agent: bytes) -> None:
        """Rewrites the files that hold rows of the agent, and those that hold transaction ids."""
        stop = layout.prefix_end(agent)
        start, ids = agent, list[int]()
        while page := self._store.scan(Table.NAMES, start, stop):
            some = [layout.unpack_name_head(data)[0] for _, data in page]
            ids = [min(ids + some), max(ids + some)]
            start = page[-1][0] + b"\0"
        if not ids:
            return
        records = layout.pack_u64(ids[0]), layout.pack_u64(ids[1] + 1)
        self._store.compact(
            {
                Table.NAMES: (agent, stop),
                Table.HISTORY: records,
                Table.SEGMENTS: records,
                Table.TXNS: (b"", b"\xff" * 8),
            }
        )
