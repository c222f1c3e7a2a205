"""What LangGraph's serializer wrote, as JSON that people can read. Nothing is imported or called.

The bytes may be anybody's: what they name is only shown by its name. A reader of its own, instead of
ormsgpack, so that depth, size and time are bounded by what is shown, not by what the bytes claim.

* S1. It ends: every step reads at least one byte or fails, except that the inside of an extension is read
  again as values, at most `DEPTH_MAX` deep.
* S2. What it gives is JSON: finite numbers, text without lone surrogates, names that are text.
* S3. What it leaves out is said with an ellipsis.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from statehouse import InvalidArgumentError

ENCRYPTED: Final = "(encrypted)"
MORE: Final = "…"
DEPTH_MAX: Final = 40
VALUES_MAX: Final = 100_000
TEXT_MAX: Final = 100_000
BYTES_MAX: Final = 512

_EXT_DELTA_SNAPSHOT: Final = 7
_EXT_ARRAY: Final = 6
_EXT_MODELS: Final = (4, 5)

# Besides what every message has; empty ones say nothing.
_MESSAGE_FIELDS: Final = ("name", "tool_calls", "invalid_tool_calls", "tool_call_id", "artifact")
_MESSAGE_EXTRAS: Final = ("additional_kwargs", "response_metadata", "usage_metadata", "id")
_MESSAGE_TYPES: Final = frozenset({"human", "ai", "system", "tool", "function", "chat", "remove"})


def show_typed(kind: str, data: bytes) -> Any:
    """Gives what a serializer made as a JSON value.

    Args:
        kind: The name that the serializer gave the format.
        data: The bytes.

    Raises:
        InvalidArgumentError: The bytes are not of that format.
    """
    if "+" in kind:
        return ENCRYPTED
    match kind:
        case "null":
            return None
        case "bytes" | "bytearray":
            return shown_bytes(data)
        case "msgpack":
            return show_msgpack(data)
        case "json":
            return _show_json(data)
        case _:
            return f"({kind}, {len(data):,} bytes, never loaded)"


def show_msgpack(data: bytes) -> Any:
    """Gives what LangGraph packed as a JSON value.

    Raises:
        InvalidArgumentError: It is no msgpack.
    """
    return _read(data, shown_bytes)


def unpacked(data: bytes) -> Any:
    """Gives msgpack as `show_msgpack` does, but bytes in it as bytes.

    Raises:
        InvalidArgumentError: It is no msgpack.
    """
    return _read(data, _same)


def _read(data: bytes, octets: Callable[[bytes], Any]) -> Any:
    reader = _Reader(data, [VALUES_MAX], octets)
    shown = reader.value(0)
    if reader.ended:
        return shown
    raise InvalidArgumentError(f"{len(data) - reader.position} bytes follow the value, which is no msgpack")


def shown_bytes(data: bytes) -> Any:
    """Gives bytes as JSON, the beginning of them if they are many."""
    found = {"@bytes": base64.b64encode(data[:BYTES_MAX]).decode("ascii")}
    return found if len(data) <= BYTES_MAX else {**found, MORE: f"{len(data) - BYTES_MAX:,} more bytes"}


def _show_json(data: bytes) -> Any:
    # Of LangGraph before 0.3. JSON of the library's own reader is bounded by the bytes, but not in depth.
    try:
        return _bounded(json.loads(data), DEPTH_MAX)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"the bytes are no JSON: {error!r:.80}") from None


def _bounded(value: Any, depth_left: int) -> Any:
    if isinstance(value, dict):
        return {k: _bounded(v, depth_left - 1) for k, v in value.items()} if depth_left else MORE
    if isinstance(value, list):
        return [_bounded(each, depth_left - 1) for each in value] if depth_left else MORE
    if isinstance(value, str):
        return _text(value.encode("utf-8", "replace"))
    return shown_number(value) if isinstance(value, float) else value


def _text(data: bytes | memoryview) -> str:
    text = str(data[: 4 * TEXT_MAX + 4], "utf-8", "replace")
    if len(text) <= TEXT_MAX:
        return text
    return f"{text[:TEXT_MAX]}{MORE}"


def shown_number(value: float) -> Any:
    """Gives a number as JSON has it; a text where it has none."""
    return value if math.isfinite(value) else str(value)


_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}


class _Reader:
    """Reads one run of msgpack.

    Args:
        data: The bytes.
        left: How many more values may be shown, in a list that the readers of one value share.
        octets: What becomes of bytes.
    """

    __slots__ = ("_data", "_end", "_left", "_octets", "_stopped", "position")

    def __init__(
        self, data: bytes | memoryview, left: list[int], octets: Callable[[bytes], Any] = shown_bytes
    ) -> None:
        self._data = memoryview(data)
        self._end = len(data)
        self._left = left
        self._octets = octets
        self._stopped = False
        self.position = 0

    @property
    def ended(self) -> bool:
        """Whether all was read, or reading ended early because enough was."""
        return self._stopped or self.position == self._end

    def _is_over(self) -> bool:
        return self._stopped

    def value(self, depth: int) -> Any:
        """Gives the next value."""
        if self._left[0] <= 0 or depth > DEPTH_MAX:
            self._stopped = True
            return MORE
        self._left[0] -= 1
        tag = self._take(1)[0]
        if tag < 0x80:
            return tag
        if tag >= 0xE0:
            return tag - 0x100
        if tag < 0x90:
            return self._map(tag & 0x0F, depth)
        if tag < 0xA0:
            return self._array(tag & 0x0F, depth)
        if tag < 0xC0:
            return _text(self._take(tag & 0x1F))
        return self._tagged(tag, depth)

    def _tagged(self, tag: int, depth: int) -> Any:
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if 0xCA <= tag <= 0xD3:
            return self._numeric(tag)
        match tag:
            case 0xC4 | 0xC5 | 0xC6:
                return self._octets(bytes(self._take(self._size(tag - 0xC4))))
            case 0xC7 | 0xC8 | 0xC9:
                return self._extension(self._size(tag - 0xC7), depth)
            case 0xD4 | 0xD5 | 0xD6 | 0xD7 | 0xD8:
                return self._extension(1 << (tag - 0xD4), depth)
            case 0xD9 | 0xDA | 0xDB:
                return _text(self._take(self._size(tag - 0xD9)))
            case 0xDC | 0xDD:
                return self._array(self._size(tag - 0xDC + 1), depth)
            case 0xDE | 0xDF:
                return self._map(self._size(tag - 0xDE + 1), depth)
            case _:
                raise InvalidArgumentError(f"byte {self.position - 1} is {tag:#x}, which msgpack never uses")

    def _numeric(self, tag: int) -> Any:
        if tag <= 0xCB:
            size, form = (4, ">f") if tag == 0xCA else (8, ">d")
            return shown_number(struct.unpack(form, self._take(size))[0])
        # 1, 2, 4 or 8 bytes, without a sign and then with one.
        return int.from_bytes(self._take(1 << (tag & 3)), "big", signed=tag >= 0xD0)

    def _take(self, size: int) -> memoryview:
        start, self.position = self.position, self.position + size
        if self.position > self._end:
            raise InvalidArgumentError(f"the bytes end within a value, at {self._end}, and are no msgpack")
        return self._data[start : self.position]

    def _size(self, power: int) -> int:
        return int.from_bytes(self._take(1 << power), "big")

    def _array(self, size: int, depth: int) -> list[Any]:
        found: list[Any] = []
        for _ in range(size):
            found.append(self.value(depth + 1))
            if self._is_over():
                break
        return found

    def _map(self, size: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(size):
            key = self.value(depth + 1)
            if self._is_over():
                found[MORE] = MORE
                break
            found[key if isinstance(key, str) else json.dumps(key, ensure_ascii=False)] = self.value(
                depth + 1
            )
            if self._is_over():
                break
        return found

    def _extension(self, size: int, depth: int) -> Any:
        code = int.from_bytes(self._take(1), "big", signed=True)
        inside = self._take(size)
        reader = _Reader(inside, self._left)
        try:
            value = reader.value(depth + 1)
        except InvalidArgumentError:
            return {"@class": f"extension {code}", "data": shown_bytes(bytes(inside))}
        return value if code == _EXT_DELTA_SNAPSHOT else _show_object(code, value)


def _show_object(code: int, value: Any) -> Any:
    """An object: LangGraph packs its module, its class, and what its constructor is to be given."""
    if code == _EXT_ARRAY and isinstance(value, list) and len(value) == 4:
        dtype, shape, _, data = value
        return {"@class": "numpy.ndarray", "dtype": dtype, "shape": shape, "data": data}
    if not isinstance(value, list) or len(value) < 3 or not all(isinstance(each, str) for each in value[:2]):
        return {"@class": f"extension {code}", "data": value}
    module, name, given = value[:3]
    plain = _PLAIN.get((module, name))
    if plain is not None:
        try:
            return plain(given)
        except (TypeError, ValueError, IndexError, AttributeError):
            pass
    if code in _EXT_MODELS and isinstance(given, dict) and _is_message(module, given):
        return _show_message(given)
    if isinstance(given, dict):
        return {"@class": name, **given}
    return {"@class": name, "value": given}


def _is_message(module: str, fields: Mapping[str, Any]) -> bool:
    return "content" in fields and (
        fields.get("type") in _MESSAGE_TYPES or module.startswith("langchain_core.messages")
    )


def _show_message(fields: Mapping[str, Any]) -> dict[str, Any]:
    kind = fields.get("type")
    shown: dict[str, Any] = {
        "type": kind.removesuffix("MessageChunk").lower() if isinstance(kind, str) else kind,
        "content": fields["content"],
    }
    for name in _MESSAGE_FIELDS:
        if fields.get(name):
            shown[name] = fields[name]
    if isinstance(shown.get("tool_calls"), list):
        shown["tool_calls"] = [_show_call(each) for each in shown["tool_calls"]]
    if fields.get("status") not in (None, "success"):
        shown["status"] = fields["status"]
    return {**shown, **{name: fields[name] for name in _MESSAGE_EXTRAS if fields.get(name)}}


def _show_call(call: Any) -> Any:
    if not isinstance(call, dict) or call.get("type") != "tool_call":
        return call
    return {name: value for name, value in call.items() if name != "type"}


def _show_uuid(given: Any) -> str:
    if len(given) != 32:
        raise ValueError(given)
    return f"{given[:8]}-{given[8:12]}-{given[12:16]}-{given[16:20]}-{given[20:]}"


def _show_date(given: Any) -> str:
    year, month, day = map(int, given)
    return f"{year:04}-{month:02}-{day:02}"


def _show_duration(given: Any) -> str:
    days, seconds, microseconds = map(int, given)
    return f"{days} d {seconds + microseconds / 1e6:g} s"


def _show_path(given: Any) -> str:
    return "/".join(map(str, given)).replace("//", "/", 1)


def _show_send(given: Any) -> dict[str, Any]:
    node, argument = given[:2]
    return {"@class": "Send", "node": node, "arg": argument}


def _show_interrupt(given: Any) -> dict[str, Any]:
    return {"@class": "Interrupt", **{name: value for name, value in given.items() if value is not None}}


def _same(given: Any) -> Any:
    return given


_PLAIN: Final[Mapping[tuple[str, str], Callable[[Any], Any]]] = {
    ("uuid", "UUID"): _show_uuid,
    ("decimal", "Decimal"): _same,
    ("datetime", "datetime"): _same,
    ("datetime", "date"): _show_date,
    ("datetime", "timedelta"): _show_duration,
    ("builtins", "set"): _same,
    ("builtins", "frozenset"): _same,
    ("collections", "deque"): _same,
    ("zoneinfo", "ZoneInfo"): _same,
    ("langgraph.types", "Interrupt"): _show_interrupt,
    ("langgraph.types", "Send"): _show_send,
    **{
        (module, name): _show_path
        for module in ("pathlib", "pathlib._local")  # the latter in Python 3.13
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "Path")
    },
    **{
        ("ipaddress", f"IPv{version}{what}"): _same
        for version in (4, 6)
        for what in ("Address", "Interface", "Network")
    },
}
