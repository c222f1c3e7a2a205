"""Which values a search's filter admits.

Each key of a filter must hold of the value; a key that the value lacks counts as None. What is given is
compared as JSON is: objects by the keys that the filter names, lists member by member. ``$eq`` and ``$ne``
compare whole; ``$gt``, ``$gte``, ``$lt`` and ``$lte`` compare numbers with numbers (a text that is a number
counts as one beside a number) and texts with texts, and never admit what cannot be compared.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from statehouse import InvalidArgumentError

_ORDERED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_OPERATORS: Final = ("$eq", "$ne", *_ORDERED)


def check(given: object) -> None:
    """Checks a filter before anything is read.

    Raises:
        InvalidArgumentError: It is no mapping, or has an operator that there is not.
    """
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f"a filter is a dict of what a value must hold: {given!r:.80}")
    for condition in given.values():
        _check(condition)


def admits(given: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """Whether a filter that was checked admits a value."""
    return all(_holds(value.get(key), condition) for key, condition in given.items())


def _check(condition: object) -> None:
    if isinstance(condition, Mapping):
        if _has_operators(condition):
            for name in condition:
                if name not in _OPERATORS:
                    raise InvalidArgumentError(
                        f"a filter has no operator {name!r:.40}: it takes {', '.join(_OPERATORS)}"
                    )
            return
        for below in condition.values():
            _check(below)
    elif isinstance(condition, list | tuple):
        for below in condition:
            _check(below)


def _has_operators(condition: Mapping[Any, Any]) -> bool:
    return any(isinstance(key, str) and key.startswith("$") for key in condition)


def _holds(value: Any, condition: Any) -> bool:
    if isinstance(condition, Mapping):
        if _has_operators(condition):
            return all(_compare(name, value, operand) for name, operand in condition.items())
        return isinstance(value, dict) and all(
            _holds(value.get(key), below) for key, below in condition.items()
        )
    if isinstance(condition, list | tuple):
        return isinstance(value, list) and len(value) == len(condition) and all(map(_holds, value, condition))
    return bool(value == condition)


def _compare(name: str, value: Any, operand: Any) -> bool:
    if name == "$eq":
        return bool(value == _as_json(operand))
    if name == "$ne":
        return bool(value != _as_json(operand))
    if isinstance(value, str) and isinstance(operand, str):
        return _ORDERED[name](value, operand)
    left, right = _number(value), _number(operand)
    return left is not None and right is not None and _ORDERED[name](left, right)


def _as_json(operand: Any) -> Any:
    # What was put as a tuple came back as a list.
    return list(operand) if isinstance(operand, tuple) else operand


def _number(value: Any) -> int | float | None:
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None
