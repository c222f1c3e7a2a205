"""What is read page by page: scans, histories, replays. A façade iterates over the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from statehouse.client.arguments import check_count, check_limit, microseconds
from statehouse.client.connection import HandleClosedError
from statehouse.client.reads import At, resolve
from statehouse.client.records import Record, RecordVersion, record_of, version_of
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.engine import Flow
from statehouse.protocol.limits import DEFAULT_LIMITS
from statehouse.protocol.names import RecordKey, check_agent_id, check_namespace, check_record_key, check_text
from statehouse.protocol.origin import check_span_id, check_trace_id
from statehouse.protocol.replies import Entry, Event, EventPage, Located, Page
from statehouse.protocol.requests import FindEvents, History, LocateTime, OriginKind, Replay, Scan

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
U = TypeVar("U")

ROWS_AT_ONCE: Final = 1000
WAIT_S: Final = 10.0
"""How long a follower waits for one page; each page that waited in vain is its heartbeat (G7)."""


class Pages(Protocol[T_co]):
    """Rows, page by page."""

    def next(self) -> Flow[Sequence[T_co] | None]:
        """Gives the next page; None when there is no more."""
        ...


class Mapped(Generic[T, U]):
    """Pages whose rows are turned into something else."""

    def __init__(self, pages: Pages[T], turn: Callable[[T], U]) -> None:
        self._pages = pages
        self._turn = turn

    def next(self) -> Flow[Sequence[U] | None]:
        """Gives the next page; None when there is no more."""
        page = yield from self._pages.next()
        return None if page is None else [self._turn(row) for row in page]


class ScanPages:
    """The records of one agent whose keys begin with a prefix, as of one commit_ts."""

    def __init__(
        self,
        namespace: str,
        agent_id: str,
        prefix: str,
        *,
        reverse: bool,
        limit: int | None,
        at: At,
        keys_only: bool = False,
    ) -> None:
        check_scan(namespace, agent_id, prefix, limit)
        self._where = (namespace, agent_id, prefix)
        self._reverse = bool(reverse)
        self._keys_only = keys_only
        self._at = at
        self._left = limit
        self._cursor: str | None = None
        self._begun = False

    def entries(self) -> Flow[Page | None]:
        """Gives the next page as the engine gave it."""
        if self._left == 0 or (self._begun and self._cursor is None):
            return None
        at = None if self._begun else (yield from resolve(self._at))
        page: Page = yield Scan(
            *self._where,
            at=at,
            reverse=self._reverse,
            keys_only=self._keys_only,
            limit=ROWS_AT_ONCE if self._left is None else min(self._left, ROWS_AT_ONCE),
            cursor=self._cursor,
        )
        self._begun = True
        self._cursor = page.cursor
        if self._left is not None:
            self._left -= len(page.entries)
        return page

    def next(self) -> Flow[Sequence[Record] | None]:
        """Gives the next records."""
        page = yield from self.entries()
        return None if page is None else [record_of(entry) for entry in page.entries]

    def rows(self) -> Flow[list[Entry]]:
        """Gives all the entries there are."""
        found: list[Entry] = []
        while (page := (yield from self.entries())) is not None:
            found += page.entries
        return found

    def keys(self) -> Flow[list[str]]:
        """Gives all the keys there are."""
        return [entry.key.key for entry in (yield from self.rows())]


def check_scan(namespace: str, agent_id: str, prefix: str, limit: int | None) -> None:
    """Checks what a scan is asked for, before its first page is.

    Raises:
        InvalidArgumentError: A malformed name, or a limit that is no whole number of rows.
        LimitExceededError: A name is longer than its limit.
    """
    check_namespace(namespace)
    check_agent_id(agent_id)
    check_text("prefix", prefix, DEFAULT_LIMITS.key_bytes_max, empty=True)
    check_limit(limit)


class HistoryPages:
    """Every version of one key."""

    def __init__(self, name: RecordKey, *, reverse: bool, limit: int | None, at: At) -> None:
        check_record_key(name)
        check_limit(limit)
        self._name = name
        self._reverse = bool(reverse)
        self._at = at
        self._left = limit
        self._cursor: str | None = None
        self._begun = False

    def next(self) -> Flow[Sequence[RecordVersion] | None]:
        """Gives the next versions."""
        if self._left == 0 or (self._begun and self._cursor is None):
            return None
        at = None if self._begun else (yield from resolve(self._at))
        limit = ROWS_AT_ONCE if self._left is None else min(self._left, ROWS_AT_ONCE)
        page: Page = yield History(self._name, at, self._reverse, limit, self._cursor)
        self._begun = True
        self._cursor = page.cursor
        if self._left is not None:
            self._left -= len(page.entries)
        return [version_of(entry) for entry in page.entries]


class ReplayPages:
    """Events in commit order, to the newest one or for ever (G7)."""

    def __init__(
        self,
        namespace: str | None,
        agent_id: str | None,
        *,
        from_ts: int = 0,
        to_ts: int | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        follow: bool = False,
        payloads: bool = True,
    ) -> None:
        if namespace is not None:
            check_namespace(namespace)
        if agent_id is not None:
            check_agent_id(agent_id)
            if namespace is None:
                raise InvalidArgumentError("an agent is in a namespace: whole_store=True replays all agents")
        check_count("from_ts", from_ts, 0)
        if to_ts is not None:
            check_count("to_ts", to_ts, 0)
        if from_time is not None and from_ts:
            raise InvalidArgumentError("give from_ts or from_time, not both")
        if to_time is not None and (to_ts is not None or follow):
            raise InvalidArgumentError("to_time goes with neither to_ts nor follow")
        self._from_us = None if from_time is None else microseconds("from_time", from_time)
        self._to_us = None if to_time is None else microseconds("to_time", to_time)
        self._next = Replay(namespace, agent_id, from_ts, to_ts, limit=ROWS_AT_ONCE, payloads=bool(payloads))
        self._follow = bool(follow)
        self._begun = False
        self._ended = to_ts is not None and to_ts < from_ts

    def next(self) -> Flow[Sequence[Event] | None]:
        """Gives the next events; a follower's page may be empty, and ends when the handle is closed."""
        if not self._ended and (self._from_us is not None or self._to_us is not None):
            yield from self._locate()
        if self._ended:
            return None
        try:
            page: EventPage = yield self._next
        except HandleClosedError:
            if self._follow and self._begun:
                return None
            raise
        self._begun = True
        # In the store that this page is of: at the same address another one may answer the next time.
        self._next = self._next.after(page)
        if self._follow:
            # What is there already is read without waiting, which costs a thread's attention.
            self._next = replace(self._next, wait_s=0.0 if page.events else WAIT_S)
            self._ended = page.done
        else:
            self._ended = page.done or not page.events
        return page.events

    def _locate(self) -> Flow[None]:
        if self._from_us is not None:
            before: Located = yield LocateTime(max(self._from_us - 1, 0))
            self._next = replace(self._next, from_ts=before.commit_ts + 1)
            self._from_us = None
        if self._to_us is not None:
            last: Located = yield LocateTime(self._to_us)
            self._next = replace(self._next, to_ts=last.commit_ts)
            self._to_us = None
        to_ts = self._next.to_ts
        self._ended = to_ts is not None and to_ts < max(self._next.from_ts, 1)


def scope(default: str, namespace: str | None, whole_store: bool) -> str | None:
    """Gives the namespace to replay; None for all.

    Raises:
        InvalidArgumentError: One namespace and the whole store are asked for.
    """
    if not whole_store:
        return default if namespace is None else namespace
    if namespace is not None:
        raise InvalidArgumentError("give a namespace or whole_store=True, not both")
    return None


class FoundPages:
    """The events of one trace, span, run or transaction, in commit order."""

    def __init__(self, by: OriginKind, identity: str) -> None:
        self._next = FindEvents(by, identity, limit=ROWS_AT_ONCE)
        self._ended = False

    def next(self) -> Flow[Sequence[Event] | None]:
        """Gives the next events."""
        if self._ended:
            return None
        page: EventPage = yield self._next
        self._next = self._next.after(page)
        self._ended = page.done or not page.events
        return page.events


def find(
    *,
    commit_ts: int | None,
    txn_id: str | None,
    trace_id: str | None,
    span_id: str | None,
    run_id: str | None,
) -> Pages[Event]:
    """Gives the events of the one id that is given.

    Raises:
        InvalidArgumentError: None or several are given, or it is malformed.
        LimitExceededError: It is too long.
    """
    given: dict[str, Any] = {
        name: value
        for name, value in (
            ("commit_ts", commit_ts),
            ("txn", txn_id),
            ("trace", trace_id),
            ("span", span_id),
            ("run", run_id),
        )
        if value is not None
    }
    if len(given) != 1:
        raise InvalidArgumentError("give exactly one of commit_ts, txn_id, trace_id, span_id and run_id")
    match next(iter(given.items())):
        case "commit_ts", number:
            check_count("commit_ts", number, 1)
            return ReplayPages(None, None, from_ts=number, to_ts=number)
        case "trace", identity:
            check_trace_id(identity)
            return FoundPages("trace", identity)
        case "span", identity:
            check_span_id(identity)
            return FoundPages("span", identity)
        case "run", identity:
            check_text("run_id", identity, DEFAULT_LIMITS.key_bytes_max)
            return FoundPages("run", identity)
        case _, identity:
            check_text("txn_id", identity, DEFAULT_LIMITS.txn_id_bytes_max)
            return FoundPages("txn", identity)
