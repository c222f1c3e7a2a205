"""The attempts of one call: how many, how long ago the last one began, how long to wait for the next."""

from __future__ import annotations

import time
from random import uniform
from typing import Final

from statehouse.steps.clock import now_us

_CONFLICT_DELAY_S_FIRST: Final = 0.002
_CONFLICT_DELAY_S_MAX: Final = 0.5


class Attempts:
    """Counts the attempts of one call.

    Args:
        number: How many there were before, by whoever recorded what is now replaced.

    Attributes:
        number: The last one.
        failures: How many of this call's raised.
        conflicts: How many of them were ended by a conflict.
        began_us: When the last one began, in microseconds since 1970.
    """

    __slots__ = ("_began", "began_us", "conflicts", "failures", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.failures = 0
        self.conflicts = 0
        self.began_us = 0
        self._began = 0.0

    def begin(self) -> None:
        """Begins the next one."""
        self.number += 1
        self.began_us = now_us()
        self._began = time.monotonic()

    def duration_us(self) -> int:
        """How long the last one has taken, in microseconds."""
        return int((time.monotonic() - self._began) * 1_000_000)

    def conflict_delay_s(self) -> float:
        """How many seconds to wait after a conflict: by chance, so that rivals do not meet again."""
        return uniform(0.0, min(_CONFLICT_DELAY_S_MAX, _CONFLICT_DELAY_S_FIRST * 2**self.conflicts))  # noqa: S311 - no secret
