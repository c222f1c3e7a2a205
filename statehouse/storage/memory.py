"""A store in memory: the semantics of a disk, and nothing left after `close`.

It is a home of its own (``memory:``) and what tests run on. A lock makes a batch visible at once (I1) and
keeps readers out while the sorted index changes; it is held for one row, one page or one batch.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sortedcontainers import SortedDict

from statehouse.errors import EngineError
from statehouse.storage import PAGE_BYTES, PAGE_ROWS, Row, Table
from statehouse.storage.marks import SLOTS, check_mark

__all__ = ["MemoryStore"]

# Typeshed has no stubs for sortedcontainers: Any is named once, here.
_Sorted = Any


class MemoryStore:
    """Ordered tables of bytes in this process's memory.

    Example:
        >>> from statehouse.storage import Table
        >>> store = MemoryStore()
        >>> store.write([(Table.META, b"format", b"1")])
        >>> store.get(Table.META, b"format")
        b'1'
    """

    kind = "memory"
    read_only = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: Mapping[Table, _Sorted] = {table: SortedDict() for table in Table}
        self._marks = [b""] * SLOTS
        self._size_bytes = 0

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of a row, or None.

        Raises:
            EngineError: The store is closed.
        """
        with self._lock:
            found: bytes | None = self._tables[table].get(key)
        return found

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        """The values of many rows, in the order asked, all as of one moment.

        Raises:
            EngineError: The store is closed.
        """
        with self._lock:
            get = self._tables[table].get
            return [get(key) for key in keys]

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
            EngineError: The store is closed.
        """
        page: list[tuple[bytes, bytes]] = []
        if start >= stop or rows_max < 1:
            return page
        size = 0
        with self._lock:
            rows = self._tables[table]
            for key in rows.irange(start, stop, inclusive=(True, False), reverse=reverse):
                value = rows[key]
                page.append((key, value))
                size += len(key) + len(value)
                if len(page) >= rows_max or size >= bytes_max:
                    break
        return page

    def write(self, rows: Sequence[Row]) -> None:
        """Applies rows as one atomic batch.

        Raises:
            EngineError: The store is closed.
        """
        with self._lock:
            tables = self._tables
            for table, key, value in rows:
                found = tables[table]
                before = found.get(key)
                if before is not None:
                    self._size_bytes -= len(key) + len(before)
                if value is not None:
                    found[key] = value
                    self._size_bytes += len(key) + len(value)
                elif before is not None:
                    del found[key]

    def sync(self) -> None:
        """Does nothing more: memory does not outlive the process whatever is done.

        Raises:
            EngineError: The store is closed.
        """
        self._tables[Table.META]

    def read_marks(self) -> tuple[bytes, bytes]:
        """The two mark slots as they were last written.

        Raises:
            EngineError: The store is closed.
        """
        self._tables[Table.META]
        return self._marks[0], self._marks[1]

    def write_mark(self, slot: int, data: bytes, *, sync: bool = False) -> None:
        """Overwrites a slot.

        Raises:
            ValueError: There is no such slot, or the data is too long.
            EngineError: The store is closed.
        """
        check_mark(slot, data)
        self._tables[Table.META]
        self._marks[slot] = bytes(data)

    def refresh(self) -> None:
        """Does nothing: no other process can write here."""

    def compact(self, ranges: Mapping[Table, tuple[bytes, bytes]] | None = None) -> None:
        """Does nothing: what is deleted takes no space."""

    def size_bytes(self) -> int:
        """How many bytes the keys and values take.

        Raises:
            EngineError: The store is closed.
        """
        with self._lock:
            self._tables[Table.META]
            return self._size_bytes

    def details(self) -> Mapping[str, str]:
        """How many rows each table has.

        Raises:
            EngineError: The store is closed.
        """
        with self._lock:
            self._tables[Table.META]
            counts = {f"{table} rows": str(len(rows)) for table, rows in self._tables.items()}
        return MappingProxyType(counts)

    def copy(self) -> MemoryStore:
        """A store of its own with the same rows and marks.

        Raises:
            EngineError: The store is closed.
        """
        twin = MemoryStore()
        with self._lock:
            self._tables[Table.META]
            twin._tables = {table: rows.copy() for table, rows in self._tables.items()}
            twin._marks = list(self._marks)
            twin._size_bytes = self._size_bytes
        return twin

    def close(self) -> None:
        """Forgets everything. Idempotent."""
        with self._lock:
            self._tables = _ClosedTables()
            self._marks = [b""] * SLOTS

    def abandon(self) -> None:
        """The same as `close`, without the lock: in a forked child its owner may not exist."""
        self._lock = threading.Lock()
        self._tables = _ClosedTables()
        self._marks = [b""] * SLOTS


class _ClosedTables(dict[Table, Any]):
    """The tables of a closed store: looking any of them up says so, which costs an open store nothing."""

    def __missing__(self, table: Table) -> Any:
        raise EngineError("the memory store is closed; open a new one (what it held is gone)")
