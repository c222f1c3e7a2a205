"""Where the engine gets the time from; tests bring their own (`statehouse.testing.clock`)."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people read, one that never goes back."""

    def now_us(self) -> int:
        """Microseconds since 1970 (UTC), as the operating system believes."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; for timeouts."""
        ...


class SystemClock:
    """The clocks of the operating system."""

    def now_us(self) -> int:
        """Microseconds since 1970 (UTC)."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()
