"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading

__all__ = ["ManualClock"]

_US: int = 1_000_000


class ManualClock:
    """Wall time and monotonic time that only the test moves; safe to read from any thread.

    Example:
        >>> clock = ManualClock(wall_us=1_000_000)
        >>> clock.advance(1.5)
        >>> clock.now_us(), clock.monotonic()
        (2500000, 1.5)
        >>> clock.set_wall_us(0)  # as when an operator sets the clock back
        >>> clock.now_us(), clock.monotonic()
        (0, 1.5)
    """

    def __init__(self, *, wall_us: int = 1_700_000_000 * _US) -> None:
        self._lock = threading.Lock()
        self._wall_us = wall_us
        self._monotonic_us = 0

    def now_us(self) -> int:
        """Wall time: microseconds since 1970, UTC. It may go backwards."""
        with self._lock:
            return self._wall_us

    def monotonic(self) -> float:
        """Seconds since this clock was made. It never goes backwards."""
        with self._lock:
            return self._monotonic_us / _US

    def advance(self, seconds: float) -> None:
        """Lets time pass, on the wall and monotonically.

        Raises:
            ValueError: ``seconds`` is negative; only the wall can be set back (`set_wall_us`).
        """
        if seconds < 0:
            raise ValueError(f"time cannot advance by {seconds} s; set_wall_us sets the wall clock back")
        step = round(seconds * _US)
        with self._lock:
            self._wall_us += step
            self._monotonic_us += step

    def set_wall_us(self, wall_us: int) -> None:
        """Sets the wall clock, forwards or back; monotonic time does not notice."""
        with self._lock:
            self._wall_us = wall_us
