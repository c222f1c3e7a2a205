"""How long RocksDB's manifest was: a manifest that lost its end opens without what the end said.

The end of the manifest says which files hold what the deleted logs held. Cut off, whole stretches of
commits are missing from some tables, between older ones and newer ones, and RocksDB opens it without a word.

Invariants:

* N1. What is noted was synced: a manifest is noted while nothing is written to it (after opening and
  closing), or when it has not changed for a second.
* N2. A note that cannot be read or written says nothing, and stops nobody; it is replaced by renaming, so a
  crash leaves the old one or the new one.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from statehouse.errors import CorruptionError

__all__ = ["ManifestNote"]

_NOTE: Final = ".manifest"


class _Length(NamedTuple):
    name: str
    size_bytes: int

    def pack(self) -> bytes:
        text = f"{self.name} {self.size_bytes}"
        return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()


class ManifestNote:
    """The note beside one database; used by the process that holds it."""

    def __init__(self, directory: Path, rocks: Path) -> None:
        self._path = directory / _NOTE
        self._rocks = rocks
        self._noted: _Length | None = None
        self._seen: _Length | None = None

    def require(self) -> None:
        """Returns when the manifest is at least as long as it was.

        Raises:
            CorruptionError: It is shorter.
        """
        noted, found = self._read(), self._look()
        if noted and found and noted.name == found.name and found.size_bytes < noted.size_bytes:
            raise CorruptionError(
                f"the file {str(self._rocks / found.name)!r} has {found.size_bytes} bytes and had "
                f"{noted.size_bytes}: commits that were acknowledged are missing in the middle; restore the "
                "directory from a backup",
                path=str(self._path.parent),
            )

    def note(self) -> None:
        """Notes the length now, while nothing writes to the manifest."""
        self._write(self._look())

    def note_if_settled(self) -> None:
        """Notes the length if it has not changed since the last call; to be called about once a second."""
        seen, self._seen = self._seen, self._look()
        if seen == self._seen:
            self._write(seen)

    def _look(self) -> _Length | None:
        # The manifest is replaced now and then: the file that CURRENT names may be gone when it is asked for.
        with contextlib.suppress(FileNotFoundError):
            name = (self._rocks / "CURRENT").read_text(encoding="ascii").strip()
            return _Length(name, (self._rocks / name).stat().st_size)
        return None

    def _read(self) -> _Length | None:
        with contextlib.suppress(OSError, ValueError):
            content = self._path.read_bytes()
            name, size_bytes, _ = content.decode("ascii").split(" ")
            length = _Length(name, int(size_bytes))
            return length if length.pack() == content else None
        return None

    def _write(self, length: _Length | None) -> None:
        if length is None or length == self._noted:
            return
        fresh = self._path.with_name(f"{_NOTE}.new")
        with contextlib.suppress(OSError):
            with fresh.open("wb") as file:
                file.write(length.pack())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            self._noted = length
