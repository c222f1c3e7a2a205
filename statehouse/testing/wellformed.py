"""Which requests make sense by themselves, before any store is looked at; the oracle's own opinion.

Written from the contract and not from the engine, so that the two can disagree in a test.
"""

from __future__ import annotations

import math
import re
from typing import Any

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.protocol.limits import COMMIT_TS_MAX, Limits
from statehouse.protocol.names import (
    RecordKey,
    check_agent_id,
    check_namespace,
    check_record_key,
    check_text,
    check_txn_id,
)
from statehouse.protocol.origin import check_origin, check_span_id, check_trace_id
from statehouse.protocol.requests import (
    Check,
    Commit,
    Copy,
    Delete,
    Erase,
    Extend,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    History,
    KeyRange,
    ListAgents,
    ListNamespaces,
    LocateTime,
    LookupTxn,
    Precondition,
    Replay,
    Request,
    Scan,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import Payload


def check_request(request: Request[Any], limits: Limits) -> None:  # noqa: C901, PLR0912 - one arm a request
    """Checks a request of any kind.

    Raises:
        InvalidArgumentError: It makes no sense.
        LimitExceededError: It is larger than a limit.
    """
    match request:
        case Commit():
            _check_commit(request, limits)
        case Get():
            _check_key(request.key, limits)
            _check_at(request.at)
        case GetAtVersion():
            _check_key(request.key, limits)
            _check_int("version", request.version, 1)
        case GetMany():
            _check_count("keys of one request", len(request.keys), limits.get_many_keys_max)
            for key in request.keys:
                _check_key(key, limits)
            _check_at(request.at)
        case Scan():
            check_namespace(request.namespace, limits)
            check_agent_id(request.agent_id, limits)
            check_text("prefix", request.prefix, limits.key_bytes_max, empty=True)
            if request.after is not None:
                check_text("after", request.after, limits.key_bytes_max)
                if request.cursor is not None:
                    raise InvalidArgumentError("a cursor knows where to go on: leave `after` out")
            _check_page(request.at, request.limit, request.cursor, limits)
        case History():
            _check_key(request.key, limits)
            _check_page(request.at, request.limit, request.cursor, limits)
        case ListAgents():
            check_namespace(request.namespace, limits)
            _check_page(request.at, request.limit, request.cursor, limits)
        case ListNamespaces():
            _check_page(request.at, request.limit, request.cursor, limits)
        case Replay():
            _check_replay(request, limits)
        case FindEvents():
            _check_find(request, limits)
        case LocateTime():
            _check_int("time_us", request.time_us, -COMMIT_TS_MAX)
        case LookupTxn():
            check_txn_id(request.txn_id, limits)
        case Check():
            _check_page(None, request.limit, request.cursor, limits)
        case Erase():
            _check_erase(request, limits)


def _check_erase(request: Erase, limits: Limits) -> None:
    check_namespace(request.namespace, limits)
    check_agent_id(request.agent_id, limits)
    if not type(request.keys) is type(request.prefixes) is tuple:
        raise InvalidArgumentError("keys and prefixes are tuples")
    named = len(request.keys) + len(request.prefixes)
    if not named:
        raise InvalidArgumentError("name keys or prefixes; an empty prefix is the whole agent")
    _check_count("keys and prefixes of one request", named, limits.get_many_keys_max)
    for key in request.keys:
        check_text("key", key, limits.key_bytes_max)
    for prefix in request.prefixes:
        check_text("prefix", prefix, limits.key_bytes_max, empty=True)
    _check_page(None, request.limit, request.cursor, limits)


def _check_key(key: object, limits: Limits) -> None:
    if not isinstance(key, RecordKey):
        raise InvalidArgumentError(f"a key must be a RecordKey, not {type(key).__name__}: {key!r:.80}")
    check_record_key(key, limits)


def _check_int(what: str, number: object, least: int) -> None:
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidArgumentError(f"{what} must be an int, not {type(number).__name__}: {number!r:.80}")
    if not least <= number <= COMMIT_TS_MAX:
        raise InvalidArgumentError(f"{what} must be between {least} and 2^53 - 1, not {number}")


def _check_at(at: int | None) -> None:
    if at is not None:
        _check_int("at", at, 0)


def _check_limit(limit: int, limits: Limits) -> None:
    _check_int("limit", limit, 1)
    if limit > limits.page_rows_max:
        raise InvalidArgumentError(f"limit must be at most {limits.page_rows_max}, not {limit}")


def _check_count(what: str, actual: int, limit: int) -> None:
    if actual > limit:
        raise LimitExceededError(f"{what}: {actual}; the limit is {limit}", limit=limit, actual=actual)


def _check_page(at: int | None, limit: int, cursor: str | None, limits: Limits) -> None:
    _check_at(at)
    _check_limit(limit, limits)
    if cursor is not None:
        if not isinstance(cursor, str):
            raise InvalidArgumentError(f"cursor must be a str, not {type(cursor).__name__}")
        if at is not None:
            raise InvalidArgumentError("a cursor knows its commit_ts: leave `at` out")


def _check_replay(request: Replay, limits: Limits) -> None:
    if request.namespace is not None:
        check_namespace(request.namespace, limits)
    if request.agent_id is not None:
        check_agent_id(request.agent_id, limits)
        if request.namespace is None:
            raise InvalidArgumentError("agent_id needs a namespace beside it")
    _check_int("from_ts", request.from_ts, 0)
    if request.to_ts is not None:
        _check_int("to_ts", request.to_ts, 0)
        if request.to_ts < request.from_ts:
            raise InvalidArgumentError(f"to_ts {request.to_ts} is before from_ts {request.from_ts}")
    _check_limit(request.limit, limits)
    _check_seconds("wait_s", request.wait_s, 0.0, math.inf)
    _check_store(request.store_id, request.epoch)


def _check_seconds(what: str, seconds: object, least: float, most: float) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise InvalidArgumentError(f"{what} must be a finite number of seconds: {seconds!r:.80}")
    if not least <= seconds <= most:
        raise InvalidArgumentError(f"{what} must be between {least} and {most} seconds, not {seconds}")


def _check_find(request: FindEvents, limits: Limits) -> None:
    match request.by:
        case "trace":
            check_trace_id(request.id)
        case "span":
            check_span_id(request.id)
        case "run":
            check_text("run_id", request.id, limits.key_bytes_max)
        case "txn":
            check_txn_id(request.id, limits)
        case other:
            raise InvalidArgumentError(f"events are found by trace, span, run or txn, not by {other!r:.80}")
    _check_int("from_ts", request.from_ts, 0)
    _check_limit(request.limit, limits)
    _check_store(request.store_id, request.epoch)


def _check_store(store_id: object, epoch: object) -> None:
    if not isinstance(store_id, str) or (store_id and not re.fullmatch("[0-9a-f]{32}", store_id)):
        raise InvalidArgumentError(f"store_id must be empty or 32 hexadecimal digits: {store_id!r:.80}")
    _check_int("epoch", epoch, 0)


def _check_commit(commit: Commit, limits: Limits) -> None:
    check_txn_id(commit.txn_id, limits)
    check_origin(commit.origin, limits)
    _check_count("operations", len(commit.operations), limits.transaction_operations_max)
    size = 0
    for operation in commit.operations:
        size += _check_operation(operation, limits)
    _check_count("bytes of the transaction", size, limits.transaction_bytes_max)
    names = [operation.key for operation in commit.operations]
    if len(set(names)) != len(names):
        raise InvalidArgumentError("a key may appear once in the operations of a transaction")
    _check_read_set(commit, limits)
    for precondition in commit.preconditions:
        _check_precondition(precondition, limits)
    _check_int("made_at_ts", commit.made_at_ts, 0)
    _check_store(commit.store_id, commit.epoch)
    _check_int("committed_at_us", commit.committed_at_us, 0)
    _check_seconds("timeout_s", commit.timeout_s, limits.timeout_s_min, limits.timeout_s_max)


def _check_operation(operation: WriteOperation, limits: Limits) -> int:
    # Gives the bytes of value that travel with the operation.
    _check_kind(operation)
    _check_key(operation.key, limits)
    match operation:
        case Delete():
            return 0
        case Write():
            payload = operation.payload
            _check_payload(payload)
            check_text("content_type", payload.content_type, limits.content_type_bytes_max)
            _check_count("bytes of the value", len(payload.data), limits.value_bytes_max)
            return len(payload.data)
        case Extend():
            return _check_extend(operation, limits)


def _check_kind(operation: object) -> None:
    if not isinstance(operation, Write | Delete | Extend):
        raise InvalidArgumentError(f"not an operation: {operation!r:.80}")


def _check_payload(payload: object) -> None:
    if not isinstance(payload, Payload) or type(payload.data) is not bytes:
        raise InvalidArgumentError(f"a value must be a Payload of bytes: {payload!r:.80}")


def _check_extend(extend: Extend, limits: Limits) -> int:
    _check_key(extend.base_key, limits)
    if extend.base_key[:2] != extend.key[:2]:
        raise InvalidArgumentError(f"{extend.key} cannot share bytes with another agent's {extend.base_key}")
    _check_int("base_version", extend.base_version, 1)
    check_text("content_type", extend.content_type, limits.content_type_bytes_max)
    size = new = 0
    for part in extend.parts:
        match part:
            case bytes():
                size += len(part)
                new += len(part)
            case Copy():
                _check_int("start", part.start, 0)
                _check_int("stop", part.stop, part.start)
                size += part.stop - part.start
            case _:
                raise InvalidArgumentError(f"a part must be a Copy or bytes: {part!r:.80}")
    _check_count("bytes of the value", size, limits.value_bytes_max)
    return new


def _check_read_set(commit: Commit, limits: Limits) -> None:
    read = len(commit.reads) + len(commit.ranges) + len(commit.preconditions)
    _check_count("reads and preconditions", read, limits.transaction_reads_max)
    for key in commit.reads:
        _check_key(key, limits)
    for span in commit.ranges:
        _check_range(span, limits)
    if commit.read_ts is not None:
        _check_int("read_ts", commit.read_ts, 0)
    elif commit.reads or commit.ranges:
        raise InvalidArgumentError("a read set needs the read_ts it was read at")


def _check_range(span: KeyRange, limits: Limits) -> None:
    check_namespace(span.namespace, limits)
    check_agent_id(span.agent_id, limits)
    check_text("prefix", span.prefix, limits.key_bytes_max, empty=True)
    for what, key in (("first", span.first), ("last", span.last)):
        if key is not None:
            check_text(what, key, limits.key_bytes_max)
    if span.first is not None and span.last is not None and span.first > span.last:
        raise InvalidArgumentError(f"the range ends at {span.last!r:.80}, before it begins")


def _check_precondition(precondition: Precondition, limits: Limits) -> None:
    _check_key(precondition.key, limits)
    if (precondition.version is None) == (precondition.commit_ts is None):
        raise InvalidArgumentError("a precondition names a version or a commit_ts, exactly one of them")
    if precondition.version is not None:
        _check_int("version", precondition.version, 0)
    if precondition.commit_ts is not None:
        _check_int("commit_ts", precondition.commit_ts, 0)
