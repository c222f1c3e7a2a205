"""The calculator: right for arithmetic, and unmoved by anything else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.research_agent.calculator import EXPRESSION_CHARS_MAX, CalculatorError, calculate


@pytest.mark.parametrize(
    "expression, value",
    [
        ("3 * 7 * 24 * 60 * 60", 1814400),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("-2 ** 2", -4),
        ("7 // 2 + 7 % 2", 4),
        ("1 / 4", 0.25),
        ("2 ** 100", 1267650600228229401496703205376),
        ("sqrt(16) * 2", 8.0),
        ("round(pi, 2)", 3.14),
        ("factorial(5) + gcd(12, 18) + lcm(4, 6)", 138),
        ("max(1, 2.5, abs(-3))", 3),
    ],
)
def test_arithmetic_is_computed(expression: str, value: float) -> None:
    assert calculate(expression) == value


def test_integers_stay_exact_integers() -> None:
    assert calculate("2 ** 64 + 1") == 18446744073709551617


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "()",
        "1 +",
        "open('x')",
        "__import__('os').system('true')",
        "().__class__",
        "(lambda: 1)()",
        "[1 for _ in range(9)]",
        "x",
        "sqrt",
        "'a' * 3",
        "True + 1",
        "1j",
        "1 if 2 else 3",
        "1 < 2",
        "1 << 2",
        "~1",
        "f'{1}'",
        "(x := 1)",
        "sqrt(*[1])",
        "round(number=1)",
        "print(1)",
        "eval('1')",
        "1; 2",
        "1\n2",
        "\0",
        "sqrt()",
        "factorial(2.5)",
    ],
)
def test_what_is_not_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(CalculatorError):
        calculate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9 ** 9",
        "2 ** -(10 ** 9) ** 9",
        "10.0 ** 400",
        "1e308 * 10",
        "factorial(10 ** 6)",
        "round(5, -10 ** 9)",
        "exp(10 ** 4)",
        "(2 ** 4000) * (2 ** 4000)",
        "2 ** 4095 * 1.5",
        "(" * 150 + "1" + ")" * 40,
        "-" * (EXPRESSION_CHARS_MAX - 1) + "1" + "0",
        "1e999",
        "1e308 - 1e999",
    ],
)
def test_what_would_be_huge_is_refused_without_computing_it(expression: str) -> None:
    with pytest.raises(CalculatorError):
        calculate(expression)


@pytest.mark.parametrize("expression", ["1 / 0", "1 // 0", "1 % 0", "0 ** -1"])
def test_division_by_zero_says_so(expression: str) -> None:
    with pytest.raises(CalculatorError, match="zero"):
        calculate(expression)


@pytest.mark.parametrize("expression", ["sqrt(-1)", "(-8) ** 0.5", "log(0)"])
def test_a_result_that_is_not_real_is_refused(expression: str) -> None:
    with pytest.raises(CalculatorError):
        calculate(expression)


def test_an_expression_of_the_longest_length_is_computed_and_one_more_character_is_refused() -> None:
    longest = "1" + "+1" * ((EXPRESSION_CHARS_MAX - 2) // 2) + " "
    assert len(longest) == EXPRESSION_CHARS_MAX
    assert calculate(longest) == 1 + (EXPRESSION_CHARS_MAX - 2) // 2
    with pytest.raises(CalculatorError, match=str(EXPRESSION_CHARS_MAX)):
        calculate(longest + " ")


@given(st.text(max_size=80) | st.text("0123456789+-*/%().,e absqrtlog", max_size=80))
def test_any_text_gives_a_finite_number_or_a_calculator_error(text: str) -> None:
    try:
        value = calculate(text)
    except CalculatorError:
        return
    assert math.isfinite(value)


_NUMBERS = st.integers(0, 999).map(str)
_SUMS = st.recursive(
    _NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({''.join(parts)})"),
    max_leaves=12,
)


@given(_SUMS)
def test_sums_and_products_are_what_python_makes_of_them(expression: str) -> None:
    assert calculate(expression) == eval(expression)
