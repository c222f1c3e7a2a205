"""Points in time as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statehouse.cli.times import parse_point, shown_time

NOW = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text,point",
    [
        ("7", 7),
        ("@7", 7),
        ("0", 0),
        ("now", NOW),
        ("-5m", NOW - timedelta(minutes=5)),
        ("-1h30m", NOW - timedelta(hours=1, minutes=30)),
        ("-0.5s", NOW - timedelta(seconds=0.5)),
        ("-250ms", NOW - timedelta(milliseconds=250)),
        ("-2d", NOW - timedelta(days=2)),
        ("-1w", NOW - timedelta(weeks=1)),
        ("2026-11-23T16:00:00Z", NOW),
        ("2026-11-23T18:00:00+02:00", NOW),
        ("2026-11-23 16:00", NOW),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
    ],
)
def test_a_point_in_time_is_what_it_says(text: str, point: int | datetime) -> None:
    assert parse_point(text, NOW) == point


@pytest.mark.parametrize(
    "text", ["", "x", "-5", "-5y", "+5m", "--5m", "1.5", "-1e3s", "1969-12-31", "-99w9999d"]
)
def test_what_is_no_point_in_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|before the year 1970|out of range"):
        parse_point(text, datetime(1970, 1, 2, tzinfo=UTC))


@given(st.integers(0, 250_000_000_000_000))
def test_a_shown_time_is_read_as_the_same_time(milliseconds: int) -> None:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert parse_point(shown_time(time), NOW) == time
