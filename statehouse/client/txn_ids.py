"""Ids for transactions: 16 random bytes each, from the operating system, never given twice.

They are drawn 256 at a time. Each draw lets go of the interpreter lock, and who commits while answers come in
on other threads then waits for its turn: a fifth of all that a commit costs a client of a daemon.

* N1. A forked child draws its own: what two processes commit under one id is taken for one commit, repeated.
"""

from __future__ import annotations

import os
from typing import Final

_BYTES: Final = 16
_AT_ONCE: Final = 256

_drawn: Final[list[str]] = []


def new_txn_id() -> str:
    """Gives an id that nobody has; from any thread."""
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            digits = os.urandom(_AT_ONCE * _BYTES).hex()
            size = 2 * _BYTES
            _drawn.extend([digits[at : at + size] for at in range(0, len(digits), size)])


if hasattr(os, "register_at_fork"):
    # N1
    os.register_at_fork(after_in_child=_drawn.clear)
