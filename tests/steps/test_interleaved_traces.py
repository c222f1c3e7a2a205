"""Traces, like names, are the same in whatever order things happen at the same time."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import pytest

from statehouse import Statehouse, StepRecord, current_step, step
from statehouse.tracing import attributes as names
from tests.steps.test_interleavings import Turns
from tests.tracing.collected import Collected, collecting, commit_ts, fact, ids, parent

ORDERS = list(itertools.permutations(range(3)))
TREE = {
    "run": "a request",
    "branch#1": "run",
    "branch#1/leaf#1": "branch#1",
    "branch#1/leaf#2": "branch#1",
    "branch#2": "run",
    "branch#2/leaf#1": "branch#2",
    "branch#2/leaf#2": "branch#2",
    "branch#3": "run",
    "branch#3/leaf#1": "branch#3",
    "branch#3/leaf#2": "branch#3",
}
"""What is below what, whoever comes first."""


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """What is made while the test runs."""
    return collecting(monkeypatch)


class Gates:
    """Has the bodies of threads go on in one order, however they were begun."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self._left = list(order)
        self._gates = [threading.Event() for _ in order]
        self.open()

    def open(self) -> None:
        """Lets the next one go on."""
        if self._left:
            self._gates[self._left.pop(0)].set()

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """A body's turn; the next one's comes when it is over."""
        assert self._gates[number].wait(10)
        yield
        self.open()


def tree(spans: Collected) -> dict[str, str]:
    """Of each span of a run or step: which one it is below."""
    called = {
        ids(span)[1]: fact(span, names.STEP_PATH)
        or ("run" if span.name.startswith("invoke_agent") else span.name)
        for span in spans.settled().all
        if span.name != "commit"
    }
    return {
        called[ids(span)[1]]: called[parent(span)]
        for span in spans.all
        if span.name.startswith(("step ", "invoke_agent"))
    }


def agrees(spans: Collected, sh: Statehouse, records: list[StepRecord]) -> None:
    """One trace, in that shape; spans, records and commits have the same ids."""
    assert tree(spans) == TREE
    assert len({ids(span)[0] for span in spans.all}) == 1
    made = {fact(span, names.STEP_PATH): span for span in spans.all if span.name.startswith("step ")}
    assert {each.path: (each.trace_id, each.span_id, each.commit_ts) for each in records} == {
        path: (*ids(span), commit_ts(span)) for path, span in made.items()
    }
    assert {each.path: each.parent_span_id for each in records} == {
        path: parent(span) for path, span in made.items()
    }
    for record in records:
        (event,) = sh.find_events(span_id=record.span_id)
        assert (event.commit_ts, event.origin.step) == (record.commit_ts, record.path)


@step
async def leaf(number: int) -> str:
    """Says where it is."""
    await asyncio.sleep(0)
    return current_step().path


async def gathered(work: Callable[[int], Any]) -> None:
    await asyncio.gather(*[work(number) for number in range(3)])


async def grouped(work: Callable[[int], Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(work(number))


async def as_completed(work: Callable[[int], Any]) -> None:
    for each in asyncio.as_completed([work(number) for number in range(3)]):
        await each


async def in_an_executor(work: Callable[[int], Any]) -> None:
    """Each in a thread and a loop of its own, as frameworks do that mix the colours."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(3) as pool:
        calls = [work(number) for number in range(3)]
        await asyncio.gather(
            *[loop.run_in_executor(pool, copy_context().run, asyncio.run, _awaited(call)) for call in calls]
        )


async def _awaited(call: Any) -> Any:
    return await call


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("how", [gathered, grouped, as_completed])
def test_tasks_make_one_trace_in_whatever_order_they_go_on(
    spans: Collected, memory: Statehouse, how: Callable[[Callable[[int], Any]], Any], order: tuple[int, ...]
) -> None:
    async def main() -> list[StepRecord]:
        turns = Turns(list(order))

        @step
        async def branch(number: int) -> list[str]:
            await turns.wait(number)
            return [await leaf(1), await leaf(2)]

        async with memory.aio.run("r-1", agent_id="a") as run:
            await how(branch)
            return await run.steps()

    with spans.tracer.start_as_current_span("a request"):
        records = asyncio.run(main())
    agrees(spans, memory, records)


def pooled(pool: Executor, calls: list[Callable[[], Any]]) -> None:
    list(pool.map(lambda call: call(), calls))


def submitted(pool: Executor, calls: list[Callable[[], Any]]) -> None:
    futures: list[Future[Any]] = [pool.submit(call) for call in calls]
    for future in reversed(futures):
        future.result()


def run_in_executor(pool: Executor, calls: list[Callable[[], Any]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*[loop.run_in_executor(pool, call) for call in calls])

    asyncio.run(main())


def threads(_: Executor, calls: list[Callable[[], Any]]) -> None:
    started = [threading.Thread(target=call) for call in calls]
    for each in started:
        each.start()
    for each in started:
        each.join()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("how", [pooled, submitted, run_in_executor, threads])
def test_threads_make_one_trace_in_whatever_order_they_go_on(
    spans: Collected,
    memory: Statehouse,
    how: Callable[[Executor, list[Callable[[], Any]]], None],
    order: tuple[int, ...],
) -> None:
    gates = Gates(order)

    @step(name="leaf")
    def plain_leaf(number: int) -> str:
        return current_step().path

    @step
    def branch(number: int) -> list[str]:
        with gates.turn(number):
            return [plain_leaf(1), plain_leaf(2)]

    with (
        spans.tracer.start_as_current_span("a request"),
        memory.run("r-1", agent_id="a") as run,
        ThreadPoolExecutor(3) as pool,
    ):
        how(pool, [branch.bind(number) for number in range(3)])
        records = run.steps()
    agrees(spans, memory, records)


@pytest.mark.parametrize("order", ORDERS)
def test_what_a_step_hands_to_a_pool_is_below_it(
    spans: Collected, memory: Statehouse, order: tuple[int, ...]
) -> None:
    gates = Gates(order)

    @step(name="leaf")
    def child(number: int) -> str:
        with gates.turn(number):
            return current_step().path

    @step
    def branch() -> list[str]:
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(lambda call: call(), [child.bind(number) for number in range(3)]))

    with spans.tracer.start_as_current_span("a request"), memory.run("r-1", agent_id="a"):
        assert branch() == [f"branch#1/leaf#{number}" for number in (1, 2, 3)]
    assert tree(spans) == {
        "run": "a request",
        "branch#1": "run",
        **{f"branch#1/leaf#{number}": "branch#1" for number in (1, 2, 3)},
    }


@pytest.mark.parametrize("order", ORDERS)
def test_awaited_steps_in_threads_with_loops_of_their_own_make_one_trace(
    spans: Collected, memory: Statehouse, order: tuple[int, ...]
) -> None:
    gates = Gates(order)

    @step
    async def branch(number: int) -> list[str]:
        with gates.turn(number):
            return [await leaf(1), await leaf(2)]

    async def main() -> list[StepRecord]:
        async with memory.aio.run("r-1", agent_id="a") as run:
            await in_an_executor(branch)
            return await run.steps()

    with spans.tracer.start_as_current_span("a request"):
        records = asyncio.run(main())
    agrees(spans, memory, records)


@pytest.mark.parametrize("order", ORDERS)
def test_a_run_that_is_resumed_in_another_order_has_the_same_tree(
    spans: Collected, memory: Statehouse, order: tuple[int, ...]
) -> None:
    async def main(order: list[int]) -> None:
        turns = Turns(order)

        @step
        async def branch(number: int) -> list[str]:
            await turns.wait(number)
            return [await leaf(1), await leaf(2)]

        async with memory.aio.run("r-1", agent_id="a"):
            await gathered(branch)

    with spans.tracer.start_as_current_span("a request"):
        asyncio.run(main([0, 1, 2]))
    first = len(spans.all)
    with spans.tracer.start_as_current_span("a request"):
        asyncio.run(main(list(order)))
    again = [fact(span, names.STEP_PATH) for span in spans.all[first:] if span.name.startswith("step ")]
    # Their children are not called: what they gave is recorded.
    assert sorted(again) == ["branch#1", "branch#2", "branch#3"]
    assert tree(spans) == TREE
