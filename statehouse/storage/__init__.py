"""Where bytes are kept: ordered bytes in tables, and atomic batches. Nothing here knows what they mean.

A `Store` is the seam between the engine and a disk. Two homes implement it (`memory`, `rocksdb`), and
`statehouse.testing.faults` wraps it to crash and fail at chosen points. One contract suite runs over all.

Invariants every store keeps:

* I1. A `write` is applied whole or not at all, also after a crash.
* I2. After `sync` returns, every earlier `write` survives a crash of the machine.
* I3. Without `sync` a crash may lose the newest writes, never a middle one.
* I4. A read sees every `write` that returned before it began.
* I5. `write`, `sync` and `write_mark` are called by one thread at a time; reads by any thread at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol


class Table(StrEnum):
    """The ordered tables of a store; what their rows mean is in `statehouse.engine.layout`."""

    NAMES = "names"
    RECORDS = "records"
    HISTORY = "history"
    VERSIONS = "versions"
    SEGMENTS = "segments"
    EVENTS = "events"
    AGENTS = "agents"
    ORIGINS = "origins"
    TXNS = "txns"
    META = "meta"


Row = tuple[Table, bytes, bytes | None]
"""A row to put, or with None to delete."""

PAGE_ROWS: Final = 256
PAGE_BYTES: Final = 1 << 20


class NotWrittenError(Exception):
    """A `write` failed and nothing of it was applied; the store goes on.

    Attributes:
        reason: ``"stall"`` or ``"disk_full"``.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Store(Protocol):
    """Ordered tables of bytes with atomic batches, and a small side file of marks.

    Any error other than `NotWrittenError` from `write`, and every error from `sync` or `write_mark`, leaves
    the outcome in doubt: the engine stops writing (G8).
    """

    @property
    def kind(self) -> str:
        """``rocksdb`` or ``memory``."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether writes are refused: the directory is held by another process."""
        ...

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of a row, or None. Raises CorruptionError when it cannot be read."""
        ...

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        """The values of many rows, in the order asked."""
        ...

    def scan(
        self,
        table: Table,
        start: bytes,
        stop: bytes,
        *,
        reverse: bool = False,
        rows_max: int = PAGE_ROWS,
        bytes_max: int = PAGE_BYTES,
    ) -> list[tuple[bytes, bytes]]:
        """One short page of rows with ``start <= key < stop``, in byte order (or reverse).

        A page shorter than ``rows_max`` whose sizes stay below ``bytes_max`` is the last one. To go on, call
        again with ``start`` just after the last key (or with ``stop`` at the last key, in reverse).
        """
        ...

    def write(self, rows: Sequence[Row]) -> None:
        """Applies rows as one atomic batch; visible to reads, not yet durable (I1, I3).

        Raises:
            NotWrittenError: Nothing was applied.
        """
        ...

    def sync(self) -> None:
        """Makes every earlier write durable (I2)."""
        ...

    def read_marks(self) -> tuple[bytes, bytes]:
        """The two mark slots as they were last written, empty where there is none. See `write_mark`."""
        ...

    def write_mark(self, slot: int, data: bytes, *, sync: bool = False) -> None:
        """Overwrites a slot (0 or 1) of at most 512 bytes in a file beside the log, not atomic with it."""
        ...

    def refresh(self) -> None:
        """In a read-only store, catches up with what the other process wrote since."""
        ...

    def compact(self, ranges: Mapping[Table, tuple[bytes, bytes]] | None = None) -> None:
        """Rewrites files so that deleted and overwritten rows are in none of them any more.

        With ranges, ``start <= key < stop`` in some tables, only of the rows in them. Reads and writes of
        other threads go on meanwhile.
        """
        ...

    def size_bytes(self) -> int:
        """How many bytes the store takes."""
        ...

    def details(self) -> Mapping[str, str]:
        """Facts for people: file counts, memory, stalls."""
        ...

    def close(self) -> None:
        """Flushes what is in memory, syncs, and frees everything. Idempotent."""
        ...

    def abandon(self) -> None:
        """Marks the store unusable without touching any file; for a forked child, and after a fatal error."""
        ...
