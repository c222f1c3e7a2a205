"""JSON back into what an annotation says: the results of steps, and their arguments.

What an annotation does not say stays JSON. Where pydantic is loaded and a union is of its models, pydantic
decides which one it is.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Final, Literal, TypeVar, Union

from statehouse.errors import InvalidArgumentError
from statehouse.steps.shapes import by_fields, fields_of, is_pydantic, shape_of

_UNTYPED: Final = frozenset({Any, object, dict, list, tuple, Mapping, Sequence, type(None)})
_MAPPINGS: Final = frozenset({dict, Mapping, typing.Mapping})
_LISTS: Final = frozenset({list, Sequence, Iterable})
_SETS: Final = frozenset({set, frozenset, AbstractSet})
_WRAPPERS: Final = frozenset({typing.Required, typing.NotRequired})


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Gives the annotations of a function, resolved; those that cannot be are left out."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - a name that only a type checker imports: any error may come out of it
        return {
            name: hint
            for name, hint in getattr(function, "__annotations__", {}).items()
            if type(hint) is not str
        }


def says_nothing(annotation: Any) -> bool:
    """Whether an annotation cannot bring back more than JSON."""
    try:
        return annotation is None or annotation in _UNTYPED
    except TypeError:
        return False


def from_json(value: Any, annotation: Any) -> Any:
    """Gives the value that an annotation says JSON stands for.

    Raises:
        InvalidArgumentError: It does not stand for that.
    """
    if says_nothing(annotation) or isinstance(annotation, TypeVar | str):
        return value
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None and isinstance(annotation, type):
        return _instance(value, annotation)
    if origin is Annotated:
        if _has_models(annotation):
            return _by_pydantic(value, annotation)
        return from_json(value, arguments[0])
    if origin in _WRAPPERS:
        return from_json(value, arguments[0])
    if origin is Union or origin is types.UnionType:
        return _one_of(value, annotation, arguments)
    if origin is Literal:
        return next((each for each in arguments if each == value), value)
    return _collection(value, annotation, origin, arguments)


def _collection(value: Any, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
    if origin in _MAPPINGS and isinstance(value, dict):
        return {key: from_json(each, arguments[1]) for key, each in value.items()}
    if origin in _LISTS and isinstance(value, list):
        return [from_json(each, arguments[0]) for each in value]
    if origin in _SETS and isinstance(value, list):
        members = [from_json(each, arguments[0]) for each in value]
        return frozenset(members) if origin is frozenset else set(members)
    if origin is tuple and isinstance(value, list):
        if arguments[-1:] == (Ellipsis,):
            return tuple([from_json(each, arguments[0]) for each in value])
        if len(value) == len(arguments):
            return tuple([from_json(each, one) for each, one in zip(value, arguments, strict=True)])
    elif isinstance(origin, type) and (shape_of(origin) is not None or is_pydantic(annotation)):
        return _instance(value, annotation if is_pydantic(annotation) else origin)
    elif origin not in _MAPPINGS | _LISTS | _SETS:
        return value
    raise InvalidArgumentError(f"the recorded value is no {annotation}: {value!r:.80}")


def _instance(value: Any, cls: type) -> Any:
    if cls is type(None) or cls in (str, int, float, bool):
        # An int where a float is declared stays one, as it would in the running program.
        return value
    if cls is tuple:
        return tuple(value) if isinstance(value, list) else value
    if typing.is_typeddict(cls):
        return _typed_dict(value, cls)
    shape = shape_of(cls)
    if shape is None:
        return value
    return _by_fields(value, cls) if shape.decode is by_fields else shape.decode(value, cls)


def _by_fields(value: Any, cls: type) -> Any:
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"the recorded value is no {cls.__name__}: {value!r:.80}")
    hints = hints_of(cls)
    found = {name: from_json(value[name], hints.get(name)) for name in fields_of(cls) if name in value}
    try:
        return cls(**found)
    except TypeError as error:
        raise InvalidArgumentError(f"the recorded value is no {cls.__name__}: {error}") from error


def _typed_dict(value: Any, cls: type) -> Any:
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"the recorded value is no {cls.__name__}: {value!r:.80}")
    hints = hints_of(cls)
    return {name: from_json(each, hints.get(name)) for name, each in value.items()}


def _one_of(value: Any, annotation: Any, members: tuple[Any, ...]) -> Any:
    if value is None and type(None) in members:
        return None
    if _has_models(annotation):
        return _by_pydantic(value, annotation)
    wrong: InvalidArgumentError | None = None
    for member in members:
        if member is type(None) or not _may_be(value, member):
            continue
        try:
            return from_json(value, member)
        except InvalidArgumentError as error:
            wrong = error
    if wrong is not None:
        raise wrong
    return value


def _may_be(value: Any, annotation: Any) -> bool:
    """Whether JSON may stand for one member of a union; dataclasses are told apart by the names of their
    fields.
    """
    if annotation in (str, int, float, bool):
        return type(value) is annotation or (annotation is float and type(value) is int)
    if dataclasses.is_dataclass(annotation):
        return isinstance(value, dict) and set(value) <= set(fields_of(annotation))
    origin = typing.get_origin(annotation) or annotation
    if origin in _MAPPINGS:
        return isinstance(value, dict)
    if origin in _LISTS or origin in _SETS or origin is tuple:
        return isinstance(value, list)
    return True


def _has_models(annotation: Any) -> bool:
    if "pydantic" not in sys.modules:
        return False
    if is_pydantic(annotation):
        return True
    return any(_has_models(each) for each in typing.get_args(annotation))


def _by_pydantic(value: Any, annotation: Any) -> Any:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - the program has loaded it

    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        raise InvalidArgumentError(f"the recorded value is no {annotation}: {error}") from error
