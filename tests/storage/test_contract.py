"""The contract of a store, over every store there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statehouse.storage import Store, Table
from statehouse.storage.memory import MemoryStore
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.contracts.storage import Opened, StoreContract
from statehouse.testing.faults import FaultStore


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def opened(self) -> Opened:
        return Opened(MemoryStore, persists=False)


class TestRocksStore(StoreContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        return Opened(lambda: RocksStore.open(tmp_path / "store"), persists=True)


class TestFaultStoreInMemory(StoreContract):
    @pytest.fixture
    def opened(self) -> Opened:
        disks: list[FaultStore] = []

        def open_store() -> Store:
            disks.append(disks[-1].after_crash() if disks else FaultStore())
            return disks[-1]

        return Opened(open_store, persists=True)


class TestFaultStoreAroundRocks(StoreContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        return Opened(lambda: FaultStore(RocksStore.open(tmp_path / "store")), persists=True)


@pytest.fixture(scope="module")
def rocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RocksStore]:
    store = RocksStore.open(tmp_path_factory.mktemp("order") / "store")
    yield store
    store.close()


KEYS = st.binary(max_size=12) | st.lists(st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF]), max_size=5).map(
    bytes
)


@given(
    batches=st.lists(st.dictionaries(KEYS, st.none() | st.binary(max_size=4), max_size=8), max_size=5),
    start=KEYS,
    stop=KEYS,
    reverse=st.booleans(),
    rows_max=st.integers(1, 6),
)
def test_both_homes_page_as_a_sorted_dictionary_does(
    rocks: RocksStore,
    batches: list[dict[bytes, bytes | None]],
    start: bytes,
    stop: bytes,
    reverse: bool,
    rows_max: int,
) -> None:
    left = rocks.scan(Table.NAMES, b"", b"\xff" * 20, rows_max=1000)
    rocks.write([(Table.NAMES, key, None) for key, _ in left])
    memory, model = MemoryStore(), dict[bytes, bytes]()
    for batch in batches:
        for store in (memory, rocks):
            store.write([(Table.NAMES, key, value) for key, value in batch.items()])
        model.update({key: value for key, value in batch.items() if value is not None})
        for key in (key for key, value in batch.items() if value is None):
            model.pop(key, None)
    expected = sorted(((k, v) for k, v in model.items() if start <= k < stop), reverse=reverse)[:rows_max]
    for store in (memory, rocks):
        assert store.scan(Table.NAMES, start, stop, reverse=reverse, rows_max=rows_max) == expected
