"""What cannot be read any more is said, with the oldest commit_ts, and costs nothing of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from statehouse import ErasedError, Statehouse, debug
from statehouse.engine import layout
from statehouse.storage import Table
from statehouse.storage.rocksdb import RocksStore
from tests.debug.purchases import TRACE, buy_stale, count, search

HORIZON = 7

Compacted = Callable[..., Statehouse]


@pytest.fixture
def compacted(tmp_path: Path) -> Iterator[Compacted]:
    """Makes a store whose history does not reach back further than a commit."""
    with ExitStack() as stack:

        def make(fill: Callable[[Statehouse], None], horizon: int = HORIZON) -> Statehouse:
            with Statehouse(tmp_path / "store", durability="none") as sh:
                fill(sh)
            store = RocksStore.open(tmp_path / "store")
            row = layout.pack_horizon(layout.Horizon(horizon, 0, bytes(32)))
            store.write([(Table.META, layout.META_HORIZON, row)])
            store.close()
            sh = stack.enter_context(Statehouse(tmp_path / "store"))
            assert sh.status().horizon == horizon
            return sh

        yield make


def test_what_was_stale_is_told_although_the_state_of_then_was_compacted(compacted: Compacted) -> None:
    sh = compacted(buy_stale)
    found = debug.reads(sh, "r-42", "order")
    [stale] = found.stale
    assert (stale.seen.version, stale.seen.payload, stale.newer.value) == (1, None, 25)
    assert [(gap.why, gap.oldest) for gap in found.gaps] == [("compacted", HORIZON)]
    assert str(HORIZON) in str(found.gaps[0])


def test_what_a_step_had_read_is_told_by_its_versions(compacted: Compacted) -> None:
    sh = compacted(buy_stale)
    [read] = debug.reads(sh, "r-42", "quote").keys
    assert (read.seen.version, read.seen.payload) == (1, None)
    assert read.since is not None
    assert read.since.value == 25


def test_blame_ends_where_history_does(compacted: Compacted) -> None:
    def fill(sh: Statehouse) -> None:
        for number in range(4):
            with sh.run(f"r-{number}", agent_id="a"):
                count(number)

    sh = compacted(fill)
    found = debug.blame(sh, "count", agent_id="a", depth=9)
    [read] = found.reads
    assert (read.held.value, found.held.value) == (3, 6)
    [older] = read.reads
    assert (older.held.version, older.step, older.reads) == (2, None, ())
    assert {gap.oldest for gap in found.gaps} == {HORIZON}


def test_a_waterfall_and_a_step_are_shown_all_the_same(compacted: Compacted) -> None:
    sh = compacted(buy_stale, horizon=9)
    assert [bar.path for bar in debug.show(sh, "r-42").bars] == ["quote#1", "order#1"]
    found = debug.show_step(sh, "r-42", "order")
    [written] = found.written
    assert written.before is None
    assert written.after is not None
    assert [gap.oldest for gap in found.gaps] == [9]


def test_runs_are_compared_as_far_as_they_can_be(compacted: Compacted) -> None:
    def fill(sh: Statehouse) -> None:
        for number in (1, 1):
            with sh.run(f"r-{len(list(debug.runs(sh)))}", agent_id="a"):
                count(number)

    sh = compacted(fill, horizon=5)
    found = debug.diff(sh, "r-0", "r-1")
    assert [pair.aspects for pair in found.pairs] == [("output",)]
    assert {gap.oldest for gap in found.gaps} == {5}


def test_a_step_whose_record_was_erased_hides_no_other(sh: Statehouse) -> None:
    buy_stale(sh)
    sh.erase(keys=["step/quote#1"], agent_id="r-42", namespace="default.runs")
    found = debug.show(sh, "r-42")
    assert [bar.path for bar in found.bars] == ["order#1"]
    assert [str(gap) for gap in found.gaps] == ["the record of quote#1 was erased"]
    assert debug.reads(sh, "r-42", "order").gaps == found.gaps
    assert [pair.step.path for pair in debug.diff(sh, "r-42", "r-42").pairs] == ["order#1"]
    of_the_trace = debug.find(sh, TRACE)
    assert of_the_trace is not None
    assert [step.path for step in of_the_trace.steps] == ["order#1"]
    assert of_the_trace.unrecorded == (("r-42", "quote#1"),)


def test_a_run_whose_record_was_erased_is_not_listed(sh: Statehouse) -> None:
    buy_stale(sh)
    sh.erase(keys=["run"], agent_id="r-42", namespace="default.runs")
    assert [each.run_id for each in debug.runs(sh)] == ["r-42-noon", "r-42-morning"]
    with pytest.raises(ErasedError):
        debug.show(sh, "r-42")


def test_a_large_argument_that_was_erased_is_said_to_be(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="a"):
        search("x" * 20_000)
    sh.erase(prefix="value/", agent_id="r-1", namespace="default.runs")
    found = debug.show_step(sh, "r-1", "search")
    assert (found.input, found.output) == ({"word": None}, None)
    assert {gap.why for gap in found.gaps} == {"erased"}
    assert debug.diff(sh, "r-1", "r-1").alike
