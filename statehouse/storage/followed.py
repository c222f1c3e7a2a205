"""What a reader of somebody else's database follows: the log, and whether that one has ended unseen.

A secondary reads the log of the process that writes. When that flushes its memory, at its close above all, it
deletes the log; what was last in it then lies in tables. The secondary finds those tables, but goes on to
show the older rows of the deleted log, which it has in memory, over the newer ones, until the next log has
something: that may be never. Such a reader has to be opened anew.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path


class FollowedLog:
    """What a reader follows. It is made before the reader is opened, so that nothing is missed in between.

    Args:
        path: The database.

    Attributes:
        diary: A directory of the reader's own: RocksDB keeps a diary there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = self._newest()
        self.diary = Path(tempfile.mkdtemp(prefix="statehouse-read-only-"))

    def has_ended(self) -> bool:
        """Whether the log that was the newest is gone: what was last in it may not have been read."""
        if self._log is None:
            self._log = self._newest()
            return False
        return not self._log.exists()

    def forget(self) -> None:
        """Removes the diary, when the reader is closed."""
        shutil.rmtree(self.diary, ignore_errors=True)

    def _newest(self) -> Path | None:
        # Their names are numbers, of six digits or more.
        logs = self._path.glob("*.log")
        return max(logs, key=lambda log: (len(log.name), log.name), default=None)
