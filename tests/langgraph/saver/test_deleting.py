"""A thread that is deleted goes in one commit, and stays deleted whoever still writes to it."""

from __future__ import annotations

import pytest

from statehouse import ErasedError, Statehouse
from statehouse.extend import GetAtVersion, RecordKey, ask, run
from statehouse_langgraph import StatehouseSaver, ThreadChangedError
from tests.langgraph.saver.chains import Chain, checkpoint, ids, index, place, rows

NAME = RecordKey("langgraph", "t", "checkpoint//1")


def test_nothing_of_a_deleted_thread_is_left_but_its_mark(saver: StatehouseSaver, handle: Statehouse) -> None:
    chain = Chain(saver)
    chain.add("1", {"messages": ["a"]}, run_id="r")
    chain.write("task", ("messages", "b"), run_id="r")
    Chain(saver, ns="sub:1").add("2", {"messages": ["a"]})
    saver.delete_thread("t")
    assert (rows(handle), index(handle)) == (["thread"], [])
    assert saver.get_tuple(place()) is None
    assert (ids(saver), [*saver.list(None)], [*saver.list_threads()]) == ([], [], [])


def test_deleting_a_thread_that_never_was_leaves_nothing(saver: StatehouseSaver, handle: Statehouse) -> None:
    saver.delete_thread("t")
    assert rows(handle) == []


@pytest.mark.parametrize("same", [True, False])
def test_late_checkpoints_and_writes_are_refused(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse, same: bool
) -> None:
    chain = Chain(saver)
    chain.add("1", {"messages": ["a"]})
    chain.add("2", {"messages": ["a", "b"]})
    (saver if same else other).delete_thread("t")
    with pytest.raises(ThreadChangedError):
        chain.write("task", ("messages", "c"))
    with pytest.raises(ThreadChangedError):
        chain.add("3", {"messages": ["a", "b", "c"]})
    # What goes on from a refused one is refused too.
    with pytest.raises(ThreadChangedError):
        chain.write("task", ("messages", "d"))
    with pytest.raises(ThreadChangedError):
        chain.add("4", {"messages": ["a", "b", "c", "d"]})
    assert rows(handle) == ["thread"]


def test_the_first_checkpoint_of_a_subgraph_is_late_when_its_root_is_deleted(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse
) -> None:
    Chain(saver).add("1", {"messages": ["a"]})
    other.delete_thread("t")
    inner = Chain(saver, ns="sub:1")
    with pytest.raises(ThreadChangedError):
        inner.add("2", {"messages": ["a"]}, parents={"": "1"})
    with pytest.raises(ThreadChangedError):
        inner.write("task", ("messages", "b"))
    assert rows(handle) == ["thread"]


def test_a_new_conversation_may_start_in_a_deleted_thread(
    saver: StatehouseSaver, other: StatehouseSaver
) -> None:
    chain = Chain(saver)
    chain.add("1", {"messages": ["old"]})
    chain.add("2", {"messages": ["old", "old"]})
    other.delete_thread("t")
    again = Chain(saver)
    again.add("3", {"messages": ["new"]})
    again.write("task", ("messages", "newer"))
    again.add("4", {"messages": ["new", "newer"]})
    assert ids(saver) == ids(other) == ["4", "3"]
    assert [info.thread_id for info in other.list_threads()] == ["t"]


@pytest.mark.parametrize("late", ["a~b", "a/b", "a" * 400, "x\x01y"])
def test_a_late_write_is_refused_whatever_its_id_looks_like(saver: StatehouseSaver, late: str) -> None:
    chain = Chain(saver)
    chain.add(late)
    saver.delete_thread("t")
    with pytest.raises(ThreadChangedError):
        chain.write("task", ("messages", "b"))


def test_erasing_leaves_no_value_in_the_history(saver: StatehouseSaver, handle: Statehouse) -> None:
    chain = Chain(saver)
    chain.add("1", {"messages": ["secret"]})
    chain.write("task", ("messages", "secret"))
    assert run(handle, ask(GetAtVersion(NAME, 1))).entry.payload is not None
    saver.delete_thread("t", erase=True)
    with pytest.raises(ErasedError):
        run(handle, ask(GetAtVersion(NAME, 1)))
    chain = Chain(saver)
    chain.add("2", {"messages": ["new"]})
    assert ids(saver) == ["2"]


def test_a_thread_that_was_deleted_before_can_be_erased_later(
    saver: StatehouseSaver, handle: Statehouse
) -> None:
    Chain(saver).add("1", {"messages": ["secret"]})
    saver.delete_thread("t")
    saver.delete_thread("t", erase=True)
    with pytest.raises(ErasedError):
        run(handle, ask(GetAtVersion(NAME, 1)))


def test_others_are_not_touched(saver: StatehouseSaver) -> None:
    for thread_id in ("t", "t2", "t/1"):
        Chain(saver, thread_id).add("1", {"messages": [thread_id]})
    saver.delete_thread("t")
    assert sorted(info.thread_id for info in saver.list_threads()) == ["t/1", "t2"]


def test_a_checkpoint_without_an_id_is_refused(saver: StatehouseSaver) -> None:
    with pytest.raises(ValueError, match="id must be a string"):
        saver.put(place(), checkpoint(""), {}, {})
