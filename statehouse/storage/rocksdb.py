"""A store on disk: RocksDB through rocksdict, and everything that bites there kept in this file.

Each rule below has a canary in ``tests/storage/test_canaries.py`` that fails when rocksdict changes its mind.

* R1. `write` never syncs and never waits (`no_slowdown`), because rocksdict holds the GIL in it; `flush_wal`
  gives the GIL away and is where durability comes from (I2). A refused batch is consumed: it is built again.
* R2. The log is recovered up to a torn tail and refused when its middle is damaged; the default recovery
  silently drops every commit after a flipped bit.
* R3. A page is read by an iterator with an upper bound, an explicit seek, and `status` at its end: a damaged
  block ends an iteration just as the end of the table does. The iterator is dropped before the page is handed
  out, since one that lives keeps the LOCK after `close`.
* R4. After a full disk refused a write, the log's writer is broken until RocksDB has recovered by itself; a
  `flush_wal` meanwhile makes that permanent. So nothing is flushed when nothing was written.
* R5. Errors are told apart by their text, in `statehouse.storage.rocksdb_errors` and nowhere else.
* R6. Tables are flushed together, so that files without their log hold no half of a batch; a manifest that
  lost its end is refused (`statehouse.storage.manifest`): it would open with commits missing in the middle.
* R7. A secondary whose log was deleted shows old rows over new ones (`statehouse.storage.followed`).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.metadata
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from rocksdict import (
    AccessType,
    BottommostLevelCompaction,
    Cache,
    ColumnFamily,
    CompactOptions,
    Options,
    Rdict,
    RdictIter,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from statehouse.errors import EngineError, ForkedProcessError, StatehouseError
from statehouse.storage import PAGE_BYTES, PAGE_ROWS, Row, Table
from statehouse.storage.directory import DataDirectory, FreeSpace
from statehouse.storage.followed import FollowedLog
from statehouse.storage.forks import guard_forks
from statehouse.storage.manifest import ManifestNote
from statehouse.storage.marks import MarkFile, read_marks
from statehouse.storage.rocksdb_errors import is_stall, not_opened, not_written, unreadable, unsure
from statehouse.storage.rocksdb_options import RECORD_BYTES, database_options, table_options

__all__ = ["CACHE_BYTES", "RocksStore"]

_log = logging.getLogger("statehouse.storage")

CACHE_BYTES: Final = 128 << 20
"""The default size of the cache that all tables share, indexes and filters included (but not NAMES')."""

_STALL_SECONDS_MAX: Final = 5.0
_STALL_PAUSE_MIN: Final = 0.001
_STALL_PAUSE_MAX: Final = 0.05
_FEW_KEYS: Final = 16


class RocksStore:
    """Ordered tables of bytes in a directory, each a column family of one RocksDB database.

    A store opened with ``read_only`` is a RocksDB secondary: it reads while another process writes, sees that
    process's writes after `refresh`, and refuses its own.

    Example:
        >>> import tempfile
        >>> from statehouse.storage import Table
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     store = RocksStore.open(Path(directory))
        ...     store.write([(Table.META, b"format", b"1")])
        ...     store.sync()
        ...     store.close()
        ...     store = RocksStore.open(Path(directory))
        ...     found = store.get(Table.META, b"format")
        ...     store.close()
        >>> found
        b'1'
    """

    kind = "rocksdb"

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        read_only: bool = False,
        cache_bytes: int = CACHE_BYTES,
        free_bytes_min: int | None = None,
        stall_seconds_max: float = _STALL_SECONDS_MAX,
    ) -> RocksStore:
        """The store in a directory, which is made if it is not there.

        Args:
            path: The directory; one process has it open for writing.
            read_only: Read what another process writes.
            cache_bytes: The size of the cache of blocks, indexes and filters.
            free_bytes_min: Refuse writes when the disk has less free; None: 256 MiB or 1 %, at most 10 %.
            stall_seconds_max: How long a write waits for flushes and compactions to catch up.

        Raises:
            DirectoryLockedError: It is open already, in another process or in this one.
            InvalidArgumentError: The path is a file, or another program's directory, or forbidden.
            NotFoundError: ``read_only``, and there is no store.
            CorruptionError: What is there is not what was written.
            EngineError: The disk failed.
        """
        directory = DataDirectory(path.absolute())
        if read_only:
            directory.require()
            create = False
        else:
            create = directory.prepare()
            ManifestNote(directory.path, directory.rocks).require()  # R6
        guard_forks()
        followed = FollowedLog(directory.rocks) if read_only else None
        try:
            database = _open_database(directory.rocks, followed, create=create, cache_bytes=cache_bytes)
            try:
                store = cls(
                    directory,
                    database,
                    followed,
                    FreeSpace(directory.path, free_bytes_min),
                    stall_seconds_max,
                    cache_bytes,
                )
                if not read_only:
                    directory.claim()
                    directory.sync()
            except BaseException:
                database.close()
                raise
        except BaseException as error:
            if followed is not None:
                followed.forget()
            if isinstance(error, StatehouseError) or not isinstance(error, Exception):
                raise
            raise not_opened(directory, error) from error
        _log.debug("opened RocksDB", extra={"path": str(directory.path), "new": create})
        return store

    def __init__(
        self,
        directory: DataDirectory,
        database: Rdict,
        followed: FollowedLog | None,
        free_space: FreeSpace,
        stall_seconds_max: float,
        cache_bytes: int,
    ) -> None:
        """Takes over an open database; use `open`."""
        self._cache_bytes = cache_bytes
        self._followed = followed
        self._earlier: list[tuple[list[Rdict], FollowedLog]] = []
        self._directory = directory
        self._free_space = free_space
        self._stall_seconds_max = stall_seconds_max
        self._pid = os.getpid()
        self._closing = threading.Lock()
        self._unsynced = False
        self._stalls = 0
        self._use(database)
        self._marks = None if followed is not None else MarkFile(directory.marks)
        self._manifest = ManifestNote(directory.path, directory.rocks)
        if self._marks is not None:
            self._manifest.note()

    def _use(self, database: Rdict) -> None:
        self._database: Rdict | None = database
        self._families: dict[Table, Rdict] = {
            table: database.get_column_family(table.value) for table in Table
        }
        self._gets: dict[Table, Callable[..., Any]] = {table: cf.get for table, cf in self._families.items()}
        self._handles: dict[Table, ColumnFamily] = {
            table: database.get_column_family_handle(table.value) for table in Table
        }

    @property
    def read_only(self) -> bool:
        """Whether writes are refused: the directory is another process's."""
        return self._followed is not None

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of a row, or None.

        Raises:
            CorruptionError: It cannot be read.
            EngineError: The store is closed.
        """
        try:
            found: bytes | None = self._gets[table](key)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing narrower (R5)
            self._unreadable(table, error)
        return found

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        """The values of many rows, in the order asked. Many keys are read without holding the GIL.

        Raises:
            CorruptionError: One cannot be read.
            EngineError: The store is closed.
        """
        try:
            get = self._gets[table]
            if len(keys) < _FEW_KEYS:
                return [get(key) for key in keys]
            found: list[bytes | None] = get(keys)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing narrower (R5)
            self._unreadable(table, error)
        return found

    def scan(
        self,
        table: Table,
        start: bytes,
        stop: bytes,
        *,
        reverse: bool = False,
        rows_max: int = PAGE_ROWS,
        bytes_max: int = PAGE_BYTES,
    ) -> list[tuple[bytes, bytes]]:
        """One short page of rows with ``start <= key < stop``, as of one moment; see `Store.scan`.

        Raises:
            CorruptionError: A row cannot be read.
            EngineError: The store is closed.
        """
        try:
            family = self._families[table]
            if start >= stop or rows_max < 1:
                return []
            options = ReadOptions()
            options.set_iterate_upper_bound(stop)
            if table is Table.HISTORY:
                record = start[:RECORD_BYTES]
                within = not reverse and len(record) == RECORD_BYTES and stop.startswith(record)
                options.set_prefix_same_as_start(within)
                options.set_total_order_seek(not within)
            return _page(family.iter(options), start, reverse, rows_max, bytes_max)
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing narrower (R5)
            self._unreadable(table, error)

    def write(self, rows: Sequence[Row]) -> None:
        """Applies rows as one atomic batch; visible to reads, not yet durable (I1, I3).

        Raises:
            NotWrittenError: Nothing was applied.
            EngineError: The store is read-only or closed, or the disk failed: the outcome is in doubt.
        """
        if not rows:
            return
        if self._followed is not None:
            raise self._refused()
        self._free_space.require()
        deadline, pause = 0.0, _STALL_PAUSE_MIN
        while True:
            batch = WriteBatch(raw_mode=True)
            put, handles = batch.put, self._handles
            for table, key, value in rows:
                if value is None:
                    batch.delete(key, handles[table])
                else:
                    put(key, value, handles[table])
            try:
                self._opened().write(batch)
            except StatehouseError:
                raise
            except Exception as error:
                now = time.monotonic()
                deadline = deadline or now + self._stall_seconds_max
                if not is_stall(error) or now + pause > deadline:
                    raise not_written(self._directory, error) from error
                self._stalls += 1
                if pause == _STALL_PAUSE_MIN:
                    _log.debug("a write waits for flushes and compactions to catch up")
            else:
                self._unsynced = True
                return
            # The GIL is free here, which is what the flushes' callers and all readers need.
            time.sleep(pause)
            pause = min(pause * 2, _STALL_PAUSE_MAX)

    def sync(self) -> None:
        """Makes every earlier write durable (I2).

        Raises:
            EngineError: It is not known what is durable.
        """
        database = self._opened()
        if not self._unsynced:
            return  # R4
        try:
            database.flush_wal(True)
        except Exception as error:
            raise unsure(self._directory, "its log could not be flushed", error) from error
        self._unsynced = False

    def read_marks(self) -> tuple[bytes, bytes]:
        """The two mark slots as they were last written, empty where there is none.

        Raises:
            EngineError: They cannot be read.
        """
        try:
            return read_marks(self._directory.marks)
        except OSError as error:
            raise unsure(self._directory, "its mark file could not be read", error) from error

    def write_mark(self, slot: int, data: bytes, *, sync: bool = False) -> None:
        """Overwrites a slot (0 or 1) of at most 512 bytes in a file beside the log, not atomic with it.

        Raises:
            ValueError: There is no such slot, or the data is too long.
            EngineError: The store is read-only or closed, or the file cannot be written.
        """
        if self._marks is None:
            raise self._refused()
        try:
            self._marks.write(slot, data, sync=sync)
            if sync:
                self._manifest.note_if_settled()
        except OSError as error:
            raise unsure(self._directory, "its mark file could not be written", error) from error

    def refresh(self) -> None:
        """In a read-only store, catches up with what the other process wrote since.

        Raises:
            CorruptionError: What it wrote cannot be read.
            EngineError: The store is closed.
        """
        database, followed = self._opened(), self._followed
        if followed is None:
            return
        try:
            database.try_catch_up_with_primary()
            if followed.has_ended():
                self._open_again()
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing narrower (R5)
            self._unreadable(None, error)

    def _open_again(self) -> None:
        """R7. Whoever reads at this moment ends with the database of before."""
        rocks = self._directory.rocks
        followed = FollowedLog(rocks)
        try:
            database = _open_database(rocks, followed, create=False, cache_bytes=self._cache_bytes)
        except Exception:  # noqa: BLE001 - files come and go under it; the next refresh tries again
            _log.debug("could not open RocksDB again", exc_info=True)
            followed.forget()
            return
        with self._closing:
            before, was_followed = self._database, self._followed
            if before is None or was_followed is None:
                database.close()
                followed.forget()
                return
            self._earlier.append(([*self._families.values(), before], was_followed))
            self._followed = followed
            self._use(database)
            self._close_earlier(keep=1)

    def _close_earlier(self, *, keep: int) -> None:
        while len(self._earlier) > keep:
            handles, followed = self._earlier.pop(0)
            for handle in handles:
                with contextlib.suppress(Exception):
                    handle.close()
            followed.forget()

    def compact(self, ranges: Mapping[Table, tuple[bytes, bytes]] | None = None) -> None:
        """Rewrites files so that deleted and overwritten rows are in none of them any more.

        All tables are flushed first, which ends the log that the rows were in: RocksDB deletes it then. See
        `Store.compact`.

        Raises:
            EngineError: The store is read-only or closed, or flushing failed.
        """
        if self._followed is not None:
            raise self._refused()
        self._opened()
        options = CompactOptions()
        options.set_exclusive_manual_compaction(False)
        options.set_bottommost_level_compaction(BottommostLevelCompaction.force_optimized())
        try:
            for family in self._families.values():
                family.flush()
            for table, family in self._families.items():
                if ranges is None or table in ranges:
                    start, stop = ranges[table] if ranges is not None else (None, None)
                    family.compact_range(start, stop, options)
        except Exception as error:
            raise unsure(self._directory, "compaction failed", error) from error

    def size_bytes(self) -> int:
        """How many bytes the files in the directory have."""
        return self._directory.size_bytes()

    def details(self) -> Mapping[str, str]:
        """Facts for people: files, memory, stalls.

        Raises:
            EngineError: The store is closed.
        """
        database = self._opened()
        names = [path.suffix for path in self._directory.rocks.iterdir()]

        def total(name: str) -> int:
            return sum(family.property_int_value(name) or 0 for family in self._families.values())

        refusal = None if self.read_only else self._free_space.refusal()
        return {
            "directory": str(self._directory.path),
            **({} if refusal is None else {"writes refused": refusal}),
            "rocksdict": _rocksdict_version(),
            "table files": str(names.count(".sst")),
            "log files": str(names.count(".log")),
            "memtable bytes": str(total("rocksdb.cur-size-all-mem-tables")),
            "table reader bytes": str(total("rocksdb.estimate-table-readers-mem")),
            "cache bytes": str(database.property_int_value("rocksdb.block-cache-usage") or 0),
            "compaction pending bytes": str(total("rocksdb.estimate-pending-compaction-bytes")),
            "background errors": str(database.property_int_value("rocksdb.background-errors") or 0),
            "write stalls": str(self._stalls),
        }

    def close(self) -> None:
        """Flushes what is in memory, syncs, and frees everything, also if that fails. Idempotent.

        Calls in flight in other threads are for the caller to wait for: RocksDB closes with the last of them.

        Raises:
            EngineError: Something written since the last `sync` may not be durable.
        """
        with self._closing:
            database, self._database = self._database, None
            if database is None:
                return
            families = list(self._families.values())
            self._retire("is closed", EngineError)
            errors: list[Exception] = []
            if self._followed is None:
                self._flush_all(families, errors)
            for handle in (*families, database):
                # Closing flushes again, and the flush of a full disk fails again; what counts is above.
                with contextlib.suppress(Exception):
                    handle.close()
            if self._followed is not None:
                self._followed.forget()
                self._close_earlier(keep=0)
            elif not errors:
                self._manifest.note()
            _log.debug("closed RocksDB", extra={"path": str(self._directory.path), "failures": len(errors)})
            if errors and self._unsynced:
                raise unsure(self._directory, "closing it failed", errors[0]) from errors[0]

    def _flush_all(self, families: list[Rdict], errors: list[Exception]) -> None:
        # In the order of `Table`, the table that says how far the store reaches last (R6).
        for step in (*(family.flush for family in families), self._close_marks, self._directory.release):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - each step is tried; the first error is raised
                errors.append(error)
        if not errors:
            self._unsynced = False

    def _close_marks(self) -> None:
        if self._marks is not None:
            self._marks.close()

    def abandon(self) -> None:
        """Marks the store unusable without touching any file; for a forked child, and after a fatal error.

        RocksDB's objects are kept for ever, past the interpreter's end too: in a forked child their
        destructors wait for threads that do not exist there, and flush into the parent's files.
        """
        database, self._database = self._database, None
        if database is None:
            return
        for native in (database, *self._families.values(), *self._handles.values(), *self._gets.values()):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(native))
        self._retire("was abandoned", ForkedProcessError if os.getpid() != self._pid else EngineError)

    def _retire(self, how: str, error: type[EngineError]) -> None:
        # Lookups in these fail with the reason; an open store pays nothing for that.
        message = f"the store in {str(self._directory.path)!r} {how}; open it again"
        self._gets = _Retired(error, message)
        self._families = _Retired(error, message)
        self._handles = _Retired(error, message)

    def _opened(self) -> Rdict:
        if self._database is None:
            self._families[Table.META]
        assert self._database is not None, "a retired store raises above"
        return self._database

    def _refused(self) -> EngineError:
        return EngineError(
            f"the store in {str(self._directory.path)!r} is open read-only; "
            "write through the process that holds it"
        )

    def _unreadable(self, table: Table | None, error: Exception) -> NoReturn:
        if isinstance(error, StatehouseError):
            raise error
        if self._database is None:
            # Closed while this call was on its way.
            self._families[Table.META]
        raise unreadable(self._directory, table, error) from error


class _Retired(dict[Table, Any]):
    """The tables of a store that is no longer open."""

    def __init__(self, error: type[EngineError], message: str) -> None:
        super().__init__()
        self._error = error
        self._message = message

    def __missing__(self, table: Table) -> NoReturn:
        raise self._error(self._message)


def _page(
    rows: RdictIter, start: bytes, reverse: bool, rows_max: int, bytes_max: int
) -> list[tuple[bytes, bytes]]:
    valid, read_key, read_value = rows.valid, rows.key, rows.value
    advance = rows.prev if reverse else rows.next
    page: list[tuple[bytes, bytes]] = []
    size = 0
    try:
        if reverse:
            rows.seek_to_last()
        else:
            rows.seek(start)
        while valid():
            key, value = read_key(), read_value()
            if key < start:
                break
            page.append((key, value))
            size += len(key) + len(value)
            if len(page) >= rows_max or size >= bytes_max:
                break
            advance()
        rows.status()
    finally:
        # R3: a traceback keeps this frame, and the frame would keep the iterator.
        del rows, valid, read_key, read_value, advance
    return page


def _open_database(path: Path, followed: FollowedLog | None, *, create: bool, cache_bytes: int) -> Rdict:
    cache = Cache(cache_bytes)
    tables = {table.value: table_options(table, cache) for table in Table}
    if not create:
        # A newer format may have tables that are unknown here; the engine has to read the format to say so.
        for name in Rdict.list_cf(str(path), Options(raw_mode=True)):
            tables.setdefault(name, table_options(None, cache))
    access = AccessType.read_write() if followed is None else AccessType.secondary(str(followed.diary))
    options = database_options(cache, create=create, read_only=followed is not None)
    database = Rdict(str(path), options=options, column_families=tables, access_type=access)
    # Set once: passing them to each write converts them each time.
    writing = WriteOptions()
    writing.no_slowdown = True  # R1
    database.set_write_options(writing)
    return database


@functools.cache
def _rocksdict_version() -> str:
    # To look into the environment takes longer than all else that a status needs.
    return importlib.metadata.version("rocksdict")
