"""Content types beyond JSON and bytes, by the entry point group ``statehouse.codecs``.

A codec decodes one content type for reading and shows it to people. An entry point names a module
attribute that is a `Codec`, or a function without arguments that makes one::

    [project.entry-points."statehouse.codecs"]
    langgraph = "statehouse_langgraph.codec:CODEC"

Codecs must be safe on hostile bytes: data comes from the store, not from the program.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

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


def register_codec(codec: Codec) -> None:
    """Makes a codec known to this process; the last one of a content type wins."""
    _codecs()[codec.content_type] = codec


def codec_for(content_type: str) -> Codec | None:
    """Gives the codec of a content type, or None."""
    return _codecs().get(content_type)


@cache
def _codecs() -> dict[str, Codec]:
    """Those of the entry points, and those registered since."""
    found: dict[str, Codec] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        named = point.load()
        codec = named if isinstance(named, Codec) else named()
        found.setdefault(codec.content_type, codec)
    return found
