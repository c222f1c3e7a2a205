"""The spans of runs and steps: one a run, ``invoke_agent``, and one a step in it.

They are current while the step is performed, so its commit, its body and its children are below it, and its
record has its ids. Without an SDK all of it costs a look at a variable.

* O1. A span that was begun is ended, once, however the step ends: by a result, an error, a cancellation.
* O2. ``statehouse.commit.ts`` comes from the acknowledgement of the step's own commit, and from nothing else.
* O3. Whatever the SDK does, the step is performed as if it were not there.
* O4. Arguments, results and texts of errors are put on spans only where that was asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from statehouse._version import __version__
from statehouse.tracing import attributes as names
from statehouse.tracing.api import current_ids, has_sdk, tracer_provider
from statehouse.tracing.content import captures_content, clipped

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from statehouse.steps.calls import StepCall
    from statehouse.steps.runs import RunLogic

_log: Final = logging.getLogger("statehouse.steps")


class Spanned:
    """A span that is current inside a ``with`` block, and ends with it.

    Args:
        span: The span.
        attributes: Gives what is known at the end.
    """

    __slots__ = ("_attached", "_attributes", "_span", "_token")

    def __init__(self, span: Span, attributes: Callable[[], dict[str, Any]]) -> None:
        self._span = span
        self._attributes = attributes
        self._attached: Context | None = None
        self._token: Token[Context] | None = None

    def __enter__(self) -> None:
        from opentelemetry import context, trace  # noqa: PLC0415 - the program has loaded it

        self._attached = trace.set_span_in_context(self._span)
        self._token = context.attach(self._attached)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._leave()
        try:
            # Those who ask for nothing of a span that is not recorded are spared the work.
            if self._span.is_recording():
                self._span.set_attributes(self._attributes())
                if error is not None:
                    self._fail(error)
        except Exception:  # noqa: BLE001 - O3
            _log.debug("a span has not got all of its attributes", exc_info=True)
        with suppress(Exception):
            # O1, O3
            self._span.end()

    def _leave(self) -> None:
        from opentelemetry import context  # noqa: PLC0415 - the program has loaded it

        # A coroutine that is thrown away may be left in another context than it was entered in: nothing is
        # attached there.
        if self._token is not None and context.get_current() is self._attached:
            context.detach(self._token)

    def _fail(self, error: BaseException) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - the program has loaded it

        # O4
        text = clipped(str(error)) if captures_content() else None
        self._span.set_attribute(names.ERROR_TYPE, type(error).__name__)
        self._span.set_status(Status(StatusCode.ERROR, text))


class Unspanned:
    """No span."""

    __slots__ = ()

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return


NO_SPAN: Final = Unspanned()


def current_span_id() -> str:
    """Gives the id of the span around a step that is called now; empty outside of spans."""
    ids = current_ids()
    return "" if ids is None else ids.span_id


def span_of_run(run: RunLogic) -> Spanned | Unspanned:
    """Begins the span of a run."""
    if not has_sdk():
        return NO_SPAN
    # Whose run it is may be known only when it has been entered.
    return _begin(f"invoke_agent {run.told_agent_id}".rstrip(), _of_run(run), lambda: _of_run(run))


def span_of_step(call: StepCall) -> Spanned | Unspanned:
    """Begins the span of a step."""
    if not has_sdk():
        return NO_SPAN
    name = call.definition.name if call.definition.kind == "step" else call.identity.name.lstrip("~")
    return _begin(f"step {name}", _of_step(call), lambda: _of_outcome(call))


def _begin(
    name: str, attributes: dict[str, Any], at_the_end: Callable[[], dict[str, Any]]
) -> Spanned | Unspanned:
    provider = tracer_provider()
    if provider is None:
        return NO_SPAN
    try:
        tracer = provider.get_tracer("statehouse", __version__, schema_url=names.SCHEMA_URL)
        return Spanned(tracer.start_span(name, attributes=attributes), at_the_end)
    except Exception:  # noqa: BLE001 - O3
        _log.debug("a span could not be begun", exc_info=True)
        return NO_SPAN


def _of_mode(run: RunLogic) -> dict[str, Any]:
    """So that whoever looks at traces can tell what really happened from what was done again."""
    if not run.mode:
        return {}
    of_run_id = run.run_id if run.fork is None else run.fork["run_id"]
    return {names.DEBUG_MODE: run.mode, names.DEBUG_OF_RUN_ID: of_run_id}


def _of_run(run: RunLogic) -> dict[str, Any]:
    return {
        **_of_mode(run),
        names.RUN_ID: run.run_id,
        names.NAMESPACE: run.namespace,
        names.AGENT_ID: run.told_agent_id,
        names.GEN_AI_OPERATION_NAME: "invoke_agent",
        names.GEN_AI_AGENT_NAME: run.told_agent_id,
        names.GEN_AI_CONVERSATION_ID: run.run_id,
        names.SESSION_ID: run.run_id,
        names.OPENINFERENCE_SPAN_KIND: "AGENT",
    }


def _of_step(call: StepCall) -> dict[str, Any]:
    run, identity = call.run, call.identity
    found: dict[str, Any] = {
        **_of_mode(run),
        names.RUN_ID: run.run_id,
        names.NAMESPACE: run.namespace,
        names.AGENT_ID: run.agent_id,
        names.STEP_NAME: identity.name,
        names.STEP_PATH: identity.path,
        names.STEP_ORDINAL: identity.ordinal,
        names.INPUT_HASH: call.taken.hash,
        names.GEN_AI_CONVERSATION_ID: run.run_id,
        names.SESSION_ID: run.run_id,
        names.OPENINFERENCE_SPAN_KIND: "CHAIN",
    }
    if captures_content():
        arguments = ",".join(
            f'"{name}":{payload.data.decode()}' for name, payload in call.taken.payloads.items()
        )
        found[names.INPUT_VALUE] = clipped(f"{{{arguments}}}")
        found[names.INPUT_MIME_TYPE] = "application/json"
    return found


def _of_outcome(call: StepCall) -> dict[str, Any]:
    outcome = call.outcome
    found: dict[str, Any] = {
        names.STEP_ATTEMPT: outcome.attempt,
        names.CONFLICT_COUNT: outcome.conflicts,
    }
    if outcome.status:
        found[names.STEP_STATUS] = outcome.status
    if outcome.read_ts is not None:
        found[names.READ_TS] = outcome.read_ts
    if outcome.output is not None:
        found[names.OUTPUT_HASH] = outcome.output.hash
        if captures_content():
            found[names.OUTPUT_VALUE] = clipped(outcome.output.payload.data.decode())
            found[names.OUTPUT_MIME_TYPE] = "application/json"
    if outcome.commit_ts:
        # O2
        seen = call.run.connection.seen
        found[names.COMMIT_TS] = outcome.commit_ts
        if seen.store_id:
            found[names.STATE_REF] = names.state_ref(
                seen.store_id, seen.epoch, call.run.namespace, outcome.commit_ts
            )
    return found
