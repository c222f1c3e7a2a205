"""Errors on the way: as a message, as a gRPC status with that message in its details, and back.

A status alone cannot tell an expired transaction from a slow network, so a call that fails carries a message
in the standard place: a ``google.rpc.Status``, and in it ours, in the trailer ``grpc-status-details-bin``.
Each fact of the error is a JSON text there, by the name of its attribute: names, ranges and preconditions as
objects, tuples as arrays. An item of a pipeline carries our message whole; in a trailer it is cut to what any
client takes, and then the fact ``cut`` names what is not whole.

An error that does not come from a daemon of ours, but from gRPC or from what is between, has no such message;
`from_rpc_error` says of it what its status means here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from statehouse import errors
from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import StatehouseError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import KeyRange, Precondition

_Code = grpc.StatusCode

_TABLE: Final[tuple[tuple[type[StatehouseError], pb.ErrorCode, grpc.StatusCode], ...]] = (
    (errors.StatehouseError, pb.INTERNAL_ERROR, _Code.INTERNAL),
    (errors.InvalidArgumentError, pb.INVALID_ARGUMENT, _Code.INVALID_ARGUMENT),
    (errors.LimitExceededError, pb.LIMIT_EXCEEDED, _Code.INVALID_ARGUMENT),
    (errors.UnauthenticatedError, pb.UNAUTHENTICATED, _Code.UNAUTHENTICATED),
    (errors.PermissionDeniedError, pb.PERMISSION_DENIED, _Code.PERMISSION_DENIED),
    (errors.NotFoundError, pb.NOT_FOUND, _Code.NOT_FOUND),
    (errors.AlreadyExistsError, pb.ALREADY_EXISTS, _Code.ALREADY_EXISTS),
    (errors.CompactedError, pb.COMPACTED, _Code.OUT_OF_RANGE),
    (errors.ErasedError, pb.ERASED, _Code.NOT_FOUND),
    (errors.StoreChangedError, pb.STORE_CHANGED, _Code.FAILED_PRECONDITION),
    (errors.TransactionError, pb.TRANSACTION, _Code.FAILED_PRECONDITION),
    (errors.TransactionExpiredError, pb.TRANSACTION_EXPIRED, _Code.DEADLINE_EXCEEDED),
    (errors.TransactionClosedError, pb.TRANSACTION_CLOSED, _Code.FAILED_PRECONDITION),
    (errors.TransactionNotFoundError, pb.TRANSACTION_NOT_FOUND, _Code.NOT_FOUND),
    (errors.ConflictError, pb.CONFLICT, _Code.ABORTED),
    (errors.PreconditionFailedError, pb.PRECONDITION_FAILED, _Code.FAILED_PRECONDITION),
    (errors.StepError, pb.STEP, _Code.FAILED_PRECONDITION),
    (errors.StepMismatchError, pb.STEP_MISMATCH, _Code.FAILED_PRECONDITION),
    (errors.StepConflictError, pb.STEP_CONFLICT, _Code.ABORTED),
    (errors.StepNestingError, pb.STEP_NESTING, _Code.FAILED_PRECONDITION),
    (errors.ConnectionError, pb.CONNECTION, _Code.UNAVAILABLE),
    (errors.DeadlineExceededError, pb.DEADLINE_EXCEEDED, _Code.DEADLINE_EXCEEDED),
    (errors.OverloadedError, pb.OVERLOADED, _Code.RESOURCE_EXHAUSTED),
    (errors.OutcomeUnknownError, pb.OUTCOME_UNKNOWN, _Code.UNKNOWN),
    (errors.EngineError, pb.ENGINE, _Code.INTERNAL),
    (errors.DirectoryLockedError, pb.DIRECTORY_LOCKED, _Code.INTERNAL),
    (errors.ForkedProcessError, pb.FORKED_PROCESS, _Code.INTERNAL),
    (errors.FormatVersionError, pb.FORMAT_VERSION, _Code.INTERNAL),
    (errors.CorruptionError, pb.CORRUPTION, _Code.DATA_LOSS),
    (errors.RefusingWritesError, pb.REFUSING_WRITES, _Code.FAILED_PRECONDITION),
)
_NUMBERS: Final = {cls: (number, status) for cls, number, status in _TABLE}
_CLASSES: Final[Mapping[int, type[StatehouseError]]] = {number: cls for cls, number, _ in _TABLE}

DETAILS_TRAILER: Final = "grpc-status-details-bin"
PUSHBACK_TRAILER: Final = "grpc-retry-pushback-ms"
"""What gRPC's own retries, and proxies, wait for (gRPC proposal A6)."""

_WORDS_BYTES_MAX: Final = 512
_ERROR_BYTES_MAX: Final = 3584
"""With base64, the words twice, percent signs in one of them, and other metadata: together below 8 KiB, where
gRPC begins to drop replies."""

_RETRY_AFTER_S: Final = 0.1
_SIZES: Final = re.compile(r"\((\d+) vs\. (\d+)\)")
_TOO_LARGE: Final = re.compile("larger than max|size exceeds")
_BROKEN: Final = re.compile("RST_STREAM|GOAWAY|[Ss]tream removed|[Ss]ocket closed")
"""A connection that broke, which gRPC also reports as INTERNAL or UNKNOWN."""

_CUT: Final = "cut"


def to_message(error: StatehouseError) -> pb.StatehouseError:
    """An error as a message, whole. One of a class of somebody's own travels as the nearest of ours."""
    message = pb.StatehouseError(code=_numbers(error)[0], message=_sendable(error.message))
    for name, value in error.details.items():
        message.details[name] = _json(value)
    return message


def from_message(message: pb.StatehouseError) -> StatehouseError:
    """The error that a message is; one with an unknown code is a `StatehouseError`."""
    details = {name: _fact(text) for name, text in sorted(message.details.items())}
    return _CLASSES.get(message.code, StatehouseError)(message.message, **details)


def status_of(error: StatehouseError) -> grpc.StatusCode:
    """The gRPC status of an error."""
    return _numbers(error)[1]


def words(error: StatehouseError) -> str:
    """What a gRPC status says of an error; cut, if it is long."""
    data = error.message.encode(errors="backslashreplace")
    if len(data) <= _WORDS_BYTES_MAX:
        return data.decode()
    return data[: _WORDS_BYTES_MAX - 3].decode(errors="ignore") + "…"


def trailers(error: StatehouseError) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata of a call that failed; its status' text must be `words`, as both say the same."""
    status = Status(code=status_of(error).value[0], message=words(error))
    status.details.add().Pack(_fitting(error), deterministic=True)
    found: list[tuple[str, str | bytes]] = [(DETAILS_TRAILER, status.SerializeToString())]
    if isinstance(error, errors.OverloadedError):
        seconds = error.details.get("retry_after", _RETRY_AFTER_S)
        found.append((PUSHBACK_TRAILER, str(math.ceil(seconds * 1000))))
    return tuple(found)


class _Failed(Protocol):
    """What every `grpc.RpcError` of a call has, blocking or awaiting."""

    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def from_rpc_error(error: grpc.RpcError) -> StatehouseError:
    """The error that a failed call means: the daemon's own if it sent one, else what the status says."""
    if not hasattr(error, "code"):
        return StatehouseError(f"the call failed: {error}")
    failed = cast("_Failed", error)
    metadata = dict(failed.trailing_metadata() or ())
    carried = _carried(metadata.get(DETAILS_TRAILER))
    if carried is not None:
        return from_message(carried)
    return _by_status(failed.code(), failed.details() or "no reason given", metadata)


def _by_status(code: grpc.StatusCode, text: str, metadata: Mapping[str, str | bytes]) -> StatehouseError:
    match code:
        case _Code.DEADLINE_EXCEEDED:
            return errors.DeadlineExceededError(f"the daemon did not answer in time: {text}")
        case _Code.RESOURCE_EXHAUSTED if _TOO_LARGE.search(text):
            return _too_large(text)
        case _Code.RESOURCE_EXHAUSTED:
            return errors.OverloadedError(
                f"the daemon, or what is before it, refused the call: {text}",
                retry_after=_pushback(metadata),
                reason="queue_full",
            )
        case _Code.UNAUTHENTICATED:
            return errors.UnauthenticatedError(f"the daemon, or what is before it, does not know you: {text}")
        case _Code.PERMISSION_DENIED:
            return errors.PermissionDeniedError(f"the daemon, or what is before it, refuses you: {text}")
        case _Code.UNIMPLEMENTED:
            return StatehouseError(
                f"what answers there does not know this call ({text}): it is an older Statehouse, or none"
            )
    if code in (_Code.UNAVAILABLE, _Code.CANCELLED) or _BROKEN.search(text):
        return errors.ConnectionError(f"the daemon cannot be reached, or the connection to it broke: {text}")
    return StatehouseError(f"the call failed with status {code.name}: {text}")


def _too_large(text: str) -> StatehouseError:
    sizes = _SIZES.search(text)
    actual, limit = (int(sizes[1]), int(sizes[2])) if sizes else (0, 0)
    return errors.LimitExceededError(
        f"what was sent or answered is larger than a message may be: {text}", limit=limit, actual=actual
    )


def _pushback(metadata: Mapping[str, str | bytes]) -> float:
    text = metadata.get(PUSHBACK_TRAILER)
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text) / 1000
    return _RETRY_AFTER_S


def _carried(data: str | bytes | None) -> pb.StatehouseError | None:
    if not isinstance(data, bytes):
        return None
    message = pb.StatehouseError()
    try:
        status = Status.FromString(data)
        if any(detail.Unpack(message) for detail in status.details):
            return message
    except DecodeError:
        # Somebody else's, or noise.
        return None
    return None


def _numbers(error: StatehouseError) -> tuple[pb.ErrorCode, grpc.StatusCode]:
    return next(_NUMBERS[cls] for cls in type(error).__mro__ if cls in _NUMBERS)


def _sendable(text: str) -> str:
    # Half a surrogate pair has no UTF-8; in JSON its escape means what it was.
    return text.encode(errors="backslashreplace").decode()


def _fitting(error: StatehouseError) -> pb.StatehouseError:
    """The message of an error, cut to what fits into a trailer."""
    message = to_message(error)
    if message.ByteSize() <= _ERROR_BYTES_MAX:
        return message
    message.message = words(error)
    cut: list[str] = []
    message.details[_CUT] = _json([*message.details])
    for name in sorted(error.details, key=lambda name: len(message.details[name]), reverse=True):
        room = _ERROR_BYTES_MAX - message.ByteSize()
        if room >= 0:
            break
        cut.append(name)
        room += len(message.details[name].encode())
        value = error.details[name]
        if isinstance(value, tuple | list) and not isinstance(value, RecordKey):
            message.details[name] = _beginning(value, room)
        else:
            del message.details[name]
    if cut:
        message.details[_CUT] = _json(cut)
    else:
        del message.details[_CUT]
    return message


def _beginning(values: Iterable[Any], room: int) -> str:
    """As many values as there is room for, as a JSON array."""
    texts: list[str] = []
    for value in values:
        text = _json(value)
        room -= len(text.encode()) + 1
        if room < 1:
            break
        texts.append(text)
    return f"[{','.join(texts)}]"


def _json(value: Any) -> str:
    return _sendable(json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")))


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case RecordKey():
            return value._asdict()
        case KeyRange():
            return {name: getattr(value, name) for name in _RANGE_FIELDS}
        case Precondition():
            known = {"version": value.version, "commit_ts": value.commit_ts}
            return {"key": _plain(value.key), **{name: n for name, n in known.items() if n is not None}}
        case tuple() | list():
            return [_plain(each) for each in value]
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
    return str(value)


_KEY_FIELDS: Final = frozenset(RecordKey._fields)
_RANGE_FIELDS: Final = ("namespace", "agent_id", "prefix", "first", "last", "keys_only")


def _fact(text: str) -> Any:
    try:
        return _value(json.loads(text))
    except (ValueError, RecursionError):
        # Of somebody else's making; better shown than lost.
        return text


def _value(plain: Any) -> Any:
    match plain:
        case list():
            return tuple(map(_value, plain))
        case {"namespace": str(), "agent_id": str(), "key": str()} if plain.keys() == _KEY_FIELDS:
            return RecordKey(**plain)
        case {"namespace": str(), "agent_id": str(), "prefix": str()} if plain.keys() == set(_RANGE_FIELDS):
            return KeyRange(**plain)
        case {"key": dict() as key, "version": int() as version} if len(plain) == 2:
            return Precondition(_value(key), version=version)
        case {"key": dict() as key, "commit_ts": int() as commit_ts} if len(plain) == 2:
            return Precondition(_value(key), commit_ts=commit_ts)
        case dict():
            return {name: _value(each) for name, each in plain.items()}
    return plain
