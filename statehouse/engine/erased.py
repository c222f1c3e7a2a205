"""What is left of an erased version: its two rows, without value, salt and type.

While segments that it referred to may still be there, its row in `history` says which (`pack_remains`): an
erase that was cut short is finished from that. Readers of values see an erased row either way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from statehouse.engine.layout import (
    ERASED,
    HISTORY_HEAD_BYTES,
    NameHead,
    Span,
    pack_name_row,
    pack_value_head,
    pack_varint,
    unpack_varint,
)

_HEAD: Final = pack_value_head(ERASED, "")


class Remains(NamedTuple):
    """The segments of an erased version.

    `shared`: it was not to be erased for its own sake, but shared bytes with a version that was.
    """

    spans: tuple[Span, ...]
    shared: bool


def erased_name_row(head: NameHead) -> bytes:
    """What becomes of a row in `names`."""
    record_id, version, commit_ts, _, _ = head
    return pack_name_row(record_id, version, commit_ts, _HEAD, b"")


def erased_row(row: bytes, remains: bytes = b"") -> bytes:
    """What becomes of a row in `history`, erased already or not; `remains`: `pack_remains`."""
    return row[:8] + _HEAD + remains


def pack_remains(spans: Iterable[Span], *, shared: bool) -> bytes:
    """See `Remains`."""
    numbers = [int(shared), *(number for span in spans for number in span)]
    return b"".join(map(pack_varint, numbers))


def remains_of(row: bytes) -> Remains | None:
    """What a row in `history` says of segments; None when it is not erased, or they are gone."""
    if not row[8] & ERASED or len(row) == HISTORY_HEAD_BYTES:
        return None
    numbers, offset = [], HISTORY_HEAD_BYTES
    while offset < len(row):
        number, offset = unpack_varint(row, offset)
        numbers.append(number)
    spans = tuple(Span(*numbers[at : at + 4]) for at in range(1, len(numbers), 4))
    return Remains(spans, bool(numbers[0]))
