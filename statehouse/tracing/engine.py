"""`TracedEngine`: an engine around an engine that makes spans of requests.

Without an SDK it hands requests on, at the cost of a look. With one, whoever asks has a span around each
commit, and around a read that is made within a recorded span; whoever answers has one around each request.
Spans are of requests, not of calls: what travels in one stream of hours is told apart, and what is cancelled
ends.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

from statehouse.protocol.engine import Engine, gone, in_loop
from statehouse.protocol.requests import Commit, Request
from statehouse.tracing.api import has_sdk, trace_api, tracer_provider
from statehouse.tracing.side import QUIET, Side, asking

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from statehouse.tracing.spans import Spans

R = TypeVar("R")

_CLIENT: Final = asking()


class TracedEngine:
    """Another engine, with spans around its requests; see `statehouse.protocol.engine.Engine`.

    Args:
        engine: What answers.
        side: Whether the spans are those of whoever asks, or of whoever answers.
        provider: What makes the spans; None for the program's, whenever it has one.
    """

    __slots__ = ("_execute", "_provider", "_side", "_spans", "_submit", "engine")

    def __init__(
        self, engine: Engine, side: Side = _CLIENT, *, provider: TracerProvider | None = None
    ) -> None:
        self.engine: Final = engine
        self._execute = engine.execute
        self._submit = engine.submit
        self._side = side
        self._provider = provider
        self._spans: Spans | None = None

    def __repr__(self) -> str:
        return f"<TracedEngine {self.engine!r}>"

    def execute(self, request: Request[R]) -> R:
        """Answers a request; see its class for the errors."""
        if self._provider is None and not has_sdk():
            return self._execute(request)
        spans = self._spans_of(request)
        return self._execute(request) if spans is None else spans.execute(self.engine, request)

    def submit(self, request: Request[R]) -> Future[R]:
        """Begins a request, and returns at once."""
        if self._provider is None and not has_sdk():
            return self._submit(request)
        spans = self._spans_of(request)
        return self._submit(request) if spans is None else spans.submit(self.engine, request)

    def in_loop(self) -> TracedEngine:
        """See `statehouse.protocol.engine.in_loop`."""
        near = in_loop(self.engine)
        return self if near is self.engine else TracedEngine(near, self._side, provider=self._provider)

    async def gone(self) -> None:
        """See `statehouse.protocol.engine.gone`."""
        await gone(self.engine)

    def close(self) -> None:
        """Closes the engine."""
        self.engine.close()

    def _spans_of(self, request: Request[R]) -> Spans | None:
        """What makes the span of this request; None if it gets none."""
        if self._side.server:
            if type(request) in QUIET:
                return None
        elif not isinstance(request, Commit) and (
            type(request) in QUIET or not trace_api().get_current_span().is_recording()
        ):
            return None
        provider = self._provider or tracer_provider()
        if provider is None:
            return None
        spans = self._spans
        if spans is None or spans.provider is not provider:
            from statehouse.tracing.spans import Spans  # noqa: PLC0415 - loads OpenTelemetry

            spans = self._spans = Spans(self._side, provider)
        return spans
