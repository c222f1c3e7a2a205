"""Reads outside a transaction, as flows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from statehouse.client.arguments import microseconds
from statehouse.client.connection import Connection
from statehouse.client.records import CheckReport, Record, record_of
from statehouse.errors import EngineError, InvalidArgumentError
from statehouse.protocol.engine import Flow
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import (
    AgentCounts,
    AgentPage,
    CheckPage,
    Entry,
    Located,
    NamespaceCounts,
    NamespacePage,
    Page,
    Problem,
    Read,
)
from statehouse.protocol.requests import (
    Check,
    Get,
    GetAtVersion,
    GetMany,
    ListAgents,
    ListNamespaces,
    LocateTime,
)

At = int | datetime | None
"""When to read as of: a commit_ts, a time with a time zone, or None for now."""

KEYS_AT_ONCE: Final = 1000


def get_now(connection: Connection, name: RecordKey, default: Any) -> Record:
    """Reads the newest value without a flow: this is the call that programs make most."""
    read = connection.engine.execute(Get(name))
    seen = connection.seen
    if read.read_ts > seen.commit_ts:  # noqa: PLR1730 - half the time of max()
        seen.commit_ts = read.read_ts
    return record_of(read.entry, default)


def get(name: RecordKey, at: At, default: Any) -> Flow[Record]:
    """Reads one key as of a commit_ts or a time."""
    read: Read = yield Get(name, None if at is None else (yield from resolve(at)))
    return record_of(read.entry, default)


def get_at_version(name: RecordKey, version: int, default: Any) -> Flow[Record]:
    """Reads the write that gave a key a version; a delete is an absent value."""
    read: Read = yield GetAtVersion(name, version)
    return record_of(read.entry, default)


def get_many(namespace: str, agent_id: str, keys: Iterable[str], at: At) -> Flow[dict[str, Record]]:
    """Reads many keys as of one commit_ts; those without a value are left out."""
    names = [RecordKey(namespace, agent_id, key) for key in key_list(keys)]
    at_ts = yield from resolve(at)
    entries: list[Entry] = []
    while len(entries) < len(names):
        page: Page = yield GetMany(tuple(names[len(entries) : len(entries) + KEYS_AT_ONCE]), at_ts)
        at_ts = page.read_ts
        entries += answered(page)
    return {entry.key.key: record_of(entry) for entry in entries if entry.exists}


def answered(page: Page) -> tuple[Entry, ...]:
    """Gives the entries of a `GetMany`: those of the first keys it asked for, as many as a page holds.

    Raises:
        EngineError: There are none, so that asking for the rest would never end.
    """
    if not page.entries:
        raise EngineError("a read of many keys was answered with none of them")
    return page.entries


def key_list(keys: Iterable[str]) -> list[str]:
    """Gives the keys as a list.

    Raises:
        InvalidArgumentError: It is one text, whose letters would be taken for keys, or nothing to go through.
    """
    if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
        raise InvalidArgumentError(f"keys must be a list of keys, not {type(keys).__name__}: {keys!r:.80}")
    return list(keys)


def agents(namespace: str, at: At) -> Flow[list[AgentCounts]]:
    """Lists the agents of a namespace."""
    at_ts = yield from resolve(at)
    page: AgentPage = yield ListAgents(namespace, at_ts)
    found = list(page.agents)
    while page.cursor is not None:
        page = yield ListAgents(namespace, cursor=page.cursor)
        found += page.agents
    return found


def namespaces(at: At) -> Flow[list[NamespaceCounts]]:
    """Lists the namespaces of a store."""
    at_ts = yield from resolve(at)
    page: NamespacePage = yield ListNamespaces(at_ts)
    found = list(page.namespaces)
    while page.cursor is not None:
        page = yield ListNamespaces(cursor=page.cursor)
        found += page.namespaces
    return found


def check(progress: Callable[[float], object] | None) -> Flow[CheckReport]:
    """Checks the whole store, part by part."""
    problems: list[Problem] = []
    checked = 0
    page: CheckPage = yield Check()
    while True:
        problems += page.problems
        checked += page.checked
        if progress is not None:
            progress(page.done_fraction)
        if page.cursor is None:
            return CheckReport(tuple(problems), checked, page.head_digest)
        page = yield Check(page.cursor)


def resolve(at: At) -> Flow[int | None]:
    """Gives the commit_ts that ``at=`` means; a time means the newest commit at or before it.

    Raises (in the flow):
        InvalidArgumentError: It is neither a commit_ts nor a time with a time zone.
    """
    # Whether a number makes sense as a commit_ts is for the engine to say, which knows the newest one.
    if at is None or type(at) is int:
        return at
    if not isinstance(at, datetime):
        raise InvalidArgumentError(
            "at must be a commit_ts (an integer), or a datetime with a time zone such as "
            f"datetime.now(timezone.utc): {at!r:.80}"
        )
    located: Located = yield LocateTime(microseconds("at", at))
    return located.commit_ts
