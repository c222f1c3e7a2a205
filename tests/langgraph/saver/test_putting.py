"""A put is one commit: all of a checkpoint is there, or nothing; so are the writes that come with it."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.serde.types import INTERRUPT

from statehouse import LimitExceededError, Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.saver.chains import Chain, checkpoint, ids, place, rows, tuple_at


def commits(handle: Statehouse) -> int:
    return handle.status().commit_ts


def test_a_put_is_one_commit_whatever_is_in_it(saver: StatehouseSaver, handle: Statehouse) -> None:
    chain = Chain(saver)
    before = commits(handle)
    chain.add("1", {"plan": [1], "more": {"a": 1}, "none": None}, empty=["gone"], run_id="r")
    assert commits(handle) == before + 1
    chain.write("task", ("plan", 1), ("more", 2), (INTERRUPT, 3), run_id="r")
    assert commits(handle) == before + 2


def test_a_checkpoint_and_its_writes_are_one_commit(saver: StatehouseSaver, handle: Statehouse) -> None:
    chain = Chain(saver)
    chain.add("1", {"plan": [1]})
    before = commits(handle)
    made, new_versions = chain.new("2", {"plan": [1, 2]})
    tasks: list[tuple[str, list[tuple[str, Any]], str]] = [
        ("a", [("plan", 2)], "~1"),
        ("b", [("plan", 3), (INTERRUPT, "?")], "~2"),
    ]
    given = saver.put_with_writes(chain.at("1"), made, {"step": 1}, new_versions, tasks)
    assert commits(handle) == before + 1
    assert given == chain.at("2")
    assert tuple_at(saver, chain.at("1")).pending_writes == [
        ("a", "plan", 2),
        ("b", INTERRUPT, "?"),
        ("b", "plan", 3),
    ]
    assert tuple_at(saver, chain.at("2")).checkpoint == made


def test_writes_that_come_with_a_checkpoint_follow_the_same_rules(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    chain.add("1")
    chain.write("a", ("plan", "first"), (INTERRUPT, "first"))
    tasks = [("a", [("plan", "late"), (INTERRUPT, "last")], "")]
    saver.put_with_writes(chain.at("1"), checkpoint("2"), {}, {}, tasks)
    assert tuple_at(saver, chain.at("1")).pending_writes == [("a", INTERRUPT, "last"), ("a", "plan", "first")]


def test_writes_need_the_checkpoint_they_were_made_at(saver: StatehouseSaver, handle: Statehouse) -> None:
    with pytest.raises(ValueError, match="no checkpoint_id"):
        saver.put_with_writes(place(), checkpoint("1"), {}, {}, [("a", [("plan", 1)], "")])
    assert rows(handle) == []


def test_what_does_not_fit_is_refused_whole(saver: StatehouseSaver, handle: Statehouse) -> None:
    chain = Chain(saver)
    chain.add("1", {"plan": 1})
    before = rows(handle)
    with pytest.raises(LimitExceededError):
        chain.add("2", {"small": 1, "large": b"x" * (17 * 1024 * 1024)})
    assert rows(handle) == before
    assert ids(saver) == ["1"]


def test_putting_the_same_again_changes_nothing_that_shows(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    made, new_versions = chain.new("1", {"plan": [1] * 1000})
    for _ in range(2):
        saver.put(place(), made, {"step": 1}, new_versions)
    assert ids(saver) == ["1"]
    assert tuple_at(saver, place()).checkpoint == made


def test_a_checkpoint_may_be_put_again_with_something_else_in_it(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    chain.add("1", {"plan": [1]})
    chain.head = None
    chain.add("1", {"plan": [2]}, step=7)
    found = tuple_at(saver, place())
    assert found.checkpoint["channel_values"] == {"plan": [2]}
    assert found.metadata.get("step") == 7
