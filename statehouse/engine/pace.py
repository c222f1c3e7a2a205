"""How fast the disk is: whether an event loop may wait for a sync."""

from __future__ import annotations

from typing import Final, final

from statehouse.engine.clock import Clock

_SYNC_S_MAX: Final = 0.001
"""How long a sync may take, on average; two switches of threads take a fifth."""

_SLOW_S: Final = 0.1
"""For how long nobody waits for one after a sync that took four times as long."""


@final
class Pace:
    """Remembers how long syncs take.

    Args:
        clock: What time it is.
    """

    __slots__ = ("_average_s", "_clock", "_slow_until")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._average_s = 0.0
        self._slow_until = 0.0

    def took(self, seconds: float) -> None:
        """Takes in how long a sync took."""
        self._average_s += (seconds - self._average_s) / 8
        if seconds > 4 * _SYNC_S_MAX:
            self._slow_until = self._clock.monotonic() + _SLOW_S

    @property
    def is_quick(self) -> bool:
        """Whether a sync takes so little time that an event loop may wait for it."""
        return self._average_s <= _SYNC_S_MAX and self._clock.monotonic() >= self._slow_until
