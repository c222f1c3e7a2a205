"""All threads: listed newest first and by what is asked for, weighed, and found by their commits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.saver.chains import Chain, checkpoint, place, rows, tuple_at
from tests.langgraph.saver.conftest import Clock


@pytest.fixture
def busy(anywhere: StatehouseSaver, clock: Clock) -> StatehouseSaver:
    """Four threads, a minute apart."""
    clock.set_on(anywhere)
    for number, thread_id in enumerate(("a/1", "a/2", "b/1", "a/3")):
        chain = Chain(anywhere, thread_id)
        chain.add("1", user="ann")
        chain.add("2", user="ann" if number % 2 else "bob", step=number)
        Chain(anywhere, thread_id, ns="call:1").add("3")
        clock.pass_minutes(1)
    Chain(anywhere, "a/2", head="2").write("task", (INTERRUPT, "may I?"))
    clock.pass_minutes(1)
    Chain(anywhere, "b/1", head="2").write("task", (ERROR, "no"), (INTERRUPT, "?"))
    return anywhere


def threads(saver: StatehouseSaver, **how: object) -> list[str]:
    return [info.thread_id for info in saver.list_threads(**how)]  # type: ignore[arg-type]


def test_threads_are_listed_by_their_last_activity(busy: StatehouseSaver) -> None:
    assert threads(busy) == ["b/1", "a/2", "a/3", "a/1"]


def test_threads_are_chosen_by_prefix_metadata_status_and_limit(busy: StatehouseSaver) -> None:
    assert threads(busy, prefix="a/") == ["a/2", "a/3", "a/1"]
    assert threads(busy, metadata={"user": "bob"}) == ["b/1", "a/1"]
    assert threads(busy, metadata={"user": "ann", "step": 3}) == ["a/3"]
    assert threads(busy, status="interrupted") == ["a/2"]
    assert threads(busy, status="error") == ["b/1"]
    assert threads(busy, status="idle") == ["a/3", "a/1"]
    assert threads(busy, prefix="a/", status="idle", limit=1) == ["a/3"]
    assert threads(busy, limit=0) == []


def test_a_listing_goes_on_after_a_thread_or_a_time(busy: StatehouseSaver, clock: Clock) -> None:
    first, second, *_ = busy.list_threads()
    assert threads(busy, before=first) == ["a/2", "a/3", "a/1"]
    assert threads(busy, before=second, limit=1) == ["a/3"]
    noon = datetime.fromtimestamp(clock.now, UTC).replace(hour=12, minute=3)
    assert threads(busy, before=noon) == ["a/1"]


def test_a_thread_says_how_it_is(busy: StatehouseSaver, clock: Clock) -> None:
    info = next(busy.list_threads(prefix="b"))
    assert (info.checkpoint_id, info.status, info.checkpoints) == ("2", "error", 3)
    assert info.commit_ts == busy.commit_ts(place("b/1"))
    assert info.active_at == datetime.fromtimestamp(clock.now, UTC)
    assert dict(info.metadata)["user"] == "bob"


def test_awaiting_lists_the_same(busy: StatehouseSaver) -> None:
    async def listed() -> list[str]:
        return [info.thread_id async for info in busy.alist_threads(prefix="a", limit=2)]

    assert asyncio.run(listed()) == ["a/2", "a/3"]


def test_a_listing_may_be_mixed_with_writes(saver: StatehouseSaver) -> None:
    for number in range(250):
        Chain(saver, f"{number:03}").add("1")
    seen = []
    for info in saver.list_threads():
        seen.append(info.thread_id)
        if len(seen) == 10:
            saver.delete_thread("005")
            Chain(saver, "new").add("1")
    assert sorted(seen) == [f"{number:03}" for number in range(250) if number != 5]


def test_a_commit_leads_to_the_thread_as_it_was(saver: StatehouseSaver, handle: Statehouse) -> None:
    chain = Chain(saver)
    assert saver.commit_ts(place()) is None
    chain.add("1")
    chain.add("2")
    first, newest = saver.commit_ts(chain.at("1")), saver.commit_ts(chain.at())
    assert first is not None
    assert newest is not None
    assert first < newest == saver.commit_ts(chain.at("2"))
    assert saver.commit_ts(chain.at("3")) is None
    then = [
        row.key for row in handle.scan_prefix("checkpoint/", agent_id="t", namespace="langgraph", at=first)
    ]
    assert then == ["checkpoint//1"]
    assert asyncio.run(saver.acommit_ts(place())) == newest


def test_the_commit_is_in_the_metadata_if_it_is_asked_for(handle: Statehouse) -> None:
    saver = StatehouseSaver(handle, expose_commit_ts=True)
    chain = Chain(saver)
    chain.add("1", {"plan": 1})
    expected = saver.commit_ts(place())
    assert tuple_at(saver, place()).metadata.get("commit_ts") == expected
    assert [each.metadata.get("commit_ts") for each in saver.list(None)] == [expected]
    assert "commit_ts" not in tuple_at(StatehouseSaver(handle), place()).metadata


def test_a_thread_is_weighed_channel_by_channel(saver: StatehouseSaver, handle: Statehouse) -> None:
    chain = Chain(saver)
    chain.add("1", {"plan": ["x" * 1000]})
    chain.add("2", {"plan": ["x" * 1000, "y" * 1000], "small": 1})
    Chain(saver, ns="call:1").add("3", {"inner": "z" * 100})
    chain.write("task", ("plan", "w" * 500))
    found = saver.stats("t")
    assert (found.checkpoints, found.writes) == (3, 1)
    assert 3000 < found.value_bytes["plan"] < 3100
    assert 2000 < found.newest_bytes["plan"] < 2050
    assert set(found.value_bytes) == {"plan", "small", "call:1/inner"}
    assert found.write_bytes > 500
    assert asyncio.run(saver.astats("t")) == found
    assert saver.stats("nowhere").checkpoints == 0
    assert rows(handle, "nowhere") == []


def test_the_newest_of_numbered_versions_is_the_last_that_was_written(saver: StatehouseSaver) -> None:
    for number, size in ((9, 100), (10, 200)):
        made = checkpoint(f"{number}", {"plan": "x" * size}, {"plan": number})
        saver.put(place(), made, {}, {"plan": number})
    assert saver.stats("t").newest_bytes["plan"] > 200
