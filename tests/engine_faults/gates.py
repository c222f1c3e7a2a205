"""A store whose calls wait where a test says so, so that what happens meanwhile is no matter of luck."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from statehouse.engine import LocalEngine
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Write
from statehouse.storage import Row
from statehouse.testing.faults import Call, FaultStore
from tests.engine_faults.workload import SMALL, transaction, value

WAIT_S = 60.0


class GatedStore(FaultStore):
    """A `FaultStore` with a gate before its writes and one before its syncs."""

    def __init__(self) -> None:
        super().__init__()
        self._gates = {call: threading.Event() for call in (Call.WRITE, Call.SYNC)}
        self._reached = {call: threading.Event() for call in self._gates}
        for gate in self._gates.values():
            gate.set()

    def shut(self, call: Call) -> None:
        """The next call of that kind waits."""
        self._reached[call].clear()
        self._gates[call].clear()

    def lift(self, call: Call) -> None:
        """Lets it go on."""
        self._gates[call].set()

    def await_arrival(self, call: Call) -> None:
        """Returns when a call waits at the gate."""
        assert self._reached[call].wait(WAIT_S)

    def write(self, rows: Sequence[Row]) -> None:
        """See `Store.write`."""
        self._pass(Call.WRITE)
        super().write(rows)

    def sync(self) -> None:
        """See `Store.sync`."""
        self._pass(Call.SYNC)
        super().sync()

    def _pass(self, call: Call) -> None:
        self._reached[call].set()
        assert self._gates[call].wait(WAIT_S)


@contextmanager
def held(store: GatedStore, engine: LocalEngine, call: Call = Call.WRITE) -> Iterator[Future[Committed]]:
    """While a commit of its own waits at the gate; what is submitted meanwhile becomes the next group."""
    store.shut(call)
    first = engine.submit(transaction(900, Write(SMALL, value("held", "text/plain"))))
    store.await_arrival(call)
    try:
        yield first
    finally:
        store.lift(call)


def submit_as_group(
    store: GatedStore, engine: LocalEngine, commits: Sequence[Commit]
) -> list[Future[Committed]]:
    """Commits that are written together; one commit of another id comes before them."""
    with held(store, engine) as first:
        futures = [engine.submit(commit) for commit in commits]
    first.result(WAIT_S)
    return futures
