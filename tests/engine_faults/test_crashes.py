"""A crash at every call that reaches the disk: what was answered is there, and nothing is there by half.

The workload is run once to count the calls, then once for each of them, ending there. The disk that is
left is compared row by row with the disks of the run in which nothing went wrong.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from statehouse.errors import OutcomeUnknownError
from statehouse.protocol.requests import Commit, LookupTxn, Status
from statehouse.testing.clock import ManualClock
from statehouse.testing.faults import Call, FaultStore, Marks, Moment, SimulatedCrash, crash
from tests.engine_faults.workload import (
    KEYS,
    Answer,
    Story,
    answer,
    assert_sound,
    open_on,
    rows_of,
    state_of,
    tell,
    told,
    workload,
)


class Crashed:
    """A run of the workload that ended at one call."""

    def __init__(self, call: Call, nth: int, moment: Moment) -> None:
        self.store = FaultStore()
        self.store.arm(crash(call, nth, moment))
        self.answers: list[Answer] = []
        self.cut: Commit | None = None
        self.clock = ManualClock()
        try:
            engine = open_on(self.store, self.clock)
        except SimulatedCrash:
            return
        for commit in workload():
            try:
                self.answers.append(answer(engine, self.clock, commit))
            except OutcomeUnknownError:
                self.cut = commit
                break
        with suppress(SimulatedCrash):
            engine.close()

    @property
    def acknowledged(self) -> int:
        return max((ts for ts in self.answers if isinstance(ts, int)), default=0)


class Expected:
    """What a disk is compared with. Disks with the same rows answer the same, so each is looked into once."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.looked_into: set[tuple[int, int]] = set()

    def check(self, crashed: Crashed, survivors: int, marks: Marks) -> None:
        disk = crashed.store.after_crash(survivors=survivors, marks=marks)
        engine = open_on(disk, ManualClock())
        status = engine.execute(Status())
        reached = status.commit_ts
        # G2, and no more than the one that was being written.
        assert crashed.acknowledged <= reached <= crashed.acknowledged + (crashed.cut is not None)
        # G1: to the last byte.
        assert rows_of(disk) == self.story.rows[reached]
        assert [epoch.number for epoch in status.epochs] == [1]
        if (reached, len(crashed.answers)) not in self.looked_into:
            self.looked_into.add((reached, len(crashed.answers)))
            for at in {0, 1, reached // 2, reached - 1, reached} & set(range(reached + 1)):
                assert state_of(engine, at) == self.story.states[at]
            assert_sound(engine)
            self.go_on(crashed, disk, reached)
        engine.close()

    def go_on(self, crashed: Crashed, disk: FaultStore, reached: int) -> None:
        """Repeats every commit that was answered, sends the one that was not again, and then the rest."""
        clock = ManualClock()
        engine = open_on(disk.after_crash(survivors=disk.unsynced), clock, seed=b"after")
        for commit, was in zip(workload(), crashed.answers, strict=False):
            if isinstance(was, int):
                again = engine.execute(commit)
                assert (again.commit_ts, again.repeated) == (was, True)
        if crashed.cut is not None:
            outcome = engine.execute(LookupTxn(crashed.cut.txn_id)).outcome
            assert outcome == ("committed" if reached > crashed.acknowledged else "absent")
        rest = workload()[len(crashed.answers) :]
        answers = [answer(engine, clock, commit) for commit in rest]
        assert [*crashed.answers, *answers] == self.story.answers
        assert told(engine) == self.story.told
        assert_sound(engine)
        engine.close()


@pytest.fixture(scope="module")
def expected(story: Story) -> Expected:
    return Expected(story)


def crash_everywhere(call: Call, moment: Moment, expected: Expected, counted: FaultStore) -> None:
    for nth in range(1, counted.calls[call] + 1):
        crashed = Crashed(call, nth, moment)
        assert crashed.store.pending == 0, "the crash has come"
        for survivors in range(crashed.store.unsynced + 1):
            for marks in Marks:
                expected.check(crashed, survivors, marks)


def test_the_workload_holds_every_kind_of_commit(story: Story) -> None:
    assert len({type(operation) for commit in workload() for operation in commit.operations}) == 3
    refusals = {each for each in story.answers if not isinstance(each, int)}
    assert len(refusals) == 2
    assert len(story.states[-1].entries) == len(KEYS)


def test_every_commit_ts_reads_as_it_did_when_it_was_the_newest(story: Story) -> None:
    store = FaultStore()
    tell(store)
    engine = open_on(store.after_crash(), ManualClock())
    assert [state_of(engine, at) for at in range(len(story.states))] == story.states
    engine.close()


def test_crash_before_every_write(expected: Expected, counted: FaultStore) -> None:
    crash_everywhere(Call.WRITE, Moment.BEFORE, expected, counted)


def test_crash_after_every_write(expected: Expected, counted: FaultStore) -> None:
    crash_everywhere(Call.WRITE, Moment.AFTER, expected, counted)


def test_crash_before_every_sync(expected: Expected, counted: FaultStore) -> None:
    crash_everywhere(Call.SYNC, Moment.BEFORE, expected, counted)


def test_crash_after_every_sync(expected: Expected, counted: FaultStore) -> None:
    crash_everywhere(Call.SYNC, Moment.AFTER, expected, counted)


def test_crash_before_every_mark(expected: Expected, counted: FaultStore) -> None:
    crash_everywhere(Call.WRITE_MARK, Moment.BEFORE, expected, counted)


def test_crash_after_every_mark(expected: Expected, counted: FaultStore) -> None:
    crash_everywhere(Call.WRITE_MARK, Moment.AFTER, expected, counted)
