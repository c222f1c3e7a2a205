"""What disks do to files, and what opening the store then says: everything is there, or it is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from statehouse.engine import LocalEngine
from statehouse.engine.layout import META_FORMAT
from statehouse.engine.marks import newest_mark
from statehouse.errors import CorruptionError, FormatVersionError, StatehouseError, StoreChangedError
from statehouse.protocol.requests import Commit, LookupTxn, Scan, Status, Write
from statehouse.protocol.values import BYTES, Payload
from statehouse.storage import Table
from statehouse.storage.marks import read_marks
from statehouse.storage.rocksdb import RocksStore
from tests.crash.killing import Judge, kill_after, open_directory
from tests.engine_faults.workload import OTHER, assert_sound, events_of, filler, told

SLOT_BYTES = 4096


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as kill -9 left it: a part in tables, a part only in the log."""
    path = tmp_path_factory.mktemp("killed")
    for seed in (1, 2, 3):
        kill_after(60, path / "store", path / "ledger", seed=seed)
    return path


@pytest.fixture(scope="module")
def whole(killed: Path, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """What is in it when nothing else happens to it."""
    path = tmp_path_factory.mktemp("whole")
    shutil.copytree(killed / "store", path / "store")
    shutil.copy(killed / "ledger", path / "ledger")
    engine = open_directory(path / "store")
    found = told(engine)
    engine.close()
    Judge(path / "store", path / "ledger").judge()
    return found


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that was closed, opened, written and closed again."""
    path = tmp_path_factory.mktemp("closed") / "store"
    for first in (1, 21):
        engine = open_directory(path)
        for number in range(first, first + 20):
            value = Payload(BYTES, filler(f"{number}", 5000))
            engine.execute(Commit(f"closed {number}", (Write(OTHER, value),)))
        engine.close()
    return path


@pytest.fixture
def copy(killed: Path, tmp_path: Path) -> Path:
    """A copy of the killed directory, to be damaged."""
    shutil.copytree(killed / "store", tmp_path / "store")
    return tmp_path / "store"


def newest_log(directory: Path) -> Path:
    return max((directory / "rocks").glob("*.log"), key=lambda path: int(path.stem))


def manifest(directory: Path) -> Path:
    return directory / "rocks" / (directory / "rocks" / "CURRENT").read_text().strip()


def cut(path: Path, size_bytes: int) -> None:
    with path.open("r+b") as file:
        file.truncate(max(0, path.stat().st_size - size_bytes))


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes((byte[0] ^ 1,)))


def fresh_copies(source: Path, tmp_path: Path, count: int) -> Iterator[Path]:
    for number in range(count):
        path = tmp_path / f"copy {number}"
        shutil.copytree(source, path)
        yield path
        shutil.rmtree(path)


def acknowledged(directory: Path) -> int:
    """The newest commit that somebody was told of."""
    mark = newest_mark(read_marks(directory / "marks"))
    assert mark is not None
    return mark.commit_ts


def assert_all_or_refused(directory: Path, whole: list[object]) -> bool:
    """The store opens with all that was acknowledged, or is refused as damaged; says whether it opened."""
    least = acknowledged(directory)
    try:
        engine = open_directory(directory)
    except CorruptionError:
        return False
    try:
        kept = told(engine)
        assert len(kept) >= least
        assert kept == whole[: len(kept)]
        assert_sound(engine)
    finally:
        engine.close()
    return True


def test_a_killed_store_opens_with_everything(killed: Path, whole: list[object], tmp_path: Path) -> None:
    (path,) = fresh_copies(killed / "store", tmp_path, 1)
    shutil.copytree(killed / "store", path)
    assert assert_all_or_refused(path, whole)


@pytest.mark.parametrize("damage", ["emptied", "deleted"])
def test_a_lost_log_is_refused_and_the_loss_is_counted(copy: Path, whole: list[object], damage: str) -> None:
    log, acknowledged_before = newest_log(copy), acknowledged(copy)
    if damage == "emptied":
        cut(log, log.stat().st_size)
    else:
        log.unlink()
    with pytest.raises(CorruptionError) as refused:
        open_directory(copy)
    assert refused.value.expected_commit_ts == acknowledged_before
    assert 0 < refused.value.missing <= len(whole)
    engine = open_directory(copy, accept_data_loss=True)
    kept = told(engine)
    assert kept == whole[: len(kept)]
    assert len(kept) == acknowledged_before - refused.value.missing
    assert engine.execute(Status()).epoch == 2
    assert_sound(engine)
    engine.close()


def test_a_log_that_was_cut_is_refused_and_what_is_left_is_a_beginning(
    killed: Path, whole: list[object], tmp_path: Path
) -> None:
    size = newest_log(killed / "store").stat().st_size
    refused = 0
    for number, path in enumerate(fresh_copies(killed / "store", tmp_path, 8), 1):
        cut(newest_log(path), size * number // 9)
        if assert_all_or_refused(path, whole):
            # The end of the log was of commits that nobody was told of.
            continue
        refused += 1
        engine = open_directory(path, accept_data_loss=True)
        kept = told(engine)
        assert len(kept) < len(whole)
        assert kept == whole[: len(kept)]
        assert_sound(engine)
        engine.close()
    assert refused >= 4


def test_a_flipped_bit_in_the_log_is_refused(killed: Path, whole: list[object], tmp_path: Path) -> None:
    size = newest_log(killed / "store").stat().st_size
    for number, path in enumerate(fresh_copies(killed / "store", tmp_path, 12)):
        flip(newest_log(path), size * number // 12 + 3)
        assert not assert_all_or_refused(path, whole)


@pytest.mark.parametrize("size_bytes", [1, 7, 20, 100, 300, 1000, 3000])
def test_a_cut_manifest_is_refused_or_harmless(copy: Path, whole: list[object], size_bytes: int) -> None:
    cut(manifest(copy), size_bytes)
    assert_all_or_refused(copy, whole)


@pytest.mark.parametrize("size_bytes", [1, 20, 60, 100, 200, 400, 700, 1000, 2000])
def test_a_cut_manifest_of_a_closed_store_is_refused_or_harmless(
    closed: Path, tmp_path: Path, size_bytes: int
) -> None:
    path, again = tmp_path / "store", tmp_path / "whole"
    shutil.copytree(closed, path)
    shutil.copytree(closed, again)
    engine = open_directory(again)
    expected = told(engine)
    engine.close()
    cut(manifest(path), size_bytes)
    assert_all_or_refused(path, expected)


def test_a_loss_that_left_halves_of_commits_cannot_be_accepted(tmp_path: Path) -> None:
    """One table was written to its file before the log was lost, and the others were not."""
    path = tmp_path / "store"
    engine = open_directory(path)
    values = [Payload(BYTES, bytes((number,)) * 1000) for number in range(64)]
    store = engine._state.store
    for number, payload in enumerate(values):
        engine.execute(Commit(f"{number}", (Write(OTHER, payload),)))
        if number == 31:
            assert isinstance(store, RocksStore)
            store._families[Table.NAMES].flush()
    files = tmp_path / "files"
    shutil.copytree(path, files)
    engine.close()
    for log in (files / "rocks").glob("*.log"):
        cut(log, log.stat().st_size)
    for accepted in (False, True):
        with pytest.raises(CorruptionError):
            open_directory(files, accept_data_loss=accepted)


def delete_marks(directory: Path) -> None:
    (directory / "marks").unlink()


def zero_marks(directory: Path) -> None:
    (directory / "marks").write_bytes(bytes(2 * SLOT_BYTES))


def empty_marks(directory: Path) -> None:
    (directory / "marks").write_bytes(b"")


def spoil_both_slots(directory: Path) -> None:
    flip(directory / "marks", 10)
    flip(directory / "marks", SLOT_BYTES + 10)


@pytest.mark.parametrize("damage", [delete_marks, zero_marks, empty_marks, spoil_both_slots])
def test_without_a_mark_nobody_can_say_and_it_is_refused(
    copy: Path, whole: list[object], damage: Callable[[Path], None]
) -> None:
    damage(copy)
    for _ in range(2):
        with pytest.raises(CorruptionError, match="mark"):
            open_directory(copy)
    engine = open_directory(copy, accept_data_loss=True)
    assert told(engine) == whole
    assert engine.execute(Status()).epoch == 2
    engine.close()
    open_directory(copy).close()


@pytest.mark.parametrize("slot", [0, 1])
def test_one_torn_slot_of_the_mark_file_is_survived(copy: Path, whole: list[object], slot: int) -> None:
    with (copy / "marks").open("r+b") as file:
        file.seek(slot * SLOT_BYTES + 20)
        file.write(bytes(SLOT_BYTES - 20))
    assert assert_all_or_refused(copy, whole)


def test_a_mark_file_cut_to_its_first_slot_is_survived(copy: Path, whole: list[object]) -> None:
    cut(copy / "marks", SLOT_BYTES)
    assert assert_all_or_refused(copy, whole)
    assert (copy / "marks").stat().st_size == 2 * SLOT_BYTES


def test_the_marks_of_another_store_are_refused(copy: Path, closed: Path) -> None:
    shutil.copy(closed / "marks", copy / "marks")
    with pytest.raises(CorruptionError, match="two stores"):
        open_directory(copy)


def test_the_log_of_another_store_is_refused(copy: Path, whole: list[object], tmp_path: Path) -> None:
    kill_after(30, tmp_path / "other", tmp_path / "ledger", seed=77)
    shutil.copy(newest_log(tmp_path / "other"), newest_log(copy))
    assert not assert_all_or_refused(copy, whole)


def test_a_kill_under_durability_none_begins_an_epoch(tmp_path: Path) -> None:
    kill_after(30, tmp_path / "store", tmp_path / "ledger", seed=5, durability="none")
    engine = open_directory(tmp_path / "store")
    status = engine.execute(Status())
    assert (status.epoch, status.epochs[-1].first_commit_ts) == (2, status.commit_ts + 1)
    assert_sound(engine)
    engine.close()
    again = open_directory(tmp_path / "store")
    assert again.execute(Status()).epoch == 2
    again.close()


def commit_in_epoch(engine: LocalEngine, txn_id: str, *, made_at_ts: int, epoch: int) -> None:
    status = engine.execute(Status())
    engine.execute(
        Commit(
            txn_id,
            (Write(OTHER, Payload(BYTES, b"")),),
            made_at_ts=made_at_ts,
            store_id=status.store_id,
            epoch=epoch,
        )
    )


def test_what_named_the_lost_history_is_told_that_it_changed(copy: Path) -> None:
    shutil.copytree(copy, elsewhere := copy.with_name("elsewhere"))
    engine = open_directory(elsewhere)
    cursor = engine.execute(Scan("shared", "all", limit=1)).cursor
    newest = engine.execute(Status()).commit_ts
    txn_id = events_of(engine)[-1].txn_id
    engine.close()
    log = newest_log(copy)
    cut(log, log.stat().st_size)
    again = open_directory(copy, accept_data_loss=True)
    assert cursor is not None
    with pytest.raises(StoreChangedError):
        again.execute(Scan("shared", "all", limit=1, cursor=cursor))
    with pytest.raises(StoreChangedError):
        commit_in_epoch(again, txn_id, made_at_ts=newest, epoch=1)
    assert again.execute(LookupTxn(txn_id)).outcome == "absent"
    again.close()


def test_a_newer_format_is_refused(copy: Path) -> None:
    store = RocksStore.open(copy, free_bytes_min=0)
    store.write([(Table.META, META_FORMAT, b"2")])
    store.sync()
    store.close()
    with pytest.raises(FormatVersionError) as refused:
        open_directory(copy)
    assert (refused.value.found, refused.value.supported) == (2, 1)


def read_everything(path: Path) -> None:
    engine = open_directory(path)
    try:
        told(engine)
        assert_sound(engine)
    finally:
        engine.close()


def test_a_lost_table_file_is_refused(closed: Path, tmp_path: Path) -> None:
    files = [path.name for path in (closed / "rocks").glob("*.sst")]
    for name, path in zip(files, fresh_copies(closed, tmp_path, len(files)), strict=True):
        (path / "rocks" / name).unlink()
        with pytest.raises(CorruptionError):
            read_everything(path)


def test_a_refused_store_is_left_as_it_was(copy: Path) -> None:
    """Whoever refuses to open must not be the one who makes it worse."""
    log = newest_log(copy)
    cut(log, log.stat().st_size // 2)
    for _ in range(2):
        with pytest.raises(CorruptionError) as refused:
            open_directory(copy)
        assert refused.value.missing >= 1
    assert isinstance(refused.value, StatehouseError)
