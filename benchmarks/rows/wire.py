"""What goes through the daemon, against gRPC calls that do nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc.aio

from benchmarks.baselines import empty_calls
from benchmarks.baselines.batches import Batches
from benchmarks.capture import FAMILIES
from benchmarks.daemon import daemon
from benchmarks.measure import Benchmark, Figure, Sides
from benchmarks.rows.commits import captured
from benchmarks.values import Values
from benchmarks.workspace import Workspace, copy_store
from statehouse import Statehouse, StatehouseAsync
from statehouse._generated import statehouse_pb2 as pb
from statehouse._generated import statehouse_pb2_grpc as stubs

AGENT = "planner"
KEYS = 1000
IN_FLIGHT = 32
_VALUE_BYTES = 200
_CALLS = 2000
_REPLAYED = (1000, 100_000)

Work = Callable[[StatehouseAsync, int], Awaitable[object]]
"""Does something for the so-manieth time."""


def key(number: int) -> str:
    """One of the keys there are."""
    return f"key-{number % KEYS:04d}"


def fill(address: str) -> None:
    """Gives every key a value."""
    values = Values(6)
    with Statehouse(address) as statehouse, statehouse.agent(AGENT).transaction() as transaction:
        for number in range(KEYS):
            transaction.write(key(number), values.document(_VALUE_BYTES))


async def read(statehouse: StatehouseAsync, number: int) -> None:
    """Reads one key."""
    await statehouse.get_state(key(number), agent_id=AGENT)


def commits(writes: int) -> Work:
    """Commits so many writes."""
    document = Values(7).document(_VALUE_BYTES)

    async def commit(statehouse: StatehouseAsync, number: int) -> None:
        async with statehouse.agent(AGENT).transaction() as transaction:
            for nth in range(writes):
                transaction.write(key(number * writes + nth), document)

    return commit


def per_second(address: str, work: Work, count: int, *, in_flight: int) -> float:
    """Has the async SDK do something so often, some of it at once, and says how often in a second."""

    async def measured() -> float:
        async with StatehouseAsync(address) as statehouse:
            numbers = iter(range(count))

            async def some() -> None:
                for number in numbers:
                    await work(statehouse, number)

            await work(statehouse, 0)
            began = time.perf_counter()
            await asyncio.gather(*[some() for _ in range(in_flight)])
            return count / (time.perf_counter() - began)

    return asyncio.run(measured())


def _by_threads(address: str, count: int) -> float:
    """As `per_second`: reads, by threads of the sync SDK."""
    ready = threading.Barrier(IN_FLIGHT + 1)
    with Statehouse(address) as statehouse:
        agent = statehouse.agent(AGENT)

        def some(first: int) -> None:
            agent.get_state(key(first))
            ready.wait()
            for number in range(first, count, IN_FLIGHT):
                agent.get_state(key(number))

        threads = [threading.Thread(target=some, args=(first,)) for first in range(IN_FLIGHT)]
        for thread in threads:
            thread.start()
        ready.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        return count / (time.perf_counter() - began)


def _foreign(address: str, count: int) -> float:
    """As `per_second`: reads, by a client of the specification's own calls."""

    async def measured() -> float:
        async with grpc.aio.insecure_channel(address) as channel:
            get: Any = stubs.StatehouseServiceStub(channel).GetState
            numbers = iter(range(count))

            async def some() -> None:
                for number in numbers:
                    await get(pb.GetStateRequest(namespace="default", agent_id=AGENT, key=key(number)))

            await get(pb.GetStateRequest(namespace="default", agent_id=AGENT, key=key(0)))
            began = time.perf_counter()
            await asyncio.gather(*[some() for _ in range(IN_FLIGHT)])
            return count / (time.perf_counter() - began)

    return asyncio.run(measured())


@contextmanager
def _against_empty_calls(
    workspace: Workspace, ours: Callable[[str, int], float], *, factor: int = 1, in_flight: int = IN_FLIGHT
) -> Iterator[Sides]:
    """Ours, in operations a second, against empty calls; ours does `factor` times as many of them."""
    calls = workspace.scaled(_CALLS)
    with ExitStack() as stack:
        address = stack.enter_context(daemon(stack.enter_context(workspace.directory("daemon"))))
        empty = stack.enter_context(empty_calls.serving())
        fill(address)
        yield Sides(
            lambda: ours(address, calls * factor),
            lambda: empty_calls.calls_per_second(empty, calls, in_flight=in_flight),
        )


@contextmanager
def _alone(workspace: Workspace) -> Iterator[Sides]:
    """One read at a time, in microseconds."""
    ours = lambda address, count: per_second(address, read, count, in_flight=1)  # noqa: E731 - it has one line
    with _against_empty_calls(workspace, ours, in_flight=1) as sides:
        theirs = sides.theirs
        assert theirs is not None
        yield Sides(lambda: 1e6 / sides.ours(), lambda: 1e6 / theirs())


@contextmanager
def _one_commit(workspace: Workspace) -> Iterator[Sides]:
    """One synced commit at a time, against an empty call and a bare synced write of the same rows."""
    count = workspace.scaled(500)
    batches = captured(workspace, 1, count)
    with ExitStack() as stack:
        address = stack.enter_context(daemon(stack.enter_context(workspace.directory("daemon"))))
        empty = stack.enter_context(empty_calls.serving())
        bare = Batches(stack.enter_context(workspace.directory("theirs")), FAMILIES)
        stack.callback(bare.close)
        fill(address)

        def theirs() -> float:
            call = 1e6 / empty_calls.calls_per_second(empty, count, in_flight=1)
            return call + 1e6 / bare.run(batches, sync=True)

        yield Sides(lambda: 1e6 / per_second(address, commits(1), count, in_flight=1), theirs)


@contextmanager
def _replaying(workspace: Workspace, events: int) -> Iterator[Sides]:
    """The replay of an agent through a daemon, and embedded, in milliseconds."""
    events = workspace.scaled(events)
    with ExitStack() as stack:
        ours = stack.enter_context(workspace.directory("daemon"))
        theirs = stack.enter_context(workspace.directory("embedded"))
        values = Values(8)
        with Statehouse(f"file:{ours}", durability="none") as statehouse:
            agent = statehouse.agent(AGENT)
            for number in range(events):
                agent.write(key(number), values.document(_VALUE_BYTES))
        copy_store(ours, theirs)
        address = stack.enter_context(daemon(ours))
        remote = stack.enter_context(Statehouse(address))
        embedded = stack.enter_context(Statehouse(f"file:{theirs}"))

        def replay(statehouse: Statehouse) -> Figure:
            def milliseconds() -> float:
                began = time.perf_counter()
                seen = sum(len(event.operations) for event in statehouse.agent(AGENT).replay())
                took = time.perf_counter() - began
                assert seen == events, f"{seen} operations were replayed"
                return took * 1e3

            milliseconds()
            return milliseconds

        yield Sides(replay(remote), replay(embedded))


ROWS = (
    Benchmark(
        "foreign-get-state",
        "daemon: unary GetState by another client, 32 in flight, throughput",
        "empty unary calls, 32 in flight",
        "ops/s",
        "higher",
        target=0.85,
        floor=0.70,
        prepare=lambda workspace: _against_empty_calls(workspace, _foreign),
    ),
    Benchmark(
        "daemon-get-state-1",
        "daemon: get_state, async SDK, 1 in flight, time",
        "an empty unary call",
        "us",
        "lower",
        target=0.65,
        floor=0.90,
        prepare=_alone,
    ),
    Benchmark(
        "daemon-get-state-32",
        "daemon: get_state, async SDK, 32 in flight, throughput",
        "empty unary calls, 32 in flight",
        "ops/s",
        "higher",
        target=6.0,
        floor=3.5,
        prepare=lambda workspace: _against_empty_calls(
            workspace, lambda address, count: per_second(address, read, count, in_flight=IN_FLIGHT), factor=5
        ),
    ),
    Benchmark(
        "daemon-get-state-threads",
        "daemon: get_state, 32 threads of the sync SDK, throughput",
        "empty unary calls, 32 in flight",
        "ops/s",
        "higher",
        target=3.0,
        floor=2.0,
        prepare=lambda workspace: _against_empty_calls(workspace, _by_threads, factor=4),
    ),
    Benchmark(
        "daemon-commit-32",
        "daemon: commit of 1 write, synced, async SDK, 32 in flight, throughput",
        "empty unary calls, 32 in flight",
        "ops/s",
        "higher",
        target=3.0,
        floor=1.8,
        prepare=lambda workspace: _against_empty_calls(
            workspace,
            lambda address, count: per_second(address, commits(1), count, in_flight=IN_FLIGHT),
            factor=3,
        ),
    ),
    Benchmark(
        "daemon-commit-1",
        "daemon: commit of 1 write, synced, 1 client, time",
        "an empty unary call + a bare synced write",
        "us",
        "lower",
        target=0.9,
        floor=1.3,
        prepare=_one_commit,
    ),
    *[
        Benchmark(
            f"daemon-replay-{events}",
            f"daemon: replay of {events:,} events, time",
            "the same, embedded",
            "ms",
            "lower",
            target=3.0,
            floor=6.0,
            prepare=lambda workspace, events=events: _replaying(workspace, events),  # type: ignore[misc]
        )
        for events in _REPLAYED
    ],
)
