"""Where the state of a LangGraph program can live: in memory, in a directory, behind a daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from statehouse import Statehouse
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving

HOMES: Final = ("memory", "rocksdb", "daemon")


@contextmanager
def opened(home: str, folder: Path) -> Iterator[Statehouse]:
    """Opens an empty store of a kind; a directory is made in the folder."""
    match home:
        case "memory":
            with Statehouse("memory:") as handle:
                yield handle
        case "rocksdb":
            with Statehouse(f"file:{folder / 'store'}") as handle:
                yield handle
        case "daemon":
            with (
                closing(open_engine(MemoryStore())) as engine,
                serving(engine) as address,
                Statehouse(address) as handle,
            ):
                yield handle
        case _:
            raise AssertionError(home)
