"""Ids for transactions."""

from __future__ import annotations

import os
from typing import Final

_ID_BYTES: Final = 16
_IDS_AT_ONCE: Final = 64

_unused: Final[list[str]] = []


def new_txn_id() -> str:
    """Gives an id that no other transaction has: 32 hexadecimal digits, all of them random.

    Ids are drawn in blocks, because `os.urandom` lets go of the interpreter, and another thread that is
    running then takes it: for each transaction that is a switch of threads there and one back.
    """
    while True:
        try:
            # Of threads that do this at once each gets another one: `pop` does not let go of the interpreter.
            return _unused.pop()
        except IndexError:
            drawn = os.urandom(_ID_BYTES * _IDS_AT_ONCE).hex()
            digits = 2 * _ID_BYTES
            _unused.extend([drawn[at : at + digits] for at in range(0, len(drawn), digits)])


if hasattr(os, "register_at_fork"):
    # The parent uses those that it has drawn.
    os.register_at_fork(after_in_child=_unused.clear)
