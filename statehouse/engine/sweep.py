"""Which rows of `segments` to write so that dead bytes are gone and living ones are where they were.

A rope epoch without living bytes goes whole. In others a segment that is dead in part is replaced by its
living parts, each under its own offset. Their end stays where it was, if need be as an empty segment: new
bytes of a growing value are appended behind it (E4).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from statehouse.engine import ropes
from statehouse.engine.layout import Span, segment_key
from statehouse.engine.spans import Epoch, Spans
from statehouse.storage import Row, Store, Table

_ROWS_MAX: Final = 1000
_BYTES_MAX: Final = 4 << 20


def rows_without(store: Store, pending: deque[Epoch], dead: Spans, living: Spans) -> list[Row]:
    """The rows that take dead bytes out of rope epochs; takes from `pending` what is done, at least one.

    Args:
        store: Where the segments are.
        pending: The rope epochs.
        dead: Bytes that no version needs any more.
        living: Bytes that some version needs.
    """
    rows: list[Row] = []
    size = 0
    while pending and len(rows) < _ROWS_MAX and size < _BYTES_MAX:
        epoch = pending.popleft()
        if living.of(epoch):
            size += _cut(store, epoch, dead.without(epoch, living), rows)
        else:
            size += _remove(store, epoch, rows)
    return rows


def _remove(store: Store, epoch: Epoch, rows: list[Row]) -> int:
    """Deletes an epoch; gives how many bytes it had."""
    record_id, number = epoch
    size = 0
    start, stop = segment_key(record_id, number, 0), segment_key(record_id, number + 1, 0)
    while page := store.scan(Table.SEGMENTS, start, stop):
        rows += [(Table.SEGMENTS, key, None) for key, _ in page]
        size += sum(len(data) for _, data in page)
        start = page[-1][0] + b"\0"
    return size


def _cut(store: Store, epoch: Epoch, gone: list[tuple[int, int]], rows: list[Row]) -> int:
    """Takes some ranges out of an epoch; gives how many bytes were looked at."""
    if not gone:
        return 0
    tail = ropes.tail_of(store, *epoch)
    touched = {
        offset: data
        for start, stop in gone
        for offset, data in ropes.segments_of(store, Span(*epoch, start, stop))
    }
    for offset, data in touched.items():
        kept = Spans([Span(*epoch, offset, offset + len(data))])
        left = kept.without(epoch, Spans([Span(*epoch, start, stop) for start, stop in gone]))
        if not left or left[0][0] != offset:
            rows.append((Table.SEGMENTS, segment_key(*epoch, offset), None))
        rows += [
            (Table.SEGMENTS, segment_key(*epoch, start), data[start - offset : stop - offset])
            for start, stop in left
        ]
    if gone[-1][1] >= tail:
        rows.append((Table.SEGMENTS, segment_key(*epoch, tail), b""))
    return sum(map(len, touched.values()))
