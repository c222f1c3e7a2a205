"""Where a store's rows are: keys that sort as the namespaces they hold do, and that people can read.

The item ``"profile"`` of the namespace ``("users", "u-1")`` has the name ``users#u-1##profile``. Four agents
of the Statehouse namespace hold what belongs to it:

============ ============================ ==========================================================
agent        key                          value
============ ============================ ==========================================================
``items``    NAME                         an `ItemRecord`: the value, and when it was made and changed
``vectors``  NAME                         a `VectorRecord`: what semantic search compares
``expiries`` NAME                         an `ExpiryRecord`: until when the item lives; only of those that end
``due``      MICROSECONDS ``#`` NAME      nothing: the same by time, for the sweeper
============ ============================ ==========================================================

* K1. Each label of a namespace is followed by ``#``, and the namespace by another one: no label is empty, so
  ``##`` ends it. What begins with ``users#`` is the namespace ``("users",)`` and all below it.
* K2. Characters up to ``%`` are written as ``%`` and two hexadecimal digits. Everything else sorts above
  ``#`` and ``%``, so names sort as tuples of labels do.
"""

from __future__ import annotations

import re
from typing import Final

from statehouse import LimitExceededError
from statehouse.extend import RecordKey

ITEMS: Final = "items"
VECTORS: Final = "vectors"
EXPIRIES: Final = "expiries"
DUE: Final = "due"

NAME_BYTES_MAX: Final = 1_000
"""A key has 1,024 bytes, and in ``due`` 17 of them are for the time."""

_SEPARATOR: Final = "#"
_ESCAPE: Final = "%"
_EMPTY: Final = "%"
_ABOVE_SEPARATOR: Final = "$"
"""Sorts after the separator and before whatever else a name has."""

_SPECIAL: Final = re.compile("[\x00-%]")
_ESCAPED: Final = re.compile("%([0-9A-F]{2})")

Namespace = tuple[str, ...]


def escape(text: str) -> str:
    """Gives a text without separators and control characters, sorting as before (K2)."""
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", text) if _SPECIAL.search(text) else text


def unescape(text: str) -> str:
    """Undoes `escape`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if _ESCAPE in text else text


def subtree(namespace: Namespace) -> str:
    """What the names of all items in a namespace, and below it, begin with."""
    # Labels are not empty in LangGraph's stores; in its caches they may be.
    return "".join((escape(label) or _EMPTY) + _SEPARATOR for label in namespace)


def within(namespace: Namespace) -> str:
    """What the names of the items in a namespace itself begin with."""
    return subtree(namespace) + _SEPARATOR


def after_items(namespace: Namespace) -> str:
    """What sorts after a namespace's own items, and before the namespaces below it."""
    return subtree(namespace) + _ABOVE_SEPARATOR


def after_subtree(namespace: Namespace) -> str:
    """What sorts after all items in a namespace and below it, and before whatever follows."""
    return subtree(namespace)[:-1] + _ABOVE_SEPARATOR


def name_of(namespace: Namespace, key: str) -> str:
    """Gives the name of an item.

    Raises:
        LimitExceededError: The namespace and the key are too long together.
    """
    name = within(namespace) + escape(key)
    size = len(name) if name.isascii() else len(name.encode(errors="replace"))
    if size > NAME_BYTES_MAX:
        raise LimitExceededError(
            f"the namespace {namespace!r:.80} and the key {key!r:.80} take {size} bytes together; the limit "
            f"is {NAME_BYTES_MAX}: shorten them, or use a hash of the long part and keep it in the value",
            limit=NAME_BYTES_MAX,
            actual=size,
        )
    return name


def parse_name(name: str) -> tuple[Namespace, str]:
    """Gives the namespace and the key that a name stands for."""
    labels, _, key = (_SEPARATOR + name).partition(_SEPARATOR * 2)
    namespace = tuple(
        "" if label == _EMPTY else unescape(label) for label in labels.split(_SEPARATOR) if label
    )
    return namespace, unescape(key)


def due_key(until_us: int, name: str) -> str:
    """The key of an item in the index by time."""
    return f"{until_us:016d}{_SEPARATOR}{name}"


def parse_due_key(key: str) -> tuple[int, str]:
    """Gives the time and the name of a row in the index by time."""
    until, _, name = key.partition(_SEPARATOR)
    return int(until), name


def record(namespace: str, agent_id: str, key: str) -> RecordKey:
    """The full name of a row."""
    return RecordKey(namespace, agent_id, key)
