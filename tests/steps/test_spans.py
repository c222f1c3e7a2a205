"""The spans of runs and steps: state, step and trace share their ids."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from statehouse import Statehouse, StepError, current_step, step
from statehouse.tracing import attributes as names
from statehouse.tracing.content import VARIABLE
from tests.steps.colours import Colour, Killed
from tests.steps.conftest import Worker
from tests.tracing.collected import Collected, collecting, commit_ts, fact, ids, parent


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """What is made while the test runs."""
    return collecting(monkeypatch)


def test_a_step_is_a_span_below_that_of_its_run(spans: Collected, sh: Statehouse, colour: Colour) -> None:
    sh.write("x", 1, agent_id="a")

    def work() -> int:
        return int(current_step().state["x"])

    with colour.run(sh) as run:
        colour.step(work)()
        (record,) = run.steps()
    around, span = spans.settled().one("invoke_agent a"), spans.one("step work")
    assert parent(span) == ids(around)[1]
    assert (record.trace_id, record.span_id, record.parent_span_id) == (*ids(span), ids(around)[1])
    facts = {
        names.RUN_ID: "r-1",
        names.STEP_PATH: "work#1",
        names.STEP_STATUS: "executed",
        names.STEP_ATTEMPT: 1,
        names.READ_TS: record.read_ts,
        names.COMMIT_TS: record.commit_ts,
        names.INPUT_HASH: record.input_hash,
        names.CONFLICT_COUNT: 0,
        names.GEN_AI_CONVERSATION_ID: "r-1",
    }
    assert {name: fact(span, name) for name in facts} == facts
    assert fact(around, names.GEN_AI_OPERATION_NAME) == "invoke_agent"


def test_a_span_leads_to_the_commit_of_its_step(spans: Collected, sh: Statehouse, colour: Colour) -> None:
    with colour.run(sh):
        colour.step(lambda: 1, name="work")()
    span = spans.settled().one("step work")
    (event,) = sh.find_events(span_id=ids(span)[1])
    assert (event.commit_ts, event.origin.step) == (commit_ts(span), "work#1")


def test_waiting_for_a_signal_is_a_span_too(spans: Collected, sh: Statehouse, colour: Colour) -> None:
    with colour.run(sh) as run:
        run.signal("approval", "yes")
        assert run.wait_for("approval") == "yes"
        run.now()
        waited, now = run.steps()
    around, span = spans.settled().one("invoke_agent a"), spans.one("step wait:approval")
    assert parent(span) == ids(around)[1]
    assert (waited.span_id, waited.commit_ts) == (ids(span)[1], commit_ts(span))
    # Time and chance take no time.
    assert now.span_id == ids(around)[1]


def test_children_and_bodies_are_below_their_step(
    spans: Collected, memory: Statehouse, colour: Colour
) -> None:
    inner = colour.step(lambda: 1, name="child")

    def around() -> None:
        with spans.tracer.start_as_current_span("a model call"):
            inner()

    with colour.run(memory):
        colour.step(around, name="parent")()
    model = spans.settled().one("a model call")
    assert parent(model) == ids(spans.one("step parent"))[1]
    assert parent(spans.one("step child")) == ids(model)[1]


def test_a_resumed_step_says_that_it_was_recorded_and_made_no_commit(
    spans: Collected, worker: Worker, colour: Colour
) -> None:
    for _ in range(2):
        with colour.run(worker()):
            colour.step(lambda: 1, name="work")()
    first, second = spans.settled().named("step work")
    assert (fact(first, names.STEP_STATUS), fact(second, names.STEP_STATUS)) == ("executed", "recorded")
    assert commit_ts(second) is None


def test_conflicts_are_counted_and_one_commit_is_told(
    spans: Collected, sh: Statehouse, colour: Colour
) -> None:
    def add() -> None:
        state = current_step().state
        total = state.get("total", 0)
        if current_step().attempt == 1:
            sh.write("total", 10, agent_id="a")
        state["total"] = total + 1

    with colour.run(sh):
        colour.step(add)()
    span = spans.settled().one("step add")
    assert (fact(span, names.CONFLICT_COUNT), fact(span, names.STEP_ATTEMPT)) == (1, 2)
    assert commit_ts(span) == sh.get_state("total", agent_id="a").commit_ts


@pytest.mark.parametrize("error", [ValueError("secret"), Killed("secret")])
def test_a_span_ends_with_the_error_and_without_its_text(
    spans: Collected, memory: Statehouse, colour: Colour, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)), colour.run(memory):
        colour.step(fail)()
    for span in (spans.settled().one("step fail"), spans.one("invoke_agent a")):
        assert fact(span, names.ERROR_TYPE) == type(error).__name__
        assert "secret" not in str(span.to_json())


def test_a_cut_off_effect_says_that_it_is_unknown(
    spans: Collected, memory: Statehouse, colour: Colour
) -> None:
    def pay() -> None:
        raise Killed

    paying = colour.step(pay, effect="at_most_once")
    with pytest.raises(Killed), colour.run(memory):
        paying()
    with pytest.raises(StepError), colour.run(memory):
        paying()
    assert fact(spans.settled().named("step pay")[1], names.STEP_STATUS) == "unknown"


@pytest.mark.parametrize("asked_for", [True, False])
def test_values_are_on_spans_only_where_that_was_asked_for(
    spans: Collected, memory: Statehouse, monkeypatch: pytest.MonkeyPatch, asked_for: bool
) -> None:
    monkeypatch.setenv(VARIABLE, "true" if asked_for else "false")

    @step
    def echo(text: str) -> str:
        return text * 5000

    with memory.run(agent_id="a"):
        echo("tea")
    span = spans.settled().one("step echo")
    given, found = fact(span, names.INPUT_VALUE), fact(span, names.OUTPUT_VALUE)
    assert (given, found is not None) == (('{"text":"tea"}', True) if asked_for else (None, False))
    assert len(found or "") <= 8192


def test_a_call_that_was_bound_is_below_where_it_was_bound(spans: Collected, memory: Statehouse) -> None:
    @step
    def work(number: int) -> int:
        return number

    with memory.run(agent_id="a"), ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda call: call(), [work.bind(1), work.bind(2)]))
    around = ids(spans.settled().one("invoke_agent a"))[1]
    assert [parent(each) for each in spans.named("step work")] == [around, around]


def test_gathered_steps_have_a_span_each_below_their_run(spans: Collected, memory: Statehouse) -> None:
    @step
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def main() -> None:
        async with memory.aio.run(agent_id="a"):
            await asyncio.gather(*[work(number) for number in range(3)])

    asyncio.run(main())
    around = ids(spans.settled().one("invoke_agent a"))[1]
    assert [parent(each) for each in spans.named("step work")] == [around] * 3


def test_cancelled_and_thrown_away_steps_end_their_spans(spans: Collected, memory: Statehouse) -> None:
    @step
    async def slow() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with memory.aio.run(agent_id="a"):
            tasks: list[asyncio.Task[Any]] = [asyncio.create_task(_await(slow())) for _ in range(2)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            await asyncio.gather(tasks[0], return_exceptions=True)
            abandoned = slow()
            abandoned.send(None)
            abandoned.close()
            tasks[1].cancel()
            await asyncio.gather(tasks[1], return_exceptions=True)

    asyncio.run(main())
    assert len(spans.settled().named("step slow")) == 3


async def _await(work: Any) -> None:
    await work
