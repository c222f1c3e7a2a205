"""Steps, against bare commits of the records that they write; what a resume costs; a long conversation."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.baselines.durable_steps import dbos
from benchmarks.baselines.tasks import langgraph
from benchmarks.daemon import daemon
from benchmarks.measure import Benchmark, Sides
from benchmarks.values import Values, encoded_size
from benchmarks.workspace import Workspace, size_bytes
from statehouse import Origin, Statehouse, StatehouseAsync, step

_AGENT = "planner"
_RECORDS = "default.runs"
_IN_FLIGHT = 32


@step
def nothing() -> None:
    """Does nothing."""


@step
async def nothing_awaited() -> None:
    """Does nothing, in the other colour."""


@step
def reply(conversation: list[dict[str, Any]]) -> dict[str, Any]:
    """A model that is sent the whole conversation, and answers with random text."""
    return Values(len(conversation)).document(1024)


def _run_of(statehouse: Statehouse, count: int) -> tuple[float, str]:
    """Runs so many steps; gives microseconds a step, and the run."""
    with statehouse.run(agent_id=_AGENT) as run:
        began = time.perf_counter()
        for _ in range(count):
            nothing()
        return (time.perf_counter() - began) / count * 1e6, run.run_id


def _record_of(statehouse: Statehouse) -> Any:
    _, run_id = _run_of(statehouse, 1)
    return statehouse.get_state("step/nothing#1", agent_id=run_id, namespace=_RECORDS).value


@contextmanager
def _empty(workspace: Workspace) -> Iterator[Sides]:
    count = workspace.scaled(3000)
    with ExitStack() as stack:
        path = stack.enter_context(workspace.directory("steps"))
        statehouse = stack.enter_context(Statehouse(f"file:{path}", durability="none"))
        record, numbers = _record_of(statehouse), itertools.count()

        def theirs() -> float:
            agent = statehouse.agent(f"bare-{next(numbers)}", namespace=_RECORDS)
            began = time.perf_counter()
            for number in range(count):
                origin = Origin(run_id=agent.agent_id, step=f"nothing#{number}", agent_id=_AGENT)
                agent.write(f"step/nothing#{number}", record, if_version=0, origin=origin)
            return (time.perf_counter() - began) / count * 1e6

        yield Sides(lambda: _run_of(statehouse, count)[0], theirs)


_Peer = Callable[[Path], AbstractContextManager[tuple[Callable[[int], float], str]]]


@contextmanager
def _against(workspace: Workspace, peer: _Peer) -> Iterator[Sides]:
    """Whole runs of steps that do nothing, each step synced on both sides, in microseconds a step."""
    count = workspace.scaled(500)
    with ExitStack() as stack:
        path = stack.enter_context(workspace.directory("steps"))
        statehouse = stack.enter_context(Statehouse(f"file:{path}"))
        theirs, about = stack.enter_context(peer(stack.enter_context(workspace.directory("peer"))))

        def ours() -> float:
            began = time.perf_counter()
            with statehouse.run(agent_id=_AGENT):
                for _ in range(count):
                    nothing()
            return (time.perf_counter() - began) / count * 1e6

        ours()
        theirs(count)
        yield Sides(ours, lambda: theirs(count), lambda: about)


@contextmanager
def _through_the_daemon(workspace: Workspace) -> Iterator[Sides]:
    count = workspace.scaled(100)
    numbers = itertools.count()

    async def run_of(statehouse: StatehouseAsync) -> None:
        async with statehouse.run(agent_id=_AGENT):
            for _ in range(count):
                await nothing_awaited()

    async def bare(statehouse: StatehouseAsync, record: Any) -> None:
        agent = statehouse.agent(f"bare-{next(numbers)}", namespace=_RECORDS)
        for number in range(count):
            origin = Origin(run_id=agent.agent_id, step=f"nothing#{number}", agent_id=_AGENT)
            await agent.write(f"step/nothing#{number}", record, if_version=0, origin=origin)

    async def per_second(address: str, record: Any) -> float:
        async with StatehouseAsync(address) as statehouse:
            work = [
                run_of(statehouse) if record is None else bare(statehouse, record) for _ in range(_IN_FLIGHT)
            ]
            began = time.perf_counter()
            await asyncio.gather(*work)
            return _IN_FLIGHT * count / (time.perf_counter() - began)

    with ExitStack() as stack:
        address = stack.enter_context(daemon(stack.enter_context(workspace.directory("daemon"))))
        with Statehouse(address) as statehouse:
            record = _record_of(statehouse)
        yield Sides(
            lambda: asyncio.run(per_second(address, None)), lambda: asyncio.run(per_second(address, record))
        )


@contextmanager
def _resumed(workspace: Workspace) -> Iterator[Sides]:
    count = workspace.scaled(10_000)
    with ExitStack() as stack:
        path = stack.enter_context(workspace.directory("resumed"))
        statehouse = stack.enter_context(Statehouse(f"file:{path}", durability="none"))
        last = _run_of(statehouse, 10)

        def ours() -> float:
            began = time.perf_counter()
            with statehouse.run(last[1]):
                for _ in range(count):
                    nothing()
            return time.perf_counter() - began

        def theirs() -> float:
            nonlocal last
            last = _run_of(statehouse, count)
            return last[0] * count / 1e6

        # What is resumed must have run.
        theirs()
        yield Sides(ours, theirs)


@contextmanager
def _conversation(workspace: Workspace) -> Iterator[Sides]:
    put_in = 0

    def ours() -> float:
        nonlocal put_in
        conversation: list[dict[str, Any]] = []
        with workspace.directory("conversation") as path:
            with Statehouse(f"file:{path}", durability="none") as statehouse, statehouse.run(agent_id=_AGENT):
                for _ in range(100):
                    conversation.append(reply(conversation))
            put_in = encoded_size(conversation)
            return size_bytes(path)

    yield Sides(ours, lambda: put_in)


ROWS = (
    Benchmark(
        "step-empty",
        "a step that does nothing, embedded, not synced, time",
        "a bare commit of the same record",
        "us",
        "lower",
        target=2.0,
        floor=3.0,
        prepare=_empty,
    ),
    Benchmark(
        "steps-daemon-32",
        "steps that do nothing, synced, 32 concurrent runs through the daemon, throughput",
        "bare commits through the daemon",
        "ops/s",
        "higher",
        target=0.8,
        floor=0.5,
        prepare=_through_the_daemon,
    ),
    Benchmark(
        "step-dbos",
        "a step that does nothing, embedded, synced, time",
        "@DBOS.step on SQLite",
        "us",
        "lower",
        target=0.4,
        floor=0.8,
        prepare=partial(_against, peer=dbos),
    ),
    Benchmark(
        "step-langgraph",
        "a step that does nothing, embedded, synced, time",
        "LangGraph's @task with SqliteSaver, durability sync",
        "us",
        "lower",
        target=0.4,
        floor=0.8,
        prepare=partial(_against, peer=langgraph),
    ),
    Benchmark(
        "step-resume",
        "resume of a run of 10,000 finished steps, time",
        "running them",
        "s",
        "lower",
        target=0.2,
        floor=0.4,
        prepare=_resumed,
    ),
    Benchmark(
        "step-conversation",
        "bytes after close(), 100 steps that each get the whole conversation, 1 KB more a step",
        "the conversation",
        "bytes",
        "lower",
        target=5.0,
        floor=8.0,
        prepare=_conversation,
    ),
)
