"""Commits, and what became of one."""

from __future__ import annotations

from typing import Final, Literal, cast

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.limits import DEFAULT_LIMITS, check_integer, check_seconds
from statehouse.protocol.names import DEFAULT_NAMESPACE, check_text
from statehouse.protocol.origin import NO_ORIGIN
from statehouse.protocol.replies import Committed, TxnOutcome
from statehouse.protocol.requests import (
    Commit,
    Copy,
    Delete,
    Extend,
    KeyRange,
    LookupTxn,
    Precondition,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import JSON, Payload
from statehouse.rpc.codec.names import ANY_SIZE, integer, key_in, milliseconds, say_key, sequence, text
from statehouse.rpc.codec.origins import check_sayable, origin_in, say_origin
from statehouse.rpc.codec.values import payload_in, payload_of, say_payload

TIMEOUT_S: Final = 30.0
"""What an absent timeout means."""


def encode_commit(request: Commit) -> pb.CommitTransactionRequest:
    """See `Method.encode`."""
    check_text("txn_id", request.txn_id, ANY_SIZE)
    check_text("store_id", request.store_id, ANY_SIZE, empty=True)
    check_integer("made_at_ts", request.made_at_ts, 0)
    check_integer("epoch", request.epoch, 0)
    message = pb.CommitTransactionRequest()
    message.txn_id = request.txn_id
    message.store_id = request.store_id
    message.made_at_ts = request.made_at_ts
    message.epoch = request.epoch
    for operation in sequence("operations", request.operations):
        _say_operation(message.changes.add(), operation)
    if request.read_ts is not None:
        message.read_ts = integer("read_ts", request.read_ts)
    for key in sequence("reads", request.reads):
        say_key(message.reads.add(), key)
    for key_range in sequence("ranges", request.ranges):
        _say_range(message.ranges.add(), key_range)
    for precondition in sequence("preconditions", request.preconditions):
        _say_precondition(message.preconditions.add(), precondition)
    if request.origin is not NO_ORIGIN:
        check_sayable(request.origin)
        if request.origin:
            say_origin(message.origin, request.origin)
    if request.committed_at_us != 0 or type(request.committed_at_us) is not int:
        message.committed_at_us = integer("committed_at_us", request.committed_at_us)
    if request.timeout_s != TIMEOUT_S:
        limits = DEFAULT_LIMITS
        check_seconds("timeout", request.timeout_s, limits.timeout_s_min, limits.timeout_s_max)
        message.timeout_ms = milliseconds(request.timeout_s)
    return message


def _say_operation(message: pb.Change, operation: WriteOperation) -> None:
    if isinstance(operation, Write):
        say_key(message, operation.key)
        payload = operation.payload
        if not isinstance(payload, Payload):
            raise InvalidArgumentError(
                f"a write needs a Payload, not {type(payload).__name__}: {payload!r:.80}"
            )
        if payload.content_type != JSON:
            check_text("content_type", payload.content_type, ANY_SIZE)
        data: object = payload.data
        if not isinstance(data, bytes):
            raise InvalidArgumentError(f"payload data must be bytes, not {type(data).__name__}: {data!r:.80}")
        say_payload(message.payload, payload)
    elif isinstance(operation, Delete):
        say_key(message, operation.key)
        message.delete.SetInParent()
    elif isinstance(operation, Extend):
        say_key(message, operation.key)
        _say_extend(message.extension, operation)
    else:
        raise InvalidArgumentError(f"not an operation: {operation!r:.80}")


def _say_extend(message: pb.Extension, extend: Extend) -> None:
    say_key(message.base, extend.base_key)
    message.base_version = integer("base_version", extend.base_version)
    if extend.content_type != JSON:
        message.content_type = text("content_type", extend.content_type, empty=False)
    for part in sequence("parts", extend.parts):
        if isinstance(part, Copy):
            shared = message.parts.add().copy
            shared.SetInParent()
            shared.start = integer("start", part.start)
            shared.stop = integer("stop", part.stop)
        elif isinstance(part, bytes):
            message.parts.add().data = part
        else:
            raise InvalidArgumentError(f"a part is a Copy or bytes, not {type(part).__name__}")


def _say_range(message: pb.KeyRange, key_range: KeyRange) -> None:
    if not isinstance(key_range, KeyRange):
        raise InvalidArgumentError(f"not a range of keys: {key_range!r:.80}")
    message.namespace = text("namespace", key_range.namespace, empty=False)
    message.agent_id = text("agent_id", key_range.agent_id, empty=False)
    message.prefix = text("prefix", key_range.prefix)
    if key_range.first is not None:
        message.first = text("first", key_range.first)
    if key_range.last is not None:
        message.last = text("last", key_range.last)
    message.keys_only = bool(key_range.keys_only)


def _say_precondition(message: pb.Precondition, precondition: Precondition) -> None:
    if not isinstance(precondition, Precondition):
        raise InvalidArgumentError(f"not a precondition: {precondition!r:.80}")
    say_key(message.name, precondition.key)
    if (precondition.version is None) == (precondition.commit_ts is None):
        raise InvalidArgumentError(
            f"a precondition on {precondition.key} needs exactly one of version and commit_ts"
        )
    if precondition.version is not None:
        message.version = integer("if_version", precondition.version)
    elif precondition.commit_ts is not None:
        message.commit_ts = integer("if_commit_ts", precondition.commit_ts)


def decode_commit(message: pb.CommitTransactionRequest) -> Commit:
    """See `Method.decode`."""
    operations = [_operation_in(change) for change in message.changes]
    return Commit(
        message.txn_id,
        tuple(operations),
        read_ts=integer("read_ts", message.read_ts) if message.HasField("read_ts") else None,
        reads=tuple([key_in(name) for name in message.reads]) if message.reads else (),
        ranges=tuple([_range_in(each) for each in message.ranges]) if message.ranges else (),
        preconditions=tuple([_precondition_in(each) for each in message.preconditions])
        if message.preconditions
        else (),
        origin=origin_in(message.origin) if message.HasField("origin") else NO_ORIGIN,
        made_at_ts=integer("made_at_ts", message.made_at_ts),
        store_id=message.store_id,
        epoch=integer("epoch", message.epoch),
        committed_at_us=integer("committed_at_us", message.committed_at_us),
        timeout_s=_timeout_in(message),
    )


def _timeout_in(message: pb.CommitTransactionRequest) -> float:
    if not message.HasField("timeout_ms"):
        return TIMEOUT_S
    check_integer("timeout_ms", message.timeout_ms, 1, int(DEFAULT_LIMITS.timeout_s_max * 1000))
    return message.timeout_ms / 1000


def _operation_in(change: pb.Change) -> WriteOperation:
    match change.WhichOneof("change"):
        case "payload":
            return Write(key_in(change), payload_in(change.payload))
        case "delete":
            return Delete(key_in(change))
        case "extension":
            return _extend_in(change)
        case "value":
            return Write(key_in(change), payload_of(change.value))
    raise InvalidArgumentError(
        f"the change of {key_in(change)} has neither payload, value, delete nor extension"
    )


def _extend_in(change: pb.Change) -> Extend:
    message = change.extension
    base_version = integer("base_version", message.base_version)
    parts: list[Copy | bytes] = []
    for part in message.parts:
        match part.WhichOneof("part"):
            case "copy":
                start, stop = integer("start", part.copy.start), integer("stop", part.copy.stop)
                parts.append(Copy(start, stop))
            case "data":
                parts.append(part.data)
            case _:
                raise InvalidArgumentError("a part of an extension has neither copy nor data")
    content_type = message.content_type or JSON
    return Extend(key_in(change), key_in(message.base), base_version, tuple(parts), content_type)


def _range_in(message: pb.KeyRange) -> KeyRange:
    return KeyRange(
        message.namespace or DEFAULT_NAMESPACE,
        message.agent_id,
        message.prefix,
        first=message.first if message.HasField("first") else None,
        last=message.last if message.HasField("last") else None,
        keys_only=message.keys_only,
    )


def _precondition_in(message: pb.Precondition) -> Precondition:
    key = key_in(message.name)
    match message.WhichOneof("condition"):
        case "version":
            return Precondition(key, version=integer("if_version", message.version))
        case "commit_ts":
            return Precondition(key, commit_ts=integer("if_commit_ts", message.commit_ts))
    raise InvalidArgumentError(f"the precondition on {key} has neither version nor commit_ts")


def encode_commit_reply(
    _asked: pb.CommitTransactionRequest, _: Commit, reply: Committed
) -> pb.CommitTransactionResponse:
    """See `Method.encode_reply`."""
    return pb.CommitTransactionResponse(
        commit_ts=reply.commit_ts, committed_at_us=reply.committed_at_us, was_repeated=reply.repeated
    )


def decode_commit_reply(_: Commit, message: pb.CommitTransactionResponse) -> Committed:
    """See `Method.decode_reply`."""
    return Committed(message.commit_ts, message.committed_at_us, message.was_repeated)


def encode_lookup(request: LookupTxn) -> pb.LookupTransactionRequest:
    """See `Method.encode`."""
    return pb.LookupTransactionRequest(txn_id=text("txn_id", request.txn_id, empty=False))


def decode_lookup(message: pb.LookupTransactionRequest) -> LookupTxn:
    """See `Method.decode`."""
    return LookupTxn(message.txn_id)


def encode_lookup_reply(
    _asked: pb.LookupTransactionRequest, _: LookupTxn, reply: TxnOutcome
) -> pb.LookupTransactionResponse:
    """See `Method.encode_reply`."""
    return pb.LookupTransactionResponse(outcome=reply.outcome, commit_ts=reply.commit_ts)


def decode_lookup_reply(request: LookupTxn, message: pb.LookupTransactionResponse) -> TxnOutcome:
    """See `Method.decode_reply`."""
    outcome = cast("Literal['committed', 'absent', 'unknown']", message.outcome)
    return TxnOutcome(request.txn_id, outcome, message.commit_ts)
