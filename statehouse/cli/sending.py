"""Sending the commits of a dump: in order, without waiting for each.

* S1. A commit is sent while the one before it may still be queued, and carries a precondition that only the
  one before can have made true. So if one is refused (a full disk), none after it is applied, and what is
  there is the beginning of the dump.
* S2. On the way to a daemon commits may overtake each other, large ones above all. The one that came too
  early is refused by its precondition, as are all after it; they are sent again, one by one.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from statehouse.errors import AlreadyExistsError, PreconditionFailedError
from statehouse.extend import (
    DEFAULT_LIMITS,
    Commit,
    Committed,
    Delete,
    Extend,
    Payload,
    Precondition,
    RecordKey,
    Write,
    WriteOperation,
    grow,
)
from statehouse.protocol.deadlines import begun_too_late, out_of_time
from statehouse.protocol.replies import Event, Operation

if TYPE_CHECKING:
    from statehouse import Statehouse

__all__ = ["Sender"]

_WINDOW_COMMITS: Final = 256
_WINDOW_BYTES: Final = 4 << 20
_REMEMBERED_BYTES: Final = 64 << 20


class Sender:
    """Sends commits in order, with a window of them on their way.

    Args:
        sh: The store.
        head: Its newest commit.
    """

    def __init__(self, sh: Statehouse, head: int) -> None:
        self._connection = sh.connection
        # In the queue of an engine in this process a commit waits for ours only; dropping one stops the load.
        self._timeout = DEFAULT_LIMITS.timeout_s_max if sh.connection.local else sh.connection.timeout
        self._sent: list[tuple[int, Commit, Future[Committed]]] = []
        self._size = 0
        self._seen = head
        self._before: Precondition | None = None
        self._values = _Values(_REMEMBERED_BYTES)

    def send(self, event: Event, size: int) -> None:
        """Sends the next event; `size` is about how many bytes it is.

        Raises:
            AlreadyExistsError: Somebody else wrote to the store.
            StatehouseError: A commit failed.
        """
        if self._sent and (len(self._sent) >= _WINDOW_COMMITS or self._size + size > _WINDOW_BYTES):
            self.wait()
        commit = Commit(
            event.txn_id,
            tuple([self._values.operation(operation) for operation in event.operations]),
            preconditions=() if self._before is None else (self._before,),
            origin=event.origin,
            made_at_ts=self._seen,
            committed_at_us=event.committed_at_us,
            timeout_s=self._timeout,
        )
        self._sent.append((event.commit_ts, commit, self._connection.engine.submit(commit)))
        self._size += size
        self._before = _mark_of(event)
        if self._before is None:
            self.wait()

    def wait(self) -> None:
        """Waits for what was sent.

        Raises:
            AlreadyExistsError: Somebody else wrote to the store.
            StatehouseError: A commit failed.
        """
        for commit_ts, commit, future in self._sent:
            try:
                committed = self._answer(commit, future)
            except PreconditionFailedError:
                # S2
                if self._connection.local:
                    raise
                committed = self._connection.engine.execute(commit)
            if committed.commit_ts != commit_ts:
                raise AlreadyExistsError(
                    f"commit_ts {commit_ts} of the dump became {committed.commit_ts}: somebody else writes "
                    "to the store, which has other history now; load into a new directory"
                )
            self._seen = commit_ts
        self._sent, self._size = [], 0

    def _answer(self, commit: Commit, future: Future[Committed]) -> Committed:
        try:
            return future.result(None if self._connection.local else self._timeout)
        except TimeoutError:
            if future.done():
                return future.result()
            raise (begun_too_late if future.cancel() else out_of_time)(commit) from None


def _mark_of(event: Event) -> Precondition | None:
    """What holds once an event was applied, and did not before; None for an event of deletes only."""
    for operation in event.operations:
        if operation.kind == "write":
            name = RecordKey(operation.namespace, operation.agent_id, operation.key)
            return Precondition(name, commit_ts=event.commit_ts)
    return None


class _Values:
    """The newest values, so that what grew is stored as what is new in it, as it was where it came from."""

    def __init__(self, size_bytes_max: int) -> None:
        self._left = size_bytes_max
        self._values: OrderedDict[RecordKey, tuple[int, Payload]] = OrderedDict()

    def operation(self, operation: Operation) -> WriteOperation:
        """Gives the operation that writes the same."""
        name = RecordKey(operation.namespace, operation.agent_id, operation.key)
        base = self._values.pop(name, None)
        if base is not None:
            self._left += len(base[1].data)
        payload = operation.payload
        if payload is None:
            return Delete(name)
        self._remember(name, operation.version, payload)
        if base is not None and base[1].content_type == payload.content_type:
            parts = grow(base[1].data, payload.data)
            if parts is not None:
                return Extend(name, name, base[0], parts, payload.content_type)
        return Write(name, payload)

    def _remember(self, name: RecordKey, version: int, payload: Payload) -> None:
        self._values[name] = (version, payload)
        self._left -= len(payload.data)
        while self._left < 0:
            _, (_, oldest) = self._values.popitem(last=False)
            self._left += len(oldest.data)
