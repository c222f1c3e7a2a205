"""What can be wrong about one field of a message, whatever the message."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

Path = tuple[str, ...]

_MARK: Final = "@@@@"
_STRUCT: Final = Struct.DESCRIPTOR.full_name
_INTEGERS: Final = {
    FieldDescriptor.CPPTYPE_UINT64: (2**53, 2**53 + 1, 2**63, 2**64 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (2**31, 2**32 - 1),
}
BYTES_MAX: Final = {"namespace": 128, "agent_id": 256, "key": 1024, "prefix": 1024, "txn_id": 128}
"""The limits of texts, by the name of the field; a text with another name is too long at 20 KB."""
_TOO_LONG: Final = 20_000


@dataclass(frozen=True, slots=True)
class Wrong:
    """A message with one thing wrong about it.

    Attributes:
        what: The kind of wrong.
        data: The message.
    """

    what: str
    data: bytes


def paths(described: Any, *, within: Path = ()) -> Iterator[tuple[Path, FieldDescriptor]]:
    """Every field that a message can have, through the messages in it; a Struct is one field."""
    for field in described.fields:
        path = (*within, field.name)
        if is_map(field) or field.message_type is None or field.message_type.full_name == _STRUCT:
            yield path, field
        elif field.message_type.fields:
            yield from paths(field.message_type, within=path)
        else:
            yield path, field


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field holds texts by name."""
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def has(message: Message, path: Path) -> bool:
    """Whether a message sets a field, to something that is not nothing."""
    name, rest = path[0], path[1:]
    found = getattr(message, name)
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        return bool(found) and (not rest or any(has(each, rest) for each in found))
    if field.message_type is not None:
        return message.HasField(name) and (not rest or has(found, rest))
    return bool(found) or (field.has_presence and message.HasField(name))


def wrongs(message: Message, path: Path, field: FieldDescriptor) -> Iterator[Wrong]:
    """The message, with one field set to each thing that it should not be."""
    if is_map(field):
        for what, text in _texts(field.name):
            for pair in ((text, "value"), ("name", text)):
                yield from _spelled(message, path, what, pair)
    elif field.message_type is not None and field.message_type.full_name == _STRUCT:
        for what, value in structs():
            yield Wrong(what, _with(message, path, value).SerializeToString())
    elif field.cpp_type in _INTEGERS:
        for number in _INTEGERS[field.cpp_type]:
            yield Wrong(str(number), _with(message, path, number).SerializeToString())
    elif field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        for number in (99, 2**31 - 1, -1):
            yield Wrong("unknown number", _with(message, path, number).SerializeToString())
    elif field.type == FieldDescriptor.TYPE_STRING:
        for what, text in _texts(field.name):
            yield from _spelled(message, path, what, text)


def _spelled(message: Message, path: Path, what: str, value: Any) -> Iterator[Wrong]:
    data = _with(message, path, value).SerializeToString()
    if what != "not UTF-8":
        yield Wrong(what, data)
        return
    # protobuf would not write any of these: a byte that is none, half a surrogate pair, an overlong "/".
    for spelling in (b"a\xff\xfeb", b"\xed\xa0\x80b", b"ab\xc0\xaf"):
        assert data.count(_MARK.encode()) == 1
        yield Wrong(what, data.replace(_MARK.encode(), spelling))


def _texts(name: str) -> Iterator[tuple[str, str]]:
    yield "not UTF-8", _MARK
    for control in ("a\0b", "\x1f", "line\nline"):
        yield "control", control
    yield "too long", "x" * (BYTES_MAX.get(name, _TOO_LONG) + 1)
    # Fewer characters than the limit, more bytes.
    yield "too long", "é" * (BYTES_MAX.get(name, _TOO_LONG) // 2 + 1)


def structs() -> Iterator[tuple[str, Struct]]:
    """Objects that have no JSON form, or one that is refused."""
    for number in (math.nan, math.inf, -math.inf):
        made = Struct()
        made["n"] = number
        yield "not a number", made
    made = Struct()
    made.fields["nothing"].SetInParent()
    yield "nothing said", made
    yield "too deep", nested(33)
    made = Struct()
    made["@statehouse.erased"] = True
    yield "a mark", made
    for marked in ("text", {"type": "text/plain"}, {"type": "text/plain", "base64": "?"}, {"base64": "aGk="}):
        made = Struct()
        made["@statehouse.payload"] = marked
        yield "a mark", made


def nested(depth: int, *, lists: bool = False) -> Struct:
    """An object that is this many levels deep, itself included."""
    innermost = Value(number_value=1)
    for _ in range(depth - 1):
        outer = Value()
        if lists:
            outer.list_value.values.append(innermost)
        else:
            outer.struct_value.fields["x"].CopyFrom(innermost)
        innermost = outer
    made = Struct()
    made.fields["x"].CopyFrom(innermost)
    return made


def _with(message: Message, path: Path, value: Any) -> Message:
    """A copy of a message with one field set, in the first of what is repeated that has it."""
    copy = type(message)()
    copy.CopyFrom(message)
    holder: Any = copy
    for at, name in enumerate(path[:-1], 1):
        inside = getattr(holder, name)
        if holder.DESCRIPTOR.fields_by_name[name].is_repeated:
            inside = next(each for each in inside if has(each, path[at:]))
        holder = inside
    field = holder.DESCRIPTOR.fields_by_name[path[-1]]
    if is_map(field):
        getattr(holder, path[-1])[value[0]] = value[1]
    elif isinstance(value, Message):
        getattr(holder, path[-1]).CopyFrom(value)
    elif field.is_repeated:
        getattr(holder, path[-1])[0] = value
    else:
        setattr(holder, path[-1], value)
    return copy
