"""Where a cache's rows are, and what is done with them.

Two agents of the Statehouse namespace hold them:

=========== =========================== ============================================
agent       key                         value
=========== =========================== ============================================
``entries`` NAME                        a `CacheRecord`
``due``     MICROSECONDS ``#`` NAME     nothing: what has a time to live, by its end
=========== =========================== ============================================

NAME is as in `statehouse_langgraph.store.keys`; a namespace or a key too long for it is told by its SHA-256.
A row of ``due`` may be of an entry that was set anew since: who sweeps looks at the entry.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import ormsgpack
from langgraph.cache.base import FullKey, Namespace

from statehouse import InvalidArgumentError, Payload, PreconditionFailedError
from statehouse.extend import (
    JSON,
    Connection,
    Delete,
    Flow,
    GetMany,
    Precondition,
    RecordKey,
    Scan,
    Write,
    WriteOperation,
    ask,
    commit,
)
from statehouse_langgraph.errors import ContentError
from statehouse_langgraph.serde import Typed
from statehouse_langgraph.store.keys import due_key, escape, parse_due_key, within

_log: Final = logging.getLogger(__name__)

CACHED_TYPE: Final = "application/vnd.statehouse.langgraph.cached+msgpack"
_FORMAT: Final = 1
_ENTRIES: Final = "entries"
_DUE: Final = "due"
_PART_BYTES_MAX: Final = 450
_HASHED: Final = "%h"
"""Begins no escape, so that no text is taken for a hash."""

_KEYS_AT_ONCE: Final = 2_000
_COMMIT_BYTES_MAX: Final = 8 * 1024 * 1024
_SWEPT_AT_ONCE: Final = 200
_SWEEP_EVERY_S: Final = 30.0
_UNTIL_US_MAX: Final = 9_999_999_999_999_999
_NOTHING: Final = Payload(JSON, b"null")


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """An entry.

    Attributes:
        until_us: When its time is over, in microseconds since 1970; 0 for never.
        value: What the serializer made of it.
    """

    until_us: int
    value: Typed

    def payload(self) -> Payload:
        """The record as it is stored."""
        return Payload(CACHED_TYPE, ormsgpack.packb([_FORMAT, self.until_us, *self.value]))

    @classmethod
    def of(cls, payload: Payload) -> CacheRecord:
        """Gives the record that is stored.

        Raises:
            ContentError: It is none.
        """
        try:
            form, until_us, kind, data = ormsgpack.unpackb(payload.data)
        except (TypeError, ValueError):
            form = until_us = kind = data = None
        if (
            payload.content_type == CACHED_TYPE
            and form == _FORMAT
            and isinstance(until_us, int)
            and isinstance(kind, str)
            and isinstance(data, bytes)
        ):
            return cls(until_us, (kind, data))
        raise ContentError(
            f"expected a cached value, found {payload!r:.120}", content_type=payload.content_type
        )


class Rows:
    """The rows of a cache, as flows."""

    def __init__(self, connection: Connection, namespace: str, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._namespace = namespace
        self._clock = clock
        self._next_sweep = 0.0
        self._swept_us = 0

    def get(self, wanted: Sequence[FullKey]) -> Flow[dict[FullKey, Typed]]:
        """Reads the entries that are there and not expired."""
        names = list({_name(key): key for key in wanted}.items())
        found: dict[FullKey, Typed] = {}
        now_us = self._now_us()
        done, read_ts = 0, None
        while done < len(names):
            some = tuple(self._named(_ENTRIES, name) for name, _ in names[done : done + _KEYS_AT_ONCE])
            page = yield from ask(GetMany(some, read_ts))
            read_ts = page.read_ts
            for entry, (_, (namespace, key)) in zip(page.entries, names[done:], strict=False):
                record = None if entry.payload is None else _record(entry.payload)
                if record is not None and (not record.until_us or record.until_us > now_us):
                    found[tuple(namespace), key] = record.value
            done += len(page.entries)
        return found

    def set(self, entries: Sequence[tuple[FullKey, Typed, float | None]]) -> Flow[None]:
        """Writes entries; a cache need not be atomic, so many go in several commits."""
        now_us = self._now_us()
        rows: list[list[WriteOperation]] = []
        for full, typed, seconds in entries:
            name = _name(full)
            until_us = 0
            if seconds is not None:
                until_us = int(min(max(now_us + seconds * 1_000_000, 1), _UNTIL_US_MAX))
            payload = CacheRecord(until_us, typed).payload()
            if len(payload.data) > self._connection.limits.value_bytes_max:
                _log.warning("the value of %r is not cached: it has %d bytes", full, len(payload.data))
                continue
            row: list[WriteOperation] = [Write(self._named(_ENTRIES, name), payload)]
            if until_us:
                row.append(Write(self._named(_DUE, due_key(until_us, name)), _NOTHING))
            rows.append(row)
        for some in _commits(rows):
            yield from commit(self._connection, some)
        if self._clock() >= self._next_sweep:
            self._next_sweep = self._clock() + _SWEEP_EVERY_S
            yield from self.sweep()

    def clear(self, namespaces: Sequence[Namespace] | None) -> Flow[None]:
        """Deletes the entries of namespaces, or all; what is set meanwhile may stay or go."""
        prefixes = [""] if namespaces is None else [_namespace(each) for each in namespaces]
        for agent_id, prefix in [(_ENTRIES, prefix) for prefix in prefixes] + (
            [(_DUE, "")] if namespaces is None else []
        ):
            cursor, more = None, True
            while more:
                page = yield from ask(
                    Scan(
                        self._namespace, agent_id, prefix, keys_only=True, limit=_KEYS_AT_ONCE, cursor=cursor
                    )
                )
                cursor, more = page.cursor, page.cursor is not None
                if page.entries:
                    yield from commit(self._connection, [Delete(entry.key) for entry in page.entries])

    def sweep(self) -> Flow[int]:
        """Deletes expired entries, up to a limit, and gives how many."""
        now_us = self._now_us()
        # Deleted rows stay where they were: begin about where the last sweep ended.
        begin = due_key(max(0, self._swept_us - int(_SWEEP_EVERY_S * 1_000_000)), "")
        page = yield from ask(Scan(self._namespace, _DUE, keys_only=True, limit=_SWEPT_AT_ONCE, after=begin))
        due = [parse_due_key(row.key.key) for row in page.entries]
        due = [each for each in due if each[0] <= now_us]
        if not due:
            self._swept_us = now_us
            return 0
        names = list(dict.fromkeys(name for _, name in due))
        entries = yield from self._present(names, page.read_ts)
        operations: list[WriteOperation] = [
            Delete(self._named(_DUE, due_key(until_us, name))) for until_us, name in due
        ]
        conditions = []
        for name, (version, record) in entries.items():
            if record is not None and record.until_us and record.until_us <= now_us:
                operations.append(Delete(self._named(_ENTRIES, name)))
                conditions.append(Precondition(self._named(_ENTRIES, name), version=version))
        try:
            yield from commit(self._connection, operations, preconditions=conditions)
        except PreconditionFailedError:
            # One was set anew meanwhile. The next sweep sees it as it is then.
            return 0
        self._swept_us = due[-1][0]
        return len(conditions)

    def _present(self, names: Sequence[str], read_ts: int) -> Flow[dict[str, tuple[int, CacheRecord | None]]]:
        found: dict[str, tuple[int, CacheRecord | None]] = {}
        while len(found) < len(names):
            some = tuple(self._named(_ENTRIES, name) for name in names[len(found) :])
            page = yield from ask(GetMany(some, read_ts))
            for entry in page.entries:
                record = None if entry.payload is None else _record(entry.payload)
                found[entry.key.key] = entry.version, record
        return found

    def _named(self, agent_id: str, key: str) -> RecordKey:
        return RecordKey(self._namespace, agent_id, key)

    def _now_us(self) -> int:
        return int(self._clock() * 1_000_000)


def _name(full: FullKey) -> str:
    namespace, key = full
    escaped = escape(key)
    if len(escaped.encode()) > _PART_BYTES_MAX:
        escaped = _HASHED + hashlib.sha256(key.encode()).hexdigest()
    return _namespace(namespace) + escaped


def _namespace(namespace: Namespace) -> str:
    prefix = within(tuple(namespace))
    if len(prefix.encode()) > _PART_BYTES_MAX:
        return f"{_HASHED}{hashlib.sha256(prefix.encode()).hexdigest()}##"
    return prefix


def _record(payload: Payload) -> CacheRecord | None:
    try:
        return CacheRecord.of(payload)
    except ContentError as error:
        _log.warning("a cached value is computed again: %s", error)
        return None


def seconds_of(ttl: object) -> float | None:
    """Checks a time to live.

    Raises:
        InvalidArgumentError: It is no number of seconds.
    """
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or math.isnan(ttl):
        raise InvalidArgumentError(f"a cached value's time to live is a number of seconds: {ttl!r:.80}")
    return float(ttl)


def _commits(rows: Sequence[Sequence[WriteOperation]]) -> Iterator[list[WriteOperation]]:
    """Puts the operations of entries together to commits of a bounded size."""
    some: list[WriteOperation] = []
    size = 0
    for row in rows:
        added = sum(len(each.payload.data) for each in row if isinstance(each, Write))
        if some and (size + added > _COMMIT_BYTES_MAX or len(some) >= _KEYS_AT_ONCE):
            yield some
            some, size = [], 0
        some += row
        size += added
    if some:
        yield some
