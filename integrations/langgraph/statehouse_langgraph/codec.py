"""The codecs of this package: how the rows of threads are read through the SDK, and shown by `statehousectl`.

Registered in the entry point group ``statehouse.codecs``. Showing imports nothing but this package: it is
quick, and safe on anybody's bytes (`showing`). Reading gives objects, by the allowlist of `serde`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from statehouse import InvalidArgumentError, Payload
from statehouse_langgraph.showing import ENCRYPTED, show_typed, shown_number, unpacked

if TYPE_CHECKING:
    from statehouse.extend import Entry

# As in the modules that write them, which import LangGraph.
VALUE_PREFIX: Final = "application/vnd.langgraph+"
CHECKPOINT_TYPE: Final = "application/vnd.statehouse.langgraph.checkpoint+msgpack"
WRITES_TYPE: Final = "application/vnd.statehouse.langgraph.writes+msgpack"
FOLD_TYPE: Final = "application/vnd.statehouse.langgraph.fold+msgpack"
LEFTOVER_TYPE: Final = "application/vnd.statehouse.langgraph.leftover+msgpack"
VECTORS_TYPE: Final = "application/vnd.statehouse.langgraph.vectors+msgpack"
CACHED_TYPE: Final = "application/vnd.statehouse.langgraph.cached+msgpack"
FORMAT: Final = 1

_FORMATS: Final = ("null", "bytes", "bytearray", "msgpack", "json", "pickle")
_CIPHERS: Final = ("aes",)
_NUMBERS_SHOWN: Final = 4
_CHECKPOINT_FIELDS: Final = ("ts", "channel_versions", "versions_seen")


@dataclass(frozen=True, slots=True)
class ValueCodec:
    """A channel's value.

    Attributes:
        kind: The name that the serializer gave its format.
    """

    kind: str

    @property
    def content_type(self) -> str:
        """The content type of such values."""
        return VALUE_PREFIX + self.kind

    def decode(self, data: bytes) -> Any:
        """Gives the object; the `Payload` as it is where only its program can read it (encrypted, pickled).

        Raises:
            InvalidArgumentError: The bytes are not of that format.
        """
        if self.kind not in ("null", "bytes", "bytearray", "msgpack"):
            return Payload(self.content_type, data)
        from statehouse_langgraph.errors import ContentError  # noqa: PLC0415 - LangGraph, which showing needs not
        from statehouse_langgraph.serde import AllowlistSerializer  # noqa: PLC0415

        try:
            return AllowlistSerializer().loads_typed((self.kind, data))
        except ContentError as error:
            raise InvalidArgumentError(error.message) from None

    def show(self, data: bytes) -> Any:
        """Gives a JSON value that people can read.

        Raises:
            InvalidArgumentError: The bytes are not of that format.
        """
        return show_typed(self.kind, data)


@dataclass(frozen=True, slots=True)
class RecordCodec:
    """A record of a saver, a store or a cache that is no channel's value.

    Attributes:
        content_type: Which.
        shape: Gives its fields as a JSON value.
    """

    content_type: str
    shape: Callable[..., Any]

    def decode(self, data: bytes) -> Any:
        """Gives the same as `show`: what is inside belongs to the saver.

        Raises:
            InvalidArgumentError: It is no such record.
        """
        return self.show(data)

    def show(self, data: bytes) -> Any:
        """Gives a JSON value that people can read.

        Raises:
            InvalidArgumentError: It is no such record.
        """
        try:
            return self.shape(*fields_of(data))
        except (TypeError, ValueError, AttributeError, LookupError, RecursionError, struct.error) as error:
            raise InvalidArgumentError(f"this is no {self.content_type}: {error!r:.120}") from None

    def overview(self, entries: Iterable[Entry]) -> Mapping[str, Any] | None:
        """Gives what the rows of a thread add up to: its newest checkpoints, and what their channels hold."""
        from statehouse_langgraph.overview import overview  # noqa: PLC0415 - which imports this

        return overview(entries)


def fields_of(data: bytes) -> list[Any]:
    """Gives the fields of a record, without the number of its format.

    Raises:
        InvalidArgumentError: It is none, or one of a newer format.
    """
    found = unpacked(data)
    if not isinstance(found, list) or not found:
        raise InvalidArgumentError("the bytes are no record of a thread")
    if found[0] != FORMAT:
        raise InvalidArgumentError(f"a record of format {found[0]!r:.20}, which this version does not know")
    return found[1:]


def _checkpoint(*fields: Any) -> dict[str, Any]:
    ns, checkpoint_id, parent, generation, inside, metadata, run_id, nones = fields
    described, checkpoint = show_typed(*metadata), show_typed(*inside)
    shown: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    if isinstance(described, dict):
        shown = {name: described.pop(name) for name in ("step", "source") if name in described}
        rest = {name: value for name, value in described.items() if value not in ({}, None)}
    if isinstance(checkpoint, dict) and "updated_channels" in checkpoint:
        shown["updated_channels"] = checkpoint["updated_channels"]
    shown |= {"metadata": described} if described == ENCRYPTED else {"metadata": rest} if rest else {}
    shown |= {"id": checkpoint_id, "parent": parent}
    shown |= {"checkpoint_ns": ns} if ns else {}
    shown |= {"run_id": run_id} if run_id else {}
    shown |= {"generation": generation} if generation else {}
    if not isinstance(checkpoint, dict):
        return {**shown, "checkpoint": checkpoint}
    shown |= {name: checkpoint[name] for name in _CHECKPOINT_FIELDS if name in checkpoint}
    return {**shown, "none": nones} if nones else shown


def _writes(
    ns: str, checkpoint_id: str, task_id: str, task_path: str, rows: list[Any], run_id: str
) -> dict[str, Any]:
    written = [{str(channel): show_typed(kind, data)} for _, channel, kind, data, *_ in rows]
    shown = {"writes": written, "task_id": task_id, "checkpoint_id": checkpoint_id}
    extras = {"task_path": task_path, "checkpoint_ns": ns, "run_id": run_id}
    return {**shown, **{name: value for name, value in extras.items() if value}}


def _fold(parent: str | None, channels: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, (seed, writes) in channels.items():
        kept = [show_typed(kind, data) for _, kind, data in writes]
        shown[str(name)] = {"writes": kept} if seed is None else {"seed": show_typed(*seed), "writes": kept}
    return {"channels": shown, "parent": parent}


def _leftover(keys: list[Any]) -> dict[str, Any]:
    return {"rows_to_remove": list(map(str, keys))}


def _vectors(dims: int, paths: list[Any], data: bytes) -> dict[str, Any]:
    if len(data) != 4 * dims * len(paths):
        raise ValueError(len(data))
    # Thousands of numbers say nothing to anybody; the first ones tell vectors apart.
    first = {
        str(path): [
            shown_number(number)
            for (number,) in struct.iter_unpack(
                "<f", data[4 * dims * row : 4 * dims * row + 4 * _NUMBERS_SHOWN]
            )
        ][:dims]
        for row, path in enumerate(paths)
    }
    return {"dims": dims, "vectors": first}


def _cached(until_us: int, kind: str, data: bytes) -> dict[str, Any]:
    return {"value": show_typed(kind, data), "until_us": until_us or None}


CHECKPOINTS: Final = RecordCodec(CHECKPOINT_TYPE, _checkpoint)

CODECS: Final[tuple[ValueCodec | RecordCodec, ...]] = (
    *map(ValueCodec, _FORMATS),
    *(ValueCodec(f"{kind}+{cipher}") for kind in _FORMATS[:4] for cipher in _CIPHERS),
    CHECKPOINTS,
    RecordCodec(WRITES_TYPE, _writes),
    RecordCodec(FOLD_TYPE, _fold),
    RecordCodec(LEFTOVER_TYPE, _leftover),
    RecordCodec(VECTORS_TYPE, _vectors),
    RecordCodec(CACHED_TYPE, _cached),
)
"""All of them, as the entry point names them."""
