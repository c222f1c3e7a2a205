"""Values: as the bytes that they are, and as Struct for clients that know nothing else.

A Struct is a JSON object whose numbers are doubles. `struct_of` shows in it whatever can be stored, and means
one thing by each thing it shows:

* a JSON object is shown as itself;
* anything else is shown as ``{"@statehouse.payload": {"type": ..., "base64": ...}}``: other JSON, other
  types, JSON that is none, and objects that a Struct would damage. Those have an integer beyond 2**53 or a
  number that is not finite, are nested deeper than 32 (every protobuf parser takes that, few take much more),
  contain text that is not valid Unicode, or look like a mark themselves;
* a value that was erased is shown as ``{"@statehouse.erased": true}``.

`payload_of` takes the first two back, so that a client that copies a value through Structs copies the value.
A number that is a whole one up to 2**53 is stored as an integer, as in protobuf's own mapping to JSON.
Members are sorted by name: a map has no order on the wire, and a commit sent again must be the same bytes.
"""

from __future__ import annotations

import binascii
import math
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any, Final, Protocol

from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError, LimitExceededError, StatehouseError
from statehouse.protocol.limits import DEFAULT_LIMITS
from statehouse.protocol.replies import OperationKind
from statehouse.protocol.values import JSON, Payload, decode, encode
from statehouse.rpc.codec.names import ANY_SIZE

PAYLOAD_MARK: Final = "@statehouse.payload"
ERASED_MARK: Final = "@statehouse.erased"
_MARKS: Final = frozenset({PAYLOAD_MARK, ERASED_MARK})
_INTEGER_MAX: Final = 2**53
_DEPTH_MAX: Final = DEFAULT_LIMITS.json_depth_max
_ANY_SIZE: Final = replace(DEFAULT_LIMITS, value_bytes_max=ANY_SIZE)

AS_STRUCT: Final = pb.VALUES_AS_STRUCT
AS_PAYLOAD: Final = pb.VALUES_AS_PAYLOAD
LEFT_OUT: Final = pb.VALUES_LEFT_OUT


class _Kinds(dict[pb.OperationKind, OperationKind | None]):
    def __missing__(self, number: pb.OperationKind) -> OperationKind | None:
        raise StatehouseError(
            f"the daemon answered a write of kind {number}, which this version of Statehouse does not know: "
            "install the version that the daemon has"
        )


KINDS: Final = _Kinds(
    {pb.KIND_NONE: None, pb.KIND_WRITE: "write", pb.KIND_DELETE: "delete", pb.KIND_ERASED: "erased"}
)
"""What a write was, by its number on the wire."""

KIND_NUMBERS: Final = {kind: number for number, kind in KINDS.items()}


class Holder(Protocol):
    """A message with a value, or without."""

    @property
    def value(self) -> Struct:
        """As Struct."""
        ...

    @property
    def payload(self) -> pb.Payload:
        """As it is stored."""
        ...

    kind: pb.OperationKind


class Asked(Protocol):
    """A message that asks for values."""

    values: pb.ValueForm


def check_form(message: Asked) -> None:
    """Raises InvalidArgumentError when values are asked for in a form that there is not."""
    if not AS_STRUCT <= message.values <= LEFT_OUT:
        raise InvalidArgumentError(
            f"values = {message.values} is not a form of values: 0 is Struct, 1 payload bytes, 2 none"
        )


def say_payload(message: pb.Payload, payload: Payload) -> None:
    """Writes a value as it is stored. Its JSON type needs no words."""
    if payload.content_type != JSON:
        message.content_type = payload.content_type
    message.data = payload.data


def payload_in(message: pb.Payload) -> Payload:
    """A value as it is stored."""
    return Payload(message.content_type or JSON, message.data)


def say_value(
    message: Holder, kind: OperationKind | None, payload: Payload | None, form: pb.ValueForm
) -> None:
    """Writes what a write was, and the value in the form that was asked for."""
    message.kind = KIND_NUMBERS[kind]
    if form == AS_PAYLOAD:
        if payload is not None:
            say_payload(message.payload, payload)
    elif form == AS_STRUCT:
        if payload is not None:
            _show(message.value, payload)
        elif kind == "erased":
            message.value.fields[ERASED_MARK].bool_value = True


def struct_of(payload: Payload) -> Struct:
    """Shows a value to a client that reads Structs; see the module."""
    struct = Struct()
    _show(struct, payload)
    return struct


def _show(struct: Struct, payload: Payload) -> None:
    if payload.content_type == JSON:
        try:
            value = decode(payload)
            if isinstance(value, dict) and not (len(value) == 1 and value.keys() <= _MARKS):
                _show_members(struct, value, _DEPTH_MAX - 1)
                return
        # Not JSON, or JSON that a Struct would damage; ours are ValueErrors, as are those of Unicode.
        except (ValueError, RecursionError):
            struct.Clear()
    shown = struct.fields[PAYLOAD_MARK].struct_value.fields
    shown["type"].string_value = payload.content_type
    shown["base64"].string_value = b64encode(payload.data).decode()


def _show_members(struct: Struct, members: dict[str, Any], depth_left: int) -> None:
    struct.SetInParent()
    fields = struct.fields
    for name, item in members.items():
        _show_item(fields[name], item, depth_left)


def _show_item(value: Value, item: Any, depth_left: int) -> None:
    # What the decoder gives is of just these types; a large value has a million of them.
    kind = type(item)
    if kind is str:
        value.string_value = item
    elif (kind is int and -_INTEGER_MAX <= item <= _INTEGER_MAX) or (kind is float and math.isfinite(item)):
        value.number_value = item
    elif kind is bool:
        value.bool_value = item
    elif item is None:
        value.null_value = NULL_VALUE
    elif kind is dict and depth_left:
        _show_members(value.struct_value, item, depth_left - 1)
    elif kind is list and depth_left:
        shown = value.list_value
        shown.SetInParent()
        add = shown.values.add
        for each in item:
            _show_item(add(), each, depth_left - 1)
    else:
        raise ValueError("a Struct would damage it")


def payload_of(struct: Struct) -> Payload:
    """What a client stores when it gives a Struct; see the module.

    Raises:
        InvalidArgumentError: NaN or an infinity, a value that says nothing, or a mark that makes no sense.
        LimitExceededError: Nested deeper than 32.
    """
    fields = struct.fields
    if len(fields) == 1:
        if PAYLOAD_MARK in fields:
            return _shown(fields[PAYLOAD_MARK])
        if ERASED_MARK in fields:
            raise InvalidArgumentError(
                f"an object with nothing but {ERASED_MARK!r} stands for an erased value and cannot be written"
            )
    return encode(_members(struct, _DEPTH_MAX - 1), _ANY_SIZE)


def _shown(mark: Value) -> Payload:
    fields = mark.struct_value.fields
    known = fields.keys() == {"type", "base64"}
    if known and {fields[name].WhichOneof("kind") for name in fields} == {"string_value"}:
        try:
            data = b64decode(fields["base64"].string_value, validate=True)
        except (binascii.Error, ValueError):
            pass
        else:
            return Payload(fields["type"].string_value, data)
    raise InvalidArgumentError(
        f"an object with nothing but {PAYLOAD_MARK!r} stands for bytes and must hold their media type and "
        'themselves, as {"type": "text/plain", "base64": "aGk="}'
    )


def _members(struct: Struct, depth_left: int) -> dict[str, Any]:
    fields = struct.fields
    return {name: _item(fields[name], depth_left) for name in sorted(fields)}


def _item(value: Value, depth_left: int) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _INTEGER_MAX else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "null_value":
        return None
    if kind is None:
        raise InvalidArgumentError("a Value in the Struct has no kind; say null_value for null")
    if not depth_left:
        raise LimitExceededError(
            f"the value is nested deeper than {_DEPTH_MAX} levels", limit=_DEPTH_MAX, actual=_DEPTH_MAX + 1
        )
    if kind == "struct_value":
        return _members(value.struct_value, depth_left - 1)
    return [_item(each, depth_left - 1) for each in value.list_value.values]
