"""A store that counts what is written to it; for a daemon that is monitored."""

from __future__ import annotations

from collections.abc import Sequence

from statehouse.storage import Row, Store


class CountingStore:
    """Another store, and how much was written to it.

    All but `write` are the other store's own methods, so that reads cost what they cost there.

    Args:
        store: The other store.

    Attributes:
        bytes_written: How many bytes of keys and values were written since it was opened.
    """

    def __init__(self, store: Store) -> None:
        self._write = store.write
        self._store = store
        self.bytes_written = 0
        self.get = store.get
        self.get_many = store.get_many
        self.scan = store.scan
        self.sync = store.sync
        self.read_marks = store.read_marks
        self.write_mark = store.write_mark
        self.refresh = store.refresh
        self.compact = store.compact
        self.size_bytes = store.size_bytes
        self.details = store.details
        self.close = store.close
        self.abandon = store.abandon

    @property
    def kind(self) -> str:
        """``rocksdb`` or ``memory``."""
        return self._store.kind

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._store.read_only

    def write(self, rows: Sequence[Row]) -> None:
        """Applies rows as one atomic batch, and counts them.

        Raises:
            NotWrittenError: Nothing was applied.
        """
        self._write(rows)
        self.bytes_written += sum([len(key) + len(value or b"") for _, key, value in rows])
