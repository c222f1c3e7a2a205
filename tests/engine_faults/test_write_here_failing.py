"""What fails while a group is written by the thread that held it leaves nobody waiting, nor lied to."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from statehouse.engine.local import LocalEngine
from statehouse.errors import (
    CorruptionError,
    OutcomeUnknownError,
    OverloadedError,
    RefusingWritesError,
)
from statehouse.extend import Commit, Get, LookupTxn, Payload, Status, Write
from statehouse.protocol.requests import Extend
from statehouse.protocol.values import BYTES
from statehouse.storage import Table
from statehouse.testing.faults import Call, Fault, FaultStore, Moment, refusal
from tests.engine_faults.disks import WitnessedStore
from tests.engine_faults.gates import WAIT_S
from tests.engine_faults.holding import NAME, commit, commits, failures, hold, in_thread, key_of, times, write
from tests.engine_faults.workload import assert_sound, events_of, open_on, rows_of


@pytest.fixture
def store() -> WitnessedStore:
    return WitnessedStore()


@pytest.fixture
def engine(store: WitnessedStore) -> Iterator[LocalEngine]:
    opened = open_on(store)
    store.done.clear()
    yield opened
    opened.close()


@pytest.mark.parametrize("reason", ["disk_full", "stall"])
def test_a_group_that_is_not_written_is_refused_and_the_next_goes_on(
    store: WitnessedStore, engine: LocalEngine, reason: str
) -> None:
    before = rows_of(store)
    store.arm(refusal(1, reason))
    futures = write(engine, commits(16))
    assert all(future.done() for future in futures)
    assert failures(futures) == [OverloadedError] * 16
    assert rows_of(store) == before
    assert engine.execute(LookupTxn("txn 3")).outcome == "absent"
    assert times(write(engine, commits(16))) == list(range(1, 17))
    assert {thread for _, thread in store.done} == {threading.get_ident()}
    assert_sound(engine)


class Panic(BaseException):
    """As a storage written in Rust raises it."""


ERRORS = [OSError, Panic, KeyboardInterrupt, SystemExit]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.value)
@pytest.mark.parametrize("call", Call, ids=lambda call: call.value)
def test_a_group_whose_outcome_nobody_knows_ends_all_writing(
    call: Call, moment: Moment, error: type[BaseException]
) -> None:
    """G8; and it leaves nobody waiting, neither for an answer nor for the lock."""
    store = WitnessedStore()
    engine = open_on(store)
    assert engine.execute(commit(0)).commit_ts == 1
    store.arm(Fault(call, 1, error, moment))
    futures = write(engine, commits(16))
    assert all(future.done() for future in futures)
    assert failures(futures) == [OutcomeUnknownError] * 16
    assert failures(write(engine, commits(8, first=100))) == [RefusingWritesError] * 8
    # In another thread: the lock of writers knows its owner.
    in_thread(lambda: _refused(engine))
    assert engine.execute(Status()).state == "refusing_writes"
    assert engine.execute(Status()).commit_ts == 1
    assert engine.execute(LookupTxn("txn 3")).outcome == "unknown"
    in_thread(engine.close)
    for survivors in range(store.unsynced + 1):
        _settled_by_reopening(store.after_crash(survivors=survivors))


def _refused(engine: LocalEngine) -> None:
    with pytest.raises(RefusingWritesError):
        engine.execute(commit(50))


def _settled_by_reopening(store: FaultStore) -> None:
    engine = open_on(store)
    assert len(events_of(engine)) in (1, 17), "a part of a group"
    assert [engine.execute(each).commit_ts for each in commits(16)] == list(range(2, 18))
    assert_sound(engine)
    engine.close()


def test_what_is_held_when_writing_ends_is_refused(store: WitnessedStore, engine: LocalEngine) -> None:
    futures = hold(engine, commits(8))
    store.arm(Fault(Call.SYNC, 1, OSError))
    in_thread(lambda: engine.submit(commit(0)).exception(WAIT_S))
    engine.write_here()
    # They were in the group that failed; nobody is told that nothing was applied.
    assert failures(futures) == [OutcomeUnknownError] * 8
    assert failures(write(engine, commits(8, first=100))) == [RefusingWritesError] * 8


def test_damage_that_one_of_them_meets_ends_all_writing_and_denies_no_other(
    store: WitnessedStore, engine: LocalEngine
) -> None:
    engine.execute(Commit("base", (Write(NAME, Payload(BYTES, bytes(2000))),)))
    store.write([(Table.HISTORY, key, None) for table, key in rows_of(store) if table is Table.HISTORY])
    extend = Commit("more", (Extend(NAME, NAME, 1, (b"more",), BYTES),))
    futures = write(engine, [*commits(4), extend, *commits(4, first=5)])
    assert failures(futures[4:5]) == [CorruptionError]
    assert times([*futures[:4], *futures[5:]]) == list(range(2, 10))
    assert engine.execute(Get(key_of(8))).entry.version == 1
    assert failures(write(engine, commits(8, first=100))) == [RefusingWritesError] * 8
    assert store.unsynced == 0
