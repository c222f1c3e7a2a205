"""The rows that commits become, caught on their way into a store, for a baseline that writes the same.

The recorder stands at the storage seam, so what it catches is what really is written: no more, no less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from statehouse.engine import open_engine
from statehouse.engine.local import LocalEngine
from statehouse.storage import PAGE_BYTES, PAGE_ROWS, Row, Store, Table
from statehouse.storage.rocksdb import RocksStore

FAMILIES = tuple(table.value for table in Table)


class RecordingStore:
    """A `Store` that remembers the rows of every batch.

    Attributes:
        batches: The batches written since the list was last cleared, in the order they were written.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.batches: list[list[tuple[str, bytes, bytes | None]]] = []

    @property
    def kind(self) -> str:
        """See `Store`."""
        return self._store.kind

    @property
    def read_only(self) -> bool:
        """See `Store`."""
        return self._store.read_only

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See `Store`."""
        return self._store.get(table, key)

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        """See `Store`."""
        return self._store.get_many(table, keys)

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
        """See `Store`."""
        return self._store.scan(table, start, stop, reverse=reverse, rows_max=rows_max, bytes_max=bytes_max)

    def write(self, rows: Sequence[Row]) -> None:
        """See `Store`; remembers the rows."""
        self.batches.append([(table.value, key, value) for table, key, value in rows])
        self._store.write(rows)

    def sync(self) -> None:
        """See `Store`."""
        self._store.sync()

    def read_marks(self) -> tuple[bytes, bytes]:
        """See `Store`."""
        return self._store.read_marks()

    def write_mark(self, slot: int, data: bytes, *, sync: bool = False) -> None:
        """See `Store`."""
        self._store.write_mark(slot, data, sync=sync)

    def refresh(self) -> None:
        """See `Store`."""
        self._store.refresh()

    def compact(self, ranges: Mapping[Table, tuple[bytes, bytes]] | None = None) -> None:
        """See `Store`."""
        self._store.compact(ranges)

    def size_bytes(self) -> int:
        """See `Store`."""
        return self._store.size_bytes()

    def details(self) -> Mapping[str, str]:
        """See `Store`."""
        return self._store.details()

    def close(self) -> None:
        """See `Store`."""
        self._store.close()

    def abandon(self) -> None:
        """See `Store`."""
        self._store.abandon()


def recording_engine(path: Path) -> tuple[LocalEngine, RecordingStore]:
    """An engine on a new store at a path, not synced, and the recorder below it."""
    store = RecordingStore(RocksStore.open(path))
    return open_engine(store, durability="none"), store
