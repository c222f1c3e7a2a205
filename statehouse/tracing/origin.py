"""The current origin: who is asking, and why, for every commit that does not say so itself.

What `use_origin` says is a context variable, so it follows a thread's calls and an asyncio task, and what one
task sets another does not see. What an origin leaves empty is taken from the span and the step that are
current:

* The ids of trace and span are a pair: a span is nothing without its trace. They are taken from the current
  span, recorded or not, if the origin has neither. An origin with a trace and no span gets the current span
  only if that is one of its trace.
* Run and step are a pair too: they are taken from the step that is running if the origin has neither; an
  origin with a run gets the step only if that is one of its run.
* The agent is taken by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from statehouse.protocol.origin import NO_ORIGIN, Origin, check_origin
from statehouse.tracing.api import SpanIds, current_ids
from statehouse.tracing.current import Active, current_active

_current: ContextVar[Origin] = ContextVar("statehouse_origin", default=NO_ORIGIN)


def current_origin() -> Origin:
    """Gives the origin that a transaction begun now is stored under.

    It is what `use_origin` says, and for the rest the current span and step; an empty one outside of all of
    them.
    """
    return origin_for(None)


@contextmanager
def use_origin(origin: Origin) -> Iterator[Origin]:
    """Makes an origin the current one inside a ``with`` block.

    Args:
        origin: The origin; it replaces the outer one whole. Fields that it leaves empty are taken from the
            span and the step that are current when a transaction begins.

    Raises:
        InvalidArgumentError: A malformed id, or text with control characters.
        LimitExceededError: It is larger than 8 KiB.
    """
    check_origin(origin)
    token = _current.set(origin)
    try:
        yield origin
    finally:
        _current.reset(token)


def origin_for(given: Origin | None) -> Origin:
    """Gives the origin of a transaction: what its caller gave, or else the current one, completed."""
    origin = _current.get() if given is None else given
    ids = current_ids()
    active = current_active()
    # Whoever checks origins says what is wrong with what is none.
    if (ids is None and active is None) or not isinstance(origin, Origin):
        return origin
    trace_id, span_id = _ids(origin, ids)
    run_id, step, agent_id = _step(origin, active)
    return Origin(trace_id, span_id, agent_id, run_id, step, origin.attributes)


def _ids(origin: Origin, ids: SpanIds | None) -> tuple[str, str]:
    if ids is None or origin.span_id or origin.trace_id not in ("", ids.trace_id):
        return origin.trace_id, origin.span_id
    return ids.trace_id, ids.span_id


def _step(origin: Origin, active: Active | None) -> tuple[str, str, str]:
    if active is None:
        return origin.run_id, origin.step, origin.agent_id
    agent_id = origin.agent_id or active.agent_id
    if origin.step or origin.run_id not in ("", active.run_id):
        return origin.run_id, origin.step, agent_id
    return active.run_id, active.step, agent_id
