"""The time of day, in the unit that records have it in."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """Gives microseconds since 1970."""
    return time.time_ns() // 1000


def time_of(microseconds: int) -> datetime:
    """Gives the time, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)
