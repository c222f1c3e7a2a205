"""Whatever goes wrong under a step, its span ends, and names a commit only if the log has it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from statehouse import (
    ConflictError,
    DeadlineExceededError,
    Event,
    OverloadedError,
    Statehouse,
    StatehouseAsync,
    StatehouseError,
    current_step,
    step,
)
from statehouse.engine import LocalEngine, open_engine
from statehouse.testing.daemon import serving
from statehouse.testing.faults import Call, Fault, FaultStore, Moment, SimulatedCrash, crash, refusal
from statehouse.tracing import attributes as names
from tests.rpc.engines import Held
from tests.steps.colours import Colour
from tests.tracing.collected import Collected, collecting, commit_ts, fact, ids


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """What is made while the test runs."""
    return collecting(monkeypatch)


# At the flush.


def tell(sh: Statehouse, colour: Colour) -> None:
    """Steps of every kind, and a conflict, until the store is gone."""

    def leaf() -> None:
        current_step().state["leaf"] = 1

    child = colour.step(leaf, name="leaf")

    def outer() -> None:
        state = current_step().state
        total = state.get("total", 0)
        if current_step().attempt == 1:
            sh.write("total", 10, agent_id="a")
        child()
        state["total"] = total + 1

    def pay() -> None:
        current_step().state["paid"] = 1

    def refuse() -> None:
        raise ValueError

    with colour.run(sh):
        colour.step(outer, name="outer")()
        colour.step(pay, name="pay", effect="at_most_once")()
        with suppress(ValueError):
            colour.step(refuse, name="refuse")()
        colour.step(pay, name="last")()


def played(colour: Colour, *faults: Fault) -> tuple[FaultStore, LocalEngine]:
    """The program on a store with faults, as far as it comes."""
    store = FaultStore()
    engine = open_engine(store)
    store.arm(*faults)
    with suppress(SimulatedCrash, StatehouseError), Statehouse.from_engine(engine) as sh:
        tell(sh, colour)
    return store, engine


def log_of(engine: LocalEngine) -> dict[int, Event]:
    with Statehouse.from_engine(engine) as sh:
        return {event.commit_ts: event for event in sh.replay(whole_store=True)}


def judge(spans: Collected, first: int, log: dict[int, Event]) -> int:
    """Judges the spans of steps from the first on; gives how many name a commit."""
    spans.settled()
    named = 0
    for span in spans.all[first:]:
        if not span.name.startswith("step "):
            continue
        found = commit_ts(span)
        if found is None:
            # A child that a second attempt calls again is answered from its record.
            assert fact(span, names.ERROR_TYPE) or fact(span, names.STEP_STATUS) == "recorded"
            continue
        origin = log[found].origin
        assert (origin.trace_id, origin.span_id) == ids(span)
        assert origin.step == fact(span, names.STEP_PATH)
        named += 1
    return named


def at_each_call(colour: Colour, *calls: Call) -> list[tuple[Call, int, Moment]]:
    """Both sides of every call of these kinds that the program makes."""
    store, engine = played(colour)
    counted = store.calls.copy()
    engine.close()
    opened = FaultStore()
    open_engine(opened).close()
    return [
        (call, nth, moment)
        for call in calls
        for nth in range(1, counted[call] - opened.calls[call] + 1)
        for moment in Moment
    ]


@pytest.mark.slow
def test_after_a_crash_no_span_of_a_step_names_a_commit_that_is_not_there(
    spans: Collected, colour: Colour
) -> None:
    cases = at_each_call(colour, Call.WRITE, Call.SYNC)
    named = 0
    for case in cases:
        first = len(spans.all)
        store, engine = played(colour, crash(*case))
        with suppress(SimulatedCrash, StatehouseError):
            engine.close()
        named += judge(spans, first, log_of(open_engine(store.after_crash())))
    assert len(cases) > 20
    assert named > len(cases)


@pytest.mark.slow
def test_after_an_error_of_the_disk_no_span_of_a_step_names_a_commit_that_is_not_there(
    spans: Collected, colour: Colour
) -> None:
    cases = at_each_call(colour, Call.WRITE, Call.SYNC)
    named = 0
    for call, nth, moment in cases:
        first = len(spans.all)
        store, engine = played(colour, Fault(call, nth, lambda: RuntimeError("no idea"), moment))
        with suppress(StatehouseError):
            engine.close()
        named += judge(spans, first, log_of(open_engine(store.after_crash())))
    assert named > len(cases)


def test_on_a_full_disk_no_span_of_a_step_names_a_commit(spans: Collected, colour: Colour) -> None:
    cases = {nth for _, nth, _ in at_each_call(colour, Call.WRITE)}
    refused = 0
    for nth in cases:
        first = len(spans.all)
        store, engine = played(colour, refusal(nth, "disk_full"))
        assert store.pending == 0
        judge(spans, first, log_of(engine))
        engine.close()
        errors = [fact(span, names.ERROR_TYPE) for span in spans.all[first:]]
        refused += OverloadedError.__name__ in errors
    assert refused == len(cases)


@pytest.mark.slow
def test_a_commit_that_was_refused_for_a_moment_is_on_the_span_when_it_is_made(
    spans: Collected, memory: Statehouse, colour: Colour
) -> None:
    store = FaultStore()
    engine = open_engine(store)
    with Statehouse.from_engine(engine) as sh:
        with colour.run(sh):
            store.arm(refusal(1, "stall"))
            colour.step(lambda: 1, name="work")()
        assert judge(spans, 0, log_of(engine)) == 1
    engine.close()


# Calls that break off.


@pytest.mark.parametrize("options", [{}, {"effect": "at_most_once"}, {"retries": 3}])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_breaks_a_body_off_ends_its_span_without_a_commit(
    spans: Collected, memory: Statehouse, error: type[BaseException], options: dict[str, Any]
) -> None:
    @step(**options)
    def child() -> None:
        raise error

    @step
    def parent() -> None:
        child()

    with pytest.raises(error), memory.run("r-1", agent_id="a"):
        parent()
    assert spans.open == []
    for name in ("step parent", "step child", "invoke_agent a"):
        assert fact(spans.one(name), names.ERROR_TYPE) == error.__name__
    assert [commit_ts(spans.one(name)) for name in ("step parent", "step child")] == [None, None]


def test_a_step_out_of_time_ends_its_span_with_the_commit_of_its_failure(
    spans: Collected, memory: Statehouse
) -> None:
    go, gone = threading.Event(), threading.Event()

    @step(timeout=0.01)
    def slow() -> None:
        with spans.tracer.start_as_current_span("a model call"):
            go.wait(10)
        gone.set()

    with memory.run("r-1", agent_id="a"), pytest.raises(DeadlineExceededError):
        slow()
    assert spans.open == ["a model call"]
    span = spans.one("step slow")
    go.set()
    assert gone.wait(10)
    assert fact(span, names.ERROR_TYPE) == "DeadlineExceededError"
    (event,) = memory.find_events(span_id=ids(span)[1])
    assert (event.commit_ts, fact(span, names.STEP_STATUS)) == (commit_ts(span), "failed")
    assert spans.open == []


def test_a_step_that_conflicts_for_ever_has_no_commit(
    spans: Collected, memory: Statehouse, colour: Colour
) -> None:
    def add() -> None:
        state = current_step().state
        total = state.get("total", 0)
        memory.write("total", total + 10, agent_id="a")
        state["total"] = total + 1

    with pytest.raises(ConflictError), colour.run(memory):
        colour.step(add, conflict_retries=1)()
    span = spans.settled().one("step add")
    assert (fact(span, names.ERROR_TYPE), fact(span, names.CONFLICT_COUNT)) == ("ConflictError", 2)
    assert commit_ts(span) is None


def asynchronously(sh: Statehouse, body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with sh.aio.run("r-1", agent_id="a"):
            await body()

    asyncio.run(main())


def test_an_awaited_step_out_of_time_ends_its_span_and_that_of_its_child(
    spans: Collected, memory: Statehouse
) -> None:
    @step
    async def child() -> None:
        await asyncio.Event().wait()

    @step(timeout=0.01)
    async def parent() -> None:
        await child()

    async def body() -> None:
        with pytest.raises(DeadlineExceededError):
            await parent()

    asynchronously(memory, body)
    assert spans.open == []
    assert fact(spans.one("step child"), names.ERROR_TYPE) == "CancelledError"
    assert commit_ts(spans.one("step child")) is None
    assert fact(spans.one("step parent"), names.STEP_STATUS) == "failed"


def test_a_step_that_is_cancelled_while_it_waits_to_try_again_ends_its_span(
    spans: Collected, memory: Statehouse
) -> None:
    tried = asyncio.Event()

    @step(retries=1, backoff=3600)
    async def work() -> None:
        tried.set()
        raise OSError

    async def body() -> None:
        task = asyncio.ensure_future(work())
        await tried.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asynchronously(memory, body)
    assert spans.open == []
    assert fact(spans.one("step work"), names.ERROR_TYPE) == "CancelledError"


def test_one_failure_in_a_group_ends_the_spans_of_the_others(spans: Collected, memory: Statehouse) -> None:
    @step
    async def wait() -> None:
        await asyncio.Event().wait()

    @step
    async def fail() -> None:
        raise ValueError

    async def body() -> None:
        async with asyncio.TaskGroup() as group:
            for work in (wait, wait, fail):
                group.create_task(work())

    with pytest.raises(ExceptionGroup):
        asynchronously(memory, body)
    assert spans.open == []
    waited = spans.named("step wait")
    assert [(fact(each, names.ERROR_TYPE), commit_ts(each)) for each in waited] == [
        ("CancelledError", None)
    ] * 2


def test_a_loop_that_ends_with_steps_at_work_ends_their_spans(spans: Collected, memory: Statehouse) -> None:
    tasks: list[asyncio.Task[None]] = []

    @step
    async def work() -> None:
        await asyncio.Event().wait()

    async def body() -> None:
        tasks.append(asyncio.ensure_future(work()))
        await asyncio.sleep(0)

    asynchronously(memory, body)
    assert [task.cancelled() for task in tasks] == [True]
    assert spans.open == []


def test_a_step_whose_commit_is_abandoned_names_none_and_its_commit_says_what_became_of_it(
    spans: Collected,
) -> None:
    held = Held(begun=True)
    engine = held.engine
    engine.when_held = engine.release

    @step
    async def work() -> int:
        return 1

    async def body(sh: StatehouseAsync) -> None:
        async with sh.run("r-1", agent_id="a"):
            engine.when_held = held.held.set
            task = asyncio.ensure_future(work())
            assert await asyncio.to_thread(held.held.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            span = spans.one("step work")
            assert (fact(span, names.ERROR_TYPE), commit_ts(span)) == ("CancelledError", None)
            engine.when_held = engine.release
            engine.release()

    async def main(address: str) -> None:
        async with StatehouseAsync(address) as sh:
            await body(sh)

    with serving(engine, grace_s=0.0) as address:
        asyncio.run(main(address))
    spans.settled()
    with Statehouse.from_engine(engine.inner) as sh:
        (event,) = sh.find_events(span_id=ids(spans.one("step work"))[1])
    assert event.commit_ts in [commit_ts(span) for span in spans.named("commit")]
