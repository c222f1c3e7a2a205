"""Reading a store as of one commit: what an operation, and all others of its batch, look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

from statehouse import ErasedError, InvalidArgumentError
from statehouse.extend import (
    Connection,
    Entry,
    Flow,
    GetMany,
    LocateTime,
    RecordKey,
    Replay,
    Scan,
    ask,
)
from statehouse_langgraph.store import keys
from statehouse_langgraph.store.items import Found
from statehouse_langgraph.store.records import ExpiryRecord, ItemRecord

T = TypeVar("T")

KEYS_AT_ONCE: Final = 5_000
"""How many keys to ask for at once."""

ROWS_AT_ONCE: Final = 1_000
"""How many rows with values; a page has 1 MiB at most."""

_OFF_LOOP_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Backing:
    """What the flows of a store share.

    Attributes:
        connection: The store.
        namespace: The Statehouse namespace.
        clock: Gives seconds since 1970.
    """

    connection: Connection
    namespace: str
    clock: Callable[[], float] = time.time

    def now_us(self) -> int:
        """The time, in microseconds since 1970."""
        return int(self.clock() * 1_000_000)

    def named(self, agent_id: str, key: str) -> RecordKey:
        """The full name of a row."""
        return RecordKey(self.namespace, agent_id, key)


@dataclass(slots=True)
class Reading:
    """Reads that all see one commit: the first one picks it, where none was given.

    Attributes:
        backing: The store's.
        now_us: Which time it is, to tell what has expired.
        read_ts: The commit; None until something was read.
        awaiting: Whether an event loop drives it, which long work would hold up.
        expiries: What was read of expiries, with their versions.
    """

    backing: Backing
    now_us: int
    read_ts: int | None = None
    awaiting: bool = False
    expiries: dict[str, tuple[ExpiryRecord, int]] = field(default_factory=dict)
    _any_expire: bool | None = None

    def many(self, agent_id: str, names: Sequence[str]) -> Flow[list[Entry]]:
        """Reads many rows of one agent; of an erased one, that it is."""
        found: dict[str, Entry] = {}
        left = list(dict.fromkeys(names))
        while left:
            some = tuple(self.backing.named(agent_id, name) for name in left[:KEYS_AT_ONCE])
            try:
                page = yield from ask(GetMany(some, self.read_ts))
            except ErasedError as error:
                self.read_ts = error.details["read_ts"]
                found[error.details["key"].key] = _erased(error)
            else:
                self.read_ts = page.read_ts
                found.update((entry.key.key, entry) for entry in page.entries)
            left = [name for name in left if name not in found]
        return [found[name] for name in names]

    def page(
        self, agent_id: str, prefix: str, *, after: str | None, keys_only: bool, limit: int = ROWS_AT_ONCE
    ) -> Flow[tuple[list[Entry], str | None]]:
        """Reads the rows that begin with a prefix and come after a key, leaving out erased ones.

        Returns:
            The rows, and the key to go on after; None at the end.
        """
        request = Scan(
            self.backing.namespace,
            agent_id,
            prefix,
            at=self.read_ts,
            keys_only=keys_only,
            limit=limit,
            after=after,
        )
        try:
            page = yield from ask(request)
        except ErasedError as error:
            request = replace(request, at=error.details["read_ts"], keys_only=True)
            page = yield from ask(request)
        self.read_ts = page.read_ts
        rows = [entry for entry in page.entries if entry.kind != "erased"]
        if request.keys_only and not keys_only:
            rows = yield from self.many(agent_id, [entry.key.key for entry in rows])
        return rows, None if page.cursor is None else page.entries[-1].key.key

    def items(self, names: Sequence[str]) -> Flow[list[Found | None]]:
        """Reads items by name; None for those that are not there, or not any more."""
        entries = yield from self.many(keys.ITEMS, names)
        size = sum(len(entry.payload.data) for entry in entries if entry.payload is not None)
        found = yield from self.off_loop(size, lambda: [found_of(entry) for entry in entries])
        yield from self.load_expiries(
            [each.name for each in found if each is not None and each.record.expires]
        )
        return [None if each is None or self.has_expired(each.name) else each for each in found]

    def gone(self, names: Sequence[str]) -> Flow[set[str]]:
        """Gives which of these items have expired, where it is not known whether any expires at all."""
        if names and (yield from self._any()):
            yield from self.load_expiries(names)
        return {name for name in names if self.has_expired(name)}

    def load_expiries(self, names: Sequence[str]) -> Flow[None]:
        """Reads the expiries of items that have some."""
        asked = [name for name in names if name not in self.expiries]
        for entry in (yield from self.many(keys.EXPIRIES, asked)):
            if entry.payload is not None:
                self.expiries[entry.key.key] = ExpiryRecord.of(entry.payload), entry.version

    def has_expired(self, name: str) -> bool:
        """Whether what was read of an item's expiry says that it is over."""
        known = self.expiries.get(name)
        return known is not None and known[0].until_us <= self.now_us

    def _any(self) -> Flow[bool]:
        """Whether anything in the store expires at all: in most stores nothing does."""
        if self._any_expire is None:
            found, _ = yield from self.page(keys.EXPIRIES, "", after=None, keys_only=True, limit=1)
            self._any_expire = bool(found)
        return self._any_expire

    def off_loop(self, size_bytes: int, work: Callable[[], T]) -> Flow[T]:
        """Does work in place, or in a thread where it would hold up an event loop."""
        if not self.awaiting or size_bytes < _OFF_LOOP_BYTES:
            return work()
        done: T = yield _in_thread(work)
        return done


def found_of(entry: Entry) -> Found | None:
    """Gives the item that a row of ``items`` holds; None for none, and for an erased one."""
    if entry.payload is None:
        return None
    return Found(entry.key.key, ItemRecord.of(entry.payload), entry.version, entry.commit_ts)


def chunks(names: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Gives a sequence in pieces."""
    for start in range(0, len(names), size):
        yield names[start : start + size]


def resolve(at: int | datetime) -> Flow[tuple[int, int]]:
    """Gives the commit that a reading as of a commit_ts or a time sees, and the time it is then.

    Raises (in the flow):
        InvalidArgumentError: A time without a time zone, or neither.
    """
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise InvalidArgumentError(f"a time needs a time zone: {at!r}; datetime.now(UTC) has one")
        time_us = int(at.timestamp() * 1_000_000)
        located = yield from ask(LocateTime(time_us))
        return located.commit_ts, time_us
    if isinstance(at, bool) or not isinstance(at, int):
        raise InvalidArgumentError(f"at must be a commit_ts or a datetime: {at!r:.80}")
    if at == 0:
        return 0, 0
    page = yield from ask(Replay(from_ts=at, to_ts=at, limit=1, payloads=False))
    if not page.events:
        raise InvalidArgumentError(f"there is no commit {at} yet")
    return at, page.events[0].committed_at_us


def _erased(error: ErasedError) -> Entry:
    said = error.details
    return Entry(said["key"], None, said["version"], said["commit_ts"], "erased")


def _in_thread(work: Callable[[], T]) -> Future[T]:
    done: Future[T] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            done.set_exception(error)

    threading.Thread(target=do, name="statehouse-langgraph", daemon=True).start()
    return done
