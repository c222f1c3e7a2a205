"""Exceptions as they are recorded, and given back to a program that runs again.

A failure comes back as what it was where that needs no trust in stored names: an exception that Python has
built in, an error of Statehouse, or one that the step declared with ``errors=``. Anything else comes back as
`StepError` with its name and text.
"""

from __future__ import annotations

import builtins
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, Final

from statehouse.errors import (
    ConnectionError,
    EngineError,
    OutcomeUnknownError,
    OverloadedError,
    StatehouseError,
    StepError,
    StepMismatchError,
    StepNestingError,
    StoreChangedError,
    error_class,
)

_HERE: Final = __file__.removesuffix("failures.py")
_TEXT_CHARACTERS_MAX: Final = 2000
_TRACEBACK_CHARACTERS_MAX: Final = 4000
_NOT_OF_THE_STEP: Final = (
    StepMismatchError,
    StepNestingError,
    EngineError,
    ConnectionError,
    OverloadedError,
    OutcomeUnknownError,
    StoreChangedError,
)
UNKNOWN: Final = "unknown"
"""The status of an at_most_once step that began, and of which nothing more is known."""


def is_the_steps_own(error: Exception) -> bool:
    """Whether an error says something about the step, and not about the store or the program around it.

    What it says of the store is not recorded: the step is run again when the run is resumed.
    """
    if isinstance(error, StepError) and error.details.get("status") == UNKNOWN:
        return False
    return not isinstance(error, _NOT_OF_THE_STEP)


def name_of(cls: type) -> str:
    """How a class is called in records."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def to_record(error: BaseException) -> dict[str, Any]:
    """Gives an exception as JSON."""
    facts: dict[str, Any] = {"type": name_of(type(error)), "message": _text(error)}
    if isinstance(error, StatehouseError):
        facts["code"] = error.code
    facts["traceback"] = _valid("".join(_lines(error)))[-_TRACEBACK_CHARACTERS_MAX:]
    return facts


def _lines(error: BaseException) -> list[str]:
    """The traceback from where the program's own code begins: who reads it knows that we called that."""
    whole = traceback.TracebackException.from_exception(error)
    frames = list(whole.stack)
    own = next((at for at, frame in enumerate(frames) if not frame.filename.startswith(_HERE)), 0)
    whole.stack = traceback.StackSummary.from_list(frames[own:])
    return list(whole.format())


def from_record(path: str, facts: dict[str, Any], declared: Sequence[type[Exception]]) -> Exception:
    """Gives the exception that a program gets when it runs again."""
    name, message = str(facts.get("type", "")), str(facts.get("message", ""))
    for cls in declared:
        if name_of(cls) == name:
            return _made(cls, message)
    built_in = getattr(builtins, name, None)
    if isinstance(built_in, type) and issubclass(built_in, Exception):
        return _made(built_in, message)
    ours = error_class(str(facts.get("code", "")))
    if issubclass(ours, StepError):
        # Programs look at the status, and are to take the same course again.
        return ours(message, path=path, status="failed")
    if ours is not StatehouseError:
        return ours(message, path=path)
    return StepError(
        f"the step {path} failed with {name}: {message}", path=path, type=name, text=message, status="failed"
    )


def _made(cls: type[Exception], message: str) -> Exception:
    try:
        return cls(message)
    except TypeError:
        # It wants other arguments; a program that catches it rarely looks at them.
        error = cls.__new__(cls)
        error.args = (message,)
        return error


def chain(error: BaseException) -> Iterator[BaseException]:
    """Gives an exception and all that it came from: causes, contexts, members of groups."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [each for each in (one.__cause__, one.__context__) if each is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - somebody's __str__ is broken, and the step failed all the same
        text = "(its text cannot be shown)"
    return _valid(text)[:_TEXT_CHARACTERS_MAX]


def _valid(text: str) -> str:
    return text.encode(errors="replace").decode()
