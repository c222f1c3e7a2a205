"""Where the engine gets random bytes from; tests bring their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

Entropy = Callable[[int], bytes]
"""Gives so many random bytes."""

_BLOCK_BYTES: Final = 4096


class SystemEntropy:
    """Random bytes of the operating system, drawn in blocks; used by one thread at a time.

    `os.urandom` lets go of the interpreter. A writer that asks it for each commit of a group queues up for
    the interpreter behind its own callers each time: with 64 of them, 5 switches of threads a commit, not 3.
    """

    def __init__(self) -> None:
        self._block = b""
        self._at = 0

    def __call__(self, size: int) -> bytes:
        """So many bytes, which nobody is given again."""
        start = self._at
        if start + size > len(self._block):
            # In this order an interrupt between the two skips bytes and repeats none.
            self._block = os.urandom(max(size, _BLOCK_BYTES))
            start = 0
        self._at = start + size
        return self._block[start : start + size]
