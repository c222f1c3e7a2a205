"""Threads with more rows than one commit takes: they go at once, and whoever writes next finishes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from statehouse import Statehouse
from statehouse.extend import run
from statehouse_langgraph import StatehouseSaver, ThreadChangedError
from statehouse_langgraph.saver import pruning, removing
from statehouse_langgraph.saver.choosing import newest
from statehouse_langgraph.saver.records import Place
from tests.langgraph.saver.chains import Chain, ids, index, place, rows
from tests.langgraph.saver.interleaving import Stopped, stop_before_commit

T = Place("t", "t", None, None)

Removal = Callable[[StatehouseSaver], object]


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit of a removal has a few operations, so that a thread of forty checkpoints is a large one."""
    for module in (removing, pruning):
        monkeypatch.setattr(module, "OPERATIONS_MAX", 14)
    monkeypatch.setattr(pruning, "_LEFTOVERS_AT_ONCE", 15)


def large(saver: StatehouseSaver, count: int) -> Chain:
    chain = Chain(saver)
    for number in range(count):
        chain.delta(f"{number:05}", number)
        chain.values["plan"] = number
        chain.add(f"{number:05}-", {"plan": number}, run_id=f"run-{number % 3}")
    return chain


def state(count: int) -> list[int]:
    return list(range(1, count))


def crashed(saver: StatehouseSaver, commits: int, *, prune: bool) -> None:
    backing = saver._backing
    whole = pruning.remove(backing, T, saver.serde, newest(1)) if prune else removing.delete(backing, T)
    with pytest.raises(Stopped):
        run(saver.client, stop_before_commit(commits)(whole))


@pytest.mark.usefixtures("small_commits")
@pytest.mark.parametrize("commits", [1, 2, 3])
def test_a_deletion_that_was_cut_short_shows_nothing_and_is_finished_by_the_next(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse, commits: int
) -> None:
    # The other one knows the thread as it was.
    chain = large(other, 20)
    crashed(saver, commits, prune=False)
    for each in (saver, other, StatehouseSaver(handle)):
        assert each.get_tuple(place()) is None
        assert each.get_tuple(place(checkpoint_id="00019")) is None
        assert (ids(each), [*each.list(None)], [*each.list_threads()]) == ([], [], [])
        assert chain.state() == []
    with pytest.raises(ThreadChangedError):
        chain.add("99999")
    Chain(other).add("99999", {"plan": 1})
    assert ids(saver) == ["99999"]
    assert [row.split("/")[0] for row in rows(handle)] == ["checkpoint", "thread", "value"]
    assert len(index(handle)) == 1


@pytest.mark.usefixtures("small_commits")
@pytest.mark.parametrize("commits", [1, 2, 3])
def test_a_deletion_that_was_cut_short_is_finished_by_another_one(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse, commits: int
) -> None:
    large(saver, 20)
    crashed(saver, commits, prune=False)
    other.delete_thread("t")
    assert (rows(handle), index(handle)) == (["thread"], [])


@pytest.mark.usefixtures("small_commits")
def test_a_prune_larger_than_a_commit_leaves_what_a_small_one_does(
    saver: StatehouseSaver, handle: Statehouse
) -> None:
    chain = large(saver, 20)
    expected = chain.state()
    (would,) = saver.prune(["t"], dry_run=True)
    (report,) = saver.prune(["t"])
    assert report == would
    assert chain.state() == expected == state(20)
    assert ids(saver) == ["00019-"]
    kinds = sorted(row.split("/")[0] for row in rows(handle))
    assert kinds == ["checkpoint", "fold", "run", "run", "run", "thread", "value"]


@pytest.mark.usefixtures("small_commits")
@pytest.mark.parametrize("commits", range(2))
def test_a_prune_that_was_cut_short_loses_no_state_and_the_next_write_finishes_it(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse, commits: int
) -> None:
    # Nine go, which fits into a commit, and with what they leave it does not.
    chain = large(other, 5)
    crashed(saver, commits, prune=True)
    assert [Chain(each).state() for each in (saver, other)] == [state(5)] * 2
    chain.head = "00004-"
    chain.delta("00005", 5)
    assert chain.state() == state(6)
    if commits:
        assert ids(other) == ["00005", "00004-"]
        assert [row for row in rows(handle) if row.startswith("leftover/")] == []
        other.prune(["t"])
        assert len([row for row in rows(handle) if row.startswith(("value/", "writes/"))]) == 1


@pytest.mark.usefixtures("small_commits")
def test_a_thread_is_deleted_while_its_prune_is_unfinished(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse
) -> None:
    large(saver, 5)
    crashed(saver, 1, prune=True)
    assert [row for row in rows(handle) if row.startswith("leftover/")] != []
    other.delete_thread("t")
    assert (rows(handle), index(handle)) == (["thread"], [])


@pytest.mark.slow
def test_a_thread_of_ten_thousand_checkpoints_is_pruned_and_deleted(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse
) -> None:
    count = 6_000
    chain = large(saver, count)
    saver.prune(["t"], keep_last=5_990)
    assert len(ids(saver)) == 5_990
    other.prune(["t"])
    assert ids(saver) == ["05999-"]
    assert chain.state() == state(count)
    kinds = {row.split("/")[0] for row in rows(handle)}
    assert kinds == {"checkpoint", "fold", "run", "thread", "value"}
    other.delete_thread("t")
    assert (rows(handle), index(handle)) == (["thread"], [])


@pytest.mark.slow
def test_a_deletion_of_ten_thousand_checkpoints_shows_in_its_first_commit(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse
) -> None:
    chain = large(other, 6_000)
    crashed(saver, 1, prune=False)
    assert len(rows(handle)) > 5_000
    assert other.get_tuple(place()) is None
    assert ids(other) == []
    with pytest.raises(ThreadChangedError):
        chain.write("task", ("plan", 1))
    assert rows(handle) == ["thread"]
