"""What RocksDB's errors mean. rocksdict raises bare Exceptions, so their text is all there is to go by."""

from __future__ import annotations

import os
from enum import Enum, auto
from typing import Final

from statehouse.errors import (
    CorruptionError,
    DirectoryLockedError,
    EngineError,
    InvalidArgumentError,
    OverloadedError,
    StatehouseError,
)
from statehouse.storage import NotWrittenError, Table
from statehouse.storage.directory import DataDirectory

__all__ = ["is_stall", "not_opened", "not_written", "unreadable", "unsure"]

_FULL_AGAIN_S: Final = 5.0


class _Fault(Enum):
    LOCKED = auto()
    STALLED = auto()
    DISK_FULL = auto()
    CORRUPT = auto()
    FORBIDDEN = auto()
    OTHER = auto()


_TEXTS = (
    ("lock hold by current process", _Fault.LOCKED),
    ("While lock file", _Fault.LOCKED),
    ("Write stall", _Fault.STALLED),
    ("No space left on device", _Fault.DISK_FULL),
    ("Disk quota exceeded", _Fault.DISK_FULL),
    ("Corruption", _Fault.CORRUPT),
    ("No such file or directory", _Fault.CORRUPT),
    ("Permission denied", _Fault.FORBIDDEN),
    ("Read-only file system", _Fault.FORBIDDEN),
)


def _fault(error: Exception) -> _Fault:
    text = str(error)
    return next((fault for words, fault in _TEXTS if words in text), _Fault.OTHER)


def is_stall(error: Exception) -> bool:
    """Whether a write was refused only because flushes or compactions have to catch up."""
    return _fault(error) is _Fault.STALLED


def not_opened(directory: DataDirectory, error: Exception) -> StatehouseError:
    """What to raise when a database cannot be opened."""
    path = str(directory.path)
    match _fault(error):
        case _Fault.LOCKED:
            return _locked(directory, str(error))
        case _Fault.CORRUPT:
            return CorruptionError(
                f"the store in {path!r} cannot be opened ({error}); restore the directory from a backup",
                path=path,
            )
        case _Fault.FORBIDDEN:
            return InvalidArgumentError(
                f"the data directory {path!r} cannot be used ({error}); fix its permissions"
            )
        case _Fault.DISK_FULL:
            return OverloadedError(
                f"the disk of {path!r} is full ({error}); nothing is lost: free some space and open it again",
                retry_after=_FULL_AGAIN_S,
                reason="disk_full",
            )
        case _:
            return EngineError(f"the store in {path!r} cannot be opened ({error})", path=path)


def _locked(directory: DataDirectory, text: str) -> DirectoryLockedError:
    path = str(directory.path)
    if "current process" in text:
        return DirectoryLockedError(
            f"the store in {path!r} is open in this process already; use that handle, or close it first "
            "(a call in flight also keeps it open)",
            path=path,
            holder={"pid": os.getpid()},
        )
    holder = directory.holder()
    who = "another process"
    if holder:
        who = f"process {holder['pid']} ({holder.get('command')}, since {holder.get('started_at')})"
    return DirectoryLockedError(
        f"the store in {path!r} is held by {who}; stop it, or open the directory read-only (read_only=True)",
        path=path,
        holder=holder,
    )


def not_written(directory: DataDirectory, error: Exception) -> NotWrittenError | EngineError:
    """What to raise when a write failed: nothing was applied, or its outcome is in doubt."""
    path = str(directory.path)
    match _fault(error):
        case _Fault.STALLED:
            return NotWrittenError(f"the store in {path!r} did not catch up; write less at a time", "stall")
        case _Fault.DISK_FULL:
            return NotWrittenError(
                f"the disk of {path!r} is full ({error}); free some space and writing goes on within seconds",
                "disk_full",
            )
        case _:
            return unsure(directory, "a write failed", error)


def unsure(directory: DataDirectory, what: str, error: Exception) -> EngineError:
    """What to raise when it is not known what is on disk."""
    path = str(directory.path)
    kind = CorruptionError if _fault(error) is _Fault.CORRUPT else EngineError
    return kind(f"the store in {path!r}: {what} ({error})", path=path)


def unreadable(directory: DataDirectory, table: Table | None, error: Exception) -> CorruptionError:
    """What to raise when a read failed."""
    path = str(directory.path)
    where = "" if table is None else f"table {table.value!r} of "
    return CorruptionError(
        f"{where}the store in {path!r} cannot be read ({error}); restore the directory from a backup",
        path=path,
    )
