"""How much work a request or a reply is, as far as it decides where that work is done."""

from __future__ import annotations

from typing import Any, Final

from statehouse.protocol.replies import EventPage, Page, Read
from statehouse.protocol.requests import (
    Get,
    GetAtVersion,
    GetMany,
    Health,
    LocateTime,
    LookupTxn,
    Request,
    Version,
)

_QUICK: Final = frozenset({Get, GetAtVersion, Health, LocateTime, LookupTxn, Version})
_QUICK_KEYS_MAX: Final = 16
_ROW_BYTES: Final = 64
"""What a row costs to turn into a message, besides its value, as if it were so many bytes."""


def is_quick(request: Request[Any]) -> bool:
    """Whether a request may be answered in the event loop: it takes some ten microseconds."""
    return type(request) in _QUICK or (isinstance(request, GetMany) and len(request.keys) <= _QUICK_KEYS_MAX)


def weight(reply: Any) -> int:
    """About how much it costs to turn a reply into a message, in bytes of values."""
    match reply:
        case Read():
            return 0 if reply.entry.payload is None else len(reply.entry.payload.data)
        case Page():
            return _ROW_BYTES * len(reply.entries) + sum(
                [len(entry.payload.data) for entry in reply.entries if entry.payload is not None]
            )
        case EventPage():
            return sum(
                [
                    _ROW_BYTES + (0 if operation.payload is None else len(operation.payload.data))
                    for event in reply.events
                    for operation in event.operations
                ]
            )
    return 0
