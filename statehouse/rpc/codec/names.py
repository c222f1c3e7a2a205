"""Names and numbers, and where a page begins."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from statehouse.errors import InvalidArgumentError
from statehouse.protocol.limits import DEFAULT_LIMITS, check_integer
from statehouse.protocol.names import DEFAULT_NAMESPACE, RecordKey, check_text

T = TypeVar("T")

ANY_SIZE: Final = sys.maxsize
"""The engine knows the limits; the wire only wants text that it can carry."""

_PAGE_ROWS: Final = 1000


class Named(Protocol):
    """A message with the name of a record."""

    namespace: str
    agent_id: str
    key: str


class Limited(Protocol):
    """A message that asks for a page of so many rows."""

    limit: int


class Continued(Protocol):
    """A message with the cursor of a page."""

    cursor: str

    def HasField(self, field_name: Any) -> bool:  # noqa: N802 - protobuf's
        """Whether a field is set."""
        ...


class Paged(Limited, Continued, Protocol):
    """A message that asks for a page of so many rows, after another page."""


def say_key(message: Named, key: RecordKey) -> None:
    """Writes the name of a record.

    Raises:
        InvalidArgumentError: It is none.
    """
    try:
        namespace, agent_id, name = key
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"not the name of a record: {key!r:.80}") from None
    check_text("namespace", namespace, ANY_SIZE)
    check_text("agent_id", agent_id, ANY_SIZE)
    check_text("key", name, ANY_SIZE)
    message.namespace = namespace
    message.agent_id = agent_id
    message.key = name


def key_in(message: Named) -> RecordKey:
    """The name of a record; the engine checks it."""
    return RecordKey(message.namespace or DEFAULT_NAMESPACE, message.agent_id, message.key)


def text(what: str, value: str, *, empty: bool = True) -> str:
    """Gives a text back.

    Raises:
        InvalidArgumentError: It is none, or one that no engine takes.
    """
    check_text(what, value, ANY_SIZE, empty=empty)
    return value


def integer(what: str, number: int, low: int = 0) -> int:
    """Gives a number back; for both ends.

    Raises:
        InvalidArgumentError: Not an integer from `low` to 2**53 - 1.
    """
    check_integer(what, number, low)
    return number


def sequence(what: str, values: Sequence[T]) -> Sequence[T]:
    """Gives a sequence back.

    Raises:
        InvalidArgumentError: It is none.
    """
    if not isinstance(values, tuple | list):
        raise InvalidArgumentError(f"{what} must be a tuple, not {type(values).__name__}: {values!r:.80}")
    return values


def milliseconds(seconds: float) -> int:
    """The least number of milliseconds that is not shorter; give it seconds that were checked."""
    least = math.ceil(seconds * 1000)
    # 0.07 * 1000 is 70.00000000000001.
    return least - 1 if (least - 1) / 1000 >= seconds else least


def say_page(message: Paged, limit: int, cursor: str | None) -> None:
    """Writes how many rows a page may have, and where it begins.

    Raises:
        InvalidArgumentError: No such limit, or not a cursor.
    """
    check_integer("limit", limit, 1, DEFAULT_LIMITS.page_rows_max)
    message.limit = limit
    if cursor is not None:
        message.cursor = text("cursor", cursor)


def limit_in(message: Limited) -> int:
    """The most rows of a page; 0 says nothing."""
    return message.limit or _PAGE_ROWS


def cursor_in(message: Continued) -> str | None:
    """Where the page begins."""
    return message.cursor if message.HasField("cursor") else None
