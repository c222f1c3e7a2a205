"""Serializing lists of messages for what is new in them.

LangGraph hands over the whole list at every step, and serializing a message takes longer than storing it. A
list's bytes are a header and the bytes of its elements, so what was made of the first elements before can be
used again, as long as they are the same objects and nothing in them changed. Whether it did is seen from
their contents, all of them, every time: objects can be changed in place.

* E1. What comes out is byte for byte what the serializer gives for the whole list.
* E2. An element that holds anything but plain values (numbers, text, lists, dictionaries) is never reused.
* E3. Equal is not enough where numbers are about: ``True == 1 == 1.0``, and each is written differently.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from statehouse_langgraph.serde import AllowlistSerializer, Typed

ELEMENTS_MIN: Final = 32
"""Below this, finding out takes as long as serializing."""

_MSGPACK: Final = "msgpack"
_FIXED_BYTES: Final = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_EXTENSION_SIZES: Final = {0xC7: 1, 0xC8: 2, 0xC9: 4, **dict.fromkeys(_FIXED_BYTES, 0)}
"""The first byte of an extension object in msgpack, and how many bytes its length takes."""
# Version 2 of the format has no back references, so equal contents have equal bytes.
_MARSHAL_VERSION: Final = 2


Mark = int | tuple[dict[str, Any], dict[str, Any] | None]
"""The contents of a model at one time."""


@dataclass(frozen=True, slots=True)
class EncodedList:
    """A list that was serialized.

    Attributes:
        data: Its bytes.
        elements: The elements. They are held so that no other object takes their place in memory.
        marks: What was in each of them, see `_mark`.
        ends: Where each one's bytes end in `data`.
    """

    data: bytes
    elements: Sequence[Any]
    marks: Sequence[Mark]
    ends: Sequence[int]

    def unchanged(self, value: Sequence[Any]) -> int:
        """How many elements a list has in common with this one, from the first on."""
        count = 0
        for old, new, known in zip(self.elements, value, self.marks, strict=False):
            if old is not new:
                break
            # The first is what nearly all messages have.
            if type(known) is tuple:
                if new.__dict__ != known[0] or new.__pydantic_extra__ != known[1]:
                    break
            elif _packed(new) != known:
                break
            count += 1
        return count


def encode(
    value: Any, serde: SerializerProtocol, before: EncodedList | None
) -> tuple[Typed, EncodedList | None]:
    """Serializes a value.

    Args:
        value: The value.
        serde: The serializer.
        before: What the channel held before, if it was serialized here; None for nothing.

    Returns:
        What the serializer gives, and what to hand in next time; None for nothing.
    """
    if not _may_be_reused(value) or type(serde) not in (AllowlistSerializer, JsonPlusSerializer):
        return serde.dumps_typed(value), None
    reused = 0 if before is None else before.unchanged(value)
    fresh = value[reused:]
    kind, tail = serde.dumps_typed(fresh)
    marks = [_mark(element) for element in fresh]
    if kind != _MSGPACK or None in marks:
        return (kind, tail) if not reused else serde.dumps_typed(value), None
    header, tail_header = _header(len(value)), len(_header(len(fresh)))
    if before is None or not reused:
        data = tail
        ends = list(_ends(tail, tail_header))
    else:
        old_header = len(_header(len(before.elements)))
        kept = before.data[old_header : before.ends[reused - 1]]
        data = b"".join((header, kept, tail[tail_header:]))
        moved = len(header) - old_header
        ends = [end + moved for end in before.ends[:reused]] if moved else list(before.ends[:reused])
        moved = len(header) + len(kept) - tail_header
        ends.extend(end + moved for end in _ends(tail, tail_header))
        marks = [*before.marks[:reused], *marks]
    if len(ends) != len(value):
        # Something that is no message after all.
        return (_MSGPACK, data), None
    return (_MSGPACK, data), EncodedList(data, list(value), cast("list[Mark]", marks), ends)


def _ends(data: bytes, offset: int) -> Iterator[int]:
    """Where each extension object of an array ends; models are written as these."""
    while offset < len(data):
        first = data[offset]
        size = _EXTENSION_SIZES.get(first)
        if size is None:
            return
        offset += 2 + size + (int.from_bytes(data[offset + 1 : offset + 1 + size], "big") if size else 0)
        if first in _FIXED_BYTES:
            offset += _FIXED_BYTES[first]
        yield offset


def _may_be_reused(value: Any) -> bool:
    return type(value) is list and len(value) >= ELEMENTS_MIN and hasattr(value[0], "__pydantic_fields_set__")


def _mark(element: Any) -> Mark | None:
    """What is in a pydantic model; None where that cannot be said (E2).

    Mostly text and empty containers: then a copy of them. Otherwise a number that stands for all of it (E3).
    """
    if not hasattr(element, "__pydantic_fields_set__"):
        return None
    fields, extra = element.__dict__, element.__pydantic_extra__
    if not extra and all(map(_is_simple, fields.values())):
        return {
            name: type(value)() if type(value) in (dict, list) else value for name, value in fields.items()
        }, (None if extra is None else {})
    return _packed(element)


def _is_simple(value: Any) -> bool:
    return value is None or type(value) is str or (type(value) in (dict, list) and not value)


def _packed(element: Any) -> int | None:
    try:
        return hash(marshal.dumps((element.__dict__, element.__pydantic_extra__), _MARSHAL_VERSION))
    except ValueError:
        return None


def _header(count: int) -> bytes:
    """How msgpack begins an array."""
    if count < 16:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")
