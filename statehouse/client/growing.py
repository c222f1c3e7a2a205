"""Values that grow: finding what a new value shares with an old one.

A new value of a conversation nearly always begins with the bytes of the last one. `grow` finds them, and
gives the parts of an `Extend`, so that storing the value costs what is new in it. It knows no format; it
finds what formats have in common:

* a prefix that is the same (appending to a JSON list);
* a closing bracket that stays at the end: it becomes a short part of its own, so that the bytes before it
  can be shared whole next time;
* a header in front that says how long the list is (msgpack): a short part of its own too;
* a start somewhere inside the old value (a list that was trimmed in front), and edits in the middle.

Slices of ``bytes`` are compared, never views: comparing memoryviews goes item by item, 100 times slower.
"""

from __future__ import annotations

from typing import Final

from statehouse.protocol.requests import Copy

Part = Copy | bytes

SHARED_BYTES_MIN: Final = 1024
"""Sharing less than this saves nothing: values up to 1 KiB are kept whole anyway."""

_COPY_BYTES_MIN: Final = 64
_COPIES_MAX: Final = 4
_NEEDLE_BYTES: Final = 32
_SKIPS: Final = (0, 1, 2, 3, 5, 9, 17)
"""How many bytes of the new value a changed header may be: msgpack's are 1, 3 or 5, and one text in front."""


def grow(old: bytes, new: bytes, *, shared_bytes_min: int = SHARED_BYTES_MIN) -> tuple[Part, ...] | None:
    """Gives what a new value is made of: ranges of the old one, and new bytes.

    Args:
        old: The bytes of an earlier value.
        new: The bytes of the new one.
        shared_bytes_min: Share at least this much, or nothing.

    Returns:
        The parts for an `Extend`, whose concatenation is `new`; None when sharing saves nothing.
    """
    if min(len(old), len(new)) < shared_bytes_min:
        return None
    parts: list[Part] = []
    tail = _common_suffix(old, new)
    in_old = in_new = shared = copies = 0
    while in_new < len(new) and copies < _COPIES_MAX:
        found = _next_copy(old, new, in_old, in_new)
        if found is None:
            break
        start, skipped, length = found
        if skipped:
            parts.append(new[in_new : in_new + skipped])
        parts.append(Copy(start, start + length))
        in_old, in_new = start + length, in_new + skipped + length
        shared += length
        copies += 1
    tail = min(tail, len(old) - in_old, len(new) - in_new)
    middle = new[in_new : len(new) - tail]
    if middle:
        parts.append(middle)
    if tail:
        long = tail >= _COPY_BYTES_MIN
        parts.append(Copy(len(old) - tail, len(old)) if long else new[len(new) - tail :])
        shared += tail if long else 0
    return tuple(parts) if shared >= shared_bytes_min else None


def _next_copy(old: bytes, new: bytes, in_old: int, in_new: int) -> tuple[int, int, int] | None:
    """The next range worth copying: its start in the old value, new bytes before it, its length."""
    length = _common_prefix(old, new, in_old, in_new)
    if length >= _COPY_BYTES_MIN or length == len(new) - in_new:
        return in_old, 0, length
    for skip in _SKIPS:
        at = in_new + length + skip
        needle = new[at : at + _NEEDLE_BYTES]
        if len(needle) < _NEEDLE_BYTES:
            return None
        start = old.find(needle, in_old)
        if start >= 0:
            found = _common_prefix(old, new, start, at)
            if found >= _COPY_BYTES_MIN:
                return start, length + skip, found
    return None


def _common_prefix(old: bytes, new: bytes, in_old: int, in_new: int) -> int:
    """How many bytes are the same from two positions on; slices compare at memory speed."""
    low, high = 0, min(len(old) - in_old, len(new) - in_new)
    step = 64
    while low < high and old[in_old + low : in_old + low + step] == new[in_new + low : in_new + low + step]:
        low = min(low + step, high)
        step *= 2
    high = min(high, low + step)
    while low < high:
        middle = (low + high + 1) // 2
        if old[in_old + low : in_old + middle] == new[in_new + low : in_new + middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_suffix(old: bytes, new: bytes) -> int:
    """How many bytes are the same at the two ends."""
    low, high = 0, min(len(old), len(new))
    step = 64
    while low < high:
        wide = min(low + step, high)
        if old[len(old) - wide : len(old) - low] != new[len(new) - wide : len(new) - low]:
            high = wide - 1
            break
        low = wide
        step *= 2
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return low
