"""A directory, and the store in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from statehouse.storage.rocksdb import RocksStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[RocksStore]:
    store = RocksStore.open(path)
    yield store
    store.close()
