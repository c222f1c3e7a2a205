"""What an origin leaves empty is taken from the current span and step, and never half of a pair."""

from __future__ import annotations

import pytest
from opentelemetry import context, trace

from statehouse import Origin, Statehouse, current_origin, use_origin
from statehouse.tracing.current import Active, current_active, set_active, use_active
from tests.tracing.collected import Collected, ids

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_outside_of_spans_and_steps_the_origin_is_empty() -> None:
    assert not current_origin()


def test_a_commit_made_in_a_span_has_its_ids(spans: Collected) -> None:
    with Statehouse("memory:") as sh:
        with spans.tracer.start_as_current_span("work"):
            sh.write("k", 1, agent_id="a")
        [event] = sh.find_events(trace_id=ids(spans.one("work"))[0])
    assert (event.origin.trace_id, event.origin.span_id) == ids(spans.one("work"))


def test_a_span_that_is_not_sampled_has_valid_ids() -> None:
    remote = trace.SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=True)
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(remote)))
    try:
        assert current_origin() == Origin(TRACE, SPAN)
    finally:
        context.detach(token)


def test_what_use_origin_says_wins_and_the_rest_is_filled_in(spans: Collected) -> None:
    origin = Origin(run_id="r", attributes={"model": "small"})
    with spans.tracer.start_as_current_span("work"), use_origin(origin):
        found = current_origin()
    assert found == Origin(*ids(spans.one("work")), run_id="r", attributes={"model": "small"})


def test_an_origin_of_another_trace_does_not_get_this_ones_span(spans: Collected) -> None:
    with spans.tracer.start_as_current_span("work"), use_origin(Origin(trace_id=TRACE)):
        assert current_origin() == Origin(trace_id=TRACE)


def test_an_origin_of_this_trace_gets_its_span(spans: Collected) -> None:
    with spans.tracer.start_as_current_span("work") as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
        with use_origin(Origin(trace_id=trace_id)):
            found = current_origin()
    assert (found.trace_id, found.span_id) == ids(spans.one("work"))


def test_a_span_without_a_trace_is_not_put_into_this_one(spans: Collected) -> None:
    with spans.tracer.start_as_current_span("work"), use_origin(Origin(span_id=SPAN)):
        assert current_origin() == Origin(span_id=SPAN)


def test_an_origin_given_to_a_call_is_completed_too(spans: Collected) -> None:
    outer = Origin(run_id="outer", step="x")
    with Statehouse("memory:") as sh, spans.tracer.start_as_current_span("work"), use_origin(outer):
        tx = sh.begin_transaction(origin=Origin(agent_id="me"))
    assert tx.origin == Origin(*ids(spans.one("work")), agent_id="me")


def test_the_running_step_fills_in_run_step_and_agent() -> None:
    with use_active(Active("r", "plan#1", 7, "planner")):
        assert current_origin() == Origin(run_id="r", step="plan#1", agent_id="planner")
        with use_origin(Origin(agent_id="me")):
            assert current_origin() == Origin(run_id="r", step="plan#1", agent_id="me")
    assert not current_origin()


@pytest.mark.parametrize("origin", [Origin(run_id="other"), Origin(step="by-hand")])
def test_run_and_step_are_never_mixed_from_two_places(origin: Origin) -> None:
    with use_active(Active("r", "plan#1")), use_origin(origin):
        assert current_origin() == origin


def test_a_step_can_learn_what_it_reads_as_of() -> None:
    with use_active(Active("r", "plan#1")):
        set_active(Active("r", "plan#1", 9))
        active = current_active()
    assert active == Active("r", "plan#1", 9)
    assert current_active() is None
