"""A serializer for eyes: what is stored becomes JSON for people, and nothing can be written with it."""

from __future__ import annotations

from typing import Any, NoReturn

from statehouse import InvalidArgumentError
from statehouse_langgraph.showing import ENCRYPTED, show_typed


class Sealed(dict[str, Any]):
    """What cannot be read, in the place of a checkpoint or of its metadata, too: it looks empty.

    Args:
        why: What is shown instead.
    """

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class LegibleSerializer:
    """Shows values instead of loading them: quick, safe on anybody's bytes, and needs nobody's classes."""

    def dumps_typed(self, obj: Any) -> NoReturn:
        """Refuses: what was shown is not what was stored.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("this only shows")

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Gives a JSON value; something `Sealed` for what is encrypted or damaged."""
        try:
            shown = show_typed(*data)
        except InvalidArgumentError as error:
            return Sealed(f"(damaged: {error.message})")
        return Sealed(ENCRYPTED) if shown == ENCRYPTED else shown


def legible(value: Any) -> Any:
    """Gives what was read with this serializer as JSON."""
    return value.why if isinstance(value, Sealed) else value
