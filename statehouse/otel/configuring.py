"""An SDK for programs that have none: where spans go, and what they say about the program."""

from __future__ import annotations

import os
import threading
import weakref
from typing import IO, Final, Literal

from opentelemetry import trace
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
)

from statehouse._version import __version__
from statehouse.errors import InvalidArgumentError
from statehouse.otel.stamping import StepSpanProcessor

Exporter = Literal["otlp", "console", "none"]

_EXPORTERS: Final = ("otlp", "console", "none")
_HTTP: Final = "http/protobuf"
_lock = threading.Lock()
_marked: weakref.WeakSet[TracerProvider] = weakref.WeakSet()


def configure(
    exporter: Exporter | SpanExporter | None = None,
    *,
    service_name: str | None = None,
    out: IO[str] | None = None,
) -> TracerProvider:
    """Sets OpenTelemetry up, so that spans are made and sent, and gives what makes them.

    The standard variables say where to: ``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_EXPORTER_OTLP_PROTOCOL``
    (``http/protobuf``, or ``grpc``), ``OTEL_EXPORTER_OTLP_HEADERS`` and all the others of the SDK; without
    them, to port 4318 of this machine. ``OTEL_SDK_DISABLED=true`` turns all of it off.

    Spans leave in batches, from a thread; what is left when the program ends leaves then.
    A program whose SDK is set up already keeps it, as it is; its spans are marked from then on.

    Args:
        exporter: ``otlp``; ``console``, to see spans as they end; ``none``; an exporter of the caller's; or
            None for what ``OTEL_TRACES_EXPORTER`` says, or ``otlp``.
        service_name: What the program is called, unless ``OTEL_SERVICE_NAME`` says so.
        out: Where ``console`` writes; None for stdout.

    Returns:
        What makes the spans: `force_flush` sends what waits.

    Raises:
        InvalidArgumentError: There is no such exporter, or protocol.
    """
    chosen = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp" if exporter is None else exporter
    if isinstance(chosen, str) and chosen not in _EXPORTERS:
        raise InvalidArgumentError(f"exporter must be one of {', '.join(_EXPORTERS)}, not {chosen!r:.80}")
    with _lock:
        provider = trace.get_tracer_provider()
        if not isinstance(provider, TracerProvider):
            provider = TracerProvider(resource=resource(service_name or "statehouse"))
            _export(provider, chosen, out)
            trace.set_tracer_provider(provider)
        if provider not in _marked:
            _marked.add(provider)
            provider.add_span_processor(StepSpanProcessor())
    return provider


def _export(provider: TracerProvider, chosen: str | SpanExporter, out: IO[str] | None) -> None:
    match chosen:
        case "none":
            return
        case "console":
            console = ConsoleSpanExporter() if out is None else ConsoleSpanExporter(out=out)
            provider.add_span_processor(SimpleSpanProcessor(console))
        case SpanExporter():
            provider.add_span_processor(BatchSpanProcessor(chosen))
        case _:
            provider.add_span_processor(BatchSpanProcessor(otlp_spans()))


def resource(service_name: str) -> Resource:
    """Gives what is said about this program with every span; what variables say wins."""
    said = Resource.create()
    version = said.attributes.get(SERVICE_VERSION) or __version__
    named = os.environ.get("OTEL_SERVICE_NAME") or f"{SERVICE_NAME}=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    more = {SERVICE_VERSION: version} if named else {SERVICE_VERSION: version, SERVICE_NAME: service_name}
    return said.merge(Resource(more))


def _protocol(signal: str) -> str:
    found = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    protocol = (found or _HTTP).strip()
    if protocol not in (_HTTP, "grpc"):
        raise InvalidArgumentError(f"the protocol of OTLP must be {_HTTP} or grpc, not {protocol!r:.80}")
    return protocol


def otlp_spans() -> SpanExporter:
    """Gives what sends spans, as the standard variables say.

    Raises:
        InvalidArgumentError: They name no protocol.
    """
    if _protocol("TRACES") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc

        return grpc.OTLPSpanExporter()
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as http

    return http.OTLPSpanExporter()


def otlp_metrics() -> MetricExporter:
    """Gives what sends metrics, as the standard variables say.

    Raises:
        InvalidArgumentError: They name no protocol.
    """
    if _protocol("METRICS") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc

        return grpc.OTLPMetricExporter()
    from opentelemetry.exporter.otlp.proto.http import metric_exporter as http

    return http.OTLPMetricExporter()


def console_metrics(out: IO[str]) -> MetricExporter:
    """Gives what writes metrics, for people."""
    return ConsoleMetricExporter(out=out)
