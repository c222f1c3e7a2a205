"""Events as people read them: one line each.

::

    2026-01-02 10:00:00.123  @7  3f2a9c1e  planner  +plan={"goal":"tea"}  ~seen=["a"]  -draft  (run r-42)

``+`` the first write of a key, ``~`` a later one, ``-`` a delete, ``x`` an erased value.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from statehouse.client.arguments import check_count
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Event, Operation
from statehouse.protocol.values import JSON, Payload

_OPERATIONS_SHOWN: Final = 8
_NAME_SHOWN: Final = 64


def pretty(width: int) -> Callable[[Event], str]:
    """Gives a function that shows an event in one line, its values in at most so many characters each.

    Raises:
        InvalidArgumentError: A width below 8.
    """
    check_count("value_width", width, 8)
    return lambda event: _line(event, width)


def _line(event: Event, width: int) -> str:
    when = event.committed_at.strftime("%Y-%m-%d %H:%M:%S.") + f"{event.committed_at_us // 1000 % 1000:03}"
    parts = [when, f"@{event.commit_ts}", _name(event.txn_id[:8])]
    last = None
    for operation in event.operations[:_OPERATIONS_SHOWN]:
        if operation.agent_id != last:
            parts.append(_name(operation.agent_id))
            last = operation.agent_id
        parts.append(_operation(operation, width))
    more = len(event.operations) - _OPERATIONS_SHOWN
    if more > 0:
        parts.append(f"and {more} more")
    why = _origin(event.origin)
    if why:
        parts.append(f"({why})")
    return "  ".join(parts)


def _operation(operation: Operation, width: int) -> str:
    key = _name(operation.key)
    match operation.kind:
        case "delete":
            return f"-{key}"
        case "erased":
            return f"x{key}"
        case "write":
            sign = "+" if operation.version == 1 else "~"
            if operation.payload is None:
                return f"{sign}{key}"
            return f"{sign}{key}={_short(_value(operation.payload, width), width)}"


def _value(payload: Payload, width: int) -> str:
    if payload.content_type == JSON:
        # A character is at most four bytes: this is more than will be shown, and not all of 16 MiB.
        return payload.data[: 4 * width + 4].decode(errors="ignore")
    from statehouse.protocol.codecs import codec_for  # noqa: PLC0415 - entry points are slow to load

    codec = codec_for(payload.content_type)
    if codec is not None:
        try:
            return json.dumps(codec.show(payload.data), ensure_ascii=False, default=str)
        except (InvalidArgumentError, ValueError, TypeError):
            pass
    return f"<{payload.content_type}, {len(payload.data)} bytes>"


def _origin(origin: Origin) -> str:
    named = (
        ("run", origin.run_id),
        ("step", origin.step),
        ("by", origin.agent_id),
        ("trace", origin.trace_id[:8]),
    )
    return " ".join(f"{what} {_name(value)}" for what, value in named if value)


def _name(text: str) -> str:
    # Names may hold characters that would move a terminal's cursor or reverse its text.
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return _short(shown, _NAME_SHOWN)


def _short(text: str, width: int) -> str:
    if not text.isprintable():
        text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[: width + 1])
    return text if len(text) <= width else text[: width - 1] + "…"
