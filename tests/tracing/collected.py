"""The spans that a test made, and whether all of them have ended."""

from __future__ import annotations

import threading
from typing import Any

import opentelemetry.trace
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, Tracer

from statehouse.tracing import attributes as names


class _Book(SpanProcessor):
    """Notes spans as they begin and end."""

    def __init__(self) -> None:
        self.open: dict[int, str] = {}
        self.ended: list[ReadableSpan] = []
        self.changed = threading.Condition()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        assert span.context is not None
        with self.changed:
            self.open[span.context.span_id] = span.name

    def on_end(self, span: ReadableSpan) -> None:
        assert span.context is not None
        with self.changed:
            del self.open[span.context.span_id]
            self.ended.append(span)
            self.changed.notify_all()


class Collected:
    """An SDK that keeps what it is given.

    Args:
        sampler: Which spans are recorded.
    """

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self._book = _Book()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(self._book)

    @property
    def tracer(self) -> Tracer:
        """For spans of the test's own."""
        return self.provider.get_tracer("test")

    @property
    def open(self) -> list[str]:
        """The names of the spans that have not ended."""
        return list(self._book.open.values())

    @property
    def all(self) -> list[ReadableSpan]:
        """What has ended."""
        return list(self._book.ended)

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of a name."""
        return [span for span in self.all if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only one of a name."""
        [span] = self.named(name)
        return span

    def of(self, kind: SpanKind) -> list[ReadableSpan]:
        """Those of a kind."""
        return [span for span in self.all if span.kind is kind]

    def settled(self, seconds: float = 30.0) -> Collected:
        """Waits until none is open: the other side of a wire ends its spans a moment later."""
        with self._book.changed:
            assert self._book.changed.wait_for(lambda: not self._book.open, seconds), self._book.open
        return self


def collecting(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """An SDK for one test: a program sets its own once, a test takes it back."""
    collected = Collected()
    monkeypatch.setattr(opentelemetry.trace, "_TRACER_PROVIDER", collected.provider)
    return collected


def ids(span: ReadableSpan) -> tuple[str, str]:
    """The trace and the span, as origins have them."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def parent(span: ReadableSpan) -> str:
    """The span that it is below; empty for none."""
    return "" if span.parent is None else f"{span.parent.span_id:016x}"


def fact(span: ReadableSpan, name: str) -> Any:
    """An attribute, or None."""
    return (span.attributes or {}).get(name)


def commit_ts(span: ReadableSpan) -> Any:
    """The commit that a span says that it made."""
    return fact(span, names.COMMIT_TS)
