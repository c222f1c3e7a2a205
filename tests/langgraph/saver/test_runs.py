"""Deleting what runs made: their checkpoints and writes go from every thread, and no state is lost."""

from __future__ import annotations

import pytest

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver, ThreadChangedError
from tests.langgraph.saver.chains import Chain, ids, index, place, rows, tuple_at


def test_what_a_run_made_goes_from_every_thread(anywhere: StatehouseSaver) -> None:
    for thread_id in ("t", "u"):
        chain = Chain(anywhere, thread_id)
        chain.add("1", run_id="a")
        chain.add("2", run_id="b")
        chain.add("3", run_id="a")
    Chain(anywhere, "v").add("1", run_id="c")
    anywhere.delete_for_runs(["a", "nowhere"])
    assert [ids(anywhere, place(thread_id)) for thread_id in ("t", "u", "v")] == [["2"], ["2"], ["1"]]


def test_a_delta_channel_outlives_the_runs_that_wrote_it(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    for number, run_id in enumerate("aabbcc"):
        if chain.head is not None:
            chain.write("task", ("delta", number), run_id=run_id)
        chain.add(f"{number}", empty=["delta"], run_id=run_id)
    anywhere.delete_for_runs(["b"])
    assert ids(anywhere) == ["5", "4", "1", "0"]
    assert chain.state() == [1, 2, 3, 4, 5]
    assert tuple_at(anywhere, place(checkpoint_id="4")).parent_config == chain.at("1")


def test_a_run_that_only_wrote_is_found_too(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    chain.add("1", run_id="a")
    chain.write("task", ("__error__", "failed"), run_id="b")
    chain.write("kept", ("plan", 1), run_id="a")
    saver.delete_for_runs(["b"])
    assert tuple_at(saver, place()).pending_writes == [("kept", "plan", 1)]


def test_a_copy_is_found_too(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    chain.add("1", run_id="a")
    chain.write("task", ("plan", 1), run_id="b")
    saver.copy_thread("t", "u")
    saver.delete_for_runs(["b"])
    assert tuple_at(saver, place("u")).pending_writes == []
    saver.delete_for_runs(["a"])
    assert ids(saver, place("u")) == []


def test_the_index_forgets_the_run_and_learns_it_again(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse
) -> None:
    chain = Chain(saver)
    chain.add("1", run_id="a")
    chain.add("2", run_id="b")
    other.delete_for_runs(["b"])
    assert [row for row in index(handle) if row.startswith("run/")] == ["run/a/t"]
    # The saver that wrote it before knows that it is gone.
    Chain(saver, head="1").add("3", run_id="b")
    other.delete_for_runs(["b"])
    assert ids(saver) == ["1"]
    assert [row for row in rows(handle) if row.startswith("run/")] == ["run/a"]


def test_a_run_that_goes_on_after_it_was_deleted_is_late(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    chain.add("1", run_id="a")
    chain.add("2", run_id="b")
    saver.delete_for_runs(["b"])
    with pytest.raises(ThreadChangedError):
        chain.add("3", run_id="b")


def test_nothing_happens_for_no_runs(saver: StatehouseSaver, handle: Statehouse) -> None:
    Chain(saver).add("1", run_id="a")
    before = handle.status().commit_ts
    saver.delete_for_runs([])
    saver.delete_for_runs(["b"])
    assert handle.status().commit_ts == before
