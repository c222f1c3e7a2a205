"""Where benchmarks keep their data: directories on a real disk, gone when a row is done."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_LINKED = frozenset({".sst", ".blob"})
"""RocksDB never changes these once they are written, only removes them."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Directories, and how much data to put into them.

    Attributes:
        path: Where directories are made; on the disk that is to be measured.
        cache: Where large stores are kept from run to run, on the same disk so that files can be linked.
        quick: Whether figures only have to exist, not to mean anything.
    """

    path: Path
    cache: Path
    quick: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def scaled(self, count: int) -> int:
        """How many of something: all of them, or a twentieth when it has to be quick."""
        return max(count // 20, 10) if self.quick else count

    @contextmanager
    def directory(self, name: str) -> Iterator[Path]:
        """A path at which nothing is yet, removed afterwards with whatever was put there."""
        path = self.path / f"{name}-{os.getpid()}-{next(self._numbers)}"
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def size_bytes(path: Path) -> int:
    """How many bytes the files below a directory have."""
    return sum(Path(folder, name).stat().st_size for folder, _, names in os.walk(path) for name in names)


def read_through(path: Path) -> None:
    """Reads every file below a directory once, so that the system has them in memory."""
    for folder, _, names in os.walk(path):
        for name in names:
            with Path(folder, name).open("rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def copy_store(source: Path, target: Path) -> None:
    """Copies a store that no process has open; table files are linked, which costs nothing."""
    for folder, _, names in os.walk(source):
        into = target / Path(folder).relative_to(source)
        into.mkdir(mode=0o700, parents=True)
        for name in names:
            file = Path(folder, name)
            if file.suffix in _LINKED:
                os.link(file, into / name)
            else:
                shutil.copy2(file, into / name)
