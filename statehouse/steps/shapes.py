"""Python values as JSON, and back by a type annotation; never by a class that stored data names.

JSON values are themselves. Besides them: dataclasses, named tuples, enumerations, ``bytes``, sets, tuples,
``datetime`` and its kin, ``UUID``, ``Decimal``, ``Path``, pydantic models where pydantic is loaded, and what
`register_step_type` or the entry point group ``statehouse.step_types`` adds.

    [project.entry-points."statehouse.step_types"]
    mine = "my_package.types:register"      # a function that calls register_step_type
"""

from __future__ import annotations

import base64
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from statehouse.errors import InvalidArgumentError

T = TypeVar("T")
ENTRY_POINT_GROUP: Final = "statehouse.step_types"
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_DEPTH_MAX: Final = 100


class Shape(NamedTuple):
    """How values of a class become JSON, and what JSON becomes one; `decode` is given the class asked for."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any, Any], Any]


_shapes: Final[dict[type, Shape]] = {}


def register_step_type(cls: type[T], *, encode: Callable[[T], Any], decode: Callable[[Any], T]) -> None:
    """Teaches steps a class: how its values become JSON, and JSON its values.

    Subclasses are encoded alike; what an annotation names is decoded by the nearest class that is known.

    Args:
        cls: The class.
        encode: Gives a value as JSON, or as other values that steps know.
        decode: Gives a value from that JSON.
    """
    _shapes[cls] = Shape(encode, lambda value, _: decode(value))


def to_json(value: Any, converted: set[str] | None = None, _depth: int = 0) -> Any:
    """Gives a value as JSON.

    Args:
        value: The value.
        converted: Takes the names of the classes that JSON does not have, and that only an annotation brings
            back.

    Raises:
        InvalidArgumentError: A part of it is of a class that nobody taught steps.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if _depth > _DEPTH_MAX:
        raise InvalidArgumentError("the value is nested too deeply to be JSON, or contains itself")
    if kind is list:
        return [to_json(each, converted, _depth + 1) for each in value]
    if kind is dict:
        return {_key(key): to_json(each, converted, _depth + 1) for key, each in value.items()}
    if kind is tuple:
        return [to_json(each, converted, _depth + 1) for each in value]
    shape = _shape_of(kind)
    if shape is not None:
        if converted is not None:
            converted.add(kind.__qualname__)
        return to_json(shape.encode(value), converted, _depth + 1)
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {_key(key): to_json(each, converted, _depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [to_json(each, converted, _depth + 1) for each in value]
    raise InvalidArgumentError(
        f"a {kind.__qualname__} cannot be recorded: {value!r:.80}; use JSON values, dataclasses or "
        "pydantic models, or teach steps the class with statehouse.register_step_type"
    )


def _key(key: Any) -> str:
    if type(key) is str:
        return key
    if isinstance(key, str):
        return str(key.value) if isinstance(key, Enum) else str(key)
    raise InvalidArgumentError(f"a JSON object's keys must be strings, not {type(key).__name__}: {key!r:.80}")


def _shape_of(cls: type) -> Shape | None:
    shape = _known(cls)
    if shape is None and _load_entry_points():
        shape = _known(cls)
    return shape


def _known(cls: type) -> Shape | None:
    for base in cls.__mro__:
        if (shape := _shapes.get(base)) is not None:
            return shape
        if (shape := _BUILT_IN.get(base)) is not None:
            return shape
        if "model_fields" in base.__dict__ or "__pydantic_fields__" in base.__dict__:
            return _PYDANTIC if is_pydantic(cls) else None
    if dataclasses.is_dataclass(cls):
        return _DATACLASS
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _NAMED_TUPLE
    return None


@cache
def _load_entry_points() -> bool:
    """Has every package that brings classes teach them, once a process."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to load, and most never need it

    found = tuple(entry_points(group=ENTRY_POINT_GROUP))
    for point in found:
        point.load()()
    return bool(found)


def shape_of(cls: type) -> Shape | None:
    """How a class is encoded and decoded; None for one that steps do not know."""
    return _shape_of(cls)


def is_pydantic(cls: Any) -> bool:
    """Whether a class is a pydantic model; pydantic is not loaded to find out."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(cls, type) and issubclass(cls, pydantic.BaseModel)


def _decode_text(what: str, parse: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def decode(value: Any, cls: Any) -> Any:
        try:
            return parse(value)
        except (TypeError, ValueError, ArithmeticError):
            raise InvalidArgumentError(f"not {what}: {value!r:.80}") from None

    return decode


def _dataclass_to_json(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in fields_of(type(value))}


def _from_enum(value: Any, cls: Any) -> Any:
    try:
        return cls(value)
    except ValueError:
        raise InvalidArgumentError(f"not one of {cls.__name__}: {value!r:.80}") from None


def _from_set(value: Any, cls: Any) -> Any:
    return frozenset(value) if cls is frozenset else set(value)


def _set_to_json(value: AbstractSet[Any]) -> Sequence[Any]:
    # Sets have no order, and the same set must have the same hash in another process.
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=repr)


def _validate(value: Any, cls: Any) -> Any:
    return cls.model_validate(value)


def by_fields(value: Any, cls: Any) -> Any:
    """Marks the classes that `annotations` decodes field by field, each by its own annotation."""
    raise AssertionError(f"{cls} is decoded field by field: {value!r:.80}")


def fields_of(cls: Any) -> list[str]:
    """Names the fields of a dataclass or a named tuple that its constructor takes."""
    if dataclasses.is_dataclass(cls):
        return [each.name for each in dataclasses.fields(cls) if each.init]
    return list(cls._fields)


_PYDANTIC: Final = Shape(lambda value: value.model_dump(mode="json"), _validate)
_DATACLASS: Final = Shape(_dataclass_to_json, by_fields)
_NAMED_TUPLE: Final = Shape(lambda value: dict(zip(value._fields, value, strict=True)), by_fields)
_BUILT_IN: Final[dict[type, Shape]] = {
    bytes: Shape(
        lambda value: base64.b64encode(value).decode(),
        _decode_text("bytes in base64", lambda value: base64.b64decode(value, validate=True)),
    ),
    Enum: Shape(lambda value: value.value, _from_enum),
    datetime: Shape(datetime.isoformat, _decode_text("a time in ISO 8601", datetime.fromisoformat)),
    date: Shape(date.isoformat, _decode_text("a date in ISO 8601", date.fromisoformat)),
    time: Shape(time.isoformat, _decode_text("a time of day in ISO 8601", time.fromisoformat)),
    timedelta: Shape(
        lambda value: value // timedelta(microseconds=1),
        _decode_text("a number of microseconds", lambda value: timedelta(microseconds=value)),
    ),
    UUID: Shape(str, _decode_text("a UUID", UUID)),
    Decimal: Shape(str, _decode_text("a decimal number", Decimal)),
    PurePath: Shape(str, _decode_text("a path", Path)),
    frozenset: Shape(_set_to_json, _from_set),
    set: Shape(_set_to_json, _from_set),
}
