"""Which of RocksDB's logs a reader has read from, and whether that one has ended unseen.

A secondary reads the log of the process that writes. When that flushes its memory, at its close above all, it
deletes the log; what was last in it then lies in tables. The secondary finds those tables, but goes on to
show the older rows of the deleted log, which it has in memory, over the newer ones, until the next log has
something: that may be never. Such a reader has to be opened anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_LOG: Final = ".log"


class FollowedLog:
    """The newest log when a reader last looked.

    Args:
        path: The database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._followed = max(self._logs(), default="")

    def look(self) -> frozenset[str]:
        """Gives the logs that there are, to be handed to `has_ended` once they have been read."""
        return self._logs()

    def has_ended(self, before: frozenset[str]) -> bool:
        """Whether the log that was followed is gone; if not, the newest of those that were read is it now."""
        if self._followed not in self._logs():
            return True
        self._followed = max(before)
        return False

    def _logs(self) -> frozenset[str]:
        # Their names are numbers, of six digits or more.
        with os.scandir(self._path) as found:
            return frozenset(each.name.rjust(32, "0") for each in found if each.name.endswith(_LOG))
