"""An engine that is obviously right: the oracle that the real ones are compared with.

Everything is in memory under one lock; what a commit does is `statehouse.testing.model.step`.
It is slow on purpose, and it is no third home: nothing it holds survives the process.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

from statehouse.errors import (
    EngineError,
    ErasedError,
    InvalidArgumentError,
    NotFoundError,
    StoreChangedError,
)
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits
from statehouse.protocol.replies import (
    AgentPage,
    CheckPage,
    Committed,
    EngineVersion,
    Entry,
    Epoch,
    Erased,
    Event,
    EventPage,
    Located,
    NamespacePage,
    Page,
    Problem,
    Read,
    StoreStatus,
    TxnOutcome,
)
from statehouse.protocol.requests import (
    Check,
    Commit,
    Erase,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    Health,
    History,
    ListAgents,
    ListNamespaces,
    LocateTime,
    LookupTxn,
    Replay,
    Request,
    Scan,
    Status,
    Version,
)
from statehouse.testing.model import State, step
from statehouse.testing.wellformed import check_request

if TYPE_CHECKING:
    from statehouse.engine.clock import Clock

R = TypeVar("R")
Row = TypeVar("Row")


class ReferenceEngine:
    """Implements `statehouse.protocol.engine.Engine` over a `State`.

    Example:
        >>> from statehouse import Statehouse
        >>> with Statehouse.from_engine(ReferenceEngine()) as sh:
        ...     sh.write("plan", ["tea"], agent_id="planner")
        1

    Args:
        state: What to begin with: the `state` of a closed engine makes this a reopened one.
        limits: The limits to hold callers to.
        clock: Where `committed_at` comes from; None for the time of day.
    """

    def __init__(
        self, state: State | None = None, *, limits: Limits = DEFAULT_LIMITS, clock: Clock | None = None
    ) -> None:
        self.state = State(uuid4().hex) if state is None else state
        self._limits = limits
        self._clock = clock
        self._changed = threading.Condition()
        self._closed = False
        self._followers = 0

    def execute(self, request: Request[R]) -> R:
        """Answers a request.

        Raises:
            StatehouseError: See the request's class; EngineError when it was closed.
        """
        with self._changed:
            if self._closed:
                raise EngineError("the engine is closed")
            check_request(request, self._limits)
            return cast("R", self._answer_locked(request))

    def submit(self, request: Request[R]) -> Future[R]:
        """Answers a request at once; only a replay that waits gets a thread."""
        future: Future[R] = Future()
        if isinstance(request, Replay) and request.wait_s:
            threading.Thread(target=self._fulfil, args=(future, request), daemon=True).start()
        else:
            self._fulfil(future, request)
        return future

    def _fulfil(self, future: Future[R], request: Request[R]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            reply = self.execute(request)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to whoever waits for the future
            future.set_exception(error)
        else:
            future.set_result(reply)

    def close(self) -> None:
        """Ends it; a replay that waits is answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _answer_locked(self, request: Request[Any]) -> object:  # noqa: C901, PLR0912 - one arm a request
        match request:
            case Commit():
                return self._commit_locked(request)
            case Get(key, at):
                at = self._read_ts(at)
                return Read(_readable(self.state.entry(key, at), at), at)
            case GetAtVersion(key, version):
                return self._get_at_version(key, version)
            case GetMany(keys, at):
                at = self._read_ts(at)
                found = [_readable(self.state.entry(key, at), at) for key in keys]
                return Page(self._fitting(found), None, at)
            case Scan():
                return self._scan(request)
            case History():
                return self._history(request)
            case ListAgents() | ListNamespaces():
                return self._counts(request)
            case Replay():
                self.state.check_own(request.store_id, request.epoch)
                return self._replay_locked(request)
            case FindEvents():
                self.state.check_own(request.store_id, request.epoch)
                return self._find(request)
            case LocateTime(time_us):
                past = [event for event in self.state.events if event.committed_at_us <= time_us]
                return Located(past[-1].commit_ts, past[-1].committed_at_us) if past else Located(0, 0)
            case LookupTxn(txn_id):
                known = self.state.asked.get(txn_id)
                return TxnOutcome(txn_id, "committed", known[0]) if known else TxnOutcome(txn_id, "absent")
            case Health():
                return "ok"
            case Version():
                return EngineVersion("reference", "")
            case Status():
                return self._status()
            case Check():
                return self._check(request)
            case Erase():
                return self._erase(request)
            case _:
                raise InvalidArgumentError(f"not a request this engine knows: {request!r:.80}")

    def _commit_locked(self, commit: Commit) -> Committed:
        now_us = time.time_ns() // 1000 if self._clock is None else self._clock.now_us()
        decided = step(self.state, commit, now_us)
        if isinstance(decided, Committed):
            return decided
        self.state.apply(commit, decided)
        self._changed.notify_all()
        return Committed(decided.commit_ts, decided.committed_at_us)

    def _read_ts(self, at: int | None) -> int:
        if at is None:
            return self.state.commit_ts
        if at > self.state.commit_ts:
            raise InvalidArgumentError(f"at is {at}; the newest commit is {self.state.commit_ts}")
        return at

    def _get_at_version(self, key: Any, version: int) -> Read:
        entries = self.state.versions.get(key, [])
        if version > len(entries):
            raise NotFoundError(f"{key} has no version {version}; its newest is {len(entries)}")
        return Read(_readable(entries[version - 1], self.state.commit_ts), self.state.commit_ts)

    def _scan(self, request: Scan) -> Page:
        asked = ("scan", request.namespace, request.agent_id, request.prefix, request.reverse)
        read_ts, skip = self._resume(asked, request.cursor, request.at)
        rows = self.state.existing(request.namespace, request.agent_id, request.prefix, read_ts)
        if request.reverse:
            rows.reverse()
        if request.after is not None:
            skip = sum(
                row.key.key >= request.after if request.reverse else row.key.key <= request.after
                for row in rows
            )
        if request.keys_only:
            rows = [Entry(row.key, None, row.version, row.commit_ts, row.kind) for row in rows]
        page = self._page(asked, rows, skip, request.limit, read_ts)
        return page if request.keys_only else _readable_page(page)

    def _history(self, request: History) -> Page:
        asked = ("history", *request.key, request.reverse)
        read_ts, skip = self._resume(asked, request.cursor, request.at)
        rows = [row for row in self.state.versions.get(request.key, []) if row.commit_ts <= read_ts]
        if request.reverse:
            rows.reverse()
        return self._page(asked, rows, skip, request.limit, read_ts)

    def _page(
        self, asked: tuple[object, ...], rows: Sequence[Entry], skip: int, limit: int, read_ts: int
    ) -> Page:
        taken = self._fitting(rows[skip : skip + limit])
        return Page(taken, self._cursor(asked, rows, skip + len(taken), read_ts), read_ts)

    def _fitting(self, rows: Sequence[Entry]) -> tuple[Entry, ...]:
        # As many of the first rows as a page may have bytes, at least one.
        size = 0
        taken: list[Entry] = []
        for row in rows:
            size += len(row.payload.data) if row.payload else 0
            if taken and size > self._limits.page_bytes_max:
                break
            taken.append(row)
        return tuple(taken)

    def _counts(self, request: ListAgents | ListNamespaces) -> AgentPage | NamespacePage:
        if isinstance(request, ListAgents):
            asked: tuple[object, ...] = ("agents", request.namespace)
            read_ts, skip = self._resume(asked, request.cursor, request.at)
            agents = self.state.agents(request.namespace, read_ts)
            stop = skip + request.limit
            return AgentPage(tuple(agents[skip:stop]), self._cursor(asked, agents, stop, read_ts), read_ts)
        asked = ("namespaces",)
        read_ts, skip = self._resume(asked, request.cursor, request.at)
        namespaces = self.state.namespaces(read_ts)
        stop = skip + request.limit
        cursor = self._cursor(asked, namespaces, stop, read_ts)
        return NamespacePage(tuple(namespaces[skip:stop]), cursor, read_ts)

    def _cursor(
        self, asked: tuple[object, ...], rows: Sequence[Row], position: int, read_ts: int
    ) -> str | None:
        # A position is a number of rows: as of one commit_ts the rows never change.
        if position >= len(rows):
            return None
        body = json.dumps([self.state.store_id, self.state.epoch, asked, read_ts, position]).encode()
        return base64.urlsafe_b64encode(hashlib.sha256(body).digest() + body).decode()

    def _resume(self, asked: tuple[object, ...], cursor: str | None, at: int | None) -> tuple[int, int]:
        if cursor is None:
            return self._read_ts(at), 0
        try:
            data = base64.b64decode(cursor, altchars=b"-_", validate=True)
            digest, body = data[:32], data[32:]
            genuine = hashlib.sha256(body).digest() == digest
        except ValueError:
            genuine = False
        if not genuine:
            raise InvalidArgumentError(f"not a cursor of this engine: {cursor!r:.80}")
        store_id, epoch, for_what, read_ts, position = json.loads(body)
        if (store_id, epoch) != (self.state.store_id, self.state.epoch):
            raise StoreChangedError(f"the cursor is of store {store_id}, epoch {epoch}")
        if for_what != list(asked):
            raise InvalidArgumentError(f"the cursor continues {for_what}, not {asked}")
        return read_ts, position

    def _replay_locked(self, request: Replay) -> EventPage:
        deadline = time.monotonic() + request.wait_s
        self._followers += 1
        try:
            while True:
                page = self._replay_now(request)
                left = deadline - time.monotonic()
                if page.events or page.done or left <= 0 or self._closed:
                    return page
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
        finally:
            self._followers -= 1

    def _replay_now(self, request: Replay) -> EventPage:
        first = max(request.from_ts, 1)
        last = self.state.commit_ts if request.to_ts is None else min(request.to_ts, self.state.commit_ts)
        found = self.state.events_of(request.namespace, request.agent_id, first, last)
        if not request.payloads:
            found = (_without_payloads(event) for event in found)
        events, cut = self._take(found, request.limit)
        through = events[-1].commit_ts if cut else max(last, first - 1)
        done = request.to_ts is not None and through >= request.to_ts
        return EventPage(events, through, done, self.state.store_id, self.state.epoch)

    def _find(self, request: FindEvents) -> EventPage:
        ids = {"trace": "trace_id", "span": "span_id", "run": "run_id"}
        found = (
            event
            for event in self.state.events[max(request.from_ts, 1) - 1 :]
            if request.id == (event.txn_id if request.by == "txn" else getattr(event.origin, ids[request.by]))
        )
        events, cut = self._take(found, request.limit)
        through = events[-1].commit_ts if cut else max(self.state.commit_ts, request.from_ts - 1)
        return EventPage(events, through, not cut, self.state.store_id, self.state.epoch)

    def _take(self, found: Iterable[Event], limit: int) -> tuple[tuple[Event, ...], bool]:
        # The events of one page, and whether there are more.
        taken: list[Event] = []
        size = 0
        for event in found:
            size += sum(len(operation.payload.data) for operation in event.operations if operation.payload)
            if taken and (len(taken) == limit or size > self._limits.page_bytes_max):
                return tuple(taken), True
            taken.append(event)
        return tuple(taken), False

    def _status(self) -> StoreStatus:
        state = self.state
        values = sum(
            len(entry.payload.data) for kept in state.versions.values() for entry in kept if entry.payload
        )
        return StoreStatus(
            state="ok",
            reason="",
            store_id=state.store_id,
            epoch=state.epoch,
            epochs=(Epoch(1, 1, "created"),),
            format=1,
            commit_ts=state.commit_ts,
            committed_at_us=state.committed_at_us,
            horizon=0,
            dedup_horizon=0,
            head_digest=state.head_digest(state.commit_ts),
            durability="none",
            storage="memory",
            size_bytes=values,
            queued_commits=0,
            followers=self._followers,
        )

    def _erase(self, request: Erase) -> Erased:
        # Whatever the limit, one part does it all: there is never a cursor.
        self._resume(("erase",), request.cursor, None)
        return Erased(self.state.erase(request), 0, (), None)

    def _check(self, request: Check) -> CheckPage:
        read_ts, skip = self._resume(("check",), request.cursor, None)
        events = self.state.events[:read_ts]
        part = events[skip : skip + request.limit]
        problems = tuple(
            Problem(place, "events", f"the event is numbered {event.commit_ts}")
            for place, event in enumerate(part, skip + 1)
            if event.commit_ts != place
        )
        done = skip + len(part)
        cursor = self._cursor(("check",), events, done, read_ts)
        fraction = done / len(events) if events else 1.0
        return CheckPage(
            problems, len(part), fraction, cursor, "" if cursor else self.state.head_digest(read_ts)
        )


def _readable(entry: Entry, read_ts: int) -> Entry:
    if entry.kind == "erased":
        raise ErasedError(
            f"{entry.key} version {entry.version} was erased",
            key=entry.key,
            version=entry.version,
            commit_ts=entry.commit_ts,
            read_ts=read_ts,
        )
    return entry


def _readable_page(page: Page) -> Page:
    for entry in page.entries:
        _readable(entry, page.read_ts)
    return page


def _without_payloads(event: Event) -> Event:
    # Without its values an event says what it did, and not what became of it.
    operations = tuple(
        type(operation)(
            operation.namespace,
            operation.agent_id,
            operation.key,
            "delete" if operation.kind == "delete" else "write",
            operation.version,
        )
        for operation in event.operations
    )
    return Event(event.txn_id, event.commit_ts, event.committed_at_us, event.origin, operations)
