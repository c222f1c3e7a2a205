"""What a step returns, as JSON and back: a step gives what its record gives, also the first time.

A tuple that would come back as a list, or an object as a dict, would be one thing today and another after a
crash. So what the caller gets is decoded from what is recorded, always.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.extend import Payload, decode
from statehouse.steps.annotations import from_json, hints_of, says_nothing
from statehouse.steps.shapes import to_json
from statehouse.steps.shared import content_hash, json_payload

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class Output(NamedTuple):
    """A result, ready to be recorded: as JSON, as bytes, and as the caller gets it."""

    value: Any
    payload: Payload
    given: Any

    @property
    def hash(self) -> str:
        """SHA-256 over the bytes, 128 bits, hexadecimal."""
        return content_hash(self.payload.data)


class Results:
    """How the results of a function are recorded and read.

    Args:
        function: The function; its return annotation says what its results are.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._hint: Any = None
        self._resolved = False

    @property
    def annotation(self) -> Any:
        """The return annotation; resolved at the first result, when every name of the module is there."""
        if not self._resolved:
            self._hint = hints_of(self._function).get("return")
            self._resolved = True
        return self._hint

    def take(self, result: Any) -> Output:
        """Takes a result down.

        Raises:
            InvalidArgumentError: It is not JSON, nor of a class that steps know; or nothing says of which
                class it is.
            LimitExceededError: It is too large.
        """
        converted = set[str]()
        try:
            value = to_json(result, converted)
            payload = json_payload(value)
        except (InvalidArgumentError, LimitExceededError) as error:
            raise type(error)(
                f"the result of {self._function.__qualname__}: {error}", **error.details
            ) from error
        if converted and says_nothing(self.annotation):
            raise InvalidArgumentError(
                f"{self._function.__qualname__} returned {', '.join(sorted(converted))}, and its return "
                "annotation does not say so: a run that is resumed could not give it back. Annotate what "
                "it returns"
            )
        if type(result) in _SCALARS:
            return Output(value, payload, self.give(value))
        return Output(value, payload, self.give(decode(payload)))

    def give(self, value: Any) -> Any:
        """Gives a recorded result back as the return annotation says.

        Raises:
            InvalidArgumentError: It is not what the annotation says; the function has changed.
        """
        return from_json(value, self.annotation)
