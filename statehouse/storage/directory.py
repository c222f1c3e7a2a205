"""The data directory of a store: what may be in it, who holds it, and whether its disk has room.

::

    <dir>/            mode 0700
        rocks/        RocksDB's own files, LOCK among them
        marks         see `statehouse.storage.marks`
        .manifest     see `statehouse.storage.manifest`
        holder        who holds the LOCK: pid, command, host, start; for people, never for decisions
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import shutil
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from statehouse.errors import CorruptionError, InvalidArgumentError, NotFoundError
from statehouse.storage import NotWrittenError
from statehouse.storage.marks import read_marks

__all__ = ["DataDirectory", "FreeSpace"]

_log = logging.getLogger("statehouse.storage")

_COMMAND_CHARS_MAX: Final = 300
_MIB: Final = 1 << 20
_FREE_BYTES_MIN: Final = 256 * _MIB
_FREE_CHECK_SECONDS: Final = 1.0


class DataDirectory:
    """One data directory, checked before anything native touches it.

    Attributes:
        path: The directory.
        rocks: Where RocksDB keeps its files.
        marks: The mark file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rocks = path / "rocks"
        self.marks = path / "marks"
        self._holder = path / "holder"

    def prepare(self) -> bool:
        """Makes the directory if there is none and says whether the store in it has to be created.

        Raises:
            InvalidArgumentError: The path is a file, may not be used, or holds something that is no store.
            CorruptionError: It held a store, but RocksDB's entry point is gone.
        """
        try:
            if not self.path.exists():
                self.path.mkdir(mode=0o700, parents=True)
                _sync_directory(self.path.parent)
            names = {entry.name for entry in self.path.iterdir()}
        except (NotADirectoryError, FileExistsError) as error:
            raise InvalidArgumentError(
                f"{str(self.path)!r} is not a directory; give the one that holds the store, or a new one"
            ) from error
        except (OSError, ValueError) as error:
            raise _unusable(self.path, error) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise _unusable(self.path, "no permission to write in it")
        strange = {name for name in names if not name.startswith(".")} - {"lost+found", "marks", "holder"}
        if "rocks" not in names and strange:
            raise InvalidArgumentError(
                f"{str(self.path)!r} is not empty and is not a store (it has {min(strange)!r}); "
                "give an empty directory, a new one, or the directory of a store"
            )
        return not self._was_created()

    def require(self) -> None:
        """Returns when a store is there to be read.

        Raises:
            NotFoundError: There is none.
            InvalidArgumentError: The path is a file or may not be read.
            CorruptionError: As in `prepare`.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InvalidArgumentError(
                f"{str(self.path)!r} is not a directory; give the one that holds the store"
            )
        if not self._was_created():
            raise NotFoundError(
                f"there is no store in {str(self.path)!r}; open it for writing once to make one"
            )

    def _was_created(self) -> bool:
        try:
            names = [entry.name for entry in self.rocks.iterdir()]
            written = any(read_marks(self.marks))
        except FileNotFoundError:
            names, written = [], any(read_marks(self.marks))
        except OSError as error:
            raise _unusable(self.path, error) from error
        if "CURRENT" in names:
            return True
        # RocksDB would start an empty database here, and delete the old one's files as strays.
        if written or any(name.endswith(".sst") for name in names):
            raise CorruptionError(
                f"the store in {str(self.path)!r} has data, but its file 'rocks/CURRENT' is missing; "
                "restore the directory from a backup",
                path=str(self.path),
            )
        return False

    def size_bytes(self) -> int:
        """How many bytes the files in it have."""
        size = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                # Compaction deletes files at any time.
                with contextlib.suppress(FileNotFoundError):
                    size += Path(folder, name).stat().st_size
        return size

    def sync(self) -> None:
        """Makes the names of the files in it durable.

        Raises:
            OSError: It cannot be synced.
        """
        _sync_directory(self.path)

    def claim(self) -> None:
        """Writes who holds the directory; called by the process that has the LOCK.

        Raises:
            OSError: The file cannot be written.
        """
        holder = {
            "pid": os.getpid(),
            "command": shlex.join(sys.orig_argv)[:_COMMAND_CHARS_MAX],
            "host": socket.gethostname(),
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "inode": self.rocks.stat().st_ino,
        }
        fresh = self._holder.with_name(".holder.new")
        fresh.write_text(json.dumps(holder) + "\n", encoding="utf-8")
        fresh.replace(self._holder)

    def release(self) -> None:
        """Removes what `claim` wrote; called before the LOCK is given up, so that it is never another's."""
        self._holder.unlink(missing_ok=True)

    def holder(self) -> dict[str, Any]:
        """Who holds the directory, if known: ``pid``, ``command``, ``host``, ``started_at``."""
        try:
            found = json.loads(self._holder.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict) or not isinstance(found.get("pid"), int):
            return {}
        if found.pop("inode", None) not in (None, self._inode()):
            # A copy of a directory: that process has the other one.
            return {}
        # A killed process leaves its name behind; a new one may not have written its own yet.
        if found.get("host") == socket.gethostname() and not _is_alive(found["pid"]):
            return {}
        return found

    def _inode(self) -> int | None:
        try:
            return self.rocks.stat().st_ino
        except OSError:
            return None


class FreeSpace:
    """Keeps a store from filling its disk: writing stops while a log and a flush still fit."""

    def __init__(self, path: Path, free_bytes_min: int | None) -> None:
        """Watches the disk of ``path``.

        Args:
            path: Anything on it.
            free_bytes_min: What must be free; None: 256 MiB or 1 %, whichever is more, and
                on a small disk a tenth of it; 0: never refuse.
        """
        self._path = path
        self._free_bytes_min = free_bytes_min
        self._checked_at = -_FREE_CHECK_SECONDS
        self._refusal: str | None = None

    def require(self) -> None:
        """Returns when there is room; looks at the disk at most once a second.

        Raises:
            NotWrittenError: There is not; reason ``disk_full``.
        """
        now = time.monotonic()
        if now - self._checked_at >= _FREE_CHECK_SECONDS:
            self._checked_at = now
            before, self._refusal = self._refusal, self.refusal()
            if self._refusal is not None and before is None:
                _log.warning("writes are refused: %s", self._refusal)
            elif self._refusal is None and before is not None:
                _log.warning("the disk has room again: writes go on")
        if self._refusal is not None:
            raise NotWrittenError(self._refusal, "disk_full")

    def refusal(self) -> str | None:
        """Why a write would be refused now; None where there is room."""
        if self._free_bytes_min == 0:
            return None
        try:
            disk = shutil.disk_usage(self._path)
        except OSError:
            # Not knowing is no reason to refuse; the write itself will tell.
            return None
        needed = self._free_bytes_min
        if needed is None:
            needed = max(min(_FREE_BYTES_MIN, disk.total // 10), disk.total // 100)
        if disk.free >= needed:
            return None
        return (
            f"the disk of {str(self._path)!r} has {disk.free // _MIB} MiB free and writing stops below "
            f"{needed // _MIB} MiB (free_bytes_min); free some space and writing goes on by itself"
        )


def _unusable(path: Path, why: object) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"the data directory {str(path)!r} cannot be used: {why}; choose another or fix that"
    )


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        # There os.kill(pid, 0) is not a question but a signal.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Whether a process is only there until its parent looks at it; False where that cannot be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] in (["Z"], ["X"])


def _sync_directory(path: Path) -> None:
    if os.name == "nt":
        # Windows cannot open a directory as a file; NTFS journals names by itself.
        return
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
