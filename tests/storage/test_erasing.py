"""After an erase the bytes are in no file of a real store's directory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from statehouse.engine import LocalEngine, open_engine
from statehouse.errors import ErasedError, RefusingWritesError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import (
    Commit,
    Copy,
    Delete,
    Erase,
    Extend,
    Get,
    History,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import BYTES, Payload
from statehouse.storage.rocksdb import RocksStore
from tests.engine_faults.workload import assert_sound, filler

SMALL, LARGE, LOG = (RecordKey("default", "planner", key) for key in ("small", "large", "log"))
KEPT = RecordKey("default", "critic", "kept")


@dataclass(frozen=True, slots=True)
class Marker:
    """Bytes that do not compress, in a value: enough of them to be found, whatever they stand beside."""

    name: str
    size: int

    @property
    def data(self) -> bytes:
        return filler(self.name, self.size)


OLD_SMALL, NEW_SMALL = Marker("old small", 900), Marker("new small", 900)
OLD_LARGE, NEW_LARGE = Marker("old large", 100_000), Marker("new large", 100_000)
BEGUN, GROWN = Marker("begun", 5000), Marker("grown", 3000)
ERASED = (OLD_SMALL, NEW_SMALL, OLD_LARGE, NEW_LARGE, BEGUN, GROWN)
STAYING = Marker("staying", 5000)


def found(directory: Path, markers: Iterable[Marker]) -> list[str]:
    """Which markers are in some file, by any 24 bytes in their middle."""
    contents = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
    return [
        marker.name
        for marker in markers
        if any(marker.data[marker.size // 2 :][:24] in content for content in contents)
    ]


def committed(engine: LocalEngine, *operations: WriteOperation) -> None:
    commit_ts = engine.execute(Commit(filler(repr(operations), 16).hex(), operations)).commit_ts
    assert commit_ts


def write(engine: LocalEngine, key: RecordKey, marker: Marker) -> None:
    committed(engine, Write(key, Payload(BYTES, marker.data)))


def opened(directory: Path) -> LocalEngine:
    return open_engine(RocksStore.open(directory, free_bytes_min=0))


def fill(directory: Path) -> None:
    """Writes all markers: some of them into files, some only into the log."""
    engine = opened(directory)
    write(engine, SMALL, OLD_SMALL)
    write(engine, LARGE, OLD_LARGE)
    write(engine, LOG, BEGUN)
    write(engine, KEPT, STAYING)
    engine.close()
    engine = opened(directory)
    write(engine, SMALL, NEW_SMALL)
    write(engine, LARGE, NEW_LARGE)
    committed(engine, Extend(LOG, LOG, 1, (Copy(0, BEGUN.size), GROWN.data), BYTES))
    committed(engine, Delete(LARGE))
    engine.close()


def erase(engine: LocalEngine, *, keys: tuple[str, ...] = (), prefixes: tuple[str, ...] = ()) -> None:
    cursor = None
    while True:
        cursor = engine.execute(Erase("default", "planner", keys, prefixes, cursor=cursor)).cursor
        if cursor is None:
            return


def test_what_was_written_is_found(tmp_path: Path) -> None:
    """The control: without an erase each of the markers is in some file."""
    fill(tmp_path)
    assert found(tmp_path, (*ERASED, STAYING)) == [marker.name for marker in (*ERASED, STAYING)]


@pytest.mark.parametrize(
    "names", [{"prefixes": ("",)}, {"keys": ("small", "large", "log")}], ids=["agent", "keys"]
)
def test_what_was_erased_is_in_no_file(tmp_path: Path, names: dict[str, tuple[str, ...]]) -> None:
    """G6: not while the store is open, and not after it was closed."""
    fill(tmp_path)
    engine = opened(tmp_path)
    erase(engine, **names)
    assert found(tmp_path, ERASED) == []
    assert found(tmp_path, [STAYING]) == [STAYING.name]
    assert engine.execute(Get(KEPT)).entry.payload == Payload(BYTES, STAYING.data)
    assert_sound(engine)
    engine.close()
    assert found(tmp_path, ERASED) == []
    engine = opened(tmp_path)
    assert_sound(engine)
    engine.close()


def test_what_is_only_in_the_log_is_erased_too(tmp_path: Path) -> None:
    """G6."""
    engine = opened(tmp_path)
    for key, marker in ((SMALL, OLD_SMALL), (LARGE, OLD_LARGE), (LOG, BEGUN)):
        write(engine, key, marker)
    assert len(found(tmp_path, ERASED)) == 3
    erase(engine, prefixes=("",))
    assert found(tmp_path, ERASED) == []
    engine.close()


def test_a_reader_beside_it_finds_values_or_that_they_were_erased(tmp_path: Path) -> None:
    """G6: a directory that is read while its owner erases; and only its owner does."""
    fill(tmp_path)
    engine = opened(tmp_path)
    reader = open_engine(RocksStore.open(tmp_path, read_only=True))
    assert reader.execute(Get(SMALL)).entry.payload == Payload(BYTES, NEW_SMALL.data)
    dry = reader.execute(Erase("default", "planner", prefixes=("",), dry_run=True))
    with pytest.raises(RefusingWritesError, match="read_only=True"):
        reader.execute(Erase("default", "planner", prefixes=("",)))
    erase(engine, prefixes=("",))
    for key in (SMALL, LOG):
        with pytest.raises(ErasedError):
            reader.execute(Get(key))
    assert [entry.kind for entry in reader.execute(History(LARGE)).entries] == ["erased", "erased", "delete"]
    assert reader.execute(Get(KEPT)).entry.payload == Payload(BYTES, STAYING.data)
    assert dry.versions == 6
    reader.close()
    engine.close()
