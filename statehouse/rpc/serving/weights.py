"""How much work a request or a reply is, as far as it decides where that work is done."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import Message

from statehouse._generated import statehouse_pb2 as pb
from statehouse.protocol.limits import KIB
from statehouse.protocol.replies import EventPage, Page, Read
from statehouse.protocol.requests import (
    Commit,
    Extend,
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
_LIGHT_BYTES_MAX: Final = 8 * KIB
_LIGHT_CHANGES_MAX: Final = 100
_ROW_BYTES: Final = 64
"""What a row costs to turn into a message, besides its value, as if it were so many bytes."""


def is_quick(request: Request[Any]) -> bool:
    """Whether a request may be answered in the event loop: it takes some ten microseconds."""
    return type(request) in _QUICK or (isinstance(request, GetMany) and len(request.keys) <= _QUICK_KEYS_MAX)


def is_light(message: Message, size_bytes: int) -> bool:
    """Whether a message of this size may be turned into a request in the event loop: in a millisecond or two.

    Payload bytes weigh nothing. Names weigh something, and every value within a Struct does.
    """
    if size_bytes <= _LIGHT_BYTES_MAX:
        return True
    match message:
        case pb.CommitTransactionRequest() if len(message.changes) <= _LIGHT_CHANGES_MAX:
            payloads = sum([len(change.payload.data) for change in message.changes])
            return size_bytes - payloads <= _LIGHT_BYTES_MAX
        case pb.CommitTransactionRequest() | pb.GetManyRequest() | pb.EraseRequest():
            return False
    return True


def weight_of_commit(commit: Commit) -> int:
    """About how much it costs to check that a commit is well formed, in bytes of values."""
    parts = len(commit.operations) + len(commit.reads) + len(commit.ranges) + len(commit.preconditions)
    for operation in commit.operations:
        if isinstance(operation, Extend):
            parts += len(operation.parts)
    return _ROW_BYTES * parts


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
