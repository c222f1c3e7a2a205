"""Content types beyond JSON and bytes, by the entry point group ``statehouse.codecs``.

A codec decodes one content type for reading and shows it to people. An entry point names a module
attribute that is a `Codec`, several of them in a sequence, or a function without arguments that makes one::

    [project.entry-points."statehouse.codecs"]
    langgraph = "statehouse_langgraph.codec:CODECS"

Codecs must be safe on hostile bytes: data comes from the store, not from the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from statehouse.protocol.replies import Entry

ENTRY_POINT_GROUP = "statehouse.codecs"


@runtime_checkable
class Codec(Protocol):
    """Decodes and shows payloads of one content type."""

    content_type: str

    def decode(self, data: bytes) -> Any:
        """Gives the Python value; raises `InvalidArgumentError` when the data is not of this type."""
        ...

    def show(self, data: bytes) -> Any:
        """Gives a JSON value that people can read (``statehousectl``); never imports what data names."""
        ...


@runtime_checkable
class Overview(Protocol):
    """What a codec has besides when an agent with rows of its content type adds up to something."""

    def overview(self, entries: Iterable[Entry]) -> Mapping[str, Any] | None:
        """Gives names and JSON values for people (``statehousectl state``); None for no overview.

        Args:
            entries: All of the agent's rows.
        """
        ...


def register_codec(codec: Codec) -> None:
    """Makes a codec known to this process; the last one of a content type wins."""
    _codecs()[codec.content_type] = codec


def codec_for(content_type: str) -> Codec | None:
    """Gives the codec of a content type, or None."""
    return _codecs().get(content_type)


@cache
def _codecs() -> dict[str, Codec]:
    """Those of the entry points, and those registered since."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to load, and most never need it

    found: dict[str, Codec] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        named = point.load()
        if not isinstance(named, list | tuple):
            named = [named if isinstance(named, Codec) else named()]
        for codec in named:
            found.setdefault(codec.content_type, codec)
    return found
