"""The bytes of a value are those of the standard library's encoder, which `encode` takes a shorter way to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.protocol.names import check_text
from statehouse.protocol.values import encode

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_a_value_is_stored_as_the_json_module_spells_it(value: Any) -> None:
    spelled = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    assert encode(value).data == spelled.encode()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("around", [lambda x: x, lambda x: [x], lambda x: {"a": {"b": x}}])
def test_numbers_without_a_json_form_are_refused_at_any_depth(number: float, around: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="is not JSON"):
        encode(around(number))


def test_a_number_with_more_digits_than_python_writes_is_refused_with_advice() -> None:
    with pytest.raises(InvalidArgumentError, match="more digits than Python writes; use a string"):
        encode({"n": 10**5000})


def test_keys_that_are_no_strings_are_refused_at_any_depth() -> None:
    with pytest.raises(InvalidArgumentError, match="must be strings, not int: 1"):
        encode([{"a": {"b": 0, 1: 2}}])


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(LimitExceededError, match="contains itself"):
        encode(value)


def test_a_list_of_scalars_takes_a_level_like_any_other() -> None:
    value: Any = 1
    for _ in range(32):
        value = [value]
    assert encode(value).data == b"[" * 32 + b"1" + b"]" * 32
    with pytest.raises(LimitExceededError, match="deeper than 32"):
        encode([value])


class _Text(str):
    __slots__ = ()


def test_subclasses_of_strings_are_keys_and_values() -> None:
    assert encode({_Text("a"): [_Text("b")]}).data == b'{"a":["b"]}'


def _is_name(text: str) -> bool:
    try:
        check_text("key", text, 16)
    except InvalidArgumentError:
        return False
    return True


@pytest.mark.parametrize("text", ["a", "\x7f", "\x85", "\u200b", "\u3000", "a b", "é" * 8])
def test_any_text_without_control_characters_is_a_name(text: str) -> None:
    assert _is_name(text)


@pytest.mark.parametrize("text", ["\x00", "a\x1fb", "é\n"])
def test_control_characters_are_refused_beside_any_other(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="control character"):
        check_text("key", text, 16)


@pytest.mark.parametrize("text", ["a" * 17, "é" * 8 + "a", "\x7f" * 17])
def test_the_limit_of_a_name_counts_bytes(text: str) -> None:
    with pytest.raises(LimitExceededError) as caught:
        check_text("key", text, 16)
    assert caught.value.actual == 17
