"""A serializer that moves values as they are: it loads no class, and loses none."""

from __future__ import annotations

from typing import Any, Final

import ormsgpack
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from statehouse_langgraph.errors import ContentError
from statehouse_langgraph.serde import CONTENT_TYPE_PREFIX, Typed

_OPTION: Final = ormsgpack.OPT_NON_STR_KEYS


class VerbatimSerializer:
    """Unpacks what msgpack itself knows, and leaves objects packed.

    Good for copying between savers of the same serializer, and for nothing else: a graph would be given
    packed objects.
    """

    def dumps_typed(self, obj: Any) -> Typed:
        """Gives the bytes that LangGraph's serializer would have given for the object that was loaded."""
        if obj is None:
            return "null", b""
        if isinstance(obj, bytes | bytearray):
            return type(obj).__name__, bytes(obj)
        return "msgpack", ormsgpack.packb(obj, option=_OPTION)

    def loads_typed(self, data: Typed) -> Any:
        """Gives a value in which objects are still packed.

        Raises:
            ContentError: Encrypted, pickled, or not of the format.
        """
        kind, packed = data
        content_type = CONTENT_TYPE_PREFIX + kind
        match kind:
            case "null":
                return None
            case "bytes":
                return bytes(packed)
            case "bytearray":
                return bytearray(packed)
            case "msgpack":
                try:
                    return ormsgpack.unpackb(packed, ext_hook=ormsgpack.Ext, option=_OPTION)
                except ValueError as error:
                    raise ContentError(f"no msgpack: {error}", content_type=content_type) from error
            case "json":
                return _converted(packed)
            case _:
                why = "encrypted" if "+" in kind else "not moved as it is"
                raise ContentError(
                    f"a value is stored as {kind!r}, which is {why}: import in Python, with savers that have "
                    "the serializer (statehouse_langgraph.importing.import_threads)",
                    content_type=content_type,
                )


def _converted(packed: bytes) -> Any:
    """What older versions stored as JSON, as today's serializer packs it: messages and the like only."""
    serde = JsonPlusSerializer()
    kind, data = serde.dumps_typed(serde.loads_typed(("json", packed)))
    return VerbatimSerializer().loads_typed((kind, data))
