"""The span that asks, from one process to the other: W3C Trace Context, ``traceparent``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from statehouse.tracing.api import current_ids
from statehouse.tracing.origin import current_origin

_TRACEPARENT: Final = re.compile("(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def traceparent() -> str:
    """Gives the span that asks: the current one, else that of the current origin; empty if there is none."""
    ids = current_ids()
    if ids is not None:
        return f"00-{ids.trace_id}-{ids.span_id}-{'01' if ids.sampled else '00'}"
    origin = current_origin()
    return f"00-{origin.trace_id}-{origin.span_id}-01" if origin.trace_id and origin.span_id else ""


def parsed(text: object) -> tuple[str, str, int] | None:
    """Gives the trace, the span and the flags of a ``traceparent``; None if it is none."""
    found = _TRACEPARENT.fullmatch(text) if isinstance(text, str) else None
    if found is None or not found[1].strip("0") or not found[2].strip("0"):
        return None
    return found[1], found[2], int(found[3], 16)


@contextmanager
def asked_by(text: str) -> Iterator[None]:
    """Makes the span of a ``traceparent`` the current one, for whoever answers; none is current if it is
    none.

    For processes that make spans: it loads OpenTelemetry.
    """
    from opentelemetry import context, trace  # noqa: PLC0415 - see above

    around = context.Context()
    if (ids := parsed(text)) is not None:
        remote = trace.SpanContext(
            int(ids[0], 16), int(ids[1], 16), is_remote=True, trace_flags=trace.TraceFlags(ids[2])
        )
        around = trace.set_span_in_context(trace.NonRecordingSpan(remote), around)
    token = context.attach(around)
    try:
        yield
    finally:
        context.detach(token)
