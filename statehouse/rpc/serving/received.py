"""What clients send, from bytes to messages, without taking in more than was sent.

A message of two bytes takes seventy in memory, and then the objects that it stands for: 36 MiB of empty ones
are gigabytes, and seconds in which nobody else is answered. So where there could be too many parts they are
counted before it is parsed, which takes no memory and about a microsecond each.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from statehouse.errors import LimitExceededError
from statehouse.rpc.methods import parse

M = TypeVar("M", bound=Message)

MESSAGE_PARTS_MAX: Final = 250_000
"""Messages within a message: records, operations, reads, values within a Struct."""

COUNTED_BYTES_MIN: Final = 2 * MESSAGE_PARTS_MAX
"""What is smaller cannot have too many, and is not counted."""

_FIELDS_MAX: Final = 4 * MESSAGE_PARTS_MAX
"""Fields of all of these, so that counting comes to an end."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}
_MORE: Final = 0x80
_SHIFT_MAX: Final = 63

_Table = dict[int, "_Table"]
"""The fields of a message that are messages themselves, by their tags, each with its own such fields."""

_tables: Final[dict[str, _Table]] = {}


def received(kind: type[M], data: bytes) -> M:
    """Gives the message that the bytes of a client are.

    Raises:
        InvalidArgumentError: They are no such message.
        LimitExceededError: It has too many parts.
    """
    if len(data) >= COUNTED_BYTES_MIN:
        check_parts(kind, data)
    return parse(kind, data)


def check_parts(kind: type[Message], data: bytes) -> None:
    """Counts the parts of what may be such a message, as far as it is one.

    Raises:
        LimitExceededError: There are too many.
    """
    table = _table(kind.DESCRIPTOR)
    if table:
        # One that ends too early, or is none, is not told so here, but when it is parsed.
        with suppress(IndexError, OverflowError):
            _count(table, data)


def _table(described: Any) -> _Table:
    name = described.full_name
    table = _tables.get(name)
    if table is None:
        # Set before it is filled: a Struct has Values, which have Structs.
        table = _tables[name] = {}
        for field in described.fields:
            if field.message_type is not None:
                table[field.number << 3 | _BYTES] = _table(field.message_type)
    return table


def _count(table: _Table, data: bytes) -> None:
    parts = fields = at = 0
    end = size = len(data)
    above: list[tuple[_Table, int]] = []
    while parts <= MESSAGE_PARTS_MAX and fields <= _FIELDS_MAX:
        while at >= end:
            if not above:
                return
            table, end = above.pop()
        tag, at = (data[at], at + 1) if data[at] < _MORE else _varint(data, at)
        fields += 1
        if tag & 7 == _BYTES:
            length, at = (data[at], at + 1) if data[at] < _MORE else _varint(data, at)
            inner = table.get(tag)
            if inner is None:
                at += length
            else:
                parts += 1
                above.append((table, end))
                table, end = inner, min(at + length, end)
        elif tag & 7 == _VARINT:
            _, at = _varint(data, at)
        else:
            at += _FIXED_BYTES.get(tag & 7, 0)
    raise LimitExceededError(
        f"a message of {size} bytes has more than {MESSAGE_PARTS_MAX} parts (records, operations, reads, "
        "values within a Struct): send fewer at once, and large values as payload bytes",
        limit=MESSAGE_PARTS_MAX,
        actual=MESSAGE_PARTS_MAX + 1,
    )


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while (byte := data[at]) >= _MORE:
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if shift > _SHIFT_MAX:
            raise OverflowError
    return number | byte << shift, at + 1
