"""Work that has to run between two groups of commits, in the writer's place: it sees no half of a commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from statehouse.storage import Row

Rows = Callable[[], Sequence[Row]]
"""Looks at the store and says which rows to write; nothing else is written meanwhile."""


class Errand:
    """Rows to be worked out and written by the writer; whoever asked waits for `done`."""

    __slots__ = ("done", "rows", "sync")

    def __init__(self, rows: Rows, *, sync: bool) -> None:
        """An errand; with `sync` it is done when all that was written is durable."""
        self.rows = rows
        self.sync = sync
        self.done: Future[None] = Future()
