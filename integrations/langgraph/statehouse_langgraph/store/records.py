"""What the rows of a store hold, and how they are packed.

Items and expiries are JSON, so that ``statehousectl`` shows them; vectors are 32-bit floats in msgpack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import ormsgpack

from statehouse import InvalidArgumentError, LimitExceededError, Payload
from statehouse.extend import JSON, decode, encode
from statehouse_langgraph.errors import ContentError

VECTORS_TYPE: Final = "application/vnd.statehouse.langgraph.vectors+msgpack"
_FORMAT: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_US: Final = 60_000_000
UNTIL_US_MAX: Final = 9_999_999_999_999_999
"""In the year 2286; sixteen digits, so that times sort as text."""


def time_of(microseconds: int) -> datetime:
    """Gives a time from microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def encode_value(value: Mapping[str, Any], what: str) -> bytes:
    """Gives a value as it is stored within an `ItemRecord`.

    Raises:
        InvalidArgumentError: It is not JSON.
        LimitExceededError: It is too large, or nested too deeply.
    """
    try:
        return encode({"value": dict(value)}).data[:-1]
    except LimitExceededError as error:
        raise LimitExceededError(f"{what}: {error}", **error.details) from None
    except (TypeError, ValueError) as error:
        # LangGraph's own stores in SQLite and PostgreSQL hold JSON, too.
        raise InvalidArgumentError(f"{what}: {error}") from None


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An item.

    Attributes:
        value: Its value.
        created_at: When the item was first put.
        updated_at: When this value was put.
        vectors: How many vectors it has.
        expires: Whether it has an `ExpiryRecord`.
    """

    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    vectors: int = 0
    expires: bool = False

    @staticmethod
    def pack(encoded: bytes, created_at: str, updated_at: str, vectors: int, *, expires: bool) -> Payload:
        """Gives the record as it is stored, from what `encode_value` made."""
        fields: dict[str, Any] = {"created_at": created_at, "updated_at": updated_at}
        if vectors:
            fields["vectors"] = vectors
        if expires:
            fields["expires"] = True
        return encode(Payload(JSON, encoded + b"," + encode(fields).data[1:]))

    @classmethod
    def of(cls, payload: Payload) -> ItemRecord:
        """Gives the record that is stored.

        Raises:
            ContentError: It is none.
        """
        found = _decoded(payload, "an item")
        try:
            return cls(
                found["value"],
                datetime.fromisoformat(found["created_at"]),
                datetime.fromisoformat(found["updated_at"]),
                found.get("vectors", 0),
                found.get("expires", False),
            )
        except (KeyError, TypeError, ValueError):
            raise _not("an item", payload) from None


@dataclass(frozen=True, slots=True)
class ExpiryRecord:
    """Until when an item lives.

    Attributes:
        minutes: How long it lives after it was last put or read.
        until_us: When it ends, in microseconds since 1970.
    """

    minutes: float
    until_us: int

    def payload(self) -> Payload:
        """The record as it is stored."""
        return encode({"minutes": self.minutes, "until_us": self.until_us})

    @classmethod
    def of(cls, payload: Payload) -> ExpiryRecord:
        """Gives the record that is stored.

        Raises:
            ContentError: It is none.
        """
        found = _decoded(payload, "an expiry")
        try:
            return cls(float(found["minutes"]), int(found["until_us"]))
        except (KeyError, TypeError, ValueError):
            raise _not("an expiry", payload) from None


@dataclass(frozen=True, slots=True)
class VectorRecord:
    """The vectors of an item.

    Attributes:
        dims: How many numbers a vector has.
        paths: Which part of the value each vector is of.
        data: The numbers: 32-bit floats, the least significant byte first, vector after vector.
    """

    dims: int
    paths: tuple[str, ...]
    data: bytes

    def payload(self) -> Payload:
        """The record as it is stored."""
        return Payload(VECTORS_TYPE, ormsgpack.packb([_FORMAT, self.dims, self.paths, self.data]))

    @classmethod
    def of(cls, payload: Payload) -> VectorRecord:
        """Gives the record that is stored.

        Raises:
            ContentError: It is none.
        """
        try:
            form, dims, paths, data = ormsgpack.unpackb(payload.data)
            if payload.content_type != VECTORS_TYPE or form != _FORMAT or len(data) != 4 * dims * len(paths):
                raise _not("vectors", payload)
            return cls(dims, tuple(paths), data)
        except (TypeError, ValueError):
            raise _not("vectors", payload) from None


def _decoded(payload: Payload, what: str) -> dict[str, Any]:
    try:
        found = decode(payload) if payload.content_type == JSON else None
    except InvalidArgumentError:
        found = None
    if not isinstance(found, dict):
        raise _not(what, payload)
    return found


def _not(what: str, payload: Payload) -> ContentError:
    return ContentError(f"expected {what}, found {payload!r:.120}", content_type=payload.content_type)
