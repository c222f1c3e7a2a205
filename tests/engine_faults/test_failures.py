"""Every call that reaches the disk fails once: refused, or with an error that says nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from statehouse.engine import LocalEngine
from statehouse.errors import (
    EngineError,
    OutcomeUnknownError,
    OverloadedError,
    RefusingWritesError,
)
from statehouse.protocol.requests import Commit, Get, LookupTxn, Status, Write
from statehouse.testing.clock import ManualClock
from statehouse.testing.faults import Call, Fault, FaultStore, Moment, refusal
from tests.engine_faults.workload import (
    SMALL,
    Story,
    answer,
    assert_sound,
    events_of,
    open_on,
    rows_of,
    state_of,
    told,
    transaction,
    value,
    workload,
)

AFTER_ALL = transaction(999, Write(SMALL, value("after all")))
IN_DOUBT = [
    (call, moment)
    for call in (Call.WRITE, Call.SYNC, Call.WRITE_MARK)
    for moment in (Moment.BEFORE, Moment.AFTER)
]


@pytest.mark.parametrize("reason", ["disk_full", "stall"])
def test_a_refused_write_applies_nothing_and_the_next_goes_on(
    story: Story, counted: FaultStore, reason: str
) -> None:
    """One run: each write of it is refused before it succeeds."""
    store, clock = FaultStore(), ManualClock()
    engine = open_on(store, clock)
    for commit, expected in zip(workload(), story.answers, strict=True):
        before, seen, newest = rows_of(store), state_of(engine), engine.execute(Status()).commit_ts
        if expected == newest + 1:
            store.arm(refusal(1, reason))
            with pytest.raises(OverloadedError) as refused:
                answer(engine, clock, commit)
            assert refused.value.reason == reason
            assert refused.value.retry_after > 0
            assert rows_of(store) == before
            assert state_of(engine) == seen
            assert engine.execute(LookupTxn(commit.txn_id)).outcome == "absent"
            assert store.pending == 0
        assert answer(engine, clock, commit) == expected
    assert told(engine) == story.told
    assert_sound(engine)
    assert store.calls[Call.WRITE] > counted.calls[Call.WRITE]
    engine.close()


def test_a_refused_first_write_leaves_a_directory_that_opens() -> None:
    store = FaultStore()
    store.arm(refusal(1))
    with pytest.raises(OverloadedError) as refused:
        open_on(store)
    assert refused.value.reason == "disk_full"
    assert rows_of(store.after_crash()) == {}
    engine = open_on(store.after_crash())
    assert engine.execute(AFTER_ALL).commit_ts == 1
    engine.close()


def test_a_refused_write_is_not_marked_in_the_next_commit_s_counts(story: Story) -> None:
    """The caches (totals, names, tails, recent keys) are as if the refused commit had never been."""
    store, clock = FaultStore(), ManualClock()
    engine = open_on(store, clock)
    for number, commit in enumerate(workload()):
        store.arm(refusal(1))
        never = Commit(f"never {number}", tuple(commit.operations), timeout_s=60.0)
        if number % 2:
            with pytest.raises(OverloadedError):
                answer(engine, clock, never)
        else:
            store.arm(refusal(2))
            futures = [engine.submit(never), engine.submit(Commit("then", never.operations))]
            for future in futures:
                assert isinstance(future.exception(60), OverloadedError)
        # What is armed and did not come, because both were one group, must not hit the next.
        while store.pending:
            engine.submit(Commit("rest", (Write(SMALL, value("rest")),))).exception(60)
        assert answer(engine, clock, commit) == story.answers[number]
    assert told(engine) == story.told
    assert_sound(engine)
    engine.close()


class Doubted:
    """A run of the workload up to a call that failed with an error that says nothing."""

    def __init__(self, call: Call, moment: Moment, nth: int) -> None:
        self.store = FaultStore()
        self.clock = ManualClock()
        self.engine = open_on(self.store, self.clock)
        self.acknowledged = 0
        self.store.arm(Fault(call, nth, lambda: OSError(5, "Input/output error"), moment))
        for commit in workload():
            seen = state_of(self.engine)
            try:
                answered = answer(self.engine, self.clock, commit)
            except OutcomeUnknownError as error:
                self.cut, self.seen, self.error = commit, seen, error
                return
            if isinstance(answered, int):
                self.acknowledged = max(self.acknowledged, answered)
        raise AssertionError("the fault did not come")


def every_fault(call: Call, counted: FaultStore) -> range:
    """The faults after the store is made and before it is closed."""
    before = {Call.WRITE: 1, Call.SYNC: 2, Call.WRITE_MARK: 1}
    after = {Call.WRITE: 0, Call.SYNC: 1, Call.WRITE_MARK: 1}
    return range(1, counted.calls[call] - before[call] - after[call] + 1)


@pytest.mark.parametrize("call,moment", IN_DOUBT)
def test_after_an_error_that_says_nothing_nothing_is_written_and_reads_go_on(
    call: Call, moment: Moment, counted: FaultStore
) -> None:
    for nth in every_fault(call, counted):
        doubted = Doubted(call, moment, nth)
        engine = doubted.engine
        assert doubted.error.txn_id == doubted.cut.txn_id
        assert engine.execute(LookupTxn(doubted.cut.txn_id)).outcome == "unknown"
        calls = doubted.store.calls.copy()
        for commit in (AFTER_ALL, doubted.cut):
            with pytest.raises(RefusingWritesError):
                engine.execute(commit)
            assert isinstance(engine.submit(commit).exception(60), RefusingWritesError)
        assert doubted.store.calls == calls
        assert state_of(engine) == doubted.seen
        assert len(events_of(engine)) == doubted.acknowledged
        status = engine.execute(Status())
        assert (status.state, status.commit_ts) == ("refusing_writes", doubted.acknowledged)
        assert "Input/output error" in status.reason
        engine.close()


@pytest.mark.parametrize("call,moment", IN_DOUBT)
def test_opening_again_resolves_the_doubt(
    call: Call, moment: Moment, story: Story, counted: FaultStore
) -> None:
    for nth in every_fault(call, counted):
        doubted = Doubted(call, moment, nth)
        for survivors in range(doubted.store.unsynced + 1):
            disk = doubted.store.after_crash(survivors=survivors)
            engine = open_on(disk, doubted.clock, seed=b"after")
            applied = engine.execute(Status()).commit_ts - doubted.acknowledged
            assert applied in {0, 1}
            assert rows_of(disk) == story.rows[doubted.acknowledged + applied]
            found = engine.execute(LookupTxn(doubted.cut.txn_id))
            assert found.outcome == ("committed" if applied else "absent")
            again = engine.execute(doubted.cut)
            assert (again.commit_ts, again.repeated) == (doubted.acknowledged + 1, bool(applied))
            assert len(events_of(engine)) == doubted.acknowledged + 1
            engine.close()
        doubted.engine.close()


def test_closing_after_a_doubt_moves_no_mark() -> None:
    doubted = Doubted(Call.SYNC, Moment.BEFORE, 5)
    marks = doubted.store.read_marks()
    doubted.engine.close()
    assert doubted.store.after_crash().read_marks() == marks


ERRORS: list[Callable[[], BaseException]] = [
    lambda: OSError(5, "Input/output error"),
    lambda: EngineError("the disk is gone"),
    lambda: RuntimeError("anything"),
    MemoryError,
    lambda: TimeoutError("a network disk"),
    lambda: BaseException("a panic of the native library"),
]


@pytest.mark.parametrize("make", ERRORS, ids=lambda make: type(make()).__name__)
@pytest.mark.parametrize("call", list(Call))
def test_whatever_the_error_is_the_outcome_is_unknown(call: Call, make: Callable[[], BaseException]) -> None:
    store = FaultStore()
    engine: LocalEngine = open_on(store)
    store.arm(Fault(call, 1, make))
    with pytest.raises(OutcomeUnknownError):
        engine.execute(AFTER_ALL)
    with pytest.raises(RefusingWritesError):
        engine.execute(AFTER_ALL)
    assert engine.execute(Get(SMALL)).entry.kind is None
    engine.close()


@pytest.mark.parametrize("call", list(Call))
def test_an_error_while_a_store_is_made_leaves_one_that_opens(call: Call) -> None:
    for nth in (1, 2):
        for moment in Moment:
            store = FaultStore()
            store.arm(Fault(call, nth, lambda: EngineError("the disk is gone"), moment))
            try:
                open_on(store).close()
            except EngineError:
                assert store.pending == 0
            for survivors in range(store.unsynced + 1):
                again = open_on(store.after_crash(survivors=survivors))
                assert again.execute(AFTER_ALL).commit_ts == 1
                assert_sound(again)
                again.close()
