"""What a store on disk does beyond the contract: who may open it, what it leaves, damage, forks."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from statehouse.errors import (
    CorruptionError,
    DirectoryLockedError,
    EngineError,
    InvalidArgumentError,
    NotFoundError,
)
from statehouse.storage import NotWrittenError, Row, Table
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.contracts.storage import rows_of
from tests.storage.processes import killed_after, python, run

ROW: Row = (Table.NAMES, b"key", b"value")


def test_opening_makes_a_directory_that_only_its_owner_may_enter(store: RocksStore, path: Path) -> None:
    assert (path.stat().st_mode & 0o777, sorted(entry.name for entry in path.iterdir())) == (
        0o700,
        [".manifest", "holder", "marks", "rocks"],
    )


def test_opening_makes_the_directories_above(tmp_path: Path) -> None:
    RocksStore.open(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b" / "rocks").is_dir()


def test_a_relative_path_stays_where_it_was_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = RocksStore.open(Path("here"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.write([ROW])
    assert store.size_bytes() > 0
    store.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["elsewhere", "here"]


@pytest.mark.parametrize("name", [".gitkeep", "lost+found"])
def test_a_directory_with_what_is_nobodys_data_is_empty(path: Path, name: str) -> None:
    path.mkdir()
    (path / name).touch()
    RocksStore.open(path).close()


def test_a_path_that_is_a_file_is_refused(path: Path) -> None:
    path.write_text("a file")
    with pytest.raises(InvalidArgumentError, match="is not a directory"):
        RocksStore.open(path)


def test_a_path_below_a_file_is_refused(path: Path) -> None:
    path.write_text("a file")
    with pytest.raises(InvalidArgumentError, match="is not a directory"):
        RocksStore.open(path / "below")


def test_a_path_that_cannot_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be used"):
        RocksStore.open(tmp_path / "\0")


def test_a_directory_of_something_else_is_refused_and_left_alone(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidArgumentError, match=r"not empty and is not a store.*thesis\.tex"):
        RocksStore.open(path)
    assert [entry.name for entry in path.iterdir()] == ["thesis.tex"]


def test_a_bare_rocksdb_directory_is_refused(path: Path) -> None:
    Rdict(str(path), options=Options(raw_mode=True)).close()
    with pytest.raises(InvalidArgumentError, match="not empty and is not a store"):
        RocksStore.open(path)


@pytest.mark.needs("root")
def test_a_directory_without_permission_is_refused(path: Path) -> None:
    path.mkdir(mode=0o755)
    path.chmod(0o555)
    script = """
        from statehouse.errors import InvalidArgumentError
        import rocksdict
        os.setgid(65534), os.setuid(65534)
        try:
            RocksStore.open(path)
        except InvalidArgumentError as error:
            print(error)
    """
    for above in (path.parent, path.parent.parent, path.parent.parent.parent):
        above.chmod(0o755)
    assert "no permission" in run(script, path)


def test_a_store_without_its_current_file_is_not_replaced_by_an_empty_one(path: Path) -> None:
    store = RocksStore.open(path)
    store.write([ROW])
    store.close()
    (path / "rocks" / "CURRENT").unlink()
    with pytest.raises(CorruptionError, match="CURRENT"):
        RocksStore.open(path)
    assert list((path / "rocks").glob("*.sst"))


def test_a_store_whose_files_are_gone_but_whose_marks_are_not_is_not_replaced_either(path: Path) -> None:
    store = RocksStore.open(path)
    store.write_mark(0, b"a thousand commits")
    store.close()
    for file in (path / "rocks").iterdir():
        file.unlink()
    with pytest.raises(CorruptionError, match="CURRENT"):
        RocksStore.open(path)


def test_a_store_without_its_manifest_is_corrupt(path: Path) -> None:
    RocksStore.open(path).close()
    next((path / "rocks").glob("MANIFEST-*")).unlink()
    with pytest.raises(CorruptionError, match="restore the directory from a backup"):
        RocksStore.open(path)


def test_a_store_whose_creation_was_cut_short_is_finished(path: Path) -> None:
    path.mkdir()
    Rdict(str(path / "rocks"), options=Options(raw_mode=True)).close()
    store = RocksStore.open(path)
    store.write([(table, b"key", b"value") for table in Table])
    assert all(store.get(table, b"key") == b"value" for table in Table)
    store.close()


def test_tables_of_a_newer_format_do_not_keep_a_store_from_opening(path: Path) -> None:
    RocksStore.open(path).close()
    tables = {name: Options(raw_mode=True) for name in Rdict.list_cf(str(path / "rocks"))}
    database = Rdict(str(path / "rocks"), options=Options(raw_mode=True), column_families=tables)
    database.create_column_family("from_the_future", Options(raw_mode=True)).close()
    database.close()
    store = RocksStore.open(path)
    store.write([ROW])
    store.close()
    assert "from_the_future" in Rdict.list_cf(str(path / "rocks"))


def test_importing_statehouse_does_not_load_rocksdict(path: Path) -> None:
    script = "import statehouse, statehouse.storage, sys; print('rocksdict' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_second_open_in_one_process_is_refused_and_harms_nothing(store: RocksStore, path: Path) -> None:
    with pytest.raises(DirectoryLockedError, match="in this process already") as caught:
        RocksStore.open(path)
    store.write([ROW])
    store.sync()
    assert (caught.value.path, caught.value.holder) == (str(path), {"pid": os.getpid()})


def test_a_failed_read_does_not_keep_the_directory_locked_after_close(path: Path) -> None:
    store = damaged(path)
    with pytest.raises(CorruptionError) as caught:
        store.scan(Table.NAMES, b"", b"\xff", rows_max=10_000)
    store.close()
    RocksStore.open(path).close()
    assert caught.value.__traceback__ is not None


def test_a_read_only_store_reads_what_the_other_process_wrote(store: RocksStore, path: Path) -> None:
    store.write([(Table.SEGMENTS, b"large", b"x" * 10_000), ROW])
    store.write_mark(0, b"mark")
    script = """
        store = RocksStore.open(path, read_only=True)
        print(store.read_only, store.get(Table.NAMES, b"key"), len(store.get(Table.SEGMENTS, b"large")))
        print(store.read_marks())
        store.close()
    """
    assert run(script, path) == "True b'value' 10000\n(b'mark', b'')"


def test_a_read_only_store_catches_up_on_refresh(store: RocksStore, path: Path) -> None:
    reader = RocksStore.open(path, read_only=True)
    store.write([ROW])
    before = reader.get(Table.NAMES, b"key")
    reader.refresh()
    assert (before, rows_of(reader)) == (None, [(b"key", b"value")])
    reader.close()


def test_a_read_only_store_catches_up_over_compactions(store: RocksStore, path: Path) -> None:
    store.write([(Table.SEGMENTS, b"%d" % number, bytes(5000)) for number in range(100)])
    store.compact()
    reader = RocksStore.open(path, read_only=True)
    store.write([(Table.SEGMENTS, b"%d" % number, None) for number in range(0, 100, 2)])
    store.compact()
    reader.refresh()
    assert len(rows_of(reader, Table.SEGMENTS)) == 50
    reader.close()


def test_a_read_only_store_outlives_the_writing_one(store: RocksStore, path: Path) -> None:
    store.write([ROW])
    reader = RocksStore.open(path, read_only=True)
    store.close()
    reader.refresh()
    assert reader.get(Table.NAMES, b"key") == b"value"
    reader.close()


def test_a_read_only_store_sees_what_was_written_right_before_the_end(store: RocksStore, path: Path) -> None:
    store.write([ROW])
    reader = RocksStore.open(path, read_only=True)
    assert reader.get(Table.NAMES, b"key") == b"value"
    store.write([(Table.NAMES, b"key", b"last"), (Table.NAMES, b"more", b"")])
    store.close()
    reader.refresh()
    assert rows_of(reader) == [(b"key", b"last"), (b"more", b"")]
    reader.close()


def test_a_read_only_store_outlives_many_writing_ones(
    store: RocksStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    store.write([ROW])
    store.close()
    reader = RocksStore.open(path, read_only=True)
    for number in range(5):
        writer = RocksStore.open(path)
        writer.write([(Table.NAMES, b"key", b"%d" % number)])
        if number % 2:
            reader.refresh()
        writer.write([(Table.NAMES, b"key", b"%d!" % number)])
        writer.close()
        reader.refresh()
        assert reader.get(Table.NAMES, b"key") == b"%d!" % number
    assert len(list((tmp_path / "temporary").iterdir())) <= 2
    reader.close()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_page_that_is_read_while_the_store_is_opened_again_is_whole(store: RocksStore, path: Path) -> None:
    store.write([(Table.SEGMENTS, b"%04d" % number, bytes(100)) for number in range(500)])
    reader = RocksStore.open(path, read_only=True)
    done = threading.Event()
    sizes: set[int] = set()

    def read() -> None:
        while not done.is_set():
            sizes.add(len(rows_of(reader, Table.SEGMENTS)))

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read)
        writer = store
        for _ in range(10):
            writer.close()
            writer = RocksStore.open(path)
            writer.write([ROW])
            reader.refresh()
        done.set()
        reading.result(60)
    writer.close()
    reader.close()
    assert sizes == {500}


def test_a_read_only_store_refuses_everything_that_changes_it(store: RocksStore, path: Path) -> None:
    reader = RocksStore.open(path, read_only=True)
    changes: list[Callable[[], None]] = [
        lambda: reader.write([ROW]),
        lambda: reader.write_mark(0, b""),
        reader.compact,
    ]
    for change in changes:
        with pytest.raises(EngineError, match="read-only"):
            change()
    reader.close()


def test_a_read_only_store_leaves_nothing_behind(
    store: RocksStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    reader = RocksStore.open(path, read_only=True)
    during = len(list((tmp_path / "temporary").iterdir()))
    reader.close()
    assert (during, list((tmp_path / "temporary").iterdir())) == (1, [])


def test_there_must_be_a_store_to_read(path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no store"):
        RocksStore.open(path, read_only=True)
    assert not path.exists()


def test_ten_thousand_random_values_take_their_own_size_after_close(path: Path) -> None:
    store = RocksStore.open(path, free_bytes_min=0)
    count, size = 2_000, 10 * 1024
    for number in range(0, count, 10):
        store.write([(Table.SEGMENTS, b"%08d" % (number + i), os.urandom(size)) for i in range(10)])
    store.close()
    assert store.size_bytes() < 1.10 * count * size


def test_close_leaves_no_log_to_replay(path: Path) -> None:
    store = RocksStore.open(path)
    store.write([(table, b"key", b"value") for table in Table])
    store.close()
    assert [file.stat().st_size for file in (path / "rocks").glob("*.log")] == [0]


def test_compaction_gives_back_the_space_of_deleted_values(store: RocksStore) -> None:
    store.write([(Table.SEGMENTS, b"%d" % number, os.urandom(100_000)) for number in range(50)])
    store.compact()
    full = store.size_bytes()
    store.write([(Table.SEGMENTS, b"%d" % number, None) for number in range(50)])
    store.compact()
    store.compact()
    assert full - store.size_bytes() > 45 * 100_000


def test_what_was_written_survives_a_killed_process(path: Path) -> None:
    script = """
        store = RocksStore.open(path)
        for number in range(1000):
            key = b"%04d" % number
            store.write([(Table.NAMES, key, b"v"), (Table.SEGMENTS, key, bytes(3000))])
            store.write_mark(number % 2, b"%d" % number)
        print("ready", flush=True)
        os.read(0, 1)
    """
    killed_after(script, path)
    store = RocksStore.open(path)
    assert (len(rows_of(store)), len(rows_of(store, Table.SEGMENTS))) == (1000, 1000)
    assert store.read_marks() == (b"998", b"999")
    store.close()


def test_a_mark_file_that_was_cut_reads_as_far_as_it_goes(path: Path) -> None:
    store = RocksStore.open(path)
    store.write_mark(0, b"zero")
    store.write_mark(1, b"one")
    store.close()
    os.truncate(path / "marks", 4096)
    store = RocksStore.open(path)
    assert store.read_marks() == (b"zero", b"")
    store.close()


def test_a_slot_with_an_impossible_length_reads_as_empty(path: Path) -> None:
    store = RocksStore.open(path)
    store.write_mark(1, b"one")
    with (path / "marks").open("r+b") as file:
        file.write(b"\xff\xff rubbish")
    assert store.read_marks() == (b"", b"one")
    store.close()


def damaged(path: Path) -> RocksStore:
    """A store with one damaged block in the middle of a table."""
    store = RocksStore.open(path)
    store.write([(Table.NAMES, b"%06d" % number, os.urandom(100)) for number in range(3000)])
    store.close()
    file = max((path / "rocks").glob("*.sst"), key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    return RocksStore.open(path)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_over_a_damaged_block_is_an_error_and_not_the_end(path: Path, reverse: bool) -> None:
    store = damaged(path)
    with pytest.raises(CorruptionError, match="table 'names'"):
        store.scan(Table.NAMES, b"", b"\xff", reverse=reverse, rows_max=10_000)
    store.close()


@pytest.mark.parametrize("at_once", [1, 10, 100])
def test_a_read_of_a_damaged_block_is_an_error_and_not_absence(path: Path, at_once: int) -> None:
    store = damaged(path)
    errors = 0
    for number in range(0, 3000, at_once):
        keys = [b"%06d" % (number + i) for i in range(at_once)]
        try:
            found = [store.get(Table.NAMES, keys[0])] if at_once == 1 else store.get_many(Table.NAMES, keys)
            assert None not in found
        except CorruptionError:
            errors += 1
    assert errors > 0
    store.close()


def test_writing_stops_while_the_disk_has_too_little_room(path: Path) -> None:
    store = RocksStore.open(path, free_bytes_min=1 << 60)
    with pytest.raises(NotWrittenError, match="free_bytes_min") as caught:
        store.write([ROW])
    assert (caught.value.reason, store.get(Table.NAMES, b"key")) == ("disk_full", None)
    store.close()


def test_a_write_that_meets_a_stall_is_refused_after_waiting(path: Path) -> None:
    store = RocksStore.open(path, stall_seconds_max=0.05)
    stop_writing(store)
    with pytest.raises(NotWrittenError) as caught:
        store.write([ROW])
    assert (caught.value.reason, store.get(Table.NAMES, b"key")) == ("stall", None)
    assert int(store.details()["write stalls"]) > 0
    store.close()


def test_a_write_that_meets_a_stall_is_applied_once_that_is_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RocksStore.open(path)
    stop_writing(store)

    def let_write(_: float) -> None:
        store._families[Table.NAMES].set_options({"level0_stop_writes_trigger": "36"})

    monkeypatch.setattr("statehouse.storage.rocksdb.time.sleep", let_write)
    store.write([ROW])
    assert (rows_of(store)[-1], store.details()["write stalls"]) == ((b"key", b"value"), "1")
    store.close()


def stop_writing(store: RocksStore) -> None:
    """Brings RocksDB to where it refuses to write until it has compacted, which it sees no reason to."""
    names = store._families[Table.NAMES]
    names.set_options({"level0_file_num_compaction_trigger": "100"})
    for number in range(3):
        store.write([(Table.NAMES, b"%d" % number, b"")])
        names.flush()
    names.set_options({"level0_slowdown_writes_trigger": "100", "level0_stop_writes_trigger": "2"})


def test_close_waits_for_no_garbage_collection(path: Path) -> None:
    gc.disable()
    try:
        store = RocksStore.open(path)
        store.write([ROW])
        store.scan(Table.NAMES, b"", b"\xff")
        store.close()
        RocksStore.open(path).close()
    finally:
        gc.enable()


def test_a_process_that_forgot_to_close_ends_and_loses_nothing(path: Path) -> None:
    run("store = RocksStore.open(path); store.write([(Table.NAMES, b'key', b'value')])", path)
    store = RocksStore.open(path)
    assert rows_of(store) == [(b"key", b"value")]
    store.close()


def test_an_abandoned_store_touches_no_file(path: Path) -> None:
    script = """
        store = RocksStore.open(path)
        store.write([(Table.NAMES, b"key", b"value")])
        store.abandon()
        store.abandon()
        store.close()
        names = sorted(os.listdir(path / "rocks"))
        del store
        print(names == sorted(os.listdir(path / "rocks")), (path / "holder").exists())
    """
    assert run(script, path) == "True True"
    store = RocksStore.open(path)
    assert rows_of(store) == [(b"key", b"value")]
    store.close()


@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)"])
def test_a_forked_child_that_abandons_ends_cleanly_and_harms_nothing(path: Path, leave: str) -> None:
    script = f"""
        import warnings
        from statehouse.errors import ForkedProcessError
        store = RocksStore.open(path)
        for number in range(500):
            store.write([(Table.NAMES, b"%04d" % number, b"v" * 1000)])
        store.sync()
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads.
        child = os.fork()
        if child == 0:
            store.abandon()
            try:
                store.get(Table.NAMES, b"0000")
            except ForkedProcessError:
                {leave}
            os._exit(1)
        print(os.waitpid(child, 0)[1])
        for number in range(500, 1000):
            store.write([(Table.NAMES, b"%04d" % number, b"v" * 1000)])
        store.sync()
        store.abandon()
    """
    assert run(script, path) == "0"
    store = RocksStore.open(path)
    assert [key for key, _ in rows_of(store)] == [b"%04d" % number for number in range(1000)]
    store.close()


def test_a_full_interpreter_exit_after_abandon_does_not_hang(path: Path) -> None:
    script = """
        import signal
        store = RocksStore.open(path)
        store.write([(Table.NAMES, b"key", b"value")])
        store.abandon()
        print("leaving")
    """
    assert run(script, path) == "leaving"


def test_a_signal_during_writes_leaves_whole_batches(path: Path) -> None:
    script = """
        store = RocksStore.open(path)
        for number in range(1_000_000):
            store.write([(Table.NAMES, b"%08d" % number, b"v"), (Table.EVENTS, b"%08d" % number, b"v")])
            if number == 200:
                print("ready", flush=True)
    """
    with subprocess.Popen([*python(script), str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
    store = RocksStore.open(path)
    names, events = rows_of(store, Table.NAMES), rows_of(store, Table.EVENTS)
    assert (names == events, len(names) >= 200) == (True, True)
    store.close()
