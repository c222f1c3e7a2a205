"""What a value is: tagged bytes, never pickled.

A `Payload` is a content type and data. JSON is the default: ``dict`` in, the same ``dict`` out; 42
stays an int and 2**60 stays exact. ``bytes`` are stored as they are. Adapters may store other types
through a registered `Codec` (see `statehouse.extend`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits
from statehouse.protocol.quick import quick

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"

Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""Any JSON value. A tuple is accepted as an array and comes back as a list."""

Value = Json | bytes
"""What can be stored without a codec of one's own."""

_KEYS: Final = frozenset({str})
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_OCTETS: Final = (bytes, bytearray, memoryview)


def _json_encoder() -> Callable[[Any], str]:
    """`json.JSONEncoder.encode` for half its price: it builds its C encoder anew for every value."""
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    spell: Any = json.encoder.encode_basestring
    # The first None is for finding cycles, which `_check_json` has refused already.
    chunks = make(None, encoder.default, spell, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_encode: Final = _json_encoder()
_decode: Final = json.JSONDecoder().decode
_scan: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
"""What `_decode` calls between looking for space before the value and after it, which is half its price."""


@quick
@dataclass(frozen=True, slots=True)
class Payload:
    """A value as it is stored and travels.

    Attributes:
        content_type: A media type, such as ``application/json``.
        data: The bytes.
    """

    content_type: str
    data: bytes

    def __repr__(self) -> str:
        shown = self.data if len(self.data) <= 64 else self.data[:61] + b"..."
        return f"Payload({self.content_type!r}, {shown!r}, {len(self.data)} bytes)"


def encode(value: Any, limits: Limits = DEFAULT_LIMITS) -> Payload:
    """Encodes a value for storage.

    Args:
        value: Any JSON value, ``bytes`` (also ``bytearray`` and ``memoryview``), or a ready `Payload`.

    Returns:
        The payload. A `Payload` comes back unchanged.

    Raises:
        InvalidArgumentError: Not a JSON value: NaN, infinities, keys that are no strings, lone
            surrogates, other types.
        LimitExceededError: Nested deeper than 32, or larger than 16 MiB.
    """
    if isinstance(value, Payload):
        payload = value
    elif isinstance(value, _OCTETS):
        payload = Payload(BYTES, bytes(value))
    else:
        _check_json(value, limits.json_depth_max)
        try:
            payload = Payload(JSON, _encode(value).encode())
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(
                f"the value contains text that is not valid Unicode ({error.reason})"
            ) from None
        except ValueError as error:
            why = (
                "an integer in it has more digits than Python writes; use a string"
                if "integer string conversion" in str(error)
                else f"{error!s:.80}; NaN and infinities have no JSON form, use None or a string"
            )
            raise InvalidArgumentError(f"the value is not JSON: {why}") from None
    if len(payload.data) > limits.value_bytes_max:
        raise LimitExceededError(
            f"the value is {len(payload.data)} bytes; the limit is {limits.value_bytes_max}: "
            "split it over several keys, or store a reference to it",
            limit=limits.value_bytes_max,
            actual=len(payload.data),
        )
    return payload


def _check_json(value: Any, depth_left: int) -> None:
    # json.dumps turns {1: 2} into {"1": 2} without a word and recurses until the stack ends.
    if isinstance(value, dict):
        if not _KEYS.issuperset(map(type, value)):
            _check_keys(value)
        children: Iterable[Any] = value.values()
    elif isinstance(value, list | tuple):
        children = value
    elif value is None or isinstance(value, str | int | float):
        return
    else:
        raise InvalidArgumentError(
            f"a value of type {type(value).__name__} is not JSON: {value!r:.80}; convert it to a dict, a "
            "list, a string, a number, bool, None or bytes, or store a Payload with its own content type"
        )
    if depth_left == 0:
        raise LimitExceededError(
            f"the value is nested deeper than {DEFAULT_LIMITS.json_depth_max} levels (or contains itself)",
            limit=DEFAULT_LIMITS.json_depth_max,
            actual=DEFAULT_LIMITS.json_depth_max + 1,
        )
    if not _SCALARS.issuperset(map(type, children)):
        for child in children:
            _check_json(child, depth_left - 1)


def _check_keys(value: dict[Any, Any]) -> None:
    for key in value:
        if not isinstance(key, str):
            raise InvalidArgumentError(
                f"a JSON object's keys must be strings, not {type(key).__name__}: {key!r:.80}"
            )


def _decoded(text: str) -> Any:
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return _decode(text)
    # With space around it, or with something else behind it.
    return value if end == len(text) else _decode(text)


def decode(payload: Payload) -> Any:
    """Decodes a payload: JSON to Python values, octets to ``bytes``, other types by their codec.

    A content type without a registered codec gives the `Payload` itself: reading never fails because
    a package is not installed, and never imports what stored bytes name.

    Raises:
        InvalidArgumentError: The data is not what its content type says.
    """
    content_type = payload.content_type
    if content_type == JSON:
        try:
            return _decoded(payload.data.decode())
        except ValueError as error:
            raise InvalidArgumentError(f"the stored value is not valid JSON: {error}") from None
    if content_type == BYTES:
        return payload.data
    from statehouse.protocol.codecs import codec_for  # noqa: PLC0415 - entry points are slow to load; most never need them

    codec = codec_for(content_type)
    return payload if codec is None else codec.decode(payload.data)
