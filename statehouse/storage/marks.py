"""The mark file: two small slots beside the log, which say how far the log must reach.

RocksDB opens an emptied log or a cut manifest without complaint; only a second opinion sees it. What a mark
means is the engine's: it checksums its data, since a power cut may tear a slot, and writes the slots in turn,
so that one of the two is always whole.

Layout: slot ``n`` is at byte ``n * 4096`` (a write never touches the other one's page): two bytes of length,
big endian, then the data. The rest is zeros.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["MARK_BYTES_MAX", "SLOTS", "MarkFile", "check_mark", "read_marks", "seek_and_write"]

SLOTS: Final = 2
MARK_BYTES_MAX: Final = 512
_SLOT_BYTES: Final = 4096
_LENGTH_BYTES: Final = 2

# macOS and Windows have no fdatasync; Windows opens files as text unless told.
_sync_data = getattr(os, "fdatasync", os.fsync)
_BINARY: Final[int] = getattr(os, "O_BINARY", 0)


def seek_and_write(file: int, data: bytes, at: int) -> int:
    """Does what `os.pwrite` does, on Windows: one thread writes, and reads open the file themselves.

    Raises:
        OSError: It cannot be written.
    """
    os.lseek(file, at, os.SEEK_SET)
    return os.write(file, data)


# Where there is pwrite: each call lets go of the interpreter, for which the writer's callers wait already.
_write_at: Final[Callable[[int, bytes, int], int]] = getattr(os, "pwrite", seek_and_write)


def check_mark(slot: int, data: bytes) -> None:
    """Returns when a mark can be written.

    Raises:
        ValueError: There is no such slot, or the data is longer than 512 bytes.
    """
    if slot not in range(SLOTS):
        raise ValueError(f"mark slot {slot} does not exist; there are 0 and 1")
    if len(data) > MARK_BYTES_MAX:
        raise ValueError(f"a mark of {len(data)} bytes; at most {MARK_BYTES_MAX} fit a slot")


def read_marks(path: Path) -> tuple[bytes, bytes]:
    """The data of both slots; empty where the file, the slot or a sensible length is missing.

    Raises:
        OSError: The file is there but cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b"", b""
    return _slot(content, 0), _slot(content, 1)


def _slot(content: bytes, slot: int) -> bytes:
    at = slot * _SLOT_BYTES
    length = int.from_bytes(content[at : at + _LENGTH_BYTES], "big")
    if length > MARK_BYTES_MAX:
        return b""
    at += _LENGTH_BYTES
    return content[at : at + length]


class MarkFile:
    """The mark file of a store that this process writes; used by one thread at a time (I5)."""

    def __init__(self, path: Path) -> None:
        """Opens the file, made at its full size when it is new.

        Raises:
            OSError: It cannot be opened or made.
        """
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
        try:
            if os.fstat(self._file).st_size < SLOTS * _SLOT_BYTES:
                os.ftruncate(self._file, SLOTS * _SLOT_BYTES)
                os.fsync(self._file)
        except BaseException:
            os.close(self._file)
            raise

    def read(self) -> tuple[bytes, bytes]:
        """The data of both slots.

        Raises:
            OSError: The file cannot be read.
        """
        return read_marks(self._path)

    def write(self, slot: int, data: bytes, *, sync: bool = False) -> None:
        """Overwrites one slot; after a crash of the machine it is the old one or the new one if ``sync``.

        Raises:
            ValueError: There is no such slot, or the data is too long.
            OSError: The file cannot be written.
        """
        check_mark(slot, data)
        content = len(data).to_bytes(_LENGTH_BYTES, "big") + data
        if _write_at(self._file, content, slot * _SLOT_BYTES) != len(content):
            raise OSError(f"the mark file {str(self._path)!r} took only a part of a mark")
        if sync:
            _sync_data(self._file)

    def close(self) -> None:
        """Syncs and closes the file. Idempotent.

        Raises:
            OSError: The file cannot be synced; it is closed all the same.
        """
        if self._file < 0:
            return
        file, self._file = self._file, -1
        try:
            _sync_data(file)
        finally:
            os.close(file)
