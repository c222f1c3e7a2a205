"""Which step a span belongs to, on spans that know nothing of steps."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from statehouse.tracing import attributes as names
from statehouse.tracing.current import current_active


class StepSpanProcessor(SpanProcessor):
    """Marks every span that begins inside a step, whoever makes it, with the run, the step and what the step
    sees.

    `statehouse.otel.configure` adds it. A program with an SDK of its own adds it itself. What a span says
    already stays as it is.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> provider = TracerProvider()
        >>> provider.add_span_processor(StepSpanProcessor())
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Marks a span."""
        active = current_active()
        if active is None:
            return
        marks: dict[str, str | int | None] = {
            names.RUN_ID: active.run_id,
            names.STEP_PATH: active.step,
            names.READ_TS: active.read_ts,
            names.AGENT_ID: active.agent_id,
        }
        said = span.attributes or {}
        span.set_attributes(
            {name: value for name, value in marks.items() if value not in (None, "") and name not in said}
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing is left to do."""

    def shutdown(self) -> None:
        """Nothing is open."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits."""
        return True
