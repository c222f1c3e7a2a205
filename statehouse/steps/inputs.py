"""The arguments of a call as what is recorded and compared: each by the name of its parameter, as JSON."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.extend import Payload
from statehouse.steps.annotations import from_json, hints_of
from statehouse.steps.shapes import to_json
from statehouse.steps.shared import json_payload

_OWNERS: Final = ("self", "cls")
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Input:
    """What a step was called with, taken down at the call: what its body does to its arguments changes
    nothing.

    Attributes:
        values: Each argument as JSON.
        payloads: The same as bytes.
        hash: SHA-256 over them, 128 bits, hexadecimal.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    payloads: Mapping[str, Payload] = field(default_factory=dict)
    hash: str = ""


class Parameters:
    """How a function is called.

    Args:
        function: The function.
        ignored: Parameters that are no data, such as clients: neither recorded nor compared. ``self`` and
            ``cls`` in front are ignored always.

    Raises:
        InvalidArgumentError: One of the ignored is no parameter.
    """

    def __init__(self, function: Callable[..., Any], ignored: Sequence[str] = ()) -> None:
        self._function = function
        self._signature = inspect.signature(function)
        parameters = list(self._signature.parameters.values())
        unknown = [name for name in ignored if name not in self._signature.parameters]
        if unknown:
            raise InvalidArgumentError(
                f"ignore={unknown!r}: {function.__qualname__} has no such parameter, only "
                f"{', '.join(self._signature.parameters) or 'none'}"
            )
        owner = parameters[0].name if parameters and parameters[0].name in _OWNERS else None
        self.ignored = frozenset([*ignored, *([owner] if owner else [])])
        self._simple = [each.name for each in parameters] if _all_positional(parameters) else None

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Input:
        """Takes down the arguments of a call; defaults are left out, so that a new one changes no hash.

        Raises:
            TypeError: The function cannot be called so.
            InvalidArgumentError: An argument is not JSON, nor of a class that steps know.
            LimitExceededError: An argument is too large.
        """
        bound = self._bind(args, kwargs)
        values: dict[str, Any] = {}
        payloads: dict[str, Payload] = {}
        hashed = sha256()
        for name, argument in bound.items():
            if name in self.ignored:
                continue
            try:
                values[name] = to_json(argument)
                payload = payloads[name] = json_payload(values[name])
            except (InvalidArgumentError, LimitExceededError) as error:
                raise type(error)(
                    f"the argument {name!r} of {self._function.__qualname__}: {error}; if it is no data, "
                    f"leave it out of the record: @step(ignore=[{name!r}])",
                    **error.details,
                ) from error
            hashed.update(b"%d:%s%d:" % (len(name), name.encode(), len(payload.data)))
            hashed.update(payload.data)
        return Input(values, payloads, hashed.hexdigest()[:32])

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Mapping[str, Any]:
        # Nearly every call; Signature.bind takes ten times as long.
        if self._simple is not None and not kwargs and len(args) == len(self._simple):
            return dict(zip(self._simple, args, strict=True))
        try:
            return self._signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{self._function.__qualname__}(): {error}") from None

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Gives recorded arguments back as the function takes them, decoded by their annotations.

        Raises:
            InvalidArgumentError: One of them is not what its annotation says.
            TypeError: The function takes other parameters today.
        """
        hints = hints_of(self._function)
        bound = self._signature.bind_partial()
        for name, value in values.items():
            parameter = self._signature.parameters.get(name)
            if parameter is None:
                raise TypeError(f"{self._function.__qualname__} has no parameter {name!r} any more")
            hint = hints.get(name)
            match parameter.kind:
                case inspect.Parameter.VAR_POSITIONAL:
                    bound.arguments[name] = tuple([from_json(each, hint) for each in value])
                case inspect.Parameter.VAR_KEYWORD:
                    bound.arguments[name] = {key: from_json(each, hint) for key, each in value.items()}
                case _:
                    bound.arguments[name] = from_json(value, hint)
        return bound.args, bound.kwargs


def _all_positional(parameters: list[inspect.Parameter]) -> bool:
    return all(each.kind in _POSITIONAL for each in parameters)
