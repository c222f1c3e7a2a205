"""Points in a store's history, as people write them.

::

    7, @7                      a commit_ts, as it is printed
    2026-11-23T16:00:00Z       a time; without a zone it is UTC, as all times are printed
    2026-11-23 16:00, 2026-11-23
    -5m, -1h30m, -2d, -0.5s    so long ago
    now
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

__all__ = ["COMMIT_TS", "POINT", "TIME", "parse_point", "shown_time"]

_COMMIT_TS: Final = re.compile(r"@?([0-9]{1,16})")
_AGO: Final = re.compile(r"-(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d|w))+")
_PART: Final = re.compile(r"([0-9.]+)(ms|s|m|h|d|w)")
_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_FORMS: Final = "a commit_ts such as 7, a time such as 2026-11-23T16:00:00Z, or an age such as -5m"
_TIME_FORMS: Final = "a time such as 2026-11-23T16:00:00Z, or an age such as -5m (units: ms s m h d w)"


def parse_point(text: str, now: datetime) -> int | datetime:
    """Gives the commit_ts, or the time (in UTC), that a text means.

    Args:
        text: In one of the module's forms.
        now: What ages count from.

    Raises:
        ValueError: It has none of the forms, or names a time before 1970.
    """
    text = text.strip()
    if found := _COMMIT_TS.fullmatch(text):
        return int(found[1])
    return _parse_time(text, now)


def _parse_time(text: str, now: datetime) -> datetime:
    if text == "now":
        return now
    try:
        if _AGO.fullmatch(text):
            time = now - sum(
                (float(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta()
            )
        else:
            time = datetime.fromisoformat(text)
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise ValueError("before the year 1970") from None
    if time.year < 1970:
        raise ValueError("before the year 1970")
    return time


def shown_time(time: datetime) -> str:
    """Gives a time in UTC as all output shows it, to the millisecond: ``2026-11-23 16:00:00.123``."""
    return time.strftime("%Y-%m-%d %H:%M:%S.") + f"{time.microsecond // 1000:03}"


class _Point(click.ParamType):  # type: ignore[type-arg] # generic since click 8.5 only
    """A commit_ts or a time."""

    name = "TS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | datetime:
        if isinstance(value, int | datetime):
            return value
        try:
            return parse_point(value, datetime.now(UTC))
        except ValueError as error:
            self.fail(_refusal(value, error, _FORMS), param, ctx)


class _Time(click.ParamType):  # type: ignore[type-arg] # generic since click 8.5 only
    """A time only."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        if _COMMIT_TS.fullmatch(value):
            self.fail(
                f"{value!r} is a commit_ts; give it to --from or --to, or write {_TIME_FORMS}", param, ctx
            )
        try:
            return _parse_time(value.strip(), datetime.now(UTC))
        except ValueError as error:
            self.fail(_refusal(value, error, _TIME_FORMS), param, ctx)


class _CommitTs(click.ParamType):  # type: ignore[type-arg] # generic since click 8.5 only
    """A commit_ts only."""

    name = "COMMIT_TS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _COMMIT_TS.fullmatch(value.strip())
        if found is None:
            self.fail(
                f"{value!r:.80} is not a commit_ts such as 7; a time goes to --since or --until", param, ctx
            )
        return int(found[1])


def _refusal(text: str, error: ValueError, forms: str) -> str:
    why = f" ({error})" if "1970" in str(error) else ""
    return f"{text!r:.80} is not a point in time{why}; write {forms}"


POINT: Final = _Point()
TIME: Final = _Time()
COMMIT_TS: Final = _CommitTs()
