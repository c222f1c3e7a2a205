"""Spans around requests; loaded when an SDK is configured.

Invariants:

* S1. A span that was begun is ended, once: when the request is answered, refused or cancelled, or its
  connection is gone. Whoever is called back by a future is called when its span has ended.
* S2. ``statehouse.commit.ts`` comes from the acknowledgement of a commit that wrote something, and from
  nothing else.
* S3. Whatever a sampler, a processor or an exporter does, the request is answered as if it were not there.
* S4. Values, names of keys and texts of errors, which have both in them, are put on spans only where that was
  asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from statehouse._version import __version__
from statehouse.protocol.engine import Engine
from statehouse.protocol.replies import Committed, EventPage
from statehouse.protocol.requests import Commit, GetMany, Replay, Request
from statehouse.tracing import attributes as names
from statehouse.tracing.content import captures_content, clipped
from statehouse.tracing.side import Attributes, Side

R = TypeVar("R")

_log: Final = logging.getLogger("statehouse.tracing")


class Spans:
    """Makes the spans of one side.

    Args:
        side: Which.
        provider: The SDK.
    """

    def __init__(self, side: Side, provider: TracerProvider) -> None:
        self.provider = provider
        self._side = side
        self._kind = SpanKind.SERVER if side.server else SpanKind.CLIENT
        self._tracer = provider.get_tracer("statehouse", __version__, schema_url=names.SCHEMA_URL)

    def execute(self, engine: Engine, request: Request[R]) -> R:
        """Answers a request in a span."""
        if _follows(request):
            if self._side.server:
                # What came is read as a page of its own.
                return engine.execute(request)
            return self._told(request, context.get_current(), engine.execute)
        span = self._begin(request)
        if span is None:
            return engine.execute(request)
        token = context.attach(trace.set_span_in_context(span))
        try:
            reply = engine.execute(self._under(span, request))
        except BaseException as error:
            self._end(span, request, error)
            raise
        else:
            self._end(span, request, None, reply)
            return reply
        finally:
            context.detach(token)

    def submit(self, engine: Engine, request: Request[R]) -> Future[R]:
        """Begins a request in a span that ends with its future."""
        if _follows(request):
            future = engine.submit(request)
            if not self._side.server:
                future.add_done_callback(partial(self._came, request, context.get_current()))
            return future
        span = self._begin(request)
        if span is None:
            return engine.submit(request)
        token = context.attach(trace.set_span_in_context(span))
        try:
            future = engine.submit(self._under(span, request))
        except BaseException as error:
            self._end(span, request, error)
            raise
        finally:
            context.detach(token)
        future.add_done_callback(partial(self._settled, span, request))
        return future

    def _begin(self, request: Request[Any], around: context.Context | None = None) -> Span | None:
        try:
            name, fixed = self._side.begun(type(request))
            return self._tracer.start_span(
                name, context=around, kind=self._kind, attributes={**fixed, **_asked(self._side, request)}
            )
        except Exception:  # noqa: BLE001 - S3
            _log.debug("a span could not be begun", exc_info=True)
            return None

    def _under(self, span: Span, request: Request[R]) -> Request[R]:
        """A commit that nobody gave a trace is found by that of its span."""
        commit: Any = request
        if self._side.server or not isinstance(commit, Commit) or commit.origin.trace_id:
            return request
        ids = span.get_span_context()
        if not ids.is_valid:
            return request
        trace_id, span_id = f"{ids.trace_id:032x}", f"{ids.span_id:016x}"
        traced: Any = replace(commit, origin=replace(commit.origin, trace_id=trace_id, span_id=span_id))
        return traced  # type: ignore[no-any-return]

    def _settled(self, span: Span, request: Request[Any], future: Future[Any]) -> None:
        if future.cancelled():
            self._end(span, request, CancelledError())
            return
        error = future.exception()
        self._end(span, request, error, None if error is not None else future.result())

    # Following: nobody waits in a span for hours. What came is told when it came.

    def _told(self, request: Request[R], around: context.Context, execute: Callable[[Request[R]], R]) -> R:
        try:
            reply = execute(request)
        except BaseException as error:
            self._tell(request, around, error)
            raise
        self._tell(request, around, None, reply)
        return reply

    def _came(self, request: Request[Any], around: context.Context, future: Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        self._tell(request, around, error, None if error is not None else future.result())

    def _tell(
        self,
        request: Request[Any],
        around: context.Context,
        error: BaseException | None,
        reply: object = None,
    ) -> None:
        if isinstance(reply, EventPage) and not reply.events:
            return
        span = self._begin(request, around)
        if span is not None:
            self._end(span, request, error, reply)

    def _end(
        self, span: Span, request: Request[Any], error: BaseException | None, reply: object = None
    ) -> None:
        try:
            if span.is_recording():
                if error is not None:
                    self._fail(span, error)
                else:
                    span.set_attributes(_answered(request, reply))
                span.set_attributes(self._side.ended(error))
        except Exception:  # noqa: BLE001 - S3
            _log.debug("a span has not got all of its attributes", exc_info=True)
        try:
            span.end()
        except Exception:  # noqa: BLE001 - S3
            _log.debug("a span could not be ended", exc_info=True)

    def _fail(self, span: Span, error: BaseException) -> None:
        # S4
        text = clipped(str(error)) if captures_content() else None
        span.set_attribute(names.ERROR_TYPE, type(error).__name__)
        if self._side.is_fault(error):
            span.set_status(Status(StatusCode.ERROR, text))


def _follows(request: Request[Any]) -> bool:
    return isinstance(request, Replay) and request.wait_s > 0


def _asked(side: Side, request: Request[Any]) -> Attributes:
    """What a request says about itself."""
    if isinstance(request, Commit):
        return _committing(side, request)
    found: dict[str, str | int] = {}
    whose = request.keys if isinstance(request, GetMany) else (getattr(request, "key", None) or request,)
    _name(side, found, whose)
    return found


def _committing(side: Side, commit: Commit) -> Attributes:
    operations = commit.operations
    found: dict[str, str | int] = {names.COMMIT_KEYS_COUNT: len(operations)}
    _name(side, found, [operation.key for operation in operations])
    if len(operations) > 1 and not side.server:
        found[names.DB_OPERATION_BATCH_SIZE] = len(operations)
    if commit.store_id:
        found[names.STORE_ID] = commit.store_id
        found[names.STORE_EPOCH] = commit.epoch
    if commit.read_ts is not None:
        found[names.READ_TS] = commit.read_ts
    if commit.origin.run_id:
        found[names.RUN_ID] = commit.origin.run_id
    if commit.origin.step:
        found[names.STEP_PATH] = commit.origin.step
    if captures_content():
        keys = "\n".join([operation.key.key for operation in operations])
        found[names.COMMIT_KEYS] = clipped(keys)
    return found


def _name(side: Side, found: dict[str, str | int], whose: Iterable[Any]) -> None:
    """Adds the namespace and the agent, where there is just one."""
    namespaces = {getattr(each, "namespace", None) for each in whose}
    agents = {getattr(each, "agent_id", None) for each in whose}
    if len(namespaces) == 1 and (namespace := namespaces.pop()):
        found[names.NAMESPACE] = namespace
        if not side.server:
            found[names.DB_NAMESPACE] = namespace
    if len(agents) == 1 and (agent_id := agents.pop()):
        found[names.AGENT_ID] = agent_id


def _answered(request: Request[Any], reply: object) -> Attributes:
    """What a reply says."""
    if isinstance(request, Commit):
        if not isinstance(reply, Committed) or not request.operations:
            # S2: an empty transaction has made no state.
            return {}
        found: dict[str, str | int] = {names.COMMIT_TS: reply.commit_ts}
        if reply.repeated:
            found[names.COMMIT_REPEATED] = True
        if request.store_id:
            namespace = request.operations[0].key.namespace
            found[names.STATE_REF] = names.state_ref(
                request.store_id, request.epoch, namespace, reply.commit_ts
            )
        return found
    if isinstance(reply, EventPage):
        return {names.EVENTS_COUNT: len(reply.events)}
    read_ts = getattr(reply, "read_ts", None)
    return {names.READ_TS: read_ts} if isinstance(read_ts, int) else {}
