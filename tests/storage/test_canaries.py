"""One test for each oddity of rocksdict 0.3.29 that `statehouse.storage.rocksdb` is built around.

They say what is, not what should be. When one fails after an upgrade, its docstring names the rule (R1 to R7,
or a part of the layout) that has to be thought over.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rocksdict import (
    AccessType,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from statehouse.storage import Table
from statehouse.storage.rocksdb import RocksStore

POINT_IN_TIME = DBRecoveryMode.point_in_time()
TOLERATE_TAIL = DBRecoveryMode.tolerate_corrupted_tail_records()


def opened(path: Path, mode: DBRecoveryMode | None = None, **settings: Any) -> Rdict:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    if mode is not None:
        options.set_wal_recovery_mode(mode)
    return Rdict(str(path), options=options, **settings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rocks"


@pytest.fixture
def database(path: Path) -> Iterator[Rdict]:
    database = opened(path)
    yield database
    database.close()


def keys_of(database: Rdict) -> list[bytes]:
    rows = database.iter()
    rows.seek(b"")
    keys = []
    while rows.valid():
        keys.append(rows.key())
        rows.next()
    rows.status()
    return keys


def test_a_batch_is_consumed_by_write(database: Rdict) -> None:
    """R1: a refused batch is built again."""
    batch = WriteBatch(raw_mode=True)
    batch.put(b"key", b"value")
    database.write(batch)
    with pytest.raises(Exception, match="already consumed"):
        database.write(batch)


def test_disable_wal_is_an_attribute_although_the_stub_says_method() -> None:
    """R1: WriteOptions are set by attribute; calling this one is a TypeError, not a setting."""
    options: Any = WriteOptions()
    options.disable_wal = True
    with pytest.raises(TypeError, match="not callable"):
        options.disable_wal(True)


def test_a_stall_is_told_by_its_text(path: Path) -> None:
    """R1 and R5: with no_slowdown a stopped write fails at once, and this is how."""
    with stopped(path) as database, pytest.raises(Exception, match=r"^Result incomplete: Write stall$"):
        database.put(b"key", b"value")


@contextmanager
def stopped(path: Path) -> Iterator[Rdict]:
    database = opened(path)
    writing = WriteOptions()
    writing.no_slowdown = True
    database.set_write_options(writing)
    database.set_options({"level0_file_num_compaction_trigger": "100"})
    for number in range(3):
        database.put(b"%d" % number, b"")
        database.flush()
    database.set_options({"level0_slowdown_writes_trigger": "100", "level0_stop_writes_trigger": "2"})
    yield database
    database.close()


@contextmanager
def other_thread(switch_seconds: float) -> Iterator[Callable[[], int]]:
    """Another thread that counts whenever it has the GIL; gives the way to read its count."""
    count, done = 0, threading.Event()

    def spin() -> None:
        nonlocal count
        while not done.is_set():
            count += 1

    before = sys.getswitchinterval()
    thread = threading.Thread(target=spin)
    thread.start()
    sys.setswitchinterval(switch_seconds)
    try:
        yield lambda: count
    finally:
        sys.setswitchinterval(before)
        done.set()
        thread.join()


def large_batch() -> WriteBatch:
    batch = WriteBatch(raw_mode=True)
    for number in range(20_000):
        batch.put(b"%06d" % number, b"v")
    return batch


def ran_meanwhile(call: Callable[[], object], *, switch_seconds: float) -> list[bool]:
    """Whether the other thread ran during a call, five times over.

    A busy machine may take the processor from us for longer than a switch takes, once; what a call does with
    the GIL shows in the others.
    """
    ran = []
    with other_thread(switch_seconds) as count:
        for _ in range(5):
            before = count()
            call()
            ran.append(count() != before)
    return ran


def test_write_holds_the_gil(database: Rdict) -> None:
    """R1: so it must neither sync nor wait for a stall to end."""
    batches = [large_batch() for _ in range(5)]
    assert not all(ran_meanwhile(lambda: database.write(batches.pop()), switch_seconds=0.5))


def test_flush_wal_gives_the_gil_away(database: Rdict) -> None:
    """R1: syncing holds nobody up."""

    def sync() -> None:
        database.put(b"k", b"v")
        database.flush_wal(True)

    assert any(ran_meanwhile(sync, switch_seconds=0.5))


def test_a_get_of_a_list_gives_the_gil_away(database: Rdict) -> None:
    """`get_many` asks for a list when it is long."""
    database.write(large_batch())
    keys: list[Any] = [b"%06d" % number for number in range(20_000)]
    assert any(ran_meanwhile(lambda: database.get(keys), switch_seconds=0.5))


def test_a_get_of_one_key_holds_the_gil(database: Rdict) -> None:
    """`get_many` asks one by one when there are few: that is quicker than handing the GIL over and back."""
    database.put(b"large", bytes(2_000_000))
    assert not all(ran_meanwhile(lambda: database.get(b"large"), switch_seconds=0.5))


def crashed_copy(path: Path, to: Path) -> Path:
    """Commits 1,000 synced rows and copies what a kill would leave; gives the copy's log."""
    database = opened(path)
    for number in range(1000):
        database.put(b"%04d" % number, b"v" * 100)
    database.flush_wal(True)
    shutil.copytree(path, to, ignore=shutil.ignore_patterns("LOCK"))
    database.close()
    return max(to.glob("*.log"), key=lambda file: file.stat().st_size)


def flip_a_bit_in_the_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_the_default_recovery_silently_loses_every_commit_after_a_flipped_bit(
    path: Path, tmp_path: Path
) -> None:
    """R2: hence not the default."""
    flip_a_bit_in_the_middle(crashed_copy(path, tmp_path / "copy"))
    database = opened(tmp_path / "copy")
    assert 400 < len(keys_of(database)) < 600
    database.close()


def test_tolerating_a_torn_tail_refuses_a_log_with_a_flipped_bit(path: Path, tmp_path: Path) -> None:
    """R2."""
    flip_a_bit_in_the_middle(crashed_copy(path, tmp_path / "copy"))
    with pytest.raises(Exception, match="Corruption"):
        opened(tmp_path / "copy", TOLERATE_TAIL)


def test_tolerating_a_torn_tail_opens_a_log_that_was_cut(path: Path, tmp_path: Path) -> None:
    """R2: a crash in the middle of a write is no damage (I1, I3)."""
    log = crashed_copy(path, tmp_path / "copy")
    os.truncate(log, log.stat().st_size - 50)
    database = opened(tmp_path / "copy", TOLERATE_TAIL)
    assert len(keys_of(database)) == 999
    database.close()


@pytest.mark.parametrize("damage", [lambda log: os.truncate(log, 0), lambda log: log.unlink()])
@pytest.mark.parametrize("mode", [POINT_IN_TIME, TOLERATE_TAIL])
def test_an_emptied_or_deleted_log_opens_with_everything_missing(
    path: Path, tmp_path: Path, damage: Callable[[Path], None], mode: DBRecoveryMode
) -> None:
    """Hence the mark file: nothing inside RocksDB can tell."""
    damage(crashed_copy(path, tmp_path / "copy"))
    database = opened(tmp_path / "copy", mode)
    assert keys_of(database) == []
    database.close()


def test_a_cut_manifest_opens_with_data_missing(path: Path, tmp_path: Path) -> None:
    """Hence the mark file."""
    database = opened(path)
    for part in range(2):
        for number in range(500):
            database.put(b"%d%04d" % (part, number), b"v")
        database.flush()
    shutil.copytree(path, tmp_path / "copy", ignore=shutil.ignore_patterns("LOCK"))
    database.close()
    manifest = next((tmp_path / "copy").glob("MANIFEST-*"))
    os.truncate(manifest, manifest.stat().st_size - 20)
    database = opened(tmp_path / "copy", TOLERATE_TAIL)
    assert len(keys_of(database)) < 1000
    database.close()


def test_a_database_without_current_is_replaced_by_an_empty_one(path: Path) -> None:
    """Hence `DataDirectory` looks for CURRENT itself, and create_if_missing is only set for a new store."""
    database = opened(path)
    database.put(b"key", b"value")
    database.close()
    for file in (path / "CURRENT", *path.glob("*.log")):
        file.unlink()
    database = opened(path, TOLERATE_TAIL)
    assert keys_of(database) == []
    database.close()


def test_the_lower_bound_sets_the_upper_bound(database: Rdict) -> None:
    """R3: a reverse page compares with its start itself."""
    for key in (b"a", b"b", b"c"):
        database.put(key, b"")
    options = ReadOptions()
    options.set_iterate_lower_bound(b"b")
    rows = database.iter(options)
    rows.seek(b"")
    first = rows.key()
    rows.next()
    assert (first, rows.valid()) == (b"a", False)


def test_seeking_the_last_row_respects_the_upper_bound(database: Rdict) -> None:
    """R3: that is where a reverse page begins."""
    for key in (b"a", b"b", b"c"):
        database.put(key, b"")
    options = ReadOptions()
    options.set_iterate_upper_bound(b"c")
    rows = database.iter(options)
    rows.seek_to_last()
    assert rows.key() == b"b"


def test_iterating_a_snapshot_reads_live_data(database: Rdict) -> None:
    """Hence keys carry commit_ts and nobody takes snapshots. Asked by key, a snapshot is right."""
    database.put(b"key", b"old")
    snapshot = database.snapshot()
    database.put(b"key", b"new")
    rows = snapshot.iter()
    rows.seek(b"key")
    assert (rows.value(), list(snapshot.items()), snapshot[b"key"]) == (b"new", [(b"key", b"new")], b"old")


def test_items_end_silently_at_a_damaged_block_where_status_raises(path: Path) -> None:
    """R3: hence iterators and their status."""
    random = Random(1)
    database = opened(path)
    for number in range(3000):
        database.put(b"%06d" % number, random.randbytes(100))
    database.close()
    flip_a_bit_in_the_middle(max(path.glob("*.sst"), key=lambda file: file.stat().st_size))
    database = opened(path)
    assert 0 < len(list(database.items())) < 3000
    with pytest.raises(Exception, match="Corruption: block checksum mismatch"):
        keys_of(database)
    database.close()


@pytest.mark.parametrize(
    "keep",
    [
        lambda database: database.iter(),
        lambda database: database.snapshot(),
        lambda database: database.get_column_family("default"),
        lambda database: database.get_column_family_handle("default"),
    ],
)
def test_close_keeps_the_lock_while_anything_of_the_database_lives(
    path: Path, keep: Callable[[Rdict], object]
) -> None:
    """R3: hence a page drops its iterator, and close drops every handle."""
    database = opened(path)
    kept = keep(database)
    database.close()
    with pytest.raises(Exception, match="lock hold by current process"):
        opened(path)
    del kept
    opened(path).close()


def test_close_gives_up_the_lock_while_a_batch_lives(path: Path) -> None:
    """R3: unlike the rest, a batch that names a column family does not keep the database open."""
    database = opened(path)
    batch = WriteBatch(raw_mode=True)
    batch.put(b"key", b"value", database.get_column_family_handle("default"))
    database.close()
    opened(path).close()
    assert len(batch) == 1


@pytest.mark.needs("root", "unshare", "mount")
def test_a_flush_after_a_full_disk_breaks_the_log_for_good(tmp_path: Path) -> None:
    """R4: hence `sync` does not flush when nothing was written since the last one."""
    script = """
        import os, subprocess, sys
        from rocksdict import Options, Rdict
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        database = Rdict(sys.argv[1] + "/rocks", options=options)
        def failure(call):
            try:
                while True:
                    call()
            except Exception as error:
                return str(error).split(": ")[:2]
        print(failure(lambda: database.put(os.urandom(8), bytes(100_000))))
        print(failure(lambda: database.flush_wal(True)))
        subprocess.run(["mount", "-o", "remount,size=512m", sys.argv[1]], check=True)
        print(failure(lambda: database.put(os.urandom(8), b"")), flush=True)
        os._exit(0)
    """
    mount = f"mount -t tmpfs -o size=8m tmpfs '{tmp_path}' && exec \"$@\""
    command = ["unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == [
        "['IO error', 'No space left on device']",
        "['IO error', 'Writer has previous error.']",
        "['IO error', 'Writer has previous error.']",
    ], done.stderr


def test_a_lock_that_another_process_holds_is_told_by_its_text(database: Rdict, path: Path) -> None:
    """R5."""
    script = "import sys; from rocksdict import Rdict; Rdict(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Exception: IO error: While lock file: " in done.stderr


def test_errors_have_no_type_of_their_own(database: Rdict, path: Path) -> None:
    """R5."""
    with pytest.raises(Exception, match="lock hold by current process") as caught:
        opened(path)
    assert caught.type is Exception


def test_using_a_closed_database_raises_and_does_not_crash(path: Path) -> None:
    """A read that races with close is an error of the store, not of the process."""
    database = opened(path)
    get, flush = database.get, database.flush_wal
    database.close()
    for call in (lambda: get(b"key"), lambda: flush(True), database.iter):
        with pytest.raises(Exception, match="already closed"):
            call()


def test_raw_mode_takes_nothing_but_bytes(database: Rdict) -> None:
    """A key of another type would be pickled or tagged outside raw mode; here it is refused."""
    with pytest.raises(Exception, match="raw mode"):
        database.put("key", b"value")


def test_raw_mode_is_what_is_passed_and_not_what_the_directory_says(path: Path) -> None:
    """Hence every Options is made with raw_mode=True: others read the same bytes as something else."""
    database = opened(path)
    database.put(b"key", b"value")
    database.close()
    pickled = Rdict(str(path), options=Options(raw_mode=False))
    assert pickled.get(b"key") is None
    pickled.close()


def test_opening_a_secondary_writes_to_the_primarys_directory(
    database: Rdict, path: Path, tmp_path: Path
) -> None:
    """Hence reading a store needs permission to write in it: rocksdict saves its settings before it opens."""
    (path / "rocksdict-config.json").unlink()
    opened(path, access_type=AccessType.secondary(str(tmp_path / "secondary"))).close()
    assert (path / "rocksdict-config.json").exists()


def test_a_secondary_whose_log_was_deleted_shows_old_rows(path: Path, tmp_path: Path) -> None:
    """R7: it has them in memory, and looks there first."""
    database = opened(path)
    database.put(b"key", b"old")
    database.flush_wal(sync=True)
    reader = opened(path, access_type=AccessType.secondary(str(tmp_path / "secondary")))
    assert reader.get(b"key") == b"old"
    database.put(b"key", b"new")
    database.close()
    reader.try_catch_up_with_primary()
    assert reader.get(b"key") == b"old"
    reader.close()


def size_compressed(path: Path, compression: DBCompressionType) -> int:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_compression_type(compression)
    database = Rdict(str(path), options=options)
    for number in range(1000):
        database.put(b"%06d" % number, b"the same text again and again " * 10)
    database.flush()
    database.close()
    return sum(file.stat().st_size for file in path.glob("*.sst"))


def test_zlib_does_not_compress_where_lz4_and_zstd_do(tmp_path: Path) -> None:
    """Hence lz4 and zstd."""
    sizes = {
        name: size_compressed(tmp_path / name, getattr(DBCompressionType, name)())
        for name in ("none", "zlib", "lz4", "zstd")
    }
    assert sizes["zlib"] > 0.9 * sizes["none"]
    assert max(sizes["lz4"], sizes["zstd"]) < 0.3 * sizes["none"]


def test_the_options_that_matter_reach_rocksdb(tmp_path: Path) -> None:
    """rocksdict passes options on one by one; RocksDB writes down what it was given."""
    RocksStore.open(tmp_path / "store").close()
    newest = max((tmp_path / "store" / "rocks").glob("OPTIONS-*"))
    # Its sections come in any order; those of one table say what every table but NAMES has.
    sections = re.split(r"^\s*(?=\[)", newest.read_text(), flags=re.MULTILINE)
    of_interest = [text for text in sections if re.match(r"\[DBOptions\]|\[.*\"history\"\]", text)]
    given = dict(re.findall(r"^\s*(\w+)=(.*)$", "".join(of_interest), re.MULTILINE))
    expected = {
        "wal_recovery_mode": "kTolerateCorruptedTailRecords",
        "recycle_log_file_num": "0",
        "paranoid_checks": "true",
        "manual_wal_flush": "false",
        "checksum": "kXXH3",
        "compression": "kZSTD",
        "enable_blob_files": "false",
        "max_total_wal_size": str(64 << 20),
        "db_write_buffer_size": str(64 << 20),
    }
    assert {name: given[name] for name in expected} == expected


def test_one_batch_over_all_tables_is_one_record_of_the_log(tmp_path: Path) -> None:
    """I1: cut anywhere, the log has all of a batch or nothing of it."""
    path = tmp_path / "store"
    store = RocksStore.open(path)
    store.write([(table, b"first", b"v") for table in Table])
    store.write([(table, b"second", b"v" * 100) for table in Table])
    store.sync()
    shutil.copytree(path, tmp_path / "whole", ignore=shutil.ignore_patterns("LOCK"))
    store.close()
    size = max((tmp_path / "whole" / "rocks").glob("*.log")).stat().st_size
    for cut in (1, 100, 500, 1000):
        copy = tmp_path / f"cut-{cut}"
        shutil.copytree(tmp_path / "whole", copy)
        os.truncate(max((copy / "rocks").glob("*.log")), size - cut)
        again = RocksStore.open(copy)
        assert {again.get(table, b"first") for table in Table} == {b"v"}
        assert {again.get(table, b"second") for table in Table} == {None}
        again.close()


@pytest.mark.slow
def test_a_forked_child_that_closes_hangs_or_crashes(path: Path) -> None:
    """Hence `abandon`: a forked child has neither the threads nor the states that closing needs."""
    script = """
        import os, sys, warnings
        from rocksdict import Options, Rdict
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        database = Rdict(sys.argv[1], options=options)
        for number in range(1000):
            database.put(b"%d" % number, b"v")
        database.flush()
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            database.close()
            sys.exit(0)
        print(child, flush=True)
        sys.exit(os.WIFSIGNALED(os.waitpid(child, 0)[1]))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            crashed = parent.wait(timeout=3) == 1
        except subprocess.TimeoutExpired:
            os.kill(child, 9)
            crashed = True
    assert crashed
