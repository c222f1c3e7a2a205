"""Threads live as long as somebody writes to them, and some time after."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from statehouse import InvalidArgumentError, Statehouse
from statehouse_langgraph import StatehouseSaver
from statehouse_langgraph.saver import threads
from statehouse_langgraph.saver.expiry import Sweeper
from tests.langgraph.saver.chains import Chain, ids, index, place
from tests.langgraph.saver.conftest import Clock
from tests.langgraph.saver.interleaving import requests_of


def expiring(handle: Statehouse, clock: Clock, **ttl: Any) -> StatehouseSaver:
    return clock.set_on(StatehouseSaver(handle, ttl={"default_ttl": 10, **ttl}))


def test_a_thread_goes_when_its_time_is_over_and_not_before(handle: Statehouse, clock: Clock) -> None:
    saver = expiring(handle, clock)
    clock.now += 59
    Chain(saver).add("1")
    clock.now += 10 * 60
    assert saver.sweep() == 0
    clock.pass_minutes(1)
    assert saver.sweep() == 1
    assert (ids(saver), index(handle)) == ([], [])


@pytest.mark.parametrize("how", ["checkpoint", "writes"])
def test_activity_of_any_kind_begins_the_time_anew(handle: Statehouse, clock: Clock, how: str) -> None:
    saver = expiring(handle, clock)
    chain = Chain(saver)
    chain.add("1")
    clock.pass_minutes(8)
    if how == "checkpoint":
        chain.add("2")
    else:
        chain.write("task", ("plan", 1))
    clock.pass_minutes(8)
    assert saver.sweep() == 0
    clock.pass_minutes(4)
    assert saver.sweep() == 1


def test_reading_is_no_activity(handle: Statehouse, clock: Clock) -> None:
    saver = expiring(handle, clock)
    Chain(saver).add("1")
    clock.pass_minutes(8)
    assert saver.get_tuple(place()) is not None
    clock.pass_minutes(4)
    assert saver.sweep() == 1


def test_the_longest_idle_go_first_and_no_more_than_the_limit(handle: Statehouse, clock: Clock) -> None:
    saver = expiring(handle, clock)
    for number in range(5):
        Chain(saver, f"{number}").add("1")
        clock.pass_minutes(1)
    clock.pass_minutes(60)
    assert saver.sweep(limit=2) == 2
    assert sorted(info.thread_id for info in saver.list_threads()) == ["2", "3", "4"]
    assert asyncio.run(saver.asweep()) == 3


def test_keeping_the_latest_prunes_once_and_leaves_the_thread(handle: Statehouse, clock: Clock) -> None:
    saver = expiring(handle, clock, strategy="keep_latest")
    chain = Chain(saver)
    chain.add("1", {"plan": 1})
    chain.add("2")
    clock.pass_minutes(12)
    assert saver.sweep() == 1
    assert ids(saver) == ["2"]
    before = handle.status().commit_ts
    assert saver.sweep() == 0
    assert handle.status().commit_ts == before
    chain.add("3")
    clock.pass_minutes(12)
    assert saver.sweep() == 1
    assert ids(saver) == ["3"]


def test_sweeping_again_reads_nothing_of_a_thread_that_was_pruned(handle: Statehouse, clock: Clock) -> None:
    saver = expiring(handle, clock, strategy="keep_latest")
    for name in "12":
        Chain(saver).add(name)
    clock.pass_minutes(12)
    flows = [
        threads.sweep(saver._backing, saver.serde, ttl_minutes=10, strategy="keep_latest", limit=10)
        for _ in range(2)
    ]
    assert len(requests_of(handle, flows[0])) > 2
    assert requests_of(handle, flows[1]) == ["Scan", "Get"]


def test_a_leased_thread_is_left_alone(handle: Statehouse, clock: Clock) -> None:
    saver = expiring(handle, clock)
    Chain(saver).add("1")
    with saver.lease("t", ttl=3600):
        clock.pass_minutes(12)
        assert saver.sweep() == 0
    assert saver.sweep() == 1


def test_a_saver_without_a_time_to_live_says_so(saver: StatehouseSaver) -> None:
    for sweeping in (saver.sweep, saver.start_ttl_sweeper):
        with pytest.raises(InvalidArgumentError, match="no time to live"):
            sweeping()


@pytest.mark.parametrize(
    "wrong",
    [
        {"default_ttl": 0},
        {"default_ttl": True},
        {"default_ttl": "10"},
        {"default_ttl": float("nan")},
        {"sweep_interval_minutes": -1},
        {"strategy": "burn"},
        {"minutes": 3},
    ],
)
def test_a_time_to_live_that_makes_no_sense_is_refused(handle: Statehouse, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="ttl"):
        StatehouseSaver(handle, ttl={"default_ttl": 10, **wrong})


def test_a_sweeper_sweeps_until_it_is_stopped(handle: Statehouse, clock: Clock) -> None:
    saver = expiring(handle, clock)
    Chain(saver).add("1")
    clock.pass_minutes(12)
    swept = threading.Event()

    def sweep() -> int:
        found = saver.sweep()
        swept.set()
        return found

    sweeper = Sweeper(sweep, 3600)
    assert swept.wait(10)
    assert ids(saver) == []
    assert sweeper.stop(10)
    assert not sweeper.running


def test_there_is_one_sweeper_and_the_block_ends_it(handle: Statehouse, clock: Clock) -> None:
    with expiring(handle, clock) as saver:
        sweepers = [saver.start_ttl_sweeper() for _ in range(2)]
        running = [each.running for each in sweepers]
    assert running == [True, True]
    assert sweepers[0] is sweepers[1]
    assert not sweepers[0].running
    assert saver.stop_ttl_sweeper(10)


def test_what_a_connection_string_opened_ends_its_sweeper() -> None:
    with StatehouseSaver.from_conn_string("memory:", ttl={"default_ttl": 10}) as saver:
        sweeper = saver.start_ttl_sweeper()
    assert not sweeper.running


def test_a_sweeper_outlives_an_error_of_the_store(caplog: pytest.LogCaptureFixture) -> None:
    calls = threading.Semaphore(0)
    results: Iterator[int | InvalidArgumentError] = iter([InvalidArgumentError("gone"), 1_000, 0])

    def sweep() -> int:
        calls.release()
        found = next(results)
        if isinstance(found, InvalidArgumentError):
            raise found
        return found

    sweeper = Sweeper(sweep, 0.001)
    assert all(calls.acquire(timeout=10) for _ in range(3))
    sweeper.stop(10)
    assert "threads were not swept: gone" in caplog.text
