"""Losses are noticed, accepted once, and never let a reference mean another commit than it meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from statehouse.engine import LocalEngine, open_engine
from statehouse.engine.layout import META_FORMAT
from statehouse.engine.marks import Mark, newest_mark, pack_mark
from statehouse.errors import (
    CorruptionError,
    FormatVersionError,
    OverloadedError,
    StoreChangedError,
)
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.requests import Commit, FindEvents, LookupTxn, Replay, Scan, Status, Write
from statehouse.storage import Table
from statehouse.testing.clock import ManualClock
from statehouse.testing.faults import Call, FaultStore, Marks, SimulatedCrash, crash, refusal
from tests.engine_faults.workload import (
    OTHER,
    SMALL,
    CountingEntropy,
    assert_sound,
    events_of,
    open_on,
    transaction,
    value,
)

Z = RecordKey("default", "planner", "z")


def numbered(number: int) -> Commit:
    return transaction(number, Write(SMALL, value(f"{number}")), Write(OTHER, value(f"{number}")))


def store_with(commits: int) -> FaultStore:
    """A closed store with so many commits."""
    store = FaultStore()
    engine = open_on(store)
    for number in range(1, commits + 1):
        engine.execute(numbered(number))
    engine.close()
    return store.after_crash()


def mark_of(store: FaultStore) -> Mark:
    mark = newest_mark(store.read_marks())
    assert mark is not None
    return mark


def lose_to(store: FaultStore, marks: FaultStore) -> FaultStore:
    """The rows of one store with the marks of another: what a truncated log leaves."""
    disk = store.after_crash()
    for slot, data in enumerate(marks.read_marks()):
        disk.write_mark(slot, data, sync=True)
    return disk


def lossy(store: FaultStore, *, durability: str = "sync", seed: bytes = b"again") -> LocalEngine:
    return open_engine(
        store,
        accept_data_loss=True,
        durability=durability,  # type: ignore[arg-type]
        clock=ManualClock(),
        entropy=CountingEntropy(seed),
    )


def test_a_log_that_ends_below_the_mark_is_refused_and_says_by_how_much() -> None:
    disk = lose_to(store_with(3), store_with(7))
    with pytest.raises(CorruptionError) as refused:
        open_on(disk)
    assert (refused.value.missing, refused.value.commit_ts, refused.value.expected_commit_ts) == (4, 3, 7)


def test_an_empty_log_below_a_mark_is_refused() -> None:
    with pytest.raises(CorruptionError) as refused:
        open_on(lose_to(FaultStore(), store_with(7)))
    assert refused.value.missing == 7


def test_an_accepted_loss_begins_an_epoch_and_is_not_asked_about_again() -> None:
    engine = lossy(disk := lose_to(store_with(3), store_with(7)))
    epochs = [(epoch.number, epoch.first_commit_ts) for epoch in engine.execute(Status()).epochs]
    assert epochs == [(1, 1), (2, 4)]
    assert engine.execute(numbered(20)).commit_ts == 4
    assert_sound(engine)
    engine.close()
    again = open_on(disk.after_crash())
    assert again.execute(Status()).epoch == 2
    assert_sound(again)
    again.close()


def test_accepting_where_nothing_is_lost_begins_no_epoch() -> None:
    engine = lossy(store_with(3))
    assert engine.execute(Status()).epoch == 1
    engine.close()


@pytest.mark.parametrize("marks", Marks)
@pytest.mark.parametrize("call", list(Call))
def test_a_crash_while_a_loss_is_accepted_leaves_a_store_that_opens(call: Call, marks: Marks) -> None:
    """Once the epoch is on disk the loss has been accepted: nobody is asked again."""
    disk = lose_to(store_with(3), store_with(7))
    disk.arm(crash(call))
    with pytest.raises(SimulatedCrash):
        lossy(disk)
    for survivors in range(disk.unsynced + 1):
        left = disk.after_crash(survivors=survivors, marks=marks)
        if call is Call.WRITE_MARK or survivors:
            engine = open_on(left)
        else:
            with pytest.raises(CorruptionError):
                open_on(left.after_crash())
            engine = lossy(left)
        assert [epoch.number for epoch in engine.execute(Status()).epochs] == [1, 2]
        assert engine.execute(numbered(20)).commit_ts == 4
        engine.close()


def test_commits_of_a_new_epoch_that_are_lost_are_noticed_although_the_old_mark_was_higher() -> None:
    disk = lose_to(store_with(3), store_with(7))
    engine = lossy(disk)
    engine.execute(numbered(20))
    engine.execute(numbered(21))
    before = disk.after_crash()
    engine.execute(numbered(22))
    engine.close()
    with pytest.raises(CorruptionError) as refused:
        open_on(lose_to(before, disk.after_crash()))
    assert (refused.value.missing, refused.value.expected_commit_ts) == (1, 6)


def test_the_number_of_an_epoch_that_was_lost_is_not_given_again() -> None:
    """A reference into the lost epoch must not mean a commit of the next one."""
    first = store_with(3)
    engine = lossy(second := lose_to(first, store_with(7)))
    for number in range(20, 25):
        engine.execute(numbered(number))
    engine.execute(transaction(30, Write(Z, value("z"))))
    cursor = engine.execute(Scan("default", "planner", limit=1)).cursor
    assert cursor is not None
    engine.close()
    disk = lose_to(first, second.after_crash())
    with pytest.raises(CorruptionError, match="epoch 2"):
        open_on(disk.after_crash())
    again = lossy(disk)
    for number in range(40, 50):
        again.execute(numbered(number))
    assert again.execute(Status()).epoch == 3
    with pytest.raises(StoreChangedError):
        again.execute(Scan("default", "planner", limit=1, cursor=cursor))
    again.close()


def test_references_into_replaced_history_are_refused_and_older_ones_hold() -> None:
    full = FaultStore()
    engine = open_on(full)
    engine.execute(numbered(1))
    engine.execute(transaction(2, Write(Z, value("z"))))
    early = engine.execute(Scan("default", "planner", limit=1)).cursor
    status = engine.execute(Status())
    short = full.after_crash()
    engine.execute(numbered(3))
    late = engine.execute(Scan("default", "planner", limit=1)).cursor
    engine.close()
    assert early is not None
    assert late is not None
    again = lossy(lose_to(short, full.after_crash()))
    of_store = {"store_id": status.store_id, "epoch": status.epoch}
    with pytest.raises(StoreChangedError):
        again.execute(Scan("default", "planner", limit=1, cursor=late))
    with pytest.raises(StoreChangedError):
        again.execute(replace(numbered(3), made_at_ts=3, **of_store))  # type: ignore[arg-type]
    assert again.execute(LookupTxn(numbered(3).txn_id)).outcome == "absent"
    assert len(again.execute(Scan("default", "planner", limit=1, cursor=early)).entries) == 1
    repeated = again.execute(replace(numbered(1), made_at_ts=0, **of_store))  # type: ignore[arg-type]
    assert (repeated.commit_ts, repeated.repeated) == (1, True)
    again.close()


def trace_of(number: int) -> Commit:
    return replace(numbered(number), origin=Origin(run_id="run"))


@pytest.mark.parametrize(
    "ask", [Replay(limit=1), Replay("default", limit=1), FindEvents("run", "run", limit=1)]
)
def test_a_replay_goes_on_up_to_where_history_was_replaced_and_not_behind(ask: Replay | FindEvents) -> None:
    """The first commit of the new epoch follows the last one that was kept, and nothing else."""
    full = FaultStore()
    engine = open_on(full)
    pages = []
    for number in range(1, 6):
        engine.execute(trace_of(number))
        if number == 3:
            short = full.after_crash()
    request = ask
    for _ in range(5):
        pages.append(engine.execute(request))
        request = request.after(pages[-1])
    assert [page.events[0].commit_ts for page in pages] == [1, 2, 3, 4, 5]
    engine.close()
    again = lossy(lose_to(short, full.after_crash()))
    for number in range(40, 44):
        again.execute(trace_of(number))
    assert again.execute(Status()).epochs[-1].first_commit_ts == 4
    for page in pages[:3]:
        follows = again.execute(ask.after(page))
        assert follows.events[0].commit_ts == page.through_commit_ts + 1
        assert (follows.store_id, follows.epoch) == (page.store_id, 2)
    for page in pages[3:]:
        with pytest.raises(StoreChangedError, match="begin again from the start"):
            again.execute(ask.after(page))
    # What was read since goes on: a page behind the boundary is of the new epoch.
    assert again.execute(ask.after(follows)).events[0].txn_id == trace_of(41).txn_id
    again.close()


def test_another_store_s_marks_are_refused() -> None:
    other = FaultStore()
    engine = open_on(other, seed=b"other")
    engine.execute(numbered(1))
    engine.close()
    disk = lose_to(store_with(3), other.after_crash())
    with pytest.raises(CorruptionError, match="two stores"):
        open_on(disk.after_crash())
    again = lossy(disk)
    assert again.execute(Status()).epoch == 2
    again.close()
    open_on(disk.after_crash()).close()


def test_missing_marks_are_refused_once_there_is_something_to_lose() -> None:
    disk = lose_to(store_with(3), FaultStore())
    with pytest.raises(CorruptionError, match="mark"):
        open_on(disk.after_crash())
    lossy(disk).close()
    open_on(disk.after_crash()).close()


def test_a_store_without_commits_needs_no_mark() -> None:
    engine = open_on(lose_to(store_with(0), FaultStore()))
    assert engine.execute(Status()).epoch == 1
    engine.close()


def test_a_lost_log_in_which_nothing_was_is_made_anew() -> None:
    """Only the store's id is lost; nobody needs to accept that."""
    disk = lose_to(FaultStore(), store_with(0))
    engine = open_on(disk, seed=b"new")
    assert engine.execute(numbered(1)).commit_ts == 1
    engine.close()
    again = open_on(disk.after_crash())
    assert len(events_of(again)) == 1
    again.close()


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize("damage", ["torn", "flipped", "empty", "long"])
def test_one_damaged_slot_is_survived(slot: int, damage: str) -> None:
    disk = store_with(5)
    data = disk.read_marks()[slot]
    spoiled = {
        "torn": data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
        "flipped": bytes((data[0] ^ 1,)) + data[1:],
        "empty": b"",
        "long": data + b"\0",
    }[damage]
    disk.write_mark(slot, spoiled, sync=True)
    for number in range(6, 10):
        engine = open_on(disk)
        assert engine.execute(numbered(number)).commit_ts == number
        disk = disk.after_crash()
    engine.close()


def test_two_damaged_slots_are_refused() -> None:
    disk = store_with(5)
    for slot in (0, 1):
        disk.write_mark(slot, b"damaged", sync=True)
    with pytest.raises(CorruptionError, match="mark"):
        open_on(disk)


def test_a_lower_sequence_never_wins() -> None:
    store_id = bytes(16)
    older, newer = Mark(store_id, 1, 8, 100, "sync"), Mark(store_id, 1, 9, 50, "sync")
    assert newest_mark((pack_mark(older), pack_mark(newer))) == newer


def test_closing_under_durability_none_begins_no_epoch() -> None:
    disk = store_with(3)
    engine = lossy(disk, durability="none")
    engine.execute(numbered(4))
    engine.close()
    again = open_on(disk.after_crash())
    assert again.execute(Status()).epoch == 1
    assert len(events_of(again)) == 4
    again.close()


@pytest.mark.parametrize("survivors", [0, 1])
def test_a_crash_under_durability_none_begins_an_epoch(survivors: int) -> None:
    disk = store_with(3)
    engine = lossy(disk, durability="none")
    engine.execute(numbered(4))
    assert disk.unsynced == 1
    again = open_on(disk.after_crash(survivors=survivors))
    status = again.execute(Status())
    assert (status.epoch, status.commit_ts) == (2, 3 + survivors)
    assert status.epochs[-1].first_commit_ts == 4 + survivors
    again.close()
    engine.close()


def test_durability_none_loses_the_newest_commits_and_never_a_middle_one() -> None:
    disk = store_with(0)
    engine = lossy(disk, durability="none")
    for number in range(1, 11):
        engine.execute(numbered(number))
    assert disk.unsynced == 10
    for survivors in range(11):
        again = open_on(disk.after_crash(survivors=survivors))
        assert len(events_of(again)) == survivors
        assert_sound(again)
        again.close()
    engine.close()


def test_a_newer_format_is_refused_and_left_alone() -> None:
    disk = store_with(3)
    disk.write([(Table.META, META_FORMAT, b"2")])
    disk.sync()
    writes = disk.calls[Call.WRITE]
    with pytest.raises(FormatVersionError) as refused:
        open_on(disk)
    assert (refused.value.found, refused.value.supported) == (2, 1)
    assert disk.calls[Call.WRITE] == writes


def test_a_format_that_is_no_number_is_damage() -> None:
    disk = store_with(3)
    disk.write([(Table.META, META_FORMAT, b"one")])
    with pytest.raises(CorruptionError, match="format"):
        open_on(disk)


def test_a_full_disk_says_so_when_opening_has_to_write() -> None:
    disk = lose_to(store_with(3), store_with(7))
    disk.arm(refusal(1))
    with pytest.raises(OverloadedError) as refused:
        lossy(disk)
    assert refused.value.reason == "disk_full"


def test_a_store_whose_rows_about_itself_are_gone_is_refused() -> None:
    for name in (b"store_id", b"head", b"epochs", b"horizon"):
        disk = store_with(3)
        disk.write([(Table.META, name, None)])
        with pytest.raises(CorruptionError):
            open_on(disk)


def test_a_head_that_is_not_the_newest_event_is_refused() -> None:
    for commits in (2, 4):
        disk = store_with(3)
        head = store_with(commits).get(Table.META, b"head")
        disk.write([(Table.META, b"head", head)])
        with pytest.raises(CorruptionError):
            open_on(disk)
