"""Commits of one group share its fate, and nobody is told of what did not happen."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import (
    CorruptionError,
    InvalidArgumentError,
    OutcomeUnknownError,
    OverloadedError,
    RefusingWritesError,
)
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import (
    Commit,
    Extend,
    Get,
    KeyRange,
    LookupTxn,
    Precondition,
    Status,
    Write,
)
from statehouse.protocol.values import BYTES, Payload
from statehouse.storage import Table
from statehouse.testing.faults import Call, Fault, Marks, Moment, crash, refusal
from tests.engine_faults.gates import WAIT_S, GatedStore, held, submit_as_group
from tests.engine_faults.workload import (
    BIG,
    OTHER,
    SMALL,
    assert_sound,
    events_of,
    filler,
    open_on,
    rows_of,
    transaction,
    value,
)

FIRST = transaction(1, Write(OTHER, value("1")))
FIRST_AGAIN_DIFFERENTLY = transaction(1, Write(OTHER, value("2")))
READS_WHAT_FIRST_WRITES = replace(transaction(2, Write(SMALL, value("2"))), read_ts=0, reads=(OTHER,))
SCANS_WHERE_FIRST_WRITES = replace(
    transaction(3, Write(SMALL, value("3"))), read_ts=0, ranges=(KeyRange(OTHER.namespace, OTHER.agent_id),)
)
EXPECTS_NOTHING_THERE = replace(
    transaction(4, Write(SMALL, value("4"))), preconditions=(Precondition(OTHER, version=0),)
)
EMPTY = Commit("empty")
EMPTY_AND_EXPECTING = Commit("expecting", preconditions=(Precondition(OTHER, version=1),))

BUILT_ON_FIRST = [
    FIRST_AGAIN_DIFFERENTLY,
    READS_WHAT_FIRST_WRITES,
    SCANS_WHERE_FIRST_WRITES,
    EXPECTS_NOTHING_THERE,
    EMPTY,
    EMPTY_AND_EXPECTING,
]


def failure_of(future: Future[object]) -> BaseException | None:
    return future.exception(WAIT_S)


@pytest.mark.parametrize("commit", BUILT_ON_FIRST, ids=lambda commit: commit.txn_id[-9:])
def test_what_was_answered_from_a_group_that_was_not_written_is_not_answered(commit: Commit) -> None:
    store = GatedStore()
    engine = open_on(store)
    with held(store, engine):
        store.arm(refusal(2))
        first, second = engine.submit(FIRST), engine.submit(commit)
    assert isinstance(first.exception(WAIT_S), OverloadedError)
    assert isinstance(second.exception(WAIT_S), OverloadedError)
    assert engine.execute(LookupTxn(FIRST.txn_id)).outcome == "absent"
    engine.close()


@pytest.mark.parametrize("commit", BUILT_ON_FIRST, ids=lambda commit: commit.txn_id[-9:])
def test_what_was_answered_from_a_group_in_doubt_is_not_answered(commit: Commit) -> None:
    store = GatedStore()
    engine = open_on(store)
    with held(store, engine):
        store.arm(Fault(Call.SYNC, 2, OSError))
        first, second = engine.submit(FIRST), engine.submit(commit)
    assert isinstance(first.exception(WAIT_S), OutcomeUnknownError)
    assert isinstance(second.exception(WAIT_S), RefusingWritesError)
    engine.close()


def test_a_repeat_in_the_group_of_the_first_shares_its_doubt() -> None:
    store = GatedStore()
    engine = open_on(store)
    with held(store, engine):
        store.arm(Fault(Call.SYNC, 2, OSError))
        first, second = engine.submit(FIRST), engine.submit(FIRST)
    assert isinstance(first.exception(WAIT_S), OutcomeUnknownError)
    assert isinstance(second.exception(WAIT_S), OutcomeUnknownError)
    engine.close()


def test_an_empty_transaction_in_a_written_group_names_a_visible_commit() -> None:
    store = GatedStore()
    engine = open_on(store)
    first, empty = submit_as_group(store, engine, [FIRST, EMPTY])
    assert first.result(WAIT_S).commit_ts == empty.result(WAIT_S).commit_ts == 2
    engine.close()


def test_a_group_is_one_batch() -> None:
    store = GatedStore()
    engine = open_on(store)
    before = store.calls[Call.WRITE]
    commits = [transaction(number, Write(OTHER, value(f"{number}"))) for number in range(1, 31)]
    futures = submit_as_group(store, engine, commits)
    assert [future.result(WAIT_S).commit_ts for future in futures] == list(range(2, 32))
    assert store.calls[Call.WRITE] - before == 2
    engine.close()


@pytest.mark.parametrize("marks", Marks)
@pytest.mark.parametrize("survives", [False, True])
@pytest.mark.parametrize("call", [Call.WRITE, Call.SYNC])
def test_a_group_survives_a_crash_whole_or_not_at_all(call: Call, survives: bool, marks: Marks) -> None:
    store = GatedStore()
    engine = open_on(store)
    commits = [
        transaction(number, Write(OTHER, value(f"{number}")), Write(BIG, value(filler(f"{number}", 3000))))
        for number in range(1, 21)
    ]
    with held(store, engine) as first:
        store.arm(crash(call, 2, Moment.AFTER if call is Call.WRITE else Moment.BEFORE))
        futures = [engine.submit(commit) for commit in commits]
    first.result(WAIT_S)
    assert {type(failure_of(future)) for future in futures} == {OutcomeUnknownError}  # type: ignore[arg-type]
    again = open_on(store.after_crash(survivors=int(survives), marks=marks))
    assert len(events_of(again)) == (21 if survives else 1)
    assert_sound(again)
    assert [again.execute(commit).commit_ts for commit in commits] == list(range(2, 22))
    assert_sound(again)
    again.close()


def test_an_extend_of_a_value_in_the_same_group_waits_for_the_next() -> None:
    store = GatedStore()
    engine = open_on(store)
    commits = [
        transaction(1, Write(BIG, value(filler("base", 2000)))),
        transaction(2, Extend(BIG, BIG, 1, (filler("more", 100),), BYTES)),
        transaction(3, Write(OTHER, value("3"))),
    ]
    futures = submit_as_group(store, engine, commits)
    assert [future.result(WAIT_S).commit_ts for future in futures] == [2, 3, 4]
    assert_sound(engine)
    engine.close()


def test_what_waits_for_the_next_group_is_answered_when_the_first_is_refused() -> None:
    store = GatedStore()
    engine = open_on(store)
    base = transaction(1, Write(BIG, value(filler("base", 2000))))
    extend = transaction(2, Extend(BIG, BIG, 1, (filler("more", 100),), BYTES))
    with held(store, engine):
        store.arm(refusal(2))
        futures = [engine.submit(base), engine.submit(extend)]
    assert isinstance(futures[0].exception(WAIT_S), OverloadedError)
    assert futures[1].exception(WAIT_S) is not None
    assert engine.execute(base).commit_ts == 2
    assert engine.execute(extend).commit_ts == 3
    engine.close()


def test_nothing_is_seen_before_it_is_durable() -> None:
    store = GatedStore()
    engine = open_on(store)
    with held(store, engine, Call.SYNC) as first:
        assert engine.execute(Get(SMALL)).entry.kind is None
        assert engine.execute(Status()).commit_ts == 0
        assert events_of(engine) == ()
        assert not first.done()
    assert first.result(WAIT_S).commit_ts == 1
    assert engine.execute(Get(SMALL)).entry.version == 1
    engine.close()


def test_a_commit_that_is_being_written_is_unknown_and_not_absent() -> None:
    store = GatedStore()
    engine = open_on(store)
    with held(store, engine, Call.WRITE) as first:
        assert engine.execute(LookupTxn(f"{900:032x}")).outcome == "unknown"
    first.result(WAIT_S)
    assert engine.execute(LookupTxn(f"{900:032x}")).outcome == "committed"
    engine.close()


def test_a_refused_commit_that_was_being_written_is_absent() -> None:
    store = GatedStore()
    engine = open_on(store)
    store.arm(refusal(1))
    with held(store, engine, Call.WRITE) as first:
        pass
    assert isinstance(first.exception(WAIT_S), OverloadedError)
    assert engine.execute(LookupTxn(f"{900:032x}")).outcome == "absent"
    engine.close()


def test_a_malformed_large_submit_is_its_caller_s_error() -> None:
    store = GatedStore()
    engine = open_on(store)
    nowhere: RecordKey = None  # type: ignore[assignment]
    malformed = Commit("malformed", (Write(nowhere, Payload(BYTES, bytes(100_000))),))
    assert isinstance(engine.submit(malformed).exception(WAIT_S), InvalidArgumentError)
    assert engine.execute(FIRST).commit_ts == 1
    engine.close()


def test_a_damaged_row_met_by_a_commit_stops_writing() -> None:
    store = GatedStore()
    engine = open_on(store)
    engine.execute(transaction(1, Write(BIG, value(filler("base", 2000)))))
    store.write([(Table.HISTORY, key, None) for table, key in rows_of(store) if table is Table.HISTORY])
    with pytest.raises(CorruptionError):
        engine.execute(transaction(2, Extend(BIG, BIG, 1, (b"more",), BYTES)))
    with pytest.raises(RefusingWritesError):
        engine.execute(transaction(3, Write(SMALL, value("3"))))
    engine.close()


def test_a_damaged_row_met_by_a_read_stops_writing() -> None:
    store = GatedStore()
    engine = open_on(store)
    engine.execute(transaction(1, Write(BIG, value(filler("base", 2000)))))
    store.write([(Table.SEGMENTS, key, None) for table, key in rows_of(store) if table is Table.SEGMENTS])
    with pytest.raises(CorruptionError):
        engine.execute(Get(BIG))
    with pytest.raises(RefusingWritesError):
        engine.execute(transaction(3, Write(SMALL, value("3"))))
    engine.close()


def test_closing_in_a_callback_writes_what_was_queued() -> None:
    store = GatedStore()
    engine = open_on(store)
    with held(store, engine) as first:
        first.add_done_callback(lambda _: engine.close())
        futures = [engine.submit(transaction(n, Write(OTHER, value(f"{n}")))) for n in range(1, 4)]
    assert [future.result(WAIT_S).commit_ts for future in futures] == [2, 3, 4]
    again = open_on(store.after_crash())
    assert len(events_of(again)) == 4
    again.close()


class _LateFuture(Future[Any]):
    """A future whose waiting always ends one moment too early."""

    def result(self, timeout: float | None = None) -> Any:
        """Waits for the answer, and says that the time is over all the same if there was a limit."""
        found = super().result(WAIT_S)
        if timeout is None:
            return found
        raise TimeoutError


def test_an_answer_that_comes_as_the_time_runs_out_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statehouse.engine.writer.Future", _LateFuture)
    engine = open_on(GatedStore())
    assert engine.execute(FIRST).commit_ts == 1
    engine.close()
