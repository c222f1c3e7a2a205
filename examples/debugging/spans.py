"""A file for a tracing backend: each span that ended is a line of JSON, and can be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

# What a person who looks at a span of a step would look for.
_SHOWN: Final = (
    "error.type",
    "statehouse.run.id",
    "statehouse.step.path",
    "statehouse.step.status",
    "statehouse.read.ts",
    "statehouse.commit.ts",
)


class SpanFile(SpanExporter):
    """Appends spans to a file; give it to `statehouse.otel.configure`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Writes spans that have ended."""
        with self._path.open("a", encoding="utf-8") as file:
            for span in spans:
                file.write(f"{json.dumps(_facts(span))}\n")
        return SpanExportResult.SUCCESS


def _facts(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None
    return {
        "name": span.name,
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "status": span.status.status_code.name,
        "attributes": dict(span.attributes or {}),
    }


@dataclass(frozen=True, slots=True)
class Span:
    """A span as the file has it."""

    name: str
    trace_id: str
    span_id: str
    status: str
    attributes: dict[str, Any]

    def lines(self) -> Iterator[str]:
        """Gives what a tracing backend shows of it."""
        yield f"{self.name}    {self.status}"
        yield f"    trace_id                {self.trace_id}"
        yield f"    span_id                 {self.span_id}"
        for name in _SHOWN:
            if name in self.attributes:
                yield f"    {name:<22}  {self.attributes[name]}"


def read_spans(path: Path) -> list[Span]:
    """Gives the spans of a file, in the order in which they ended."""
    return [Span(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def failed_step(path: Path) -> Span:
    """Gives the step that failed first: where somebody begins who looks into it.

    Raises:
        LookupError: None has.
    """
    for span in read_spans(path):
        if span.status == "ERROR" and span.name.startswith("step "):
            return span
    raise LookupError(f"no step in {path} has failed")
