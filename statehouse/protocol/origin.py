"""Who asked and why: stored in the event, and indexed by trace, span and run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits
from statehouse.protocol.names import check_text

_TRACE_ID: Final = re.compile("[0-9a-f]{32}")
_SPAN_ID: Final = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a commit came from. Every field may be empty.

    Attributes:
        trace_id: 32 lower-case hexadecimal digits (W3C Trace Context).
        span_id: 16 lower-case hexadecimal digits.
        agent_id: The agent that acted, which need not be the agent whose records it wrote.
        run_id: The run it belongs to.
        step: The path of the step in that run.
        attributes: Further facts, text by text.
    """

    trace_id: str = ""
    span_id: str = ""
    agent_id: str = ""
    run_id: str = ""
    step: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(
            self.trace_id or self.span_id or self.agent_id or self.run_id or self.step or self.attributes
        )


NO_ORIGIN: Final = Origin()


def check_trace_id(trace_id: object) -> None:
    """Raises InvalidArgumentError unless this is a trace id."""
    if not isinstance(trace_id, str) or not _TRACE_ID.fullmatch(trace_id):
        raise InvalidArgumentError(f"trace_id must be 32 lower-case hexadecimal digits: {trace_id!r:.80}")


def check_span_id(span_id: object) -> None:
    """Raises InvalidArgumentError unless this is a span id."""
    if not isinstance(span_id, str) or not _SPAN_ID.fullmatch(span_id):
        raise InvalidArgumentError(f"span_id must be 16 lower-case hexadecimal digits: {span_id!r:.80}")


def check_origin(origin: Origin, limits: Limits = DEFAULT_LIMITS) -> None:
    """Checks every field that is set.

    Raises:
        InvalidArgumentError: A malformed id, or text with control characters.
        LimitExceededError: All fields together are larger than 8 KiB, or one is larger than an index key.
    """
    if origin is NO_ORIGIN:
        return
    if origin.trace_id:
        check_trace_id(origin.trace_id)
    if origin.span_id:
        check_span_id(origin.span_id)
    check_text("origin agent_id", origin.agent_id, limits.agent_id_bytes_max, empty=True)
    check_text("run_id", origin.run_id, limits.key_bytes_max, empty=True)
    check_text("origin step", origin.step, limits.origin_bytes_max, empty=True)
    attributes: object = origin.attributes
    if not isinstance(attributes, Mapping):
        raise InvalidArgumentError("origin attributes must be a mapping of str to str")
    size = len(origin.step.encode())
    for name, value in attributes.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgumentError(f"origin attributes must be str: {name!r:.40}={value!r:.40}")
        try:
            size += len(name.encode()) + len(value.encode())
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(
                f"origin attribute {name!r:.40} is not valid Unicode ({error.reason})"
            ) from None
    if size > limits.origin_bytes_max:
        raise LimitExceededError(
            f"the origin is {size} bytes; the limit is {limits.origin_bytes_max}",
            limit=limits.origin_bytes_max,
            actual=size,
        )
