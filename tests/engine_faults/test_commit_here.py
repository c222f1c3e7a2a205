"""A commit is made in the caller's thread where that takes no time, and nothing is done where it might."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from statehouse.engine import open_engine
from statehouse.engine.local import LocalEngine
from statehouse.errors import CorruptionError, PreconditionFailedError, RefusingWritesError
from statehouse.extend import Commit, Get, Payload, Precondition, RecordKey, Status, Write
from statehouse.protocol.values import BYTES
from tests.engine_faults.disks import Disk

NAME = RecordKey("default", "planner", "k")
_numbers = count(1)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def engine(disk: Disk) -> Iterator[LocalEngine]:
    opened = open_engine(disk, clock=disk)
    yield opened
    opened.close()


def commit(value: bytes = b"v", **fields: Precondition) -> Commit:
    preconditions = tuple(fields.values())
    return Commit(f"txn-{next(_numbers)}", (Write(NAME, Payload(BYTES, value)),), preconditions=preconditions)


def test_a_commit_that_takes_no_time_is_made_and_durable(disk: Disk, engine: LocalEngine) -> None:
    made = engine.commit_here(commit())
    assert made is not None
    assert engine.execute(Get(NAME)).entry.commit_ts == made.commit_ts == 1


def test_what_is_refused_is_refused(engine: LocalEngine) -> None:
    with pytest.raises(PreconditionFailedError):
        engine.commit_here(commit(wanted=Precondition(NAME, 7)))
    assert engine.commit_here(commit()) is not None


def test_damage_that_it_meets_ends_all_writing(disk: Disk, engine: LocalEngine) -> None:
    assert engine.commit_here(commit()) is not None
    disk.damaged = True
    # Of a key that it does not remember: it has to look.
    with pytest.raises(CorruptionError, match="a flipped bit"):
        engine.commit_here(commit(other=Precondition(RecordKey("default", "planner", "other"), 0)))
    disk.damaged = False
    assert engine.execute(Status()).state == "refusing_writes"
    with pytest.raises(RefusingWritesError):
        engine.execute(commit())


def test_after_a_long_sync_nothing_is_done_for_a_while(disk: Disk, engine: LocalEngine) -> None:
    disk.sync_s = 0.01
    assert engine.commit_here(commit()) is not None
    disk.sync_s = 0.0
    assert engine.commit_here(commit()) is None
    disk.now += 2
    # Other commits go the other way, and show that syncs are short again.
    for _ in range(20):
        engine.execute(commit())
    assert engine.commit_here(commit()) is not None


def test_a_disk_with_long_syncs_is_never_waited_for(disk: Disk, engine: LocalEngine) -> None:
    disk.sync_s = 0.002
    for _ in range(20):
        engine.execute(commit())
    disk.now += 10
    assert engine.commit_here(commit()) is None
    assert engine.execute(Get(NAME)).entry.version == 20


def test_while_somebody_else_commits_nothing_is_done(disk: Disk, engine: LocalEngine) -> None:
    disk.hold = threading.Event()
    other = engine.submit(commit())
    assert disk.syncing.wait(60)
    assert engine.commit_here(commit()) is None
    disk.hold.set()
    assert other.result(60).commit_ts == 1


def test_a_large_one_is_for_another_thread(engine: LocalEngine) -> None:
    assert engine.commit_here(commit(b"x" * 100_000)) is None


def test_a_closed_engine_does_nothing(disk: Disk) -> None:
    opened = open_engine(disk, clock=disk)
    opened.close()
    assert opened.commit_here(commit()) is None
