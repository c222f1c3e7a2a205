"""A store that fails and crashes where a test says so, and knows what a disk would have kept.

`FaultStore` wraps any store. It counts the calls that reach a disk (`Call`), so that a test can run a
scenario once, read the counts, and run it again with a fault at each of them::

    counted = FaultStore()
    scenario(counted)
    for nth in range(1, counted.calls[Call.SYNC] + 1):
        store = FaultStore()
        store.arm(crash(Call.SYNC, nth))
        with pytest.raises(SimulatedCrash):
            scenario(store)
        check(store.after_crash())

What a crash keeps is modelled on the store's own promises: everything up to the last `sync` (I2), then any
prefix of the writes since (I3), each of them whole (I1). The mark file is a file of its own: each of its
slots is as of the last synced mark or newer, whatever the log did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from statehouse.storage import PAGE_BYTES, PAGE_ROWS, NotWrittenError, Row, Store, Table
from statehouse.storage.memory import MemoryStore

__all__ = ["Call", "Fault", "FaultStore", "Marks", "Moment", "SimulatedCrash", "crash", "refusal"]


class SimulatedCrash(BaseException):
    """The power went out. Not an Exception, so that nothing between the store and the test survives it."""


class Call(Enum):
    """A call that reaches the disk."""

    WRITE = "write"
    SYNC = "sync"
    WRITE_MARK = "write_mark"


class Moment(Enum):
    """On which side of the call's effect a fault comes."""

    BEFORE = "before"
    """The call has no effect."""

    AFTER = "after"
    """The call has its effect, and the caller is not told."""


class Marks(Enum):
    """What a crash leaves in the mark file."""

    SYNCED = "synced"
    """Each slot as of its last synced write: the mark may be behind the log."""

    WRITTEN = "written"
    """Each slot as last written: with writes lost, the mark is ahead of the log."""

    TORN = "torn"
    """The slot written last is half new and half old; the other one as last written."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and when.

    Attributes:
        call: In which call.
        nth: In which of those after `FaultStore.arm`, from 1.
        error: Makes what is raised.
        moment: Whether the call has its effect first.
    """

    call: Call
    nth: int
    error: Callable[[], BaseException]
    moment: Moment = Moment.BEFORE


def crash(call: Call, nth: int = 1, moment: Moment = Moment.BEFORE) -> Fault:
    """A fault that ends the store: it raises `SimulatedCrash`, and so does every call after it."""
    return Fault(
        call, nth, lambda: SimulatedCrash(f"at {call.value} {nth}, {moment.value} its effect"), moment
    )


def refusal(nth: int = 1, reason: str = "disk_full") -> Fault:
    """A fault that refuses a write as a real store does: nothing is applied, and the store goes on."""
    return Fault(Call.WRITE, nth, lambda: NotWrittenError(f"refused by a test: {reason}", reason))


class FaultStore:
    """A store around a store that fails where it is told to.

    Around a `MemoryStore` (the default) it also keeps the image as of the last sync and the writes since, and
    `after_crash` gives what a disk would hold. Around any other store it only fails calls.

    Attributes:
        calls: How many calls of each kind came, those that failed included.

    Example:
        >>> store = FaultStore()
        >>> store.write([(Table.META, b"a", b"1")])
        >>> store.sync()
        >>> store.write([(Table.META, b"b", b"2")])
        >>> store.arm(crash(Call.SYNC))
        >>> try:
        ...     store.sync()
        ... except SimulatedCrash:
        ...     disk = store.after_crash()
        >>> disk.get(Table.META, b"a"), disk.get(Table.META, b"b")
        (b'1', None)
    """

    def __init__(self, inner: Store | None = None) -> None:
        self._inner: Store = MemoryStore() if inner is None else inner
        self._synced = self._inner.copy() if isinstance(self._inner, MemoryStore) else None
        self._unsynced: list[tuple[Row, ...]] = []
        self._marks = list(self._inner.read_marks())
        self._torn_slot: int | None = None
        self._old_mark = b""
        self._crashed: SimulatedCrash | None = None
        self._armed: list[tuple[Fault, int]] = []
        self.calls: Counter[Call] = Counter()

    def arm(self, *faults: Fault) -> None:
        """Adds faults; each happens once, counted from now."""
        self._armed.extend((fault, self.calls[fault.call] + fault.nth) for fault in faults)

    @property
    def pending(self) -> int:
        """How many armed faults have not happened yet."""
        return len(self._armed)

    @property
    def unsynced(self) -> int:
        """How many writes came after the last sync: what `after_crash` can be asked to keep."""
        return len(self._unsynced)

    def after_crash(self, *, survivors: int = 0, marks: Marks = Marks.SYNCED) -> FaultStore:
        """What a disk holds if the machine stops now, as a new store with no faults armed.

        Args:
            survivors: How many of the unsynced writes reached the disk all the same, oldest first.
            marks: What became of the mark file.

        Raises:
            ValueError: There are not that many unsynced writes, or the inner store is not in memory.
        """
        if self._synced is None:
            raise ValueError(f"only a store in memory knows what a crash keeps, not {self._inner.kind!r}")
        if not 0 <= survivors <= len(self._unsynced):
            raise ValueError(f"{survivors} writes cannot survive; {len(self._unsynced)} are not synced")
        disk = self._synced.copy()
        for rows in self._unsynced[:survivors]:
            disk.write(rows)
        if marks is not Marks.SYNCED:
            for slot, data in enumerate(self._marks):
                disk.write_mark(slot, data)
        if marks is Marks.TORN and self._torn_slot is not None:
            disk.write_mark(self._torn_slot, _torn(self._old_mark, self._marks[self._torn_slot]))
        return FaultStore(disk)

    @property
    def kind(self) -> str:
        """The inner store's kind."""
        return self._inner.kind

    @property
    def read_only(self) -> bool:
        """Whether the inner store refuses writes."""
        return self._inner.read_only

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See `Store.get`.

        Raises:
            SimulatedCrash: The store crashed before.
        """
        self._require_alive()
        return self._inner.get(table, key)

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        """See `Store.get_many`.

        Raises:
            SimulatedCrash: The store crashed before.
        """
        self._require_alive()
        return self._inner.get_many(table, keys)

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
        """See `Store.scan`.

        Raises:
            SimulatedCrash: The store crashed before.
        """
        self._require_alive()
        return self._inner.scan(table, start, stop, reverse=reverse, rows_max=rows_max, bytes_max=bytes_max)

    def write(self, rows: Sequence[Row]) -> None:
        """See `Store.write`.

        Raises:
            SimulatedCrash: Here, as armed, or before.
        """

        def apply() -> None:
            self._inner.write(rows)
            if self._synced is not None:
                self._unsynced.append(tuple(rows))

        self._reach_disk(Call.WRITE, apply)

    def sync(self) -> None:
        """See `Store.sync`.

        Raises:
            SimulatedCrash: Here, as armed, or before.
        """

        def apply() -> None:
            self._inner.sync()
            self._keep_writes()

        self._reach_disk(Call.SYNC, apply)

    def read_marks(self) -> tuple[bytes, bytes]:
        """See `Store.read_marks`.

        Raises:
            SimulatedCrash: The store crashed before.
        """
        self._require_alive()
        return self._inner.read_marks()

    def write_mark(self, slot: int, data: bytes, *, sync: bool = False) -> None:
        """See `Store.write_mark`.

        Raises:
            SimulatedCrash: Here, as armed, or before.
        """

        def apply() -> None:
            self._inner.write_mark(slot, data, sync=sync)
            self._torn_slot, self._old_mark = slot, self._marks[slot]
            self._marks[slot] = data
            if sync:
                self._keep_marks()

        self._reach_disk(Call.WRITE_MARK, apply)

    def refresh(self) -> None:
        """See `Store.refresh`.

        Raises:
            SimulatedCrash: The store crashed before.
        """
        self._require_alive()
        self._inner.refresh()

    def compact(self, ranges: Mapping[Table, tuple[bytes, bytes]] | None = None) -> None:
        """See `Store.compact`.

        Raises:
            SimulatedCrash: The store crashed before.
        """
        self._require_alive()
        self._inner.compact(ranges)

    def size_bytes(self) -> int:
        """See `Store.size_bytes`.

        Raises:
            SimulatedCrash: The store crashed before.
        """
        self._require_alive()
        return self._inner.size_bytes()

    def details(self) -> Mapping[str, str]:
        """The inner store's, and how often each call came.

        Raises:
            SimulatedCrash: The store crashed before.
        """
        self._require_alive()
        return {**self._inner.details(), **{f"{call.value} calls": str(self.calls[call]) for call in Call}}

    def close(self) -> None:
        """Syncs, so that nothing is lost afterwards, and closes the inner store; a crashed one it only drops.

        `after_crash` still answers: it is how a test reopens what was closed.
        """
        if self._crashed is not None:
            self._inner.abandon()
            return
        self._keep_writes()
        self._keep_marks()
        self._inner.close()

    def _keep_writes(self) -> None:
        if self._synced is not None:
            for rows in self._unsynced:
                self._synced.write(rows)
        self._unsynced.clear()

    def _keep_marks(self) -> None:
        # The slots share a file: syncing one syncs both.
        self._torn_slot = None
        if self._synced is not None:
            for slot, data in enumerate(self._marks):
                self._synced.write_mark(slot, data)

    def abandon(self) -> None:
        """Drops the inner store as it is; what was not synced may be lost."""
        self._inner.abandon()

    def _require_alive(self) -> None:
        if self._crashed is not None:
            self._stay_down(self._crashed)

    def _stay_down(self, crashed: SimulatedCrash) -> NoReturn:
        raise SimulatedCrash(f"the store crashed {crashed}; after_crash() gives what is left")

    def _reach_disk(self, call: Call, apply: Callable[[], None]) -> None:
        self._require_alive()
        self.calls[call] += 1
        fault = self._due(call)
        if fault is None or fault.moment is Moment.AFTER:
            apply()
        if fault is not None:
            error = fault.error()
            if isinstance(error, SimulatedCrash):
                self._crashed = error
            raise error

    def _due(self, call: Call) -> Fault | None:
        for armed in self._armed:
            fault, count = armed
            if fault.call is call and count == self.calls[call]:
                self._armed.remove(armed)
                return fault
        return None


def _torn(old: bytes, new: bytes) -> bytes:
    # The length comes first, so it is the new one.
    half = len(new) // 2
    return (new[:half] + old[half:].ljust(len(new), b"\0"))[: len(new)]
