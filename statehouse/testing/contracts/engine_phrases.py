"""Short ways to say what the contract of the engine says often."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import uuid4

from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Committed, Entry, Event, Page
from statehouse.protocol.requests import (
    Commit,
    Delete,
    Get,
    History,
    Precondition,
    Replay,
    Scan,
    Status,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import BYTES, Payload, decode, encode

NAMESPACE = "default"
AGENT = "planner"


class Clock(Protocol):
    """What an engine takes the time from; `statehouse.engine.clock.Clock` by another name."""

    def now_us(self) -> int:
        """Microseconds since 1970 (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment."""
        ...


@dataclass(slots=True)
class SetClock:
    """A clock whose time of day is whatever a test sets it to; waiting takes real time.

    Attributes:
        us: The time of day, in microseconds since 1970.
    """

    us: int

    def now_us(self) -> int:
        """What was set."""
        return self.us

    def monotonic(self) -> float:
        """The operating system's."""
        return time.monotonic()


class OpenEngine(Protocol):
    """Opens an engine on a fresh store of its own; the fixture closes it."""

    def __call__(self, *, limits: Limits = DEFAULT_LIMITS, clock: Clock | None = None) -> Engine:
        """Opens one."""
        ...


class Reopen(Protocol):
    """Closes an engine that `OpenEngine` opened and opens its store again."""

    def __call__(self, engine: Engine) -> Engine:
        """Gives the new engine."""
        ...


def name(key: str = "k", agent_id: str = AGENT, namespace: str = NAMESPACE) -> RecordKey:
    """A record's name, most of it usual."""
    return RecordKey(namespace, agent_id, key)


def write(key: str | RecordKey = "k", value: Any = 1) -> Write:
    """A write of a JSON value or bytes."""
    return Write(key if isinstance(key, RecordKey) else name(key), encode(value))


def write_bytes(key: str, size: int) -> Write:
    """A write of a value of so many bytes."""
    return Write(name(key), Payload(BYTES, b"x" * size))


def delete(key: str | RecordKey = "k") -> Delete:
    """A delete."""
    return Delete(key if isinstance(key, RecordKey) else name(key))


def transaction(*operations: WriteOperation, **fields: Any) -> Commit:
    """A commit with an id of its own, unless `fields` has one."""
    fields.setdefault("txn_id", uuid4().hex)
    return Commit(operations=operations, **fields)


def commit(engine: Engine, *operations: WriteOperation, **fields: Any) -> Committed:
    """Commits operations under a new id."""
    return engine.execute(transaction(*operations, **fields))


def put(engine: Engine, key: str | RecordKey = "k", value: Any = 1) -> int:
    """Writes one value and gives the commit_ts."""
    return commit(engine, write(key, value)).commit_ts


def entry(engine: Engine, key: str | RecordKey = "k", at: int | None = None) -> Entry:
    """One key as a read finds it."""
    return engine.execute(Get(key if isinstance(key, RecordKey) else name(key), at)).entry


def value(engine: Engine, key: str | RecordKey = "k", at: int | None = None) -> Any:
    """The decoded value of a key; None where there is none."""
    payload = entry(engine, key, at).payload
    return None if payload is None else decode(payload)


def scan(prefix: str = "", **fields: Any) -> Scan:
    """A scan of the usual agent."""
    return Scan(fields.pop("namespace", NAMESPACE), fields.pop("agent_id", AGENT), prefix, **fields)


def keys(page: Page) -> list[str]:
    """The keys of a page."""
    return [row.key.key for row in page.entries]


def pages(engine: Engine, request: Scan | History) -> Iterator[Page]:
    """All pages of a request, by its cursors."""
    page = engine.execute(request)
    yield page
    while page.cursor is not None:
        if isinstance(request, Scan):
            page = engine.execute(replace(request, at=None, after=None, cursor=page.cursor))
        else:
            page = engine.execute(replace(request, at=None, cursor=page.cursor))
        yield page


def newest(engine: Engine) -> int:
    """The visible commit_ts."""
    return engine.execute(Status()).commit_ts


def everything(engine: Engine) -> list[Event]:
    """Every event of a store, in order."""
    return list(events(engine, Replay()))


def events(engine: Engine, request: Replay) -> Iterator[Event]:
    """The events of a replay up to what is visible, page by page."""
    last = newest(engine) if request.to_ts is None else request.to_ts
    while request.from_ts <= last:
        page = engine.execute(replace(request, to_ts=last))
        yield from page.events
        request = replace(request, from_ts=page.through_commit_ts + 1)
        if page.done:
            return


def must_not_exist(key: str = "k") -> Precondition:
    """Holds of a key without a value."""
    return Precondition(name(key), version=0)
