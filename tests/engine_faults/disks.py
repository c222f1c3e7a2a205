"""Stores that say who used them, and take as long as a test says."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from statehouse.errors import CorruptionError
from statehouse.storage import Row, Table
from statehouse.storage.memory import MemoryStore
from statehouse.testing.faults import Call
from tests.engine_faults.gates import WAIT_S, GatedStore

Done = tuple[Call, int]
"""A call that reached the disk, and the thread that made it."""


class Disk(MemoryStore):
    """A store in memory whose syncs take as long as a test says, on a clock that the test has.

    Attributes:
        done: The writes and syncs so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.sync_s = 0.0
        self.damaged = False
        self.hold: threading.Event | None = None
        self.syncing = threading.Event()
        self.done: list[Done] = []

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Cannot, while it is damaged."""
        if self.damaged:
            raise CorruptionError("a flipped bit")
        return super().get(table, key)

    def write(self, rows: Sequence[Row]) -> None:
        """Notes who wrote."""
        self.done.append((Call.WRITE, threading.get_ident()))
        super().write(rows)

    def sync(self) -> None:
        """Takes its time."""
        self.done.append((Call.SYNC, threading.get_ident()))
        super().sync()
        self.now += self.sync_s
        if self.hold is not None:
            self.syncing.set()
            self.hold.wait(WAIT_S)

    def now_us(self) -> int:
        """The time of day."""
        return int(self.now * 1e6)

    def monotonic(self) -> float:
        """The time for timeouts."""
        return self.now


class WitnessedStore(GatedStore):
    """A store with gates and faults that notes who wrote and who synced.

    Attributes:
        done: The writes and syncs so far, those that failed included.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Done] = []

    def write(self, rows: Sequence[Row]) -> None:
        """See `Store.write`."""
        self.done.append((Call.WRITE, threading.get_ident()))
        super().write(rows)

    def sync(self) -> None:
        """See `Store.sync`."""
        self.done.append((Call.SYNC, threading.get_ident()))
        super().sync()
