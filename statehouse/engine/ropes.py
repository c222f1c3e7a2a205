"""Values that are not inline: ropes of literal bytes and ranges of segments.

A rope epoch is a stretch of bytes that only grows: the segments of one record id, numbered by the
commit_ts that began it, laid end to end. A value is at most `PIECES_MAX` pieces; a piece is a few
literal bytes, or a range (`Span`) of an epoch. New bytes of a growing value are appended to the epoch
that its base ends in, so their piece and the base's melt into one, and reading is one ordered scan::

    version 1   [span 0-2000][literal "]"]
    version 2   [span 0-3000][literal "]"]     1,000 new bytes stored
    a fork of 1 [span 0-2000][span 3000-3500]  500 new bytes stored, the rest shared

Invariants:

* R1. Segments are never changed or moved; an epoch's bytes below its tail are for ever, or erased (`sweep`).
* R2. A span lies within its epoch; the pieces of a value add up to its length.
* R3. A value is written whole, into an epoch of its own, when it would need more pieces, or when less
  than half of the epoch it would grow is part of it: what is dead cannot outgrow what is alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from statehouse.engine.layout import (
    CHUNK_BYTES,
    LITERAL_BYTES_MAX,
    PIECES_MAX,
    SEGMENT_BYTES_MAX,
    HistoryRow,
    Literal,
    Piece,
    Span,
    damaged,
    parse_segment_key,
    segment_key,
)
from statehouse.protocol.requests import Copy
from statehouse.storage import Row, Store, Table


class Rope(NamedTuple):
    """A value laid out for storage: what its history row says, and the segments to write."""

    length: int
    pieces: tuple[Piece, ...]
    chunks: tuple[bytes, ...]
    segments: list[Row]


def whole(record_id: int, commit_ts: int, data: bytes, chunks: tuple[bytes, ...]) -> Rope:
    """Lays a value out in an epoch of its own."""
    segments = _segments(record_id, commit_ts, 0, data)
    return Rope(len(data), (Span(record_id, commit_ts, 0, len(data)),), chunks, segments)


def _segments(record_id: int, epoch: int, offset: int, data: bytes) -> list[Row]:
    return [
        (
            Table.SEGMENTS,
            segment_key(record_id, epoch, offset + at),
            data[at : at + SEGMENT_BYTES_MAX],
        )
        for at in range(0, len(data), SEGMENT_BYTES_MAX)
    ]


def read(store: Store, row: HistoryRow) -> bytes:
    """The bytes of a value, wherever they are.

    Raises:
        CorruptionError: Segments are missing.
    """
    if row.data is not None:
        return row.data
    if len(row.pieces) == 1:
        data = _read_piece(store, row.pieces[0])
    else:
        data = b"".join([_read_piece(store, piece) for piece in row.pieces])
    if len(data) != row.length:
        raise damaged(Table.SEGMENTS, f"a value of {row.length} bytes has only {len(data)}")
    return data


def read_range(store: Store, row: HistoryRow, start: int, stop: int) -> bytes:
    """The bytes `start` to `stop` of a value."""
    if row.data is not None:
        return row.data[start:stop]
    return b"".join([_read_piece(store, piece) for piece in _cut(row.pieces, start, stop)])


def _read_piece(store: Store, piece: Piece) -> bytes:
    if isinstance(piece, Literal):
        return piece.data
    record_id, epoch, start, stop = piece
    parts = []
    at = start
    for offset, data in segments_of(store, piece):
        if offset > at:
            break
        parts.append(data[at - offset : stop - offset])
        at = offset + len(data)
        if at >= stop:
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise damaged(
        Table.SEGMENTS, f"record {record_id} epoch {epoch} has no bytes at {at} (of {start} to {stop})"
    )


def segments_of(store: Store, span: Span) -> Iterator[tuple[int, bytes]]:
    """The segments that hold a span, in order, with their offsets."""
    record_id, epoch, start, stop = span
    begin = segment_key(record_id, epoch, start)
    end = segment_key(record_id, epoch, stop)
    if start:
        # The span may begin inside a segment: step back to the one that holds its first byte.
        first = store.scan(
            Table.SEGMENTS,
            segment_key(record_id, epoch, 0),
            segment_key(record_id, epoch, start + 1),
            reverse=True,
            rows_max=1,
        )
        if first:
            begin = first[0][0]
    while True:
        page = store.scan(Table.SEGMENTS, begin, end)
        for key, data in page:
            yield parse_segment_key(key)[2], data
        if not page:
            return
        begin = page[-1][0] + b"\0"


def _cut(pieces: Sequence[Piece], start: int, stop: int) -> list[Piece]:
    """The pieces of the bytes `start` to `stop` of a value."""
    found: list[Piece] = []
    at = 0
    for piece in pieces:
        size = len(piece.data) if isinstance(piece, Literal) else piece.stop - piece.start
        low, high = max(start - at, 0), min(stop - at, size)
        if low < high:
            if isinstance(piece, Literal):
                found.append(Literal(piece.data[low:high]))
            else:
                found.append(piece._replace(start=piece.start + low, stop=piece.start + high))
        at += size
    return found


def _melt(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Joins neighbours that are one stretch of bytes."""
    melted: list[Piece] = []
    for piece in pieces:
        last = melted[-1] if melted else None
        if isinstance(piece, Literal):
            if isinstance(last, Literal):
                melted[-1] = Literal(last.data + piece.data)
                continue
        elif isinstance(last, Span) and last[:2] == piece[:2] and last.stop == piece.start:
            melted[-1] = last._replace(stop=piece.stop)
            continue
        melted.append(piece)
    return tuple(melted)


class Extension:
    """A value made of parts of an earlier one; works out what is new and what is shared."""

    def __init__(self, store: Store, base: HistoryRow, parts: Sequence[Copy | bytes]) -> None:
        self._store = store
        self._base = base
        self._parts = [part for part in parts if (part.stop > part.start if isinstance(part, Copy) else part)]
        starts = [0]
        for part in self._parts:
            starts.append(starts[-1] + (part.stop - part.start if isinstance(part, Copy) else len(part)))
        self._starts = starts
        self.length = starts[-1]

    def whole(self) -> bytes:
        """The whole value."""
        return self._range(0, self.length)

    def chunks(self) -> tuple[bytes, ...]:
        """The chunk digests; those of chunks that stand where they stood in the base are taken from it."""
        return tuple(self._chunk(index) for index in range((self.length + CHUNK_BYTES - 1) // CHUNK_BYTES))

    def rope(self, tail_of: Callable[[int, int], int]) -> Rope | None:
        """Lays the value out as base plus what is new.

        Args:
            tail_of: Gives the end of a rope epoch, where new bytes go.

        Returns:
            The rope, or None when the value had better be written whole (R3).
        """
        grown = next((piece for piece in reversed(self._base.pieces) if isinstance(piece, Span)), None)
        if grown is None:
            return None
        record_id, epoch = grown.record_id, grown.epoch
        tail = tail_of(record_id, epoch)
        pieces: list[Piece] = []
        segments: list[Row] = []
        for part in self._parts:
            if isinstance(part, Copy):
                pieces += _cut(self._base.pieces, part.start, part.stop)
            elif len(part) <= LITERAL_BYTES_MAX:
                pieces.append(Literal(part))
            else:
                pieces.append(Span(record_id, epoch, tail, tail + len(part)))
                segments += _segments(record_id, epoch, tail, part)
                tail += len(part)
        melted = _melt(pieces)
        alive = sum(
            piece.stop - piece.start
            for piece in melted
            if isinstance(piece, Span) and piece[:2] == (record_id, epoch)
        )
        literal = sum(len(piece.data) for piece in melted if isinstance(piece, Literal))
        if len(melted) > PIECES_MAX or alive * 2 < tail or literal > PIECES_MAX * LITERAL_BYTES_MAX:
            return None
        return Rope(self.length, melted, self.chunks(), segments)

    def _chunk(self, index: int) -> bytes:
        start, stop = index * CHUNK_BYTES, min((index + 1) * CHUNK_BYTES, self.length)
        base = self._base
        same_end = stop - start == CHUNK_BYTES or stop == base.length
        if base.chunks and same_end and stop <= base.length and self._unmoved(start, stop):
            return base.chunks[index]
        return sha256(self._range(start, stop)).digest()

    def _unmoved(self, start: int, stop: int) -> bool:
        """Whether the bytes `start` to `stop` all come from the same place of the base."""
        for part, (low, high) in zip(self._parts, pairwise(self._starts), strict=True):
            if low < stop and high > start and not (isinstance(part, Copy) and part.start == low):
                return False
        return True

    def _range(self, start: int, stop: int) -> bytes:
        found = []
        for part, (low, high) in zip(self._parts, pairwise(self._starts), strict=True):
            begin, end = max(start, low) - low, min(stop, high) - low
            if begin >= end:
                continue
            if isinstance(part, Copy):
                found.append(read_range(self._store, self._base, part.start + begin, part.start + end))
            else:
                found.append(part[begin:end])
        return b"".join(found)


def tail_of(store: Store, record_id: int, epoch: int) -> int:
    """The end of a rope epoch: where its next segment goes."""
    rows = store.scan(
        Table.SEGMENTS,
        segment_key(record_id, epoch, 0),
        segment_key(record_id, epoch + 1, 0),
        reverse=True,
        rows_max=1,
    )
    if not rows:
        return 0
    key, data = rows[0]
    return parse_segment_key(key)[2] + len(data)
