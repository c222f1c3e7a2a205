"""What can be said of a commit without looking at the store: whether it is well formed, and its digests.

This part of a commit's work runs in the caller's thread, so that the writer has less to do.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from statehouse.engine import layout
from statehouse.engine.digests import chunk_digests, condition_mark, fingerprint, operation_mark
from statehouse.engine.layout import INLINE_BYTES_MAX
from statehouse.engine.state import State, check_commit_ts, check_store_id
from statehouse.engine.stored import Stored, stored_inline, stored_tombstone
from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.protocol.limits import check_integer
from statehouse.protocol.names import check_key, check_text, check_txn_id
from statehouse.protocol.origin import check_origin
from statehouse.protocol.requests import Commit, Copy, Delete, Extend, KeyRange, Write
from statehouse.protocol.values import JSON, Payload

_OPERATIONS: Final = (Write, Delete, Extend)


class PreparedOperation(NamedTuple):
    """An operation with what could be worked out without looking at the store.

    Attributes:
        name: The key in `names`.
        operation: The operation.
        chunks: The chunk digests of a `Write`.
        stored: What it leaves; None when that takes a record id or what is there.
    """

    name: bytes
    operation: Write | Delete | Extend
    chunks: tuple[bytes, ...]
    stored: Stored | None


class Prepared(NamedTuple):
    """A well-formed commit, ready to apply."""

    commit: Commit
    txn_key: bytes
    origin: bytes
    fingerprint: bytes
    operations: tuple[PreparedOperation, ...]
    reads: tuple[bytes, ...]
    ranges: tuple[tuple[bytes, bytes], ...]
    conditions: tuple[bytes, ...]
    size_bytes: int


def prepare(state: State, commit: Commit) -> Prepared:
    """Checks that a commit is well formed and works out its digests.

    Raises:
        InvalidArgumentError: Something about it makes no sense.
        LimitExceededError: It is larger than a limit.
    """
    limits = state.limits
    check_txn_id(commit.txn_id, limits)
    check_origin(commit.origin, limits)
    _check_counts(state, commit)
    _check_positions(commit)
    operations = []
    names: set[bytes] = set()
    marks: list[bytes] = []
    size = 0
    for operation in commit.operations:
        if not isinstance(operation, _OPERATIONS):
            raise InvalidArgumentError(f"not an operation: {operation!r:.80}")
        name = state.name_key(operation.key)
        if name in names:
            raise InvalidArgumentError(f"{operation.key} appears twice in one transaction; keep the last one")
        names.add(name)
        chunks: tuple[bytes, ...] = ()
        stored: Stored | None = None
        size += len(name)
        if isinstance(operation, Write):
            payload = operation.payload
            size += _check_write(state, payload)
            chunks = chunk_digests(payload.data)
            if len(payload.data) <= INLINE_BYTES_MAX:
                stored = stored_inline(name, payload.content_type, payload.data, chunks)
        elif isinstance(operation, Extend):
            size += _check_extend(state, operation)
        else:
            stored = stored_tombstone(name)
        marks += operation_mark(operation, name, chunks)
        operations.append(PreparedOperation(name, operation, chunks, stored))
    if size > limits.transaction_bytes_max:
        raise LimitExceededError(
            f"the transaction is {size} bytes; the limit is {limits.transaction_bytes_max}: use several",
            limit=limits.transaction_bytes_max,
            actual=size,
        )
    reads = tuple(map(state.name_key, commit.reads))
    ranges = tuple([range_bounds(state, key_range) for key_range in commit.ranges]) if commit.ranges else ()
    conditions = []
    for condition in commit.preconditions:
        name = state.name_key(condition.key)
        marks += condition_mark(condition, name)
        conditions.append(name)
    return Prepared(
        commit,
        layout.pack_txn_id(commit.txn_id),
        layout.pack_origin(commit.origin),
        fingerprint(marks),
        tuple(operations),
        reads,
        ranges,
        tuple(conditions),
        size,
    )


def range_bounds(state: State, key_range: KeyRange) -> tuple[bytes, bytes]:
    """The keys in `names` that a range covers, as ``start <= key < stop``.

    Raises:
        InvalidArgumentError: A malformed name, or `first` above `last`.
    """
    prefix = state.agent_prefix(key_range.namespace, key_range.agent_id)
    check_text("prefix", key_range.prefix, state.limits.key_bytes_max, empty=True)
    within = prefix + key_range.prefix.encode()
    start, stop = within, layout.prefix_end(within)
    if key_range.first is not None:
        check_key(key_range.first, state.limits)
        start = max(start, prefix + key_range.first.encode())
    if key_range.last is not None:
        check_key(key_range.last, state.limits)
        stop = min(stop, prefix + key_range.last.encode() + b"\0")
    if key_range.first is not None and key_range.last is not None and key_range.first > key_range.last:
        raise InvalidArgumentError(
            f"a range from {key_range.first!r} to {key_range.last!r} ends before it begins"
        )
    return start, stop


def _check_counts(state: State, commit: Commit) -> None:
    limits = state.limits
    count = len(commit.operations)
    if count > limits.transaction_operations_max:
        raise LimitExceededError(
            f"{count} operations in one transaction; the limit is {limits.transaction_operations_max}",
            limit=limits.transaction_operations_max,
            actual=count,
        )
    count = len(commit.reads) + len(commit.ranges) + len(commit.preconditions)
    if count > limits.transaction_reads_max:
        raise LimitExceededError(
            f"{count} reads and preconditions in a transaction; the limit is {limits.transaction_reads_max}",
            limit=limits.transaction_reads_max,
            actual=count,
        )


def _check_positions(commit: Commit) -> None:
    check_store_id(commit.store_id)
    check_integer("made_at_ts", commit.made_at_ts, 0)
    check_integer("committed_at_us", commit.committed_at_us, 0)
    check_integer("epoch", commit.epoch, 0)
    if commit.read_ts is not None:
        check_commit_ts("read_ts", commit.read_ts)
    elif commit.reads or commit.ranges:
        raise InvalidArgumentError("reads and ranges need the read_ts that they were read at")
    for condition in commit.preconditions:
        if (condition.version is None) == (condition.commit_ts is None):
            raise InvalidArgumentError(
                f"a precondition on {condition.key} needs exactly one of version and commit_ts"
            )
        expected = condition.version if condition.version is not None else condition.commit_ts
        check_commit_ts("if_version" if condition.version is not None else "if_commit_ts", expected or 0)


def _check_type(state: State, content_type: str) -> None:
    if content_type != JSON:
        check_text("content_type", content_type, min(state.limits.content_type_bytes_max, 255))


def _check_write(state: State, payload: object) -> int:
    if not isinstance(payload, Payload):
        raise InvalidArgumentError(f"a write needs a Payload, not {type(payload).__name__}: {payload!r:.80}")
    _check_type(state, payload.content_type)
    data: object = payload.data
    if not isinstance(data, bytes):
        raise InvalidArgumentError(f"payload data must be bytes, not {type(data).__name__}: {data!r:.80}")
    _check_size(state, len(data))
    return len(data)


def _check_size(state: State, size: int) -> None:
    if size > state.limits.value_bytes_max:
        raise LimitExceededError(
            f"the value is {size} bytes; the limit is {state.limits.value_bytes_max}",
            limit=state.limits.value_bytes_max,
            actual=size,
        )


def _check_extend(state: State, operation: Extend) -> int:
    _check_type(state, operation.content_type)
    state.name_key(operation.base_key)
    if operation.base_key[:2] != operation.key[:2]:
        raise InvalidArgumentError(
            f"the base {operation.base_key} is of another agent than {operation.key}; "
            "values are shared within one agent only"
        )
    check_commit_ts("base_version", operation.base_version)
    size = shared = 0
    for part in operation.parts:
        if isinstance(part, Copy):
            check_commit_ts("start", part.start)
            check_commit_ts("stop", part.stop)
            if part.stop < part.start:
                raise InvalidArgumentError(
                    f"a copy of bytes {part.start} to {part.stop} ends before it begins"
                )
            shared += part.stop - part.start
        elif isinstance(part, bytes):
            size += len(part)
        else:
            raise InvalidArgumentError(f"a part is a Copy or bytes, not {type(part).__name__}")
    _check_size(state, size + shared)
    return size
