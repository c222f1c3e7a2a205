"""Cursors: where a page ended, as an opaque text that only the request it came from can use.

A cursor carries the store, the epoch, the commit_ts that the pages are read at, and a position; a checksum
over these and the request's own arguments tells a cursor of another request, or a damaged one, apart.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode
from hashlib import blake2b
from struct import Struct
from typing import Final

from statehouse.engine.state import State
from statehouse.errors import InvalidArgumentError

_head: Final = Struct(">16sQQ")
_CHECKSUM_BYTES: Final = 8


def pack_cursor(state: State, scope: str, read_ts: int, position: bytes) -> str:
    """Makes a cursor.

    Args:
        state: The store.
        scope: The request's type and arguments; the same text must be given to `unpack_cursor`.
        read_ts: The commit_ts the pages are read at.
        position: Where the next page begins.
    """
    body = _head.pack(state.store_id, state.epoch, read_ts) + position
    return urlsafe_b64encode(_checksum(scope, body) + body).decode().rstrip("=")


def unpack_cursor(state: State, scope: str, cursor: str) -> tuple[int, bytes]:
    """The read_ts and position of a cursor.

    Raises:
        InvalidArgumentError: Not a cursor, or one of another request.
        StoreChangedError: A cursor of another store, or of history that was replaced.
        CompactedError: Its read_ts is below the horizon by now.
    """
    wrong = InvalidArgumentError(
        f"this is not a cursor of this request: {cursor!r:.80}; pass the cursor of the page before, with the "
        "other arguments unchanged"
    )
    if not isinstance(cursor, str):
        raise wrong
    try:
        # Strictly: by default Python leaves out whatever is no base64.
        data = b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    body = data[_CHECKSUM_BYTES:]
    if len(body) < _head.size or _checksum(scope, body) != data[:_CHECKSUM_BYTES]:
        raise wrong
    store_id, epoch, read_ts = _head.unpack_from(body)
    state.check_reference(store_id, epoch, read_ts)
    state.check_horizon(read_ts)
    return read_ts, body[_head.size :]


def _checksum(scope: str, body: bytes) -> bytes:
    return blake2b(scope.encode() + b"\0" + body, digest_size=_CHECKSUM_BYTES).digest()
