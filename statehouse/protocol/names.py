"""What a record is called: namespace, agent and key.

Names are non-empty UTF-8 text without the characters U+0000 to U+001F, and are compared as bytes.
Code points and UTF-8 bytes sort alike, so comparing Python strings compares the bytes.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits

_CONTROL: Final = re.compile("[\x00-\x1f]")

DEFAULT_NAMESPACE: Final = "default"


class RecordKey(NamedTuple):
    """The full name of a record. Tuples of names sort as the store sorts them."""

    namespace: str
    agent_id: str
    key: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.agent_id}/{self.key}"


def check_text(what: str, text: str, size_bytes_max: int, *, empty: bool = False) -> None:
    """Checks one name.

    Args:
        what: How the error calls it.
        text: The name.
        size_bytes_max: The limit, in bytes of UTF-8.
        empty: Whether the empty text is allowed.

    Raises:
        InvalidArgumentError: Not a string, empty, not encodable, or with a control character.
        LimitExceededError: Longer than the limit.
    """
    if not isinstance(text, str):
        raise InvalidArgumentError(f"{what} must be a str, not {type(text).__name__}: {text!r:.80}")
    # Nearly every name, for a third of what encoding it and searching it for control characters costs.
    if 0 < len(text) <= size_bytes_max and text.isascii() and text.isprintable():
        return
    if not text:
        if empty:
            return
        raise InvalidArgumentError(f"{what} must not be empty")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"{what} is not valid Unicode: {text!r:.80} ({error.reason})") from None
    if size > size_bytes_max:
        raise LimitExceededError(
            f"{what} is {size} bytes long; the limit is {size_bytes_max}: {text!r:.80}",
            limit=size_bytes_max,
            actual=size,
        )
    if _CONTROL.search(text):
        raise InvalidArgumentError(f"{what} contains a control character (U+0000 to U+001F): {text!r:.80}")


def check_namespace(namespace: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Checks a namespace; see `check_text`."""
    check_text("namespace", namespace, limits.namespace_bytes_max)


def check_agent_id(agent_id: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Checks an agent id; see `check_text`."""
    check_text("agent_id", agent_id, limits.agent_id_bytes_max)


def check_key(key: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Checks the key of a record; see `check_text`."""
    check_text("key", key, limits.key_bytes_max)


def check_record_key(name: RecordKey, limits: Limits = DEFAULT_LIMITS) -> None:
    """Checks all three parts of a record's name; see `check_text`."""
    check_text("namespace", name.namespace, limits.namespace_bytes_max)
    check_text("agent_id", name.agent_id, limits.agent_id_bytes_max)
    check_text("key", name.key, limits.key_bytes_max)


def check_txn_id(txn_id: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Checks a transaction id; see `check_text`."""
    check_text("txn_id", txn_id, limits.txn_id_bytes_max)
