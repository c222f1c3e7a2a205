"""Bytes that are safe to load: msgpack with an allowlist, never pickle, no code named by data.

What a serializer gives is stored under the content type ``application/vnd.langgraph+TYPE``, so that
`statehousectl` shows it through the codec of this package.

Which classes loading may make objects of:

* those that LangGraph knows to be safe (messages, documents, dates, `Send`, `Interrupt` ...);
* those that were allowed: by the graph's own schema (LangGraph calls `with_allowlist` where
  ``LANGGRAPH_STRICT_MSGPACK`` is set), or with ``JsonPlusSerializer(allowed_msgpack_modules=...)``;
* unless ``LANGGRAPH_STRICT_MSGPACK`` is set, data classes (pydantic models, dataclasses, named tuples,
  enumerations) that the program has imported itself. Nothing is imported because data names it, and no
  function is called.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Final, cast

from langgraph.checkpoint.serde._msgpack import STRICT_MSGPACK_ENABLED
from langgraph.checkpoint.serde.base import SerializerProtocol, maybe_add_typed_methods
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer, _create_msgpack_ext_hook

from statehouse import InvalidArgumentError, Payload
from statehouse_langgraph.errors import ContentError

CONTENT_TYPE_PREFIX: Final = "application/vnd.langgraph+"

Typed = tuple[str, bytes]
"""What a serializer gives: the name of its format, and the bytes."""


def payload_of(typed: Typed) -> Payload:
    """Gives what a serializer made as a value to store."""
    return Payload(CONTENT_TYPE_PREFIX + typed[0], bytes(typed[1]))


def typed_of(payload: Payload) -> Typed:
    """Gives a stored value as a serializer takes it.

    Raises:
        ContentError: It is no value of LangGraph's.
    """
    if not payload.content_type.startswith(CONTENT_TYPE_PREFIX):
        raise ContentError(
            f"a channel's value has the content type {payload.content_type!r}, which LangGraph did not write",
            content_type=payload.content_type,
        )
    return payload.content_type.removeprefix(CONTENT_TYPE_PREFIX), payload.data


class ImportedDataTypes(set[tuple[str, ...]]):
    """An allowlist that also has every data class that the program has imported."""

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or _is_imported_data_type(name)


def _is_imported_data_type(name: object) -> bool:
    if not isinstance(name, tuple) or len(name) != 2:
        return False
    found: Any = sys.modules.get(name[0])
    # A nested class is stored by its bare name, which is not an attribute of its module.
    found = getattr(found, name[1], None)
    if not isinstance(found, type) or found.__module__ != name[0]:
        return False
    return (
        is_dataclass(found)
        or issubclass(found, Enum)
        or hasattr(found, "model_validate")
        or hasattr(found, "parse_obj")
        or (issubclass(found, tuple) and hasattr(found, "_fields"))
    )


class AllowlistSerializer(JsonPlusSerializer):
    """LangGraph's serializer, loading only what this module says; see there.

    Args:
        allowed_msgpack_modules: Classes, or (module, name) pairs, that may be made besides.
        strict: Refuse data classes of the program that were not allowed by name; None for what the
            environment variable ``LANGGRAPH_STRICT_MSGPACK`` says.

    Raises:
        InvalidArgumentError: Everything is to be allowed.
    """

    def __init__(
        self,
        allowed_msgpack_modules: Iterable[tuple[str, ...] | type] = (),
        *,
        strict: bool | None = None,
    ) -> None:
        if allowed_msgpack_modules is cast("object", True):
            raise InvalidArgumentError(
                "allowed_msgpack_modules=True would let stored data name any function to be called; "
                "name the classes to allow"
            )
        self._strict = STRICT_MSGPACK_ENABLED if strict is None else strict
        super().__init__(allowed_msgpack_modules=tuple(allowed_msgpack_modules) or None)
        self._admit(self._allowed_msgpack_modules)

    def with_msgpack_allowlist(
        self, extra_allowlist: Iterable[tuple[str, ...] | type]
    ) -> AllowlistSerializer:
        """Gives a serializer that may also make these."""
        clone = cast("AllowlistSerializer", super().with_msgpack_allowlist(extra_allowlist))
        if clone is not self:
            clone._admit(clone._allowed_msgpack_modules)  # noqa: SLF001 - of this very class
        return clone

    def _admit(self, allowed: object) -> None:
        names = set(cast("Collection[tuple[str, ...]]", allowed)) if isinstance(allowed, set) else set()
        if not self._strict:
            names = ImportedDataTypes(names)
        self._allowed_msgpack_modules = names or None
        self._unpack_ext_hook = _create_msgpack_ext_hook(self._allowed_msgpack_modules)

    def loads_typed(self, data: Typed) -> Any:
        """Gives the object back.

        Raises:
            ContentError: A format that is never loaded, such as pickle, or bytes that are not of theirs.
        """
        if data[0] not in ("null", "bytes", "bytearray", "msgpack"):
            raise ContentError(
                f"stored as {data[0]!r}, which is not loaded: pickle and JSON with constructors can run "
                "code. Load it with the saver that wrote it and import it (statehouse-langgraph import)",
                content_type=CONTENT_TYPE_PREFIX + data[0],
            )
        try:
            return super().loads_typed(data)
        except ValueError as error:
            raise ContentError(
                f"stored as {data[0]!r}, but the bytes are not: {error}",
                content_type=CONTENT_TYPE_PREFIX + data[0],
            ) from error


def safe_serde(serde: SerializerProtocol | None) -> SerializerProtocol:
    """Gives the serializer to use: `AllowlistSerializer`, or the caller's if it never pickles.

    Raises:
        InvalidArgumentError: It is no serializer, or has ``pickle_fallback``.
    """
    if serde is None:
        return AllowlistSerializer()
    if isinstance(serde, type) or not _serializes(serde):
        raise InvalidArgumentError(
            "serde must be a serializer, an object with dumps_typed and loads_typed such as "
            f"AllowlistSerializer(): {serde!r:.80}"
        )
    inner = serde.serde if isinstance(serde, EncryptedSerializer) else serde
    if getattr(inner, "pickle_fallback", False):
        raise InvalidArgumentError(
            "pickle_fallback=True would store what runs code when it is loaded; leave it out, and give "
            "objects that msgpack cannot hold a form that it can (a dataclass, a pydantic model, a dict)"
        )
    if type(inner) is JsonPlusSerializer and inner._allowed_msgpack_modules is True:  # noqa: SLF001 - nothing public says it
        # LangGraph's default: anything may be named by the data. Ours instead, under the same cipher if any.
        safe = AllowlistSerializer()
        return EncryptedSerializer(serde.cipher, safe) if isinstance(serde, EncryptedSerializer) else safe
    return maybe_add_typed_methods(serde)


def _serializes(serde: object) -> bool:
    """Whether this is a serializer, or one of the old kind, without types, that LangGraph still takes."""
    return any(
        all(callable(getattr(serde, name, None)) for name in names)
        for names in (("dumps_typed", "loads_typed"), ("dumps", "loads"))
    )
