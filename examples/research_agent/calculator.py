"""Arithmetic without `eval`: an expression is parsed, and only what is named here is ever computed.

An expression comes from a question or a model, so it is hostile: everything is bounded before it is computed.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Final

Number = int | float

EXPRESSION_CHARS_MAX: Final = 200
_BITS_MAX: Final = 4096
_FACTORIAL_MAX: Final = 300
_DIGITS_MAX: Final = 30

_CONSTANTS: Final = {"pi": math.pi, "e": math.e, "tau": math.tau}


class CalculatorError(ValueError):
    """The expression is not arithmetic, or its result has no finite value of a sane size."""


def calculate(expression: str) -> Number:
    """Gives the value of an arithmetic expression.

    Args:
        expression: Numbers, ``+ - * / // % **``, parentheses, pi, e, tau, and the functions of `FUNCTIONS`.

    Raises:
        CalculatorError: It is anything else, divides by zero, or is too long or too large.
    """
    if len(expression) > EXPRESSION_CHARS_MAX:
        raise CalculatorError(
            f"the expression has {len(expression)} characters; the limit is {EXPRESSION_CHARS_MAX}"
        )
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise CalculatorError(f"not an arithmetic expression: {expression!r}") from None
    try:
        return _sized(_value(tree.body))
    except ZeroDivisionError:
        raise CalculatorError(f"{expression!r} divides by zero") from None
    except (OverflowError, RecursionError):
        raise CalculatorError(f"{expression!r} is too large") from None
    except (TypeError, ValueError) as error:
        if isinstance(error, CalculatorError):
            raise
        raise CalculatorError(f"{expression!r} cannot be computed: {error}") from None


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return _sized(number)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _sized(_OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            return _sized(FUNCTIONS[name](*map(_value, arguments)))
    raise CalculatorError(f"not arithmetic: {ast.unparse(node):.80}")


def _sized(value: object) -> Number:
    if isinstance(value, int) and value.bit_length() <= _BITS_MAX:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, complex):
        raise CalculatorError("the result is not a real number")
    raise OverflowError


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > _BITS_MAX:
        raise OverflowError
    return _sized(base**exponent)


def _factorial(number: Number) -> int:
    if number > _FACTORIAL_MAX:
        raise OverflowError
    return math.factorial(_whole(number))


def _round(number: Number, digits: Number = 0) -> Number:
    # A rounding to minus a billion digits computes ten to the billionth.
    if abs(digits) > _DIGITS_MAX:
        raise OverflowError
    return round(number, _whole(digits)) if digits else round(number)


def _whole(number: Number) -> int:
    if number != int(number):
        raise CalculatorError(f"{number} is not a whole number")
    return int(number)


def _least_common_multiple(*numbers: Number) -> int:
    return math.lcm(*map(_whole, numbers))


def _greatest_common_divisor(*numbers: Number) -> int:
    return math.gcd(*map(_whole, numbers))


_OPERATORS: Final[dict[type[ast.operator], Callable[[Number, Number], Number]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}

FUNCTIONS: Final[dict[str, Callable[..., Number]]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "degrees": math.degrees,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "gcd": _greatest_common_divisor,
    "lcm": _least_common_multiple,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "radians": math.radians,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
