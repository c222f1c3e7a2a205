"""Writing batches of rows straight with rocksdict."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rocksdict import Options, Rdict, WriteBatch

Batch = Sequence[tuple[str, bytes, bytes | None]]
"""Rows of one batch: the column family, the key, and the value, or None to delete."""


class Batches:
    """A RocksDB database with some column families.

    Args:
        path: Where to make it.
        families: Their names.
    """

    def __init__(self, path: Path, families: Iterable[str]) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.create_missing_column_families(True)
        names = list(families)
        self._database = Rdict(
            str(path), options=options, column_families={name: Options(raw_mode=True) for name in names}
        )
        self._handles = {name: self._database.get_column_family_handle(name) for name in names}

    def run(self, batches: Sequence[Batch], *, sync: bool) -> float:
        """Writes every batch, each synced if asked, and says how many it did in a second."""
        database, handles = self._database, self._handles
        began = time.perf_counter()
        for rows in batches:
            batch = WriteBatch(raw_mode=True)
            for family, key, value in rows:
                if value is None:
                    batch.delete(key, handles[family])
                else:
                    batch.put(key, value, handles[family])
            database.write(batch)
            if sync:
                database.flush_wal(True)
        return len(batches) / (time.perf_counter() - began)

    def close(self) -> None:
        """Closes the database."""
        self._handles.clear()
        self._database.close()
