"""What an operation leaves of a record, as far as it depends neither on the store nor on the salt.

Most of it is worked out before the writer's turn comes (see `prepare`); the writer adds the record id, the
version, the commit_ts and the salt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from statehouse.engine import layout
from statehouse.engine.digests import operation_proof
from statehouse.engine.layout import INLINE, KIND_DELETE, KIND_WRITE, ROPE, TOMBSTONE
from statehouse.engine.ropes import Rope

_TOMBSTONE_HEAD: Final = layout.pack_value_head(TOMBSTONE, "")


class Stored(NamedTuple):
    """A value, or a tombstone, in parts of rows.

    Attributes:
        kind: `KIND_WRITE` or `KIND_DELETE`.
        head: Flags and type, as both its rows have them.
        inline: What its row in `names` says of the value.
        body: What its row in `history` says of the value.
        proof: What its digest covers besides the salt.
    """

    kind: int
    head: bytes
    inline: bytes
    body: bytes
    proof: bytes


def stored_tombstone(name: bytes) -> Stored:
    """What a delete leaves."""
    return Stored(KIND_DELETE, _TOMBSTONE_HEAD, b"", b"", operation_proof(KIND_DELETE, name, "", ()))


def stored_inline(name: bytes, content_type: str, data: bytes, chunks: Iterable[bytes]) -> Stored:
    """What a value of up to `INLINE_BYTES_MAX` leaves."""
    head = layout.pack_value_head(INLINE, content_type)
    return Stored(KIND_WRITE, head, data, data, operation_proof(KIND_WRITE, name, content_type, chunks))


def stored_rope(name: bytes, content_type: str, rope: Rope) -> Stored:
    """What a larger value leaves, besides its segments."""
    head = layout.pack_value_head(ROPE, content_type)
    body = layout.pack_rope(rope.length, rope.pieces, rope.chunks)
    return Stored(KIND_WRITE, head, b"", body, operation_proof(KIND_WRITE, name, content_type, rope.chunks))
