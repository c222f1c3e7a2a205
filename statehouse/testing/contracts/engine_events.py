"""Which events a trace, a span, a run or a transaction made, and which one was the newest at a time (G7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import InvalidArgumentError, StoreChangedError
from statehouse.protocol.engine import Engine
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import EventPage
from statehouse.protocol.requests import FindEvents, LocateTime, Status
from statehouse.testing.contracts.engine_phrases import (
    OpenEngine,
    SetClock,
    commit,
    delete,
    everything,
    name,
    put,
    write,
)

CRITIC = name("k", "critic")


def _numbers(page: EventPage) -> list[int]:
    return [event.commit_ts for event in page.events]


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


class FindEventsContract:
    """Events by who asked for them."""

    def _fill(self, engine: Engine) -> None:
        # 1 and 3: the trace, in two spans; 2: another trace in the same run; 4: nobody; 5: the trace again.
        commit(engine, write("a"), write(CRITIC), origin=Origin(TRACE, SPAN, run_id="run"), txn_id="txn-1")
        commit(engine, write("a"), origin=Origin(TRACE[::-1], run_id="run"), txn_id="txn-2")
        commit(engine, delete("a"), origin=Origin(TRACE, SPAN[::-1], run_id="run-2"), txn_id="txn-3")
        commit(engine, write("a"), txn_id="txn-4")
        commit(engine, write("b"), origin=Origin(TRACE, SPAN, run_id="run"), txn_id="txn-5")

    @pytest.mark.parametrize(
        "by, identity, expected",
        [
            ("trace", TRACE, [1, 3, 5]),
            ("trace", TRACE[::-1], [2]),
            ("trace", "0" * 32, []),
            ("span", SPAN, [1, 5]),
            ("span", SPAN[::-1], [3]),
            ("run", "run", [1, 2, 5]),
            ("run", "run-2", [3]),
            ("run", "ru", []),
            ("run", TRACE, []),
            ("txn", "txn-4", [4]),
            ("txn", "txn", []),
        ],
    )
    def test_by_trace_span_run_and_transaction(
        self, engine: Engine, by: Any, identity: str, expected: list[int]
    ) -> None:
        """G7."""
        self._fill(engine)
        page = engine.execute(FindEvents(by, identity))
        assert (_numbers(page), page.done) == (expected, True)
        assert page.through_commit_ts >= max([0, *expected])

    def test_events_are_whole(self, engine: Engine) -> None:
        """G7: with the operations of every agent, and their values."""
        self._fill(engine)
        found = engine.execute(FindEvents("trace", TRACE)).events
        assert list(found) == [event for event in everything(engine) if event.origin.trace_id == TRACE]

    @pytest.mark.parametrize("limit", [1, 2, 3, 4])
    def test_pages_together_are_the_whole(self, engine: Engine, limit: int) -> None:
        """G7: the last page says so."""
        self._fill(engine)
        found: list[int] = []
        from_ts, done = 0, False
        while not done:
            page = engine.execute(FindEvents("trace", TRACE, from_ts, limit))
            assert len(page.events) <= limit
            found += _numbers(page)
            from_ts, done = page.through_commit_ts + 1, page.done
        assert found == [1, 3, 5]

    @pytest.mark.parametrize(
        "from_ts, expected", [(0, [1, 3, 5]), (1, [1, 3, 5]), (2, [3, 5]), (5, [5]), (6, [])]
    )
    def test_from_is_inclusive(self, engine: Engine, from_ts: int, expected: list[int]) -> None:
        """G7."""
        self._fill(engine)
        assert _numbers(engine.execute(FindEvents("trace", TRACE, from_ts))) == expected

    def test_pages_are_of_one_store_and_its_history(self, engine: Engine) -> None:
        """G7: each says which, and the next is asked for there."""
        self._fill(engine)
        status = engine.execute(Status())
        request = FindEvents("trace", TRACE, limit=2)
        first = engine.execute(request)
        assert (first.store_id, first.epoch) == (status.store_id, status.epoch)
        assert _numbers(engine.execute(request.after(first))) == [5]
        for wrong in ({"store_id": "0" * 32}, {"epoch": status.epoch + 1}):
            with pytest.raises(StoreChangedError, match="begin again from the start"):
                engine.execute(replace(request.after(first), **wrong))

    @pytest.mark.parametrize(
        "by, identity",
        [
            ("trace", TRACE[:-1]),
            ("trace", TRACE.upper()),
            ("trace", TRACE + "0"),
            ("trace", ""),
            ("trace", None),
            ("span", TRACE),
            ("span", "xyz"),
            ("run", ""),
            ("run", "a\x1fb"),
            ("run", 7),
            ("txn", ""),
            ("txn", "a\nb"),
            ("step", "x"),
            (None, TRACE),
        ],
    )
    def test_what_is_no_such_id_is_refused(self, engine: Engine, by: Any, identity: Any) -> None:
        """G8."""
        with pytest.raises(InvalidArgumentError):
            engine.execute(FindEvents(by, identity))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"from_ts": -1},
            {"from_ts": True},
            {"limit": 0},
            {"limit": 10_001},
            {"store_id": "another"},
            {"store_id": None},
            {"epoch": -1},
            {"epoch": "1"},
        ],
        ids=str,
    )
    def test_what_makes_no_sense_is_refused(self, engine: Engine, wrong: dict[str, Any]) -> None:
        """G8."""
        with pytest.raises(InvalidArgumentError):
            engine.execute(FindEvents("trace", TRACE, **wrong))


class LocateTimeContract:
    """Commits by the time of day."""

    def test_the_newest_commit_at_or_before_a_time(self, open_engine: OpenEngine) -> None:
        """G7: of commits at the same time, the last."""
        clock = SetClock(0)
        engine = open_engine(clock=clock)
        for clock.us in (1_000, 2_000, 2_000, 2_000, 3_000):
            put(engine)
        asked = [0, 999, 1_000, 1_999, 2_000, 2_001, 2_999, 3_000, 2**53 - 1]
        found = [engine.execute(LocateTime(time_us)) for time_us in asked]
        assert [located.commit_ts for located in found] == [0, 0, 1, 1, 4, 4, 4, 5, 5]
        assert [located.committed_at_us for located in found] == [
            0,
            0,
            1_000,
            1_000,
            *[2_000] * 3,
            3_000,
            3_000,
        ]

    def test_an_empty_store_has_none(self, engine: Engine) -> None:
        """G7."""
        located = engine.execute(LocateTime(2**53 - 1))
        assert (located.commit_ts, located.committed_at_us) == (0, 0)

    @pytest.mark.parametrize("time_us", [True, 1.0, "now", None])
    def test_what_is_no_time_is_refused(self, engine: Engine, time_us: Any) -> None:
        """G8."""
        with pytest.raises(InvalidArgumentError):
            engine.execute(LocateTime(time_us))
