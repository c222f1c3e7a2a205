"""OpenTelemetry's API, if the program has it loaded.

A program that does not have it loaded has no spans, and nobody who collects them. So nothing here loads it,
and without it tracing costs a look at a variable.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_trace: Any = None
_ELSEWHERE: Final = object()


class SpanIds(NamedTuple):
    """A span by its ids, and whether it is recorded: 32 and 16 lower-case hexadecimal digits, and a flag."""

    trace_id: str
    span_id: str
    sampled: bool


def trace_api() -> Any:
    """Gives the module ``opentelemetry.trace``; None if this process has not loaded it."""
    global _trace  # noqa: PLW0603 - found once a process
    if _trace is None and "opentelemetry.trace" in sys.modules:
        # Another thread may be loading it at this moment; this waits for it.
        import opentelemetry.trace  # noqa: PLC0415 - only if it is there

        # The variable that names a provider is heeded when somebody asks for one, so it is asked for once.
        opentelemetry.trace.get_tracer_provider()
        _trace = opentelemetry.trace
    return _trace


def current_ids() -> SpanIds | None:
    """Gives the ids of the current span, recorded or not; None outside of spans."""
    trace = _trace or trace_api()
    if trace is None:
        return None
    span = trace.get_current_span()
    if span is trace.INVALID_SPAN:
        return None
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return SpanIds(f"{context.trace_id:032x}", f"{context.span_id:016x}", bool(context.trace_flags.sampled))


def has_sdk() -> bool:
    """Whether the program may have set up what makes spans. Every request asks, so it is quick.

    Where the API keeps what a program has set is a look. To ask the API itself costs twenty times as much
    while nothing is set, because it looks at a variable of the environment each time.
    """
    trace = _trace or trace_api()
    return trace is not None and getattr(trace, "_TRACER_PROVIDER", _ELSEWHERE) is not None


def tracer_provider() -> TracerProvider | None:
    """Gives what makes spans; None while no SDK is set up."""
    if not has_sdk():
        return None
    trace = trace_api()
    provider: TracerProvider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider) else provider
