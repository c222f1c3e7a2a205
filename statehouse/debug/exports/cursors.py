"""Pages of an opened export: how much fits into one, and the cursor to the next: what was asked, as of which
commit, and after which row.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final, TypeVar

from statehouse.errors import InvalidArgumentError
from statehouse.extend import DEFAULT_LIMITS

T = TypeVar("T")

Asked = tuple[str | bool, ...]

_DIGEST_BYTES: Final = 8


def pack(asked: Asked, read_ts: int, after: str) -> str:
    """Makes a cursor.

    Args:
        asked: The request's type and arguments; the same must be given to `unpack`.
        read_ts: The commit that the pages are read at.
        after: The last row of the page.
    """
    body = json.dumps([asked, read_ts, after]).encode()
    return urlsafe_b64encode(sha256(body).digest()[:_DIGEST_BYTES] + body).decode()


def unpack(asked: Asked, cursor: str) -> tuple[int, str]:
    """Gives the commit and the last row of a cursor.

    Raises:
        InvalidArgumentError: It is none, or one of another request.
    """
    try:
        data = urlsafe_b64decode(cursor)
        digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        for_what, read_ts, after = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        digest = body = b""
        for_what, read_ts, after = None, 0, ""
    if sha256(body).digest()[:_DIGEST_BYTES] != digest:
        raise InvalidArgumentError(f"not a cursor of this export: {cursor!r:.80}")
    if for_what != list(asked):
        raise InvalidArgumentError("the cursor belongs to another request: repeat the arguments it came from")
    return int(read_ts), str(after)


def fitting(
    rows: Iterable[T], limit: int, size_of: Callable[[T], int] = lambda row: 0
) -> tuple[list[T], bool]:
    """Gives as many of the first rows as a page may have, at least one; and whether there are more."""
    taken: list[T] = []
    size = 0
    for row in rows:
        size += size_of(row)
        if taken and (len(taken) == limit or size > DEFAULT_LIMITS.page_bytes_max):
            return taken, True
        taken.append(row)
    return taken, False
