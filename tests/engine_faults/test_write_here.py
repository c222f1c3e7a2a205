"""Commits that one thread holds are written by that thread as one group, where that is best."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

import pytest

from statehouse.engine import open_engine
from statehouse.engine.local import LocalEngine
from statehouse.errors import (
    ConflictError,
    DeadlineExceededError,
    PreconditionFailedError,
)
from statehouse.extend import Commit, Get, LookupTxn, Payload, Precondition, Status, Write
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Erase, Extend, Replay
from statehouse.protocol.values import BYTES
from statehouse.testing.clock import ManualClock
from statehouse.testing.faults import Call, Fault
from tests.engine_faults.disks import Disk, WitnessedStore
from tests.engine_faults.gates import WAIT_S, held
from tests.engine_faults.holding import NAME, commit, commits, failures, hold, in_thread, key_of, times, write
from tests.engine_faults.workload import assert_sound, events_of, open_on

HERE = threading.get_ident


@pytest.fixture
def store() -> WitnessedStore:
    return WitnessedStore()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def engine(store: WitnessedStore, clock: ManualClock) -> Iterator[LocalEngine]:
    opened = open_on(store, clock)
    store.done.clear()
    yield opened
    opened.close()


def writers() -> int:
    """How many threads of writers there are, of all engines."""
    return sum(thread.name == "statehouse-writer" for thread in threading.enumerate())


# One group, in this thread.


@pytest.mark.parametrize("count", [8, 9, 63, 64])
def test_what_was_held_is_one_batch_and_one_sync_of_the_thread_that_held_it(
    store: WitnessedStore, engine: LocalEngine, count: int
) -> None:
    before = writers()
    futures = write(engine, commits(count))
    assert all(future.done() for future in futures)
    assert times(futures) == list(range(1, count + 1))
    assert store.done == [(Call.WRITE, HERE()), (Call.SYNC, HERE())]
    assert writers() == before
    assert len(events_of(engine)) == count
    assert_sound(engine)


def test_nothing_is_written_while_it_is_held(store: WitnessedStore, engine: LocalEngine) -> None:
    futures = hold(engine, commits(20))
    assert store.done == []
    assert not any(future.done() for future in futures)
    assert engine.execute(Status()).queued_commits == 20
    engine.write_here()
    assert times(futures) == list(range(1, 21))


def test_each_is_durable_and_seen_before_it_is_answered(store: WitnessedStore, engine: LocalEngine) -> None:
    """W1."""
    seen: list[tuple[int, bool]] = []

    def look(_: object) -> None:
        seen.append((store.unsynced, engine.execute(Status()).commit_ts == 10))

    futures = hold(engine, commits(10))
    for future in futures:
        future.add_done_callback(look)
    engine.write_here()
    assert seen == [(0, True)] * 10


def test_one_thread_may_hold_again_and_again(store: WitnessedStore, engine: LocalEngine) -> None:
    for round_ in range(5):
        futures = write(engine, commits(16, first=round_ * 16 + 1))
        assert times(futures) == list(range(round_ * 16 + 1, round_ * 16 + 17))
    assert store.done == [(Call.WRITE, HERE()), (Call.SYNC, HERE())] * 5


def test_a_writer_that_is_there_is_not_needed(store: WitnessedStore, engine: LocalEngine) -> None:
    assert engine.submit(commit(0)).result(WAIT_S).commit_ts == 1
    store.done.clear()
    assert all(future.done() for future in write(engine, commits(8)))
    assert store.done == [(Call.WRITE, HERE()), (Call.SYNC, HERE())]


def test_nothing_held_is_nothing_written(store: WitnessedStore, engine: LocalEngine) -> None:
    assert write(engine, []) == []
    assert store.done == []


# Not in this thread.


def of_another(engine: LocalEngine, done: list[tuple[Call, int]], given: Sequence[Commit]) -> None:
    """Asserts that the writer writes what is held, and answers each once."""
    before = engine.execute(Status()).commit_ts
    done.clear()
    futures = hold(engine, given)
    answered: list[object] = []
    for future in futures:
        future.add_done_callback(answered.append)
    engine.write_here()
    assert times(futures) == list(range(before + 1, before + 1 + len(given)))
    assert done
    assert HERE() not in {thread for _, thread in done}
    engine.close()
    assert len(answered) == len(given)


@pytest.mark.parametrize("count", [1, 7, 65, 300])
def test_few_and_many_are_the_writers(store: WitnessedStore, engine: LocalEngine, count: int) -> None:
    of_another(engine, store.done, commits(count))


def on_disk(disk: Disk) -> LocalEngine:
    return open_engine(disk, clock=disk)


def test_a_disk_with_long_syncs_is_the_writers() -> None:
    disk = Disk()
    engine = on_disk(disk)
    disk.sync_s = 0.002
    for number in range(1000, 1020):
        engine.execute(commit(number))
    disk.now += 10
    of_another(engine, disk.done, commits(16))


def test_after_one_long_sync_it_is_the_writers_for_a_while() -> None:
    disk = Disk()
    engine = on_disk(disk)
    disk.sync_s = 0.005
    engine.execute(commit(1000))
    disk.sync_s = 0.0
    of_another(engine, disk.done, commits(16))


def test_a_group_written_here_whose_sync_was_long_is_the_last_for_a_while() -> None:
    disk = Disk()
    engine = on_disk(disk)
    disk.sync_s = 0.005
    assert all(future.done() for future in write(engine, commits(8, first=100)))
    disk.sync_s = 0.0
    of_another(engine, disk.done, commits(16))


def test_when_syncs_are_short_again_it_is_written_here_again() -> None:
    disk = Disk()
    engine = on_disk(disk)
    disk.sync_s = 0.005
    engine.execute(commit(1000))
    disk.sync_s, disk.now = 0.0, disk.now + 1
    disk.done.clear()
    assert all(future.done() for future in write(engine, commits(16)))
    assert {thread for _, thread in disk.done} == {HERE()}
    engine.close()


@pytest.mark.parametrize("call", [Call.WRITE, Call.SYNC])
def test_while_the_writer_commits_nobody_waits_for_it(
    store: WitnessedStore, engine: LocalEngine, call: Call
) -> None:
    with held(store, engine, call) as first:
        futures = write(engine, commits(32))
        assert not any(future.done() for future in futures)
    assert times([first, *futures]) == list(range(1, 34))
    assert HERE() not in {thread for _, thread in store.done}
    assert len(store.done) == 4


def test_while_a_caller_commits_in_its_thread_nobody_waits_for_it(
    store: WitnessedStore, engine: LocalEngine
) -> None:
    store.shut(Call.SYNC)
    alone = threading.Thread(target=lambda: engine.execute(commit(0)))
    alone.start()
    store.await_arrival(Call.SYNC)
    try:
        futures = write(engine, commits(32))
        assert not any(future.done() for future in futures)
    finally:
        store.lift(Call.SYNC)
    assert times(futures) == list(range(2, 34))
    alone.join(WAIT_S)
    assert HERE() not in {thread for _, thread in store.done}


class WriterStops(ManualClock):
    """A clock at which the writer stops, at the start of its next round, when it has no lock."""

    def __init__(self) -> None:
        super().__init__()
        self.lifted = threading.Event()
        self.stopped = threading.Event()

    def monotonic(self) -> float:
        """The time, for everybody else."""
        if threading.current_thread().name == "statehouse-writer" and not self.lifted.is_set():
            self.stopped.set()
            assert self.lifted.wait(WAIT_S)
        return super().monotonic()


def test_an_erasing_that_waits_is_not_this_thread_s_to_do(store: WitnessedStore) -> None:
    clock = WriterStops()
    engine = open_on(store, clock)
    engine.execute(commit(1000))
    erased = engine.submit(Erase("default", "planner", ("key 1000",)))
    assert clock.stopped.wait(WAIT_S)
    futures = write(engine, commits(32))
    written_here = any(future.done() for future in futures)
    clock.lifted.set()
    assert not written_here
    assert times(futures) == list(range(2, 34))
    assert erased.result(WAIT_S).versions == 1
    assert_sound(engine)
    engine.close()


def test_a_commit_that_was_interrupted_is_finished_first(store: WitnessedStore) -> None:
    """W6."""
    clock = WriterStops()
    engine = open_on(store, clock)
    store.arm(Fault(Call.SYNC, 1, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        engine.execute(commit(0))
    assert clock.stopped.wait(WAIT_S)
    futures = write(engine, commits(16))
    written_here = any(future.done() for future in futures)
    clock.lifted.set()
    assert not written_here
    assert times(futures) == list(range(2, 18))
    assert engine.execute(LookupTxn("txn 0")).outcome == "committed"
    assert_sound(engine)
    engine.close()


# Others.


def test_what_another_thread_commits_does_not_wait(store: WitnessedStore, engine: LocalEngine) -> None:
    futures = hold(engine, commits(4))
    in_thread(lambda: engine.submit(commit(5)).result(WAIT_S))
    in_thread(lambda: engine.execute(commit(6)))
    # They stood before it in the queue.
    assert times(futures) == [1, 2, 3, 4]
    engine.write_here()
    assert HERE() not in {thread for _, thread in store.done}
    assert len(events_of(engine)) == 6


def test_what_the_same_thread_waits_for_does_not_wait_for_it(engine: LocalEngine) -> None:
    futures = hold(engine, commits(4))
    assert engine.execute(commit(5)).commit_ts == 5
    assert times(futures) == [1, 2, 3, 4]
    assert engine.execute(Erase("default", "planner", ("key 5",))).versions == 1
    engine.write_here()


def test_a_follower_whose_time_ends_is_told_so_though_nothing_was_written(store: WitnessedStore) -> None:
    """The writer keeps the time, and nobody else has woken it."""
    engine = open_engine(store)
    missing = Precondition(NAME, version=1)
    futures = hold(engine, [replace(each, preconditions=(missing,)) for each in commits(8)])
    following = engine.submit(Replay(from_ts=1, wait_s=0.05))
    engine.write_here()
    assert failures(futures) == [PreconditionFailedError] * 8
    assert following.result(WAIT_S).events == ()
    engine.close()


def test_a_follower_sees_what_was_written_here(engine: LocalEngine) -> None:
    following = engine.submit(Replay(from_ts=1, wait_s=60.0))
    write(engine, commits(8))
    assert [event.txn_id for event in following.result(WAIT_S).events] == [each.txn_id for each in commits(8)]


def test_what_is_not_held_any_more_is_the_writers(store: WitnessedStore, engine: LocalEngine) -> None:
    write(engine, commits(8))
    assert times([engine.submit(each) for each in commits(16, first=100)]) == list(range(9, 25))
    assert HERE() not in {thread for _, thread in store.done[2:]}


def test_two_threads_that_hold_lose_nothing(engine: LocalEngine) -> None:
    mine = hold(engine, commits(10))
    theirs: list[Future[Committed]] = []
    in_thread(lambda: theirs.extend(hold(engine, commits(10, first=100))))
    engine.write_here()
    assert sorted(times([*mine, *theirs])) == list(range(1, 21))
    in_thread(engine.write_here)
    assert times(write(engine, commits(8, first=200))) == list(range(21, 29))


@pytest.mark.parametrize("count", [1, 8, 65])
def test_closing_writes_what_is_held(store: WitnessedStore, count: int) -> None:
    engine = open_on(store)
    futures = hold(engine, commits(count))
    in_thread(engine.close)
    assert times(futures) == list(range(1, count + 1))
    engine.write_here()
    again = open_on(store.after_crash())
    assert len(events_of(again)) == count
    again.close()


def test_what_is_held_after_closing_is_refused_and_not_kept(store: WitnessedStore) -> None:
    engine = open_on(store)
    engine.close()
    futures = write(engine, commits(8))
    assert all("closed" in str(future.exception(WAIT_S)) for future in futures)


# W3.


def test_what_is_cancelled_while_it_is_held_is_not_written(
    store: WitnessedStore, engine: LocalEngine
) -> None:
    futures = hold(engine, commits(10))
    assert futures[0].cancel()
    assert futures[9].cancel()
    engine.write_here()
    assert times(futures[1:9]) == list(range(1, 9))
    assert {engine.execute(LookupTxn(f"txn {number}")).outcome for number in (1, 10)} == {"absent"}
    assert store.done == [(Call.WRITE, HERE()), (Call.SYNC, HERE())]


def test_where_all_is_cancelled_there_is_no_batch(store: WitnessedStore, engine: LocalEngine) -> None:
    for future in hold(engine, commits(8)):
        assert future.cancel()
    engine.write_here()
    assert store.done == []
    assert times(write(engine, commits(8))) == list(range(1, 9))


def test_what_ran_out_of_time_while_it_was_held_is_not_written(
    clock: ManualClock, engine: LocalEngine
) -> None:
    hurried = [commit(number, timeout_s=1.0) for number in range(100, 104)]
    futures = hold(engine, [*hurried, *commits(8)])
    clock.advance(2.0)
    engine.write_here()
    assert failures(futures[:4]) == [DeadlineExceededError] * 4
    assert times(futures[4:]) == list(range(1, 9))
    assert engine.execute(LookupTxn("txn 100")).outcome == "absent"


# What depends on each other.


def test_what_builds_on_another_of_the_group_is_in_the_next(engine: LocalEngine) -> None:
    base = Commit("base", (Write(NAME, Payload(BYTES, bytes(2000))),))
    extend = Commit("more", (Extend(NAME, NAME, 1, (b"more",), BYTES),))
    futures = write(engine, [base, *commits(8), extend, *commits(8, first=100)])
    assert times(futures) == list(range(1, 19))
    assert engine.execute(Get(NAME)).entry.version == 2
    assert_sound(engine)


def test_the_same_transaction_twice_is_applied_once(engine: LocalEngine) -> None:
    other = replace(commit(1, b"another"), txn_id="txn 2")
    futures = write(engine, [*commits(8), commit(1), other])
    assert times(futures[:9]) == [*range(1, 9), 1]
    assert [future.result(0).repeated for future in futures[:9]] == [False] * 8 + [True]
    assert [error.__name__ for error in failures(futures[9:]) if error] == ["AlreadyExistsError"]
    assert len(events_of(engine)) == 8


def test_what_another_of_the_group_forbids_is_refused(engine: LocalEngine) -> None:
    key = key_of(1)
    late = replace(commit(100), preconditions=(Precondition(key, version=0),))
    stale = replace(commit(101), read_ts=0, reads=(key,))
    futures = write(engine, [*commits(8), late, stale])
    assert failures(futures[8:]) == [PreconditionFailedError, ConflictError]
    assert times(futures[:8]) == list(range(1, 9))
