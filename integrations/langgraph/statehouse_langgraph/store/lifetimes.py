"""How long items live: LangGraph's ``ttl`` configuration, and minutes as times.

A read makes an item live longer, which is a write. So that not every read is one, it is done only when at
least a tenth of the item's time has gone by since it was done last: an item lives for nine tenths of its time
at least, and for all of it at most, after it was last read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from statehouse import InvalidArgumentError
from statehouse_langgraph.opening import check_mapping
from statehouse_langgraph.store.records import MINUTE_US, UNTIL_US_MAX, ExpiryRecord

SWEEP_MINUTES: Final = 5.0
_NAMES: Final = ("default_ttl", "refresh_on_read", "omit_expired", "sweep_interval_minutes")
_REFRESHED_AFTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """What is configured.

    Attributes:
        default_minutes: For puts that say nothing; None for ever.
        sweep_minutes: How often the sweeper looks.
    """

    default_minutes: float | None
    sweep_minutes: float

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Lifetimes:
        """Reads LangGraph's way to say it. ``omit_expired`` is taken, but what expired is never given.

        Raises:
            InvalidArgumentError: A name that is not known, or a value that makes no sense.
        """
        if given is None:
            return cls(None, SWEEP_MINUTES)
        check_mapping("ttl", given, "{'default_ttl': minutes}")
        unknown = set(given) - set(_NAMES)
        if unknown:
            raise InvalidArgumentError(
                f"ttl has no {', '.join(sorted(unknown))}: it takes {', '.join(_NAMES)}"
            )
        default = given.get("default_ttl")
        every = given.get("sweep_interval_minutes")
        return cls(
            None if default is None else minutes("ttl default_ttl", default),
            SWEEP_MINUTES if every is None else minutes("ttl sweep_interval_minutes", every),
        )


def minutes(what: str, value: object) -> float:
    """Checks a number of minutes.

    Raises:
        InvalidArgumentError: It is no number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidArgumentError(
            f"{what} must be a number of minutes above 0, or None for ever: {value!r:.80}"
        )
    return float(value)


def lived_until(ttl_minutes: float, now_us: int) -> ExpiryRecord:
    """Gives until when what is put or read now lives."""
    return ExpiryRecord(
        ttl_minutes, min(int(min(now_us + ttl_minutes * MINUTE_US, UNTIL_US_MAX)), UNTIL_US_MAX)
    )


def refreshed(expiry: ExpiryRecord, now_us: int) -> ExpiryRecord | None:
    """Gives until when an item lives that is read now; None when that is about what is written already."""
    new = lived_until(expiry.minutes, now_us)
    gained = new.until_us - expiry.until_us
    return new if gained >= expiry.minutes * MINUTE_US * _REFRESHED_AFTER else None
