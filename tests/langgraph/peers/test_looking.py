"""Who has which threads, and which commit made a checkpoint: no peer says; ours does."""

from __future__ import annotations

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.peers.savers import Saver
from tests.langgraph.saver.chains import Chain


def test_ours_lists_threads_most_recently_active_first(ours: StatehouseSaver) -> None:
    for thread_id in ("a", "b", "c"):
        Chain(ours, thread_id=thread_id).add("1", {"x": 1})
    assert [each.thread_id for each in ours.list_threads(limit=2)] == ["c", "b"]


def test_ours_knows_the_commit_of_a_checkpoint_and_shows_the_thread_as_of_it(
    ours: StatehouseSaver, store: Statehouse
) -> None:
    chain = Chain(ours)
    first = chain.add("1", {"x": 1})
    chain.add("2", {"x": 2})
    commit_ts = ours.commit_ts(first)
    assert commit_ts is not None
    thread = store.agent("t", namespace="langgraph")
    assert [key.rpartition("/")[2] for key in thread.list_keys("checkpoint/", at=commit_ts)] == ["1"]


def test_theirs_does_neither(theirs: Saver) -> None:
    assert [name for name in dir(theirs) if "threads" in name or "commit" in name] == []
