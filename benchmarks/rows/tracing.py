"""What tracing costs a program that has no SDK: a commit with it, against the same commit without it."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.measure import Benchmark, Sides
from benchmarks.values import Values
from benchmarks.workspace import Workspace
from statehouse import Statehouse, Transaction
from statehouse.client.connection import Connection
from statehouse.client.transactions import TransactionLogic
from statehouse.protocol.origin import NO_ORIGIN, Origin
from statehouse.tracing import TracedEngine
from statehouse.tracing.origin import origin_for

_BLOCKS = 150
_BLOCK_COMMITS = 50
_KEYS = 1000
_VALUE_BYTES = 200
_AGENT = "planner"


def _begin(connection: Connection, origin: Origin) -> Transaction:
    logic = TransactionLogic(
        connection, namespace="default", agent_id=_AGENT, timeout=None, origin=origin, txn_id=None
    )
    return Transaction(logic)


class _Pairs:
    """Both sides of a round, in turns of a few milliseconds and by the thread's own time.

    What is looked for is a hundredth, which is lost where a row is measured for a second, or where others are
    at work. A commit that is not synced is made by the thread that asks for it.
    """

    def __init__(self, connection: Connection, blocks: int) -> None:
        self._connection = connection
        self._traced = connection.engine
        assert isinstance(self._traced, TracedEngine)
        self._bare = self._traced.engine
        self._value = Values(5).document(_VALUE_BYTES)
        self._blocks = blocks
        self._at = 0
        self._theirs = 0.0

    def ours(self) -> float:
        """Measures both, and gives ours: microseconds a commit."""
        ours, theirs = [], []
        for _ in range(self._blocks):
            self._connection.engine = self._traced
            ours.append(self._block(lambda: origin_for(None)))
            self._connection.engine = self._bare
            theirs.append(self._block(lambda: NO_ORIGIN))
        self._connection.engine = self._traced
        self._theirs = statistics.median(theirs)
        return statistics.median(ours)

    def theirs(self) -> float:
        """Gives the other one."""
        return self._theirs

    def _block(self, origin: Callable[[], Origin]) -> float:
        keys = [f"key-{(self._at + n) % _KEYS:04d}" for n in range(_BLOCK_COMMITS)]
        self._at += _BLOCK_COMMITS
        began = time.thread_time()
        for key in keys:
            with _begin(self._connection, origin()) as transaction:
                transaction.write(key, self._value)
        return (time.thread_time() - began) / _BLOCK_COMMITS * 1e6


@contextmanager
def _no_sdk(workspace: Workspace) -> Iterator[Sides]:
    # As in a program that has a library which makes spans, and nobody who collects them.
    importlib.import_module("opentelemetry.trace")
    with ExitStack() as stack:
        path = stack.enter_context(workspace.directory("store"))
        statehouse = stack.enter_context(Statehouse(f"file:{path}", durability="none"))
        pairs = _Pairs(statehouse.connection, workspace.scaled(_BLOCKS))
        pairs.ours()
        yield Sides(pairs.ours, pairs.theirs)


ROWS = (
    Benchmark(
        name="tracing-without-sdk",
        what="a commit of 1 write, not synced, with OpenTelemetry's API loaded and no SDK",
        against="the same commit without the tracing code",
        unit="us",
        better="lower",
        target=1.02,
        floor=1.05,
        prepare=_no_sdk,
    ),
)
