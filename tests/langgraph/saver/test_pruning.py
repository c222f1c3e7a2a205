"""Pruning: what stays has the state it had, and nothing else stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from langgraph.checkpoint.serde.types import INTERRUPT, RESUME

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver, ThreadChangedError
from tests.langgraph.saver.chains import Chain, checkpoint, ids, place, rows, tuple_at


def five(saver: StatehouseSaver, thread_id: str = "t") -> Chain:
    """Five checkpoints of a DeltaChannel, and of a list."""
    chain = Chain(saver, thread_id)
    for number in range(1, 6):
        chain.delta(f"{number}", f"d{number}")
        chain.values["plan"] = [*chain.values.get("plan", []), number]
    return chain


def test_the_newest_stays_without_a_parent_and_with_its_state(anywhere: StatehouseSaver) -> None:
    chain = five(anywhere)
    before, state = tuple_at(anywhere, place()), chain.state()
    (report,) = anywhere.prune(["t"])
    after = tuple_at(anywhere, place())
    assert ids(anywhere) == ["5"]
    assert (after.checkpoint, after.metadata) == (before.checkpoint, before.metadata)
    assert after.parent_config is None
    assert chain.state() == state == ["d2", "d3", "d4", "d5"]
    assert (report.thread_id, report.checkpoints, report.kept, report.writes) == ("t", 4, 1, 4)


def test_only_what_the_newest_needs_is_left(saver: StatehouseSaver, handle: Statehouse) -> None:
    chain = Chain(saver)
    chain.add("1", {"plan": ["a" * 50], "old": 1})
    chain.add("2", {"plan": ["a" * 50, "b" * 50]})
    chain.add("3", {"plan": ["a" * 50, "b" * 50, "c" * 50]})
    saver.prune(["t"])
    assert tuple_at(saver, place()).checkpoint["channel_values"] == chain.values
    kinds = [row.split("/")[0] for row in rows(handle)]
    assert kinds == ["checkpoint", "fold", "thread", "value", "value"]


def test_the_last_few_stay(anywhere: StatehouseSaver) -> None:
    chain = five(anywhere)
    states = {name: chain.state(name) for name in ("3", "4", "5")}
    anywhere.prune(["t"], keep_last=3)
    assert ids(anywhere) == ["5", "4", "3"]
    assert {name: chain.state(name) for name in ("3", "4", "5")} == states
    parents = [each.parent_config for each in anywhere.list(place())]
    assert parents == [chain.at("4"), chain.at("3"), None]


def test_a_pruned_thread_goes_on_and_is_pruned_again(anywhere: StatehouseSaver) -> None:
    chain = five(anywhere)
    for number in range(6, 9):
        anywhere.prune(["t"])
        chain.delta(f"{number}", f"d{number}")
    assert chain.state() == [f"d{number}" for number in range(2, 9)]
    assert ids(anywhere) == ["8", "7"]


def test_a_fork_keeps_what_its_pruned_ancestors_gave_it(saver: StatehouseSaver) -> None:
    chain = five(saver)
    fork = Chain(saver, head="2", versions=dict(chain.versions))
    fork.write("other", ("delta", "x"))
    fork.delta("6")
    states = chain.state("5"), chain.state("6")
    saver.prune(["t"], keep_last=2)
    assert ids(saver) == ["6", "5"]
    assert (chain.state("5"), chain.state("6")) == states
    assert states == (["d2", "x", "d3", "d4", "d5"], ["d2", "x", "d3"])


def test_only_what_is_older_goes(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    for day in range(1, 6):
        chain.ts = f"2026-01-0{day}T12:00:00+00:00"
        chain.add(f"{day}")
    saver.prune(["t"], older_than=datetime(2026, 1, 3, 12, tzinfo=UTC))
    assert ids(saver) == ["5", "4", "3"]
    saver.prune(["t"], older_than=datetime(2027, 1, 1, tzinfo=UTC))
    assert ids(saver) == ["5"]


def test_deleting_by_age_may_leave_nothing(saver: StatehouseSaver) -> None:
    five(saver)
    saver.prune(["t"], strategy="delete", older_than=datetime(2025, 1, 1, tzinfo=UTC))
    assert len(ids(saver)) == 5
    saver.prune(["t"], strategy="delete", older_than=datetime(2027, 1, 1, tzinfo=UTC))
    assert ids(saver) == []


def test_deleting_by_pruning_deletes_the_threads(saver: StatehouseSaver) -> None:
    five(saver)
    five(saver, "u")
    five(saver, "v")
    reports = saver.prune(["t", "u", "nowhere"], strategy="delete")
    assert [(each.thread_id, each.checkpoints, each.kept) for each in reports] == [
        ("t", 5, 0),
        ("u", 5, 0),
        ("nowhere", 0, 0),
    ]
    assert [info.thread_id for info in saver.list_threads()] == ["v"]


@pytest.mark.parametrize("strategy", ["keep_latest", "delete"])
def test_a_dry_run_says_what_would_go_and_changes_nothing(
    saver: StatehouseSaver, handle: Statehouse, strategy: str
) -> None:
    five(saver)
    before = rows(handle)
    (would,) = saver.prune(["t"], strategy=strategy, dry_run=True)
    assert rows(handle) == before
    (did,) = saver.prune(["t"], strategy=strategy)
    assert (would.checkpoints, would.kept) == (did.checkpoints, did.kept)


def test_a_question_that_is_not_answered_keeps_its_checkpoint_unless_forced(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    chain.add("1")
    chain.add("2")
    chain.write("task", (INTERRUPT, "may I?"))
    Chain(saver, head="1").add("3")
    saver.prune(["t"])
    assert ids(saver) == ["3", "2"]
    assert tuple_at(saver, place(checkpoint_id="2")).pending_writes == [("task", INTERRUPT, "may I?")]
    saver.prune(["t"], force=True)
    assert ids(saver) == ["3"]


def test_an_answered_question_keeps_nothing(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    chain.add("1")
    chain.write("task", (INTERRUPT, "may I?"))
    chain.write("task", (RESUME, "yes"))
    chain.add("2")
    chain.add("3")
    saver.prune(["t"])
    assert ids(saver) == ["3"]


def test_the_calls_of_subgraphs_go_with_the_checkpoint_that_made_them(saver: StatehouseSaver) -> None:
    root, kept = Chain(saver), Chain(saver, ns="memory")
    for number in range(1, 4):
        root.add(f"{number}0")
        parents = {"": f"{number}0"}
        for ns in (f"call:{number}", f"call:{number}|inner:{number}"):
            call = Chain(saver, ns=ns)
            call.add(f"{number}1", parents=parents)
            call.add(f"{number}2", parents=parents)
        kept.add(f"{number}3", parents=parents)
    (report,) = saver.prune(["t"])
    left = {
        (each.config["configurable"]["checkpoint_ns"], each.checkpoint["id"])
        for each in saver.list(place(ns=None))
    }
    # A subgraph with a memory of its own keeps its newest, too.
    assert left == {("", "30"), ("call:3", "32"), ("call:3|inner:3", "32"), ("memory", "33")}
    assert (report.checkpoints, report.kept) == (14, 4)


def test_what_a_subgraph_remembered_at_each_checkpoint_that_stays_stays(saver: StatehouseSaver) -> None:
    root, memory = Chain(saver), Chain(saver, ns="memory")
    for number in range(1, 5):
        root.add(f"{number}0")
        for step in range(1, 4):
            memory.delta(f"{number}{step}", f"{number}{step}")
    states = {name: memory.state(name) for name in ("23", "33", "43")}
    saver.prune(["t"], keep_last=2)
    assert ids(saver, place()) == ["40", "30"]
    # LangGraph runs the root from 30 again with 23, the newest before it.
    assert ids(saver, place(ns="memory")) == ["43", "42", "33", "23"]
    assert {name: memory.state(name) for name in states} == states


def before_the_oldest(saver: StatehouseSaver) -> Chain:
    """A fork from what stands in for the pruned ancestors of the oldest checkpoint."""
    chain = Chain(saver)
    for number in range(1, 5):
        chain.delta(f"{number}", f"d{number}")
    # What LangGraph says of every checkpoint of a graph with DeltaChannels.
    chain.add("5", empty=["delta"], counters_since_delta_snapshot={})
    chain.delta("6", "d6")
    saver.prune(["t"], keep_last=2)
    parent = tuple_at(saver, place(checkpoint_id="5")).parent_config
    assert parent is not None
    fork = Chain(saver, head=parent["configurable"]["checkpoint_id"], versions=dict(chain.versions))
    fork.add("7", empty=["delta"])
    assert fork.state() == ["d2", "d3", "d4"]
    return fork


def test_who_goes_on_from_what_stands_in_for_the_pruned_keeps_it_too(saver: StatehouseSaver) -> None:
    fork = before_the_oldest(saver)
    for _ in range(2):
        saver.prune(["t"])
        assert ids(saver) == ["7"]
        assert fork.state() == ["d2", "d3", "d4"]
    fork.delta("8", "d8")
    assert fork.state() == ["d2", "d3", "d4", "d8"]


def test_going_on_from_what_stands_in_is_not_late_while_it_is_there(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    for number in range(1, 4):
        chain.add(f"{number}", empty=["delta"], counters_since_delta_snapshot={})
        chain.write("task", ("delta", f"d{number}"))
    # A question keeps 3, and what was removed later has a higher id.
    chain.write("asking", (INTERRUPT, "?"))
    for number in (4, 5):
        Chain(saver).add(f"{number}")
    saver.prune(["t"])
    assert ids(saver) == ["5", "3"]
    parent = tuple_at(saver, place(checkpoint_id="3")).parent_config
    assert parent is not None
    fork = Chain(saver, head=parent["configurable"]["checkpoint_id"])
    fork.add("6", empty=["delta"])
    assert fork.state() == ["d1", "d2"]
    saver.prune(["t"], force=True)
    with pytest.raises(ThreadChangedError):
        Chain(saver, head=parent["configurable"]["checkpoint_id"]).add("7")


def test_a_copy_of_who_went_on_from_there_has_it_too(saver: StatehouseSaver) -> None:
    before_the_oldest(saver)
    saver.copy_thread("t", "u", at="7")
    assert Chain(saver, "u").state() == ["d2", "d3", "d4"]


def test_nothing_goes_twice(saver: StatehouseSaver, handle: Statehouse) -> None:
    five(saver)
    saver.prune(["t"])
    before = handle.status().commit_ts
    (report,) = saver.prune(["t"])
    assert (report.checkpoints, report.kept) == (0, 1)
    assert handle.status().commit_ts == before


@pytest.mark.parametrize("same", [True, False])
def test_who_goes_on_from_a_pruned_checkpoint_is_late(
    saver: StatehouseSaver, other: StatehouseSaver, same: bool
) -> None:
    chain = five(saver)
    chain.head = "2"
    (saver if same else other).prune(["t"])
    with pytest.raises(ThreadChangedError):
        chain.write("task", ("delta", "late"))
    with pytest.raises(ThreadChangedError):
        chain.add("7")
    with pytest.raises(ThreadChangedError):
        chain.write("task", ("delta", "late"))
    assert ids(saver) == ["5"]
    # Who goes on from the newest is not.
    chain.head = "5"
    chain.delta("8", "d8")
    assert ids(saver) == ["8", "5"]


def test_a_history_whose_checkpoint_is_gone_is_an_error_and_not_empty(saver: StatehouseSaver) -> None:
    chain = five(saver)
    saver.prune(["t"])
    with pytest.raises(ThreadChangedError, match="before its channels were read"):
        chain.state("4")
    # Of what never was there is nothing to be missed.
    assert chain.state("6") == []
    saver.delete_thread("t")
    with pytest.raises(ThreadChangedError):
        chain.state("5")
    assert chain.state() == []


def test_a_write_that_is_under_way_is_not_lost(saver: StatehouseSaver, other: StatehouseSaver) -> None:
    chain = five(saver)
    other.prune(["t"])
    # This saver still thinks that the thread is as it was.
    chain.write("task-late", ("delta", "d6"))
    chain.delta("6")
    assert chain.state() == ["d2", "d3", "d4", "d5", "d6"]


def test_a_value_that_a_fork_still_has_stays(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    chain.add("1", {"plan": ["shared"]})
    versions = dict(chain.versions)
    chain.add("2", {"plan": ["other"]})
    saver.put(place(checkpoint_id="1"), checkpoint("3", {}, versions), {}, {})
    saver.prune(["t"])
    assert tuple_at(saver, place()).checkpoint["channel_values"] == {"plan": ["shared"]}


def test_a_checkpoint_that_is_its_own_parent_ends_no_walk(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    chain.delta("1", snapshot=None)
    config = tuple_at(saver, place()).config
    saver.put(config, checkpoint("1", {}, chain.versions), {}, {})
    assert chain.state() == []
    chain.delta("2", "a")
    assert chain.state() == ["a"]
    saver.copy_thread("t", "u", at="2")
    assert ids(saver, place("u")) == ["2", "1"]
    saver.prune(["t"])
    assert (ids(saver), chain.state()) == (["2"], ["a"])


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"strategy": "keep_some"}, "strategy must be"),
        ({"keep_last": 0}, "keep_last must be 1 or more"),
        ({"keep_last": True}, "keep_last must be 1 or more"),
        ({"keep_last": 2, "strategy": "delete"}, "keeps nothing"),
        ({"older_than": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - that is the mistake
    ],
)
def test_what_makes_no_sense_is_refused(saver: StatehouseSaver, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        saver.prune(["t"], **wrong)
