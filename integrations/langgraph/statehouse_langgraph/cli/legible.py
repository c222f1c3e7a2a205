"""A serializer for eyes: what is stored becomes JSON for people, and nothing can be written with it."""

from __future__ import annotations

from typing import Any, NoReturn

from statehouse_langgraph.showing import ENCRYPTED, show_typed


class Sealed(dict[str, Any]):
    """What is encrypted, in the place of a checkpoint or of its metadata: it looks empty."""


class LegibleSerializer:
    """Shows values instead of loading them: quick, safe on anybody's bytes, and needs nobody's classes."""

    def dumps_typed(self, obj: Any) -> NoReturn:
        """Refuses: what was shown is not what was stored.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("this only shows")

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Gives a JSON value.

        Raises:
            InvalidArgumentError: The bytes are not of their format.
        """
        shown = show_typed(*data)
        return Sealed() if shown == ENCRYPTED else shown


def legible(value: Any) -> Any:
    """Gives what was read with this serializer as JSON."""
    return ENCRYPTED if isinstance(value, Sealed) else value
