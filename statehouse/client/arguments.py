"""Arguments that come from programs: what makes sense as a count, and as a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from statehouse.errors import InvalidArgumentError
from statehouse.protocol.limits import Limits, check_seconds

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def check_count(what: str, number: object, least: int) -> None:
    """Checks a whole number that somebody gave.

    Raises:
        InvalidArgumentError: It is none, or below the least that makes sense.
    """
    # True is an int to Python, and a mistake here.
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise InvalidArgumentError(f"{what} must be a whole number, {least} or more: {number!r:.80}")


def check_limit(limit: object) -> None:
    """Checks how many rows are asked for; None is all.

    Raises:
        InvalidArgumentError: It is no number of rows.
    """
    if limit is not None:
        check_count("limit", limit, 0)


def check_timeout(timeout: float, limits: Limits) -> float:
    """Gives the timeout back.

    Raises:
        InvalidArgumentError: It is no number of seconds between 1 ms and 1 h.
    """
    check_seconds("timeout", timeout, limits.timeout_s_min, limits.timeout_s_max)
    return timeout


def microseconds(what: str, time: object) -> int:
    """Gives a time as microseconds since 1970.

    Raises:
        InvalidArgumentError: It is no datetime with a time zone, or before 1970.
    """
    if not isinstance(time, datetime) or time.utcoffset() is None:
        raise InvalidArgumentError(
            f"{what} must be a datetime with a time zone, such as datetime.now(timezone.utc): {time!r:.80}"
        )
    since = (time - _EPOCH) // _MICROSECOND
    if since < 0:
        raise InvalidArgumentError(f"{what} is before 1970: {time.isoformat()}")
    return since
