"""`configure` sets an SDK up, as the standard variables say, and leaves one that is there alone."""

from __future__ import annotations

import io

import opentelemetry.trace
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from statehouse import InvalidArgumentError, Statehouse
from statehouse.otel import configure
from statehouse.tracing import attributes as names
from statehouse.tracing.current import Active, use_active
from tests.otel.receiver import Receiver, facts, receiving, receiving_grpc

pytestmark = pytest.mark.usefixtures("unconfigured")


def commit_once(service: str, receiver: Receiver) -> None:
    """A commit, whose span arrives and leads back to it."""
    provider = configure(service_name=service)
    with Statehouse("memory:") as sh:
        sh.write("k", 1, agent_id="a")
        assert provider.force_flush()
        [span] = receiver.wait_for_spans(service, 1)
        [event] = sh.find_events(trace_id=span.trace_id.hex())
    assert facts(span.attributes)[names.COMMIT_TS] == event.commit_ts
    assert event.origin.span_id == span.span_id.hex()


def test_spans_arrive_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        commit_once("research", receiver)


def test_spans_arrive_over_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving_grpc() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        commit_once("research", receiver)


def test_a_variable_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    assert configure("none", service_name="other").resource.attributes["service.name"] == "mine"


def test_a_variable_names_the_service_among_other_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,team=blue")
    said = configure("none", service_name="other").resource.attributes
    assert (said["service.name"], said["team"]) == ("mine", "blue")


def test_a_variable_chooses_where_spans_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    out = io.StringIO()
    configure(out=out)
    with Statehouse("memory:") as sh:
        sh.write("k", 1, agent_id="a")
    assert f'"{names.COMMIT_TS}": 1' in out.getvalue()


def test_an_exporter_of_the_callers_is_used() -> None:
    kept = InMemorySpanExporter()
    provider = configure(kept)
    with Statehouse("memory:") as sh:
        sh.write("k", 1, agent_id="a")
    assert provider.force_flush()
    assert [span.name for span in kept.get_finished_spans()] == ["commit"]


def test_an_sdk_that_is_there_stays_and_its_spans_are_marked() -> None:
    own = TracerProvider()
    opentelemetry.trace.set_tracer_provider(own)
    assert configure("none") is own
    assert configure("none") is own
    with (
        use_active(Active("r", "plan#1", 7)),
        own.get_tracer("t").start_as_current_span("model call") as span,
    ):
        pass
    assert getattr(span, "attributes", {})[names.RUN_ID] == "r"


def test_the_variable_that_turns_it_off_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    out = io.StringIO()
    configure("console", out=out)
    with Statehouse("memory:") as sh:
        sh.write("k", 1, agent_id="a")
        assert sh.get_state("k", agent_id="a").value == 1
    assert out.getvalue() == ""


def test_an_exporter_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="otlp, console, none"):
        configure("jaeger")  # type: ignore[arg-type]


def test_a_protocol_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon")
    with pytest.raises(InvalidArgumentError, match="carrier-pigeon"):
        configure()
