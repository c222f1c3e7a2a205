"""The fault store keeps what a disk would keep, and fails where it is told to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from statehouse.storage import NotWrittenError, Store, Table
from statehouse.storage.memory import MemoryStore
from statehouse.testing.clock import ManualClock
from statehouse.testing.faults import (
    Call,
    Fault,
    FaultStore,
    Marks,
    Moment,
    SimulatedCrash,
    crash,
    refusal,
)


def write(store: Store, number: int) -> None:
    store.write([(Table.NAMES, b"%d" % number, b""), (Table.EVENTS, b"%d" % number, b"")])


def numbers(store: Store) -> list[int]:
    names, events = ([int(k) for k, _ in store.scan(t, b"", b"\xff")] for t in (Table.NAMES, Table.EVENTS))
    assert names == events, "a batch is whole or not at all (I1)"
    return names


def test_what_was_synced_survives_a_crash_and_what_was_not_does_not() -> None:
    store = FaultStore()
    write(store, 1)
    store.sync()
    write(store, 2)
    assert numbers(store.after_crash()) == [1]


@pytest.mark.parametrize("survivors", [0, 1, 2, 3])
def test_a_prefix_of_the_unsynced_writes_may_survive_too(survivors: int) -> None:
    store = FaultStore()
    for number in range(3):
        write(store, number)
    assert numbers(store.after_crash(survivors=survivors)) == list(range(survivors))


@pytest.mark.parametrize("survivors", [-1, 2])
def test_writes_that_never_were_cannot_survive(survivors: int) -> None:
    store = FaultStore()
    write(store, 1)
    with pytest.raises(ValueError, match=f"{survivors} writes cannot survive; 1 are not synced"):
        store.after_crash(survivors=survivors)


@pytest.mark.parametrize("moment, left", [(Moment.BEFORE, []), (Moment.AFTER, [1])])
def test_a_crash_at_a_sync_comes_before_or_after_its_effect(moment: Moment, left: list[int]) -> None:
    store = FaultStore()
    store.arm(crash(Call.SYNC, moment=moment))
    write(store, 1)
    with pytest.raises(SimulatedCrash):
        store.sync()
    assert numbers(store.after_crash()) == left


def test_a_scenario_can_be_crashed_at_each_of_its_syncs() -> None:
    def scenario(store: Store) -> None:
        for number in range(3):
            write(store, number)
            store.sync()

    counted = FaultStore()
    scenario(counted)
    left = []
    for nth in range(1, counted.calls[Call.SYNC] + 1):
        store = FaultStore()
        store.arm(crash(Call.SYNC, nth))
        with pytest.raises(SimulatedCrash):
            scenario(store)
        left.append(numbers(store.after_crash()))
    assert left == [[], [0], [0, 1]]


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get(Table.NAMES, b""),
        lambda store: store.get_many(Table.NAMES, [b""]),
        lambda store: store.scan(Table.NAMES, b"", b"x"),
        lambda store: write(store, 1),
        lambda store: store.sync(),
        lambda store: store.write_mark(0, b""),
        lambda store: store.read_marks(),
        lambda store: store.refresh(),
        lambda store: store.compact(),
        lambda store: store.size_bytes(),
        lambda store: store.details(),
    ],
)
def test_nothing_works_after_a_crash(call: Callable[[Store], object]) -> None:
    store = FaultStore()
    store.arm(crash(Call.SYNC))
    with pytest.raises(SimulatedCrash):
        store.sync()
    with pytest.raises(SimulatedCrash, match="the store crashed at sync 1"):
        call(store)


def test_closing_a_crashed_store_makes_nothing_durable() -> None:
    store = FaultStore()
    store.arm(crash(Call.SYNC))
    write(store, 1)
    with pytest.raises(SimulatedCrash):
        store.sync()
    store.close()
    assert numbers(store.after_crash()) == []


def test_closing_makes_everything_durable() -> None:
    store = FaultStore()
    write(store, 1)
    store.write_mark(0, b"mark")
    store.close()
    again = store.after_crash()
    assert (numbers(again), again.read_marks()) == ([1], (b"mark", b""))


def test_a_refused_write_applies_nothing_and_the_store_goes_on() -> None:
    store = FaultStore()
    store.arm(refusal(2, "stall"))
    write(store, 1)
    with pytest.raises(NotWrittenError) as caught:
        write(store, 2)
    write(store, 3)
    assert (caught.value.reason, numbers(store), store.pending) == ("stall", [1, 3], 0)


@pytest.mark.parametrize("moment, seen", [(Moment.BEFORE, []), (Moment.AFTER, [1])])
def test_a_write_can_fail_with_any_error_before_or_after_it_is_applied(
    moment: Moment, seen: list[int]
) -> None:
    store = FaultStore()
    store.arm(Fault(Call.WRITE, 1, lambda: OSError("a bad disk"), moment))
    with pytest.raises(OSError, match="a bad disk"):
        write(store, 1)
    assert numbers(store) == seen


def test_a_failed_sync_makes_nothing_durable() -> None:
    store = FaultStore()
    store.arm(Fault(Call.SYNC, 1, lambda: OSError("a bad disk")))
    write(store, 1)
    with pytest.raises(OSError, match="a bad disk"):
        store.sync()
    assert (numbers(store), numbers(store.after_crash())) == ([1], [])


def test_a_failed_mark_leaves_the_slot() -> None:
    store = FaultStore()
    store.write_mark(0, b"old")
    store.arm(Fault(Call.WRITE_MARK, 1, lambda: OSError("a bad disk")))
    with pytest.raises(OSError, match="a bad disk"):
        store.write_mark(0, b"new")
    assert store.read_marks() == (b"old", b"")


def test_faults_count_from_when_they_are_armed() -> None:
    store = FaultStore()
    write(store, 1)
    store.arm(refusal(1))
    with pytest.raises(NotWrittenError):
        write(store, 2)
    assert store.calls == {Call.WRITE: 2}


@pytest.mark.parametrize(
    "marks, left",
    [
        (Marks.SYNCED, (b"synced", b"")),
        (Marks.WRITTEN, (b"synced", b"written")),
        (Marks.TORN, (b"synced", b"wri\0\0\0\0")),
    ],
)
def test_the_mark_file_may_be_left_behind_ahead_or_torn(marks: Marks, left: tuple[bytes, bytes]) -> None:
    store = FaultStore()
    store.write_mark(0, b"synced", sync=True)
    store.write_mark(1, b"written")
    assert store.after_crash(marks=marks).read_marks() == left


def test_a_torn_mark_ends_as_the_old_one_did() -> None:
    store = FaultStore()
    store.write_mark(0, b"oldoldold", sync=True)
    store.write_mark(0, b"newnew")
    assert store.after_crash(marks=Marks.TORN).read_marks()[0] == b"newold"


def test_syncing_a_mark_syncs_both_slots_and_not_the_log() -> None:
    store = FaultStore()
    write(store, 1)
    store.write_mark(0, b"zero")
    store.write_mark(1, b"one", sync=True)
    left = store.after_crash()
    assert (left.read_marks(), numbers(left)) == ((b"zero", b"one"), [])


def test_rows_already_in_the_inner_store_are_durable() -> None:
    inner = MemoryStore()
    write(inner, 1)
    inner.write_mark(0, b"mark")
    left = FaultStore(inner).after_crash()
    assert (numbers(left), left.read_marks()) == ([1], (b"mark", b""))


def test_the_manual_clock_moves_only_by_hand() -> None:
    clock = ManualClock(wall_us=10)
    clock.advance(0.5)
    clock.set_wall_us(3)
    clock.advance(0.25)
    assert (clock.now_us(), clock.monotonic()) == (250_003, 0.75)


def test_the_manual_clock_does_not_advance_backwards() -> None:
    with pytest.raises(ValueError, match="set_wall_us"):
        ManualClock().advance(-1)
