"""Every byte on disk (format 1), and nothing else. `docs/internals/disk-format.md` explains it at leisure.

Integers are big-endian, so that they sort as numbers. Names contain no byte below 0x20, so 0x00 ends a
name inside a key: tuples of names sort as the bytes do, and no name can pretend to be two.

======== ==================================== ===================================================
table    key                                  value
======== ==================================== ===================================================
names    namespace 00 agent 00 key            record id, version, commit_ts, flags, type, [value]
records  record id                            the key of its row in names
history  record id, 2^64-1 - commit_ts        version, flags, type, salt, value or rope
versions record id, version                   commit_ts
segments record id, rope epoch, offset        bytes
events   commit_ts                            see `EventRow`
agents   namespace 00 agent 00 commit_ts      totals of that agent after that commit
agents   namespace 00 00 commit_ts            totals of that namespace after that commit
origins  kind, id 00 commit_ts                (empty)
txns     txn id                               commit_ts, SHA-256 of operations and preconditions
meta     name                                 format, store_id, head, epochs, horizon
======== ==================================== ===================================================

A worked example. The first commit of a store writes ``{"x":1}`` to ``default/a/k``::

    names     default 00 a 00 k      -> 1, 1, 1, INLINE, json, {"x":1}
    records   1                      -> default 00 a 00 k
    history   1, ff..fe              -> 1, INLINE, json, salt, {"x":1}
    versions  1, 1                   -> 1
    events    1                      -> time, txn, origin, [(1, 1, write, digest)], 00..00
    agents    default 00 a 00 1      -> 1 event, 1 key
    agents    default 00 00 1        -> 1 event, 1 key, 1 agent
    txns      (its id)               -> 1, fingerprint
    meta      head                   -> 1, time, next record id 2, digest of the event

A value of up to `INLINE_BYTES_MAX` stands in its rows of names and history. A larger one is a rope: the
history row lists pieces, each a few literal bytes or a range of a record's segments. Several values, also of
other keys of the same agent, may refer to one range; that is how a growing value costs what is new.

An erased version keeps its rows, without value, type and salt. While its segments are still there its history
row says where (see `erased`). The row in txns of a commit with an erased version has no SHA-256 any more:
with it a value could be guessed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct
from typing import Final, NamedTuple

from statehouse.errors import CorruptionError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import NO_ORIGIN, Origin
from statehouse.protocol.replies import Epoch, OperationKind
from statehouse.protocol.values import BYTES, JSON

FORMAT: Final = 1
INLINE_BYTES_MAX: Final = 1024
SEGMENT_BYTES_MAX: Final = 64 * 1024
CHUNK_BYTES: Final = 64 * 1024
PIECES_MAX: Final = 8
LITERAL_BYTES_MAX: Final = 64
SALT_BYTES: Final = 16
DIGEST_BYTES: Final = 32
NO_DIGEST: Final = bytes(DIGEST_BYTES)

TOMBSTONE: Final = 1
INLINE: Final = 2
ROPE: Final = 4
ERASED: Final = 8

_U64_MAX: Final = 2**64 - 1
_u64: Final = Struct(">Q")
_u64_pair: Final = Struct(">QQ")
_u64_triple: Final = Struct(">QQQ")
pack_u64: Final = _u64.pack


def unpack_u64(data: bytes) -> int:
    """The one integer of a row."""
    number: int = _u64.unpack(data)[0]
    return number


# Content types: the usual ones are one byte, others are spelled out.
_TYPE_CODES: Final = {"": 0, JSON: 1, BYTES: 2, "application/msgpack": 3}
TYPES: Final[Mapping[int, str]] = {code: name for name, code in _TYPE_CODES.items()}
"""The usual content types by the byte they are stored as; `_TYPE_SPELLED` is not among them."""
_TYPE_SPELLED: Final = 255


def pack_value_head(flags: int, content_type: str) -> bytes:
    """What the rows of a value in `names` and `history` both say of it: its flags and its type."""
    code = _TYPE_CODES.get(content_type)
    if code is not None:
        return bytes((flags, code))
    text = content_type.encode()
    return bytes((flags, _TYPE_SPELLED, len(text))) + text


def _type_at(data: bytes, code: int, offset: int) -> tuple[str, int]:
    if code != _TYPE_SPELLED:
        return TYPES[code], offset
    end = offset + 1 + data[offset]
    return data[offset + 1 : end].decode(), end


# Varints carry the small numbers of ropes and totals.


def pack_varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    if number <= 0x7F:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def unpack_varint(data: bytes, offset: int) -> tuple[int, int]:
    """The number at an offset, and the offset behind it."""
    number = shift = 0
    while True:
        byte = data[offset]
        offset += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, offset
        shift += 7


# names


def agent_prefix(namespace: str, agent_id: str) -> bytes:
    """What the keys in `names` and `agents` of one agent begin with."""
    return f"{namespace}\0{agent_id}\0".encode()


def namespace_prefix(namespace: str) -> bytes:
    """What the rows in `agents` for the totals of a namespace begin with."""
    return f"{namespace}\0\0".encode()


def name_key(name: RecordKey) -> bytes:
    """The key in `names`."""
    return "\0".join(name).encode()


def parse_name_key(key: bytes) -> RecordKey:
    """The record's name that a key in `names` stands for."""
    return RecordKey(*key.decode().split("\0", 2))


def prefix_end(prefix: bytes) -> bytes:
    """The smallest key above every key that begins with a prefix (which never ends in 0xff: it is UTF-8)."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))


class NameRow(NamedTuple):
    """The newest state of a record; `data` is None unless the value is inline."""

    record_id: int
    version: int
    commit_ts: int
    flags: int
    content_type: str
    data: bytes | None


_name_head: Final = Struct(">QQQBB")
NAME_HEAD_BYTES: Final = _name_head.size
NameHead = tuple[int, int, int, int, int]
"""Record id, version, commit_ts, flags and type of a row in `names`."""

NO_RECORD: Final[NameHead] = (0, 0, 0, TOMBSTONE, 0)
"""What is known of a record that was never written."""

unpack_name_head: Final[Callable[[bytes], NameHead]] = _name_head.unpack_from
"""See `NameHead`; for the read that is made most, and the writer.

With `INLINE` and a type in `TYPES`, the value is all that follows.
"""


def pack_name_row(record_id: int, version: int, commit_ts: int, head: bytes, data: bytes) -> bytes:
    """The value in `names`: `head` is a `pack_value_head`, `data` a value that is inline, or nothing."""
    return _u64_triple.pack(record_id, version, commit_ts) + head + data


def unpack_name_row(row: bytes) -> NameRow:
    """A row as `pack_name_row` made it."""
    record_id, version, commit_ts, flags, code = _name_head.unpack_from(row)
    if code == _TYPE_SPELLED:
        content_type, offset = _type_at(row, code, NAME_HEAD_BYTES)
    else:
        content_type, offset = TYPES[code], NAME_HEAD_BYTES
    return NameRow(
        record_id, version, commit_ts, flags, content_type, row[offset:] if flags & INLINE else None
    )


# history, versions, segments


class Literal(NamedTuple):
    """A piece that stands in the history row itself."""

    data: bytes


class Span(NamedTuple):
    """A piece that is a range of a record's segments: bytes `start` to `stop` of one rope epoch."""

    record_id: int
    epoch: int
    start: int
    stop: int


Piece = Literal | Span


class HistoryRow(NamedTuple):
    """One version of a record.

    `data` is the value when it is inline; otherwise `pieces` says where its `length` bytes are, and
    `chunks` holds the digests of its 64 KiB chunks.
    """

    version: int
    flags: int
    content_type: str
    salt: bytes
    data: bytes | None = None
    length: int = 0
    pieces: tuple[Piece, ...] = ()
    chunks: tuple[bytes, ...] = ()


_history_head: Final = Struct(">QBB")
HISTORY_HEAD_BYTES: Final = _history_head.size
_INLINE_AT: Final = _history_head.size + SALT_BYTES


def history_key(record_id: int, commit_ts: int) -> bytes:
    """The key in `history`: the newest version of a record comes first."""
    return _u64_pair.pack(record_id, _U64_MAX - commit_ts)


def parse_history_key(key: bytes) -> tuple[int, int]:
    """The record id and commit_ts of a key in `history`."""
    record_id, inverted = _u64_pair.unpack(key)
    return record_id, _U64_MAX - inverted


def pack_history_row(version: int, head: bytes, salt: bytes, body: bytes) -> bytes:
    """The value in `history`: `head` is a `pack_value_head`.

    The body is the value where it is inline, a `pack_rope`, or nothing. An erased version has no salt.
    """
    return _u64.pack(version) + head + salt + body


def pack_rope(length: int, pieces: Sequence[Piece], chunks: Iterable[bytes]) -> bytes:
    """Where the bytes of a large value are, as its row in `history` says it; see `HistoryRow`."""
    parts = [pack_varint(length), pack_varint(len(pieces))]
    for piece in pieces:
        if isinstance(piece, Literal):
            parts += (b"\0", pack_varint(len(piece.data)), piece.data)
        else:
            parts.append(b"\1")
            parts.extend(pack_varint(number) for number in piece)
    parts.extend(chunks)
    return b"".join(parts)


def unpack_history_row(row: bytes) -> HistoryRow:
    """A row as `pack_history_row` made it."""
    version, flags, code = _history_head.unpack_from(row)
    content_type, offset = _type_at(row, code, 10)
    if flags & ERASED:
        return HistoryRow(version, flags, content_type, b"")
    salt = row[offset : offset + SALT_BYTES]
    offset += SALT_BYTES
    if flags & INLINE:
        return HistoryRow(version, flags, content_type, salt, row[offset:])
    if not flags & ROPE:
        return HistoryRow(version, flags, content_type, salt)
    length, offset = unpack_varint(row, offset)
    count, offset = unpack_varint(row, offset)
    pieces: list[Piece] = []
    for _ in range(count):
        kind = row[offset]
        offset += 1
        if kind == 0:
            size, offset = unpack_varint(row, offset)
            pieces.append(Literal(row[offset : offset + size]))
            offset += size
        else:
            numbers = []
            for _ in range(4):
                number, offset = unpack_varint(row, offset)
                numbers.append(number)
            pieces.append(Span(*numbers))
    chunks = tuple(row[at : at + DIGEST_BYTES] for at in range(offset, len(row), DIGEST_BYTES))
    return HistoryRow(version, flags, content_type, salt, None, length, tuple(pieces), chunks)


def inline_value(row: bytes) -> tuple[str, bytes] | None:
    """The content type and value of a history row that says no more than these; None for any other row."""
    if row[8] == INLINE and row[9] in TYPES:
        return TYPES[row[9]], row[_INLINE_AT:]
    return None


version_key: Final = _u64_pair.pack
"""(record id, version): the key in `versions`."""

segment_key: Final = _u64_triple.pack
"""(record id, rope epoch, offset): the key in `segments`."""


def parse_segment_key(key: bytes) -> tuple[int, int, int]:
    """The record id, rope epoch and offset of a key in `segments`."""
    return _u64_triple.unpack(key)


# events


class EventOperation(NamedTuple):
    """What an event says of one record; the digest covers name, content type, value and salt."""

    record_id: int
    version: int
    kind: int
    digest: bytes


KIND_WRITE: Final = 1
KIND_DELETE: Final = 2
KIND_NAMES: Final[Mapping[int, OperationKind]] = {KIND_WRITE: "write", KIND_DELETE: "delete"}


class EventRow(NamedTuple):
    """One commit: the value in `events`. Its SHA-256 is the digest that the next event carries."""

    committed_at_us: int
    previous_digest: bytes
    txn_id: str
    origin: Origin
    operations: tuple[EventOperation, ...]


_event_head: Final = Struct(">B32sQB")
_event_operation: Final = Struct(">QQB32s")
_u32: Final = Struct(">I")


_TXN_TEXT: Final = b"\0"
_TXN_HEX: Final = b"\1"


def pack_txn_id(txn_id: str) -> bytes:
    """A transaction id; 32 lower-case hexadecimal digits, which is what ours are, take 17 bytes."""
    if len(txn_id) == 32:
        try:
            packed = bytes.fromhex(txn_id)
        except ValueError:
            packed = b""
        if packed.hex() == txn_id:
            return _TXN_HEX + packed
    return _TXN_TEXT + txn_id.encode()


def unpack_txn_id(packed: bytes) -> str:
    """See `pack_txn_id`."""
    return packed[1:].hex() if packed[:1] == _TXN_HEX else packed[1:].decode()


pack_event_operation: Final = _event_operation.pack
"""The fields of an `EventOperation`, one after another."""


def pack_event_row(
    committed_at_us: int, previous_digest: bytes, txn_id: bytes, origin: bytes, operations: Iterable[bytes]
) -> bytes:
    """The value in `events`, of parts that are packed already; see `EventRow`."""
    head = _event_head.pack(FORMAT, previous_digest, committed_at_us, len(txn_id))
    return b"".join((head, txn_id, origin, *operations))


def unpack_event_row(data: bytes) -> EventRow:
    """A row as `pack_event_row` made it."""
    committed_at_us, txn_id, origin, operations = unpack_event(data)
    previous = _event_head.unpack_from(data)[1]
    return EventRow(committed_at_us, previous, txn_id, origin, tuple(map(EventOperation._make, operations)))


def unpack_event(data: bytes) -> tuple[int, str, Origin, list[tuple[int, int, int, bytes]]]:
    """What a replay needs of an event's row: time, transaction id, origin, and operations as bare tuples."""
    _, _, committed_at_us, size = _event_head.unpack_from(data)
    offset = 42 + size
    txn_id = unpack_txn_id(data[42:offset])
    (size,) = _u32.unpack_from(data, offset)
    offset += 4
    origin = NO_ORIGIN
    if size:
        origin = _unpack_origin(data[offset : offset + size])
        offset += size
    return committed_at_us, txn_id, origin, [*_event_operation.iter_unpack(data[offset:])]


def event_txn_key(data: bytes) -> bytes:
    """Only the key in `txns` of an event's row."""
    size = _event_head.unpack_from(data)[3]
    return data[42 : 42 + size]


def event_time(data: bytes) -> int:
    """Only the ``committed_at_us`` of an event's row."""
    number: int = _u64.unpack_from(data, 33)[0]
    return number


_ORIGIN_TRACE: Final = 1
_ORIGIN_SPAN: Final = 2


_NO_ORIGIN: Final = _u32.pack(0)


def pack_origin(origin: Origin) -> bytes:
    """An origin as events carry it, with its length."""
    if origin is NO_ORIGIN or not origin:
        return _NO_ORIGIN
    packed = _pack_origin(origin)
    return _u32.pack(len(packed)) + packed


def _pack_origin(origin: Origin) -> bytes:
    present = (_ORIGIN_TRACE if origin.trace_id else 0) | (_ORIGIN_SPAN if origin.span_id else 0)
    texts: list[object] = [origin.agent_id, origin.run_id, origin.step]
    if origin.attributes:
        texts.append(dict(origin.attributes))
    return b"".join(
        (
            bytes((present,)),
            bytes.fromhex(origin.trace_id),
            bytes.fromhex(origin.span_id),
            json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode(),
        )
    )


def _unpack_origin(data: bytes) -> Origin:
    offset = 1
    trace_id = span_id = ""
    if data[0] & _ORIGIN_TRACE:
        trace_id, offset = data[offset : offset + 16].hex(), offset + 16
    if data[0] & _ORIGIN_SPAN:
        span_id, offset = data[offset : offset + 8].hex(), offset + 8
    agent_id, run_id, step, *attributes = json.loads(data[offset:])
    return Origin(trace_id, span_id, agent_id, run_id, step, *attributes)


# agents


class Totals(NamedTuple):
    """What an agent, or a namespace, had after a commit. `agents` is 0 for an agent."""

    events: int
    keys: int
    agents: int


def totals_key(prefix: bytes, commit_ts: int) -> bytes:
    """The key in `agents`, for `agent_prefix` or `namespace_prefix`."""
    return prefix + _u64.pack(commit_ts)


def parse_totals_key(key: bytes) -> tuple[str, str, int]:
    """The namespace, agent id (empty for the namespace itself) and commit_ts of a key in `agents`."""
    namespace, _, rest = key[:-8].partition(b"\0")
    return namespace.decode(), rest[:-1].decode(), _u64.unpack(key[-8:])[0]


def pack_totals(totals: Totals) -> bytes:
    """The value in `agents`: decimal text, which is short and costs a third of three varints in Python."""
    return b"%d %d %d" % totals


def unpack_totals(data: bytes) -> Totals:
    """See `pack_totals`."""
    return Totals._make(map(int, data.split()))


# origins and txns

ORIGIN_KINDS: Final[Mapping[str, bytes]] = {"trace": b"t", "span": b"s", "run": b"r"}


def origin_identities(origin: Origin) -> list[tuple[str, str]]:
    """The kinds and ids that a commit of an origin is found by: a row in `origins` each."""
    every = (("trace", origin.trace_id), ("span", origin.span_id), ("run", origin.run_id))
    return [(kind, identity) for kind, identity in every if identity]


def origin_prefix(kind: str, identity: str) -> bytes:
    """What the keys in `origins` of one trace, span or run begin with."""
    text = bytes.fromhex(identity) if kind != "run" else identity.encode() + b"\0"
    return ORIGIN_KINDS[kind] + text


def unpack_txn_row(data: bytes) -> tuple[int, bytes]:
    """The commit_ts and the fingerprint that a row in `txns` consists of; without one, after an erase."""
    return _u64.unpack_from(data)[0], data[8:]


# meta

META_FORMAT: Final = b"format"
META_STORE_ID: Final = b"store_id"
META_HEAD: Final = b"head"
META_EPOCHS: Final = b"epochs"
META_HORIZON: Final = b"horizon"


class Head(NamedTuple):
    """Where the log ends: what the next commit builds on."""

    commit_ts: int
    committed_at_us: int
    next_record_id: int
    digest: bytes


EMPTY_HEAD: Final = Head(0, 0, 1, NO_DIGEST)
_head: Final = Struct(">QQQ32s")


def pack_head(head: Head) -> bytes:
    """The value of ``head``."""
    return _head.pack(*head)


def unpack_head(data: bytes) -> Head:
    """See `pack_head`."""
    return Head(*_head.unpack(data))


class Horizon(NamedTuple):
    """What retention has taken: the oldest commit_ts that reads, and the digest of the last removed event."""

    commit_ts: int
    dedup_ts: int
    digest: bytes


NO_HORIZON: Final = Horizon(0, 0, NO_DIGEST)
_horizon: Final = Struct(">QQ32s")


def pack_horizon(horizon: Horizon) -> bytes:
    """The value of ``horizon``."""
    return _horizon.pack(*horizon)


def unpack_horizon(data: bytes) -> Horizon:
    """See `pack_horizon`."""
    return Horizon(*_horizon.unpack(data))


def pack_epochs(epochs: tuple[Epoch, ...]) -> bytes:
    """The value of ``epochs``."""
    return json.dumps([[epoch.number, epoch.first_commit_ts, epoch.reason] for epoch in epochs]).encode()


def unpack_epochs(data: bytes) -> tuple[Epoch, ...]:
    """See `pack_epochs`."""
    return tuple(Epoch(*fields) for fields in json.loads(data))


def damaged(table: str, what: str) -> CorruptionError:
    """The error for a row that is not what this module wrote."""
    return CorruptionError(
        f"the store is damaged: {what} (table {table}). Writing stops; run 'statehousectl store check' and "
        "restore from a backup",
        table=table,
    )
