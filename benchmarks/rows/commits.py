"""Commits, against writing exactly the rows that they become."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.baselines.batches import Batch, Batches
from benchmarks.capture import FAMILIES, recording_engine
from benchmarks.measure import Benchmark, Figure, Sides
from benchmarks.values import Values
from benchmarks.workspace import Workspace
from statehouse import Agent, Statehouse

_AGENT = "planner"
_KEYS = 1000
_VALUE_BYTES = 200
_CAPTURED = 2000
_THREADS = 64

Written = Sequence[tuple[str, Any]]


class _Work:
    """What is written: for ever the next few of a thousand keys, with values of 200 B."""

    def __init__(self, writes: int) -> None:
        values = Values(4)
        self._pairs = [(f"key-{number:04d}", values.document(_VALUE_BYTES)) for number in range(_KEYS)]
        self._writes = writes
        self._at = 0

    def next(self, count: int) -> list[Written]:
        """What the next commits write."""
        taken: list[Written] = []
        for _ in range(count):
            taken.append(self._pairs[self._at : self._at + self._writes])
            self._at = (self._at + self._writes) % _KEYS
        return taken


def _commit(agent: Agent, commits: Sequence[Written]) -> None:
    for written in commits:
        with agent.transaction() as transaction:
            for key, value in written:
                transaction.write(key, value)


def captured(workspace: Workspace, writes: int, count: int) -> list[Batch]:
    """The batches that so many commits become, once every key has a first version."""
    with workspace.directory("captured") as path:
        engine, store = recording_engine(path)
        try:
            agent = Statehouse.from_engine(engine).agent(_AGENT)
            work = _Work(writes)
            _commit(agent, work.next(_KEYS // writes))
            store.batches.clear()
            _commit(agent, work.next(count))
            return list(store.batches)
        finally:
            engine.close()


@contextmanager
def _sides(
    workspace: Workspace, *, writes: int, sync: bool, threads: int = 1, ours_count: int, theirs_count: int
) -> Iterator[Sides]:
    ours_count, theirs_count = workspace.scaled(ours_count), workspace.scaled(theirs_count)
    batches = captured(workspace, writes, min(theirs_count, _CAPTURED))
    with ExitStack() as stack:
        baseline = Batches(stack.enter_context(workspace.directory("theirs")), FAMILIES)
        stack.callback(baseline.close)
        path = stack.enter_context(workspace.directory("ours"))
        statehouse = stack.enter_context(Statehouse(f"file:{path}", durability="sync" if sync else "none"))
        agent = statehouse.agent(_AGENT)
        work = _Work(writes)
        _commit(agent, work.next(_KEYS // writes))

        def one_thread() -> float:
            commits = work.next(ours_count)
            began = time.perf_counter()
            _commit(agent, commits)
            return len(commits) / (time.perf_counter() - began)

        ours: Figure = one_thread if threads == 1 else lambda: _in_threads(agent, work, threads, ours_count)
        size = sum(len(key) + len(value or b"") for _, key, value in batches[0])
        yield Sides(
            ours,
            lambda: baseline.run(batches, sync=sync),
            lambda: f"{len(batches[0])} rows, {size:,} bytes a commit",
        )


def _in_threads(agent: Agent, work: _Work, threads: int, count: int) -> float:
    """Commits from many threads at once, and says how many they did together in a second."""
    each = max(count // threads, 1)
    shares = [work.next(each) for _ in range(threads)]
    ready = threading.Barrier(threads + 1)
    errors: list[BaseException] = []

    def run(share: Sequence[Written]) -> None:
        ready.wait()
        try:
            _commit(agent, share)
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that measures
            errors.append(error)

    running = [threading.Thread(target=run, args=(share,)) for share in shares]
    for thread in running:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in running:
        thread.join()
    took = time.perf_counter() - began
    if errors:
        raise errors[0]
    return each * threads / took


ROWS = (
    Benchmark(
        "commit-10",
        "commit of 10 writes, not synced, throughput",
        "a WriteBatch of the same rows",
        "ops/s",
        "higher",
        target=0.15,
        floor=0.08,
        prepare=lambda workspace: _sides(
            workspace, writes=10, sync=False, ours_count=1000, theirs_count=2000
        ),
    ),
    Benchmark(
        "commit-1-synced",
        "commit of 1 write, synced, 1 thread, throughput",
        "write + flush_wal(True) of the same rows",
        "ops/s",
        "higher",
        target=0.50,
        floor=0.35,
        prepare=lambda workspace: _sides(workspace, writes=1, sync=True, ours_count=1000, theirs_count=1000),
    ),
    Benchmark(
        "commit-64-threads",
        "commit of 1 write, synced, 64 threads, throughput",
        "write + flush_wal(True) of the same rows, one thread",
        "ops/s",
        "higher",
        target=4.0,
        floor=2.5,
        prepare=lambda workspace: _sides(
            workspace, writes=1, sync=True, threads=_THREADS, ours_count=_THREADS * 64, theirs_count=1000
        ),
    ),
)
