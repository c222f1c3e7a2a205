"""Spans that other libraries make inside a step say which one."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from statehouse.otel import StepSpanProcessor
from statehouse.tracing import attributes as names
from statehouse.tracing.current import Active, use_active


def made(active: Active | None, **said: str) -> dict[str, object]:
    """What a span that is made while a step runs has in the end."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(StepSpanProcessor())
    with use_active(active):
        span = provider.get_tracer("a library").start_span("chat", attributes=said)
    span.end()
    assert isinstance(span, ReadableSpan)
    return dict(span.attributes or {})


def test_a_span_within_a_step_says_run_step_and_what_it_sees() -> None:
    assert made(Active("r", "plan#1/search#2", 1000, "planner")) == {
        names.RUN_ID: "r",
        names.STEP_PATH: "plan#1/search#2",
        names.READ_TS: 1000,
        names.AGENT_ID: "planner",
    }


def test_what_is_not_known_is_left_out() -> None:
    assert made(Active("r")) == {names.RUN_ID: "r"}


def test_a_step_that_read_the_empty_store_has_seen_commit_0() -> None:
    assert made(Active("r", "s#1", 0))[names.READ_TS] == 0


def test_a_span_outside_of_steps_is_left_alone() -> None:
    assert made(None, model="small") == {"model": "small"}


def test_what_a_span_says_itself_stays() -> None:
    said = made(Active("r", "s#1", 7), **{names.RUN_ID: "its own"})
    assert said[names.RUN_ID] == "its own"
    assert said[names.READ_TS] == 7
