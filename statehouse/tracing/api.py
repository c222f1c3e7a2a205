"""OpenTelemetry's API, if the program has it loaded.

A program that does not have it loaded has no spans, and nobody who collects them. So nothing here loads it,
and without it tracing costs a look at a variable.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_trace: Any = None


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
        import opentelemetry.trace as _trace  # noqa: PLC0415 - only if it is there
    return _trace


def current_ids() -> SpanIds | None:
    """Gives the ids of the current span, recorded or not; None outside of spans."""
    trace = trace_api()
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return SpanIds(f"{context.trace_id:032x}", f"{context.span_id:016x}", bool(context.trace_flags.sampled))


def tracer_provider() -> TracerProvider | None:
    """Gives what makes spans; None while no SDK is configured."""
    trace = trace_api()
    if trace is None:
        return None
    provider: TracerProvider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider) else provider
