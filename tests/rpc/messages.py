"""Any message of a kind, for Hypothesis: what a hostile or broken client may send."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

M = TypeVar("M", bound=Message)

_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    FieldDescriptor.CPPTYPE_UINT64: st.sampled_from([0, 1, 2**53 - 1, 2**53, 2**63, 2**64 - 1])
    | st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.sampled_from([0, 1, 10_000, 10_001, 2**32 - 1]),
    FieldDescriptor.CPPTYPE_ENUM: st.sampled_from([0, 1, 2, 3, 4, 99, -1, 2**31 - 1, -(2**31)]),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
}
_DEPTH = 5


@st.composite
def messages(draw: st.DrawFn, kind: type[M]) -> M:
    """A message with any of its fields set to anything."""
    message = kind()
    _fill(draw, message, _DEPTH)
    return message


def _fill(draw: st.DrawFn, message: Message, depth_left: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if draw(st.booleans()):
            _set(draw, message, field, depth_left)


def _set(draw: st.DrawFn, message: Message, field: Any, depth_left: int) -> None:
    entry = field.message_type
    if entry is None:
        scalar = (
            st.binary(max_size=5) if field.type == FieldDescriptor.TYPE_BYTES else _SCALARS[field.cpp_type]
        )
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(scalar, max_size=2)))
        else:
            setattr(message, field.name, draw(scalar))
    elif depth_left == 0:
        return
    elif entry.GetOptions().map_entry:
        name = draw(_SCALARS[FieldDescriptor.CPPTYPE_STRING])
        members = getattr(message, field.name)
        if entry.fields_by_name["value"].message_type is None:
            members[name] = draw(_SCALARS[FieldDescriptor.CPPTYPE_STRING])
        else:
            _fill(draw, members[name], depth_left - 1)
    elif field.is_repeated:
        for _ in range(draw(st.integers(0, 2))):
            _fill(draw, getattr(message, field.name).add(), depth_left - 1)
    else:
        getattr(message, field.name).SetInParent()
        _fill(draw, getattr(message, field.name), depth_left - 1)
