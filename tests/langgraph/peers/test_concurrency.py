"""Two workers on a thread: every peer hides one branch, silently; ours refuses it, or leases the thread."""

from __future__ import annotations

import pytest

from statehouse import Statehouse
from statehouse_langgraph import ConcurrentWriteError, LeaseHeldError, StatehouseSaver
from tests.langgraph.peers.savers import Saver
from tests.langgraph.saver.chains import Chain, place, tuple_at


def two_workers(one: Saver, other: Saver) -> None:
    """Both read the thread at its first checkpoint; each adds what it found out."""
    Chain(one).add("1", {"found": []})
    read = [tuple_at(saver, place()).checkpoint for saver in (one, other)]
    for saver, seen, found in zip((one, other), read, ("this", "that"), strict=True):
        worker = Chain(saver, head=seen["id"], versions=dict(seen["channel_versions"]))
        worker.add("2" if found == "this" else "3", {"found": [found]})


def test_ours_refuses_what_would_hide_another_worker_s_branch(store: Statehouse) -> None:
    one, other = (StatehouseSaver(store, on_concurrent_write="error") for _ in range(2))
    with pytest.raises(ConcurrentWriteError):
        two_workers(one, other)
    assert tuple_at(one, place()).checkpoint["channel_values"] == {"found": ["this"]}


def test_ours_refuses_who_has_not_the_lease(store: Statehouse) -> None:
    one, other = StatehouseSaver(store), StatehouseSaver(store)
    Chain(one).add("1", {"found": []})
    with one.lease("t"), pytest.raises(LeaseHeldError):
        Chain(other, head="1").add("2", {"found": ["that"]})


def test_theirs_takes_both_and_shows_only_the_last(theirs: Saver) -> None:
    two_workers(theirs, theirs)
    assert tuple_at(theirs, place()).checkpoint["channel_values"] == {"found": ["that"]}
