"""Copies have the ids, values, writes and histories of the original, and a life of their own."""

from __future__ import annotations

import pytest

from statehouse import AlreadyExistsError, NotFoundError, Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.saver.chains import Chain, ids, index, place, rows, tuple_at


def original(saver: StatehouseSaver) -> Chain:
    root = Chain(saver)
    for number in range(1, 5):
        root.delta(f"{number}0", f"d{number}")
        root.add(f"{number}5", {"plan": [f"{each} and some more text" for each in range(number)]}, run_id="r")
        Chain(saver, ns=f"call:{number}").add(f"{number}7", {"inner": number}, parents={"": f"{number}5"})
    root.write("last", ("plan", "pending"))
    return root


def test_a_copy_is_equal_and_lives_its_own_life(anywhere: StatehouseSaver) -> None:
    root = original(anywhere)
    anywhere.copy_thread("t", "u")
    ours, theirs = [*anywhere.list(place(ns=None))], [*anywhere.list(place("u", ns=None))]
    assert len(theirs) == 12
    for one, two in zip(ours, theirs, strict=True):
        assert (one.checkpoint, one.metadata, one.pending_writes) == (
            two.checkpoint,
            two.metadata,
            two.pending_writes,
        )
        assert two.config["configurable"]["thread_id"] == "u"
    copied = Chain(anywhere, "u", head=root.head, versions=dict(root.versions), values=dict(root.values))
    assert copied.state() == root.state() == ["d2", "d3", "d4"]
    copied.delta("50", "own")
    assert (copied.state(), root.state()) == (["d2", "d3", "d4", "own"], ["d2", "d3", "d4"])
    anywhere.delete_thread("t")
    assert copied.state() == ["d2", "d3", "d4", "own"]


def test_a_copy_up_to_a_checkpoint_has_what_led_to_it(anywhere: StatehouseSaver) -> None:
    original(anywhere)
    anywhere.copy_thread("t", "u", at="20")
    assert ids(anywhere, place("u")) == ["20", "15", "10"]
    assert ids(anywhere, place("u", ns=None)) == ["20", "17", "15", "10"]
    assert Chain(anywhere, "u").state() == ["d2"]


def test_a_copy_of_a_subgraph_has_all_its_ancestors_whoever_called_them(saver: StatehouseSaver) -> None:
    root, inner = Chain(saver), Chain(saver, ns="memory")
    root.add("10")
    inner.delta("11", snapshot=["a"])
    inner.write("task", ("delta", "b"))
    inner.add("12", empty=["delta"], parents={"": "10"})
    # A run that began anew, in a thread whose subgraph remembers.
    Chain(saver).add("20")
    inner.write("task", ("delta", "c"))
    inner.add("21", empty=["delta"], parents={"": "20"})
    saver.copy_thread("t", "u", at="20")
    assert Chain(saver, "u", ns="memory").state() == inner.state() == ["a", "b", "c"]


def test_a_pruned_thread_is_copied_with_its_histories(saver: StatehouseSaver) -> None:
    root = original(saver)
    saver.prune(["t"])
    saver.copy_thread("t", "u")
    assert Chain(saver, "u").state() == root.state() == ["d2", "d3", "d4"]


def test_a_copy_is_listed_like_any_thread(saver: StatehouseSaver, handle: Statehouse) -> None:
    original(saver)
    saver.copy_thread("t", "u")
    assert sorted(info.thread_id for info in saver.list_threads()) == ["t", "u"]
    assert "run/r/u" in index(handle)


def test_values_that_grow_share_their_bytes_in_the_copy(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    for number in range(1, 31):
        chain.add(f"{number:02}", {"plan": [f"{each}" * 100 for each in range(number)]})
    saver.copy_thread("t", "u")
    assert tuple_at(saver, place("u")).checkpoint == tuple_at(saver, place()).checkpoint
    assert [each.checkpoint for each in saver.list(place("u"))] == [
        each.checkpoint for each in saver.list(place())
    ]


def test_a_thread_with_checkpoints_is_never_copied_over(saver: StatehouseSaver, handle: Statehouse) -> None:
    original(saver)
    Chain(saver, "u").add("1", {"plan": 1})
    before = rows(handle, "u")
    with pytest.raises(AlreadyExistsError):
        saver.copy_thread("t", "u")
    assert rows(handle, "u") == before


def test_a_deleted_thread_may_be_copied_to(saver: StatehouseSaver) -> None:
    original(saver)
    Chain(saver, "u").add("99")
    saver.delete_thread("u")
    saver.copy_thread("t", "u")
    assert ids(saver, place("u", ns=None)) == ids(saver)
    # Its ids are below those that were deleted, and it goes on all the same.
    Chain(saver, "u", head="45").add("46")


def test_copying_to_itself_is_refused(saver: StatehouseSaver) -> None:
    with pytest.raises(ValueError, match="to itself"):
        saver.copy_thread("t", "t")


def test_copying_up_to_what_is_not_there_is_an_error(saver: StatehouseSaver, handle: Statehouse) -> None:
    original(saver)
    with pytest.raises(NotFoundError, match="no checkpoint '17' of its root graph"):
        saver.copy_thread("t", "u", at="17")
    assert rows(handle, "u") == []


def test_copying_a_thread_that_never_was_copies_nothing(saver: StatehouseSaver, handle: Statehouse) -> None:
    saver.copy_thread("nowhere", "u")
    assert rows(handle, "u") == []
