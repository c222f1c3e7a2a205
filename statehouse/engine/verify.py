"""Proving what is on disk: the event chain, digests, versions, indexes and totals.

A check runs in parts, so that it can report progress and be interrupted, while commits go on; it proves
the history up to the commit that was visible when it began:

1. ``events``: every event in order carries the digest of the one before; each of its operations has its
   name, version and value, and the value has the digest that the event carries; its indexes stand.
2. ``records``: every record's newest state is the newest of its history, and its versions are 1, 2, 3 ….
3. ``agents``: the totals of every agent and namespace are what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from statehouse.engine import layout
from statehouse.engine.cursors import pack_cursor, unpack_cursor
from statehouse.engine.digests import chunk_digests, event_digest, operation_digest, operation_proof
from statehouse.engine.layout import ERASED, INLINE, KIND_DELETE, KIND_WRITE, TOMBSTONE, EventRow, Totals
from statehouse.engine.reads import Reads, check_limit
from statehouse.engine.state import State
from statehouse.errors import CorruptionError
from statehouse.protocol.replies import CheckPage, Problem
from statehouse.protocol.requests import Check, Scan
from statehouse.storage import Table

_SCOPE: Final = "check"
_EVENTS, _RECORDS, _AGENTS = range(3)
_SHARES: Final = (0.0, 0.6, 0.9, 1.0)
_PROBLEMS_MAX: Final = 100


class _Place(NamedTuple):
    """Where a part begins: the phase, a position in it, and (for events) the digest of the one before."""

    phase: int
    position: bytes
    digest: bytes

    def pack(self) -> bytes:
        return bytes((self.phase,)) + self.digest + self.position

    @classmethod
    def unpack(cls, data: bytes) -> _Place:
        return cls(data[0], data[1 + layout.DIGEST_BYTES :], data[1 : 1 + layout.DIGEST_BYTES])


class Verifier:
    """Answers `Check`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._store = state.store
        self._reads = Reads(state)

    def check(self, request: Check) -> CheckPage:
        """One part of a check; see `Check`."""
        state = self._state
        check_limit(state, request.limit)
        if request.cursor is None:
            at, place = state.visible, self._beginning()
        else:
            at, packed = unpack_cursor(state, _SCOPE, request.cursor)
            place = _Place.unpack(packed)
        problems: list[Problem] = []
        phase = (self._events, self._records, self._agents)[place.phase]
        try:
            checked, following, fraction = phase(place, at, request.limit, problems)
        except (CorruptionError, ValueError, IndexError, KeyError) as error:
            # A row so damaged that it cannot be taken apart: nothing behind it can be trusted either.
            problems.append(Problem(0, getattr(error, "table", ""), f"unreadable: {error}"))
            return CheckPage(tuple(problems), 0, 1.0, None)
        low, high = _SHARES[place.phase : place.phase + 2]
        done = low + (high - low) * fraction
        if following is None:
            return CheckPage(tuple(problems[:_PROBLEMS_MAX]), checked, 1.0, None, place.digest.hex())
        cursor = pack_cursor(state, _SCOPE, at, following.pack())
        return CheckPage(tuple(problems[:_PROBLEMS_MAX]), checked, done, cursor)

    def _beginning(self) -> _Place:
        horizon = self._state.horizon
        return _Place(_EVENTS, layout.pack_u64(max(horizon.commit_ts, 1)), horizon.digest)

    def _events(
        self, place: _Place, at: int, limit: int, problems: list[Problem]
    ) -> tuple[int, _Place | None, float]:
        first = layout.unpack_u64(place.position)
        last = min(at, first + limit - 1)
        digest, time_us = place.digest, 0
        for commit_ts in range(first, last + 1):
            data = self._store.get(Table.EVENTS, layout.pack_u64(commit_ts))
            if data is None:
                problems.append(Problem(commit_ts, Table.EVENTS, "the event is missing"))
                digest = b""
                continue
            event = layout.unpack_event_row(data)
            if digest and event.previous_digest != digest:
                problems.append(
                    Problem(
                        commit_ts, Table.EVENTS, "the event before is not the one that this one was built on"
                    )
                )
            if event.committed_at_us < time_us:
                problems.append(
                    Problem(commit_ts, Table.EVENTS, "its time is before that of the event before")
                )
            digest, time_us = event_digest(data), event.committed_at_us
            problems += [Problem(commit_ts, table, what) for table, what in self._event(commit_ts, event)]
        digest = digest or layout.NO_DIGEST
        if last < at:
            return last - first + 1, _Place(_EVENTS, layout.pack_u64(last + 1), digest), last / at
        if at and at == self._state.head.commit_ts and digest != self._state.head.digest:
            problems.append(Problem(at, Table.META, "the newest event is not the one the store ends with"))
        return max(0, last - first + 1), _Place(_RECORDS, layout.pack_u64(1), digest), 1.0

    def _event(self, commit_ts: int, event: EventRow) -> Iterator[tuple[Table, str]]:
        """What is wrong with one event's operations and indexes."""
        owners: set[bytes] = set()
        stamp = layout.pack_u64(commit_ts)
        for operation in event.operations:
            name = self._store.get(Table.RECORDS, layout.pack_u64(operation.record_id))
            if name is None:
                yield Table.RECORDS, f"record {operation.record_id} has no name"
                continue
            owners.add(name[: name.rindex(b"\0") + 1])
            owners.add(name[: name.index(b"\0")] + b"\0\0")
            yield from self._operation(commit_ts, operation, name)
        for owner in owners:
            if self._store.get(Table.AGENTS, owner + stamp) is None:
                yield Table.AGENTS, f"{owner!r} has no row for the event"
        txn = self._store.get(Table.TXNS, layout.pack_txn_id(event.txn_id))
        if commit_ts >= self._state.horizon.dedup_ts and (
            txn is None or layout.unpack_txn_row(txn)[0] != commit_ts
        ):
            yield Table.TXNS, f"transaction {event.txn_id} does not lead to the event"
        for kind, identity in layout.origin_identities(event.origin):
            key = layout.origin_prefix(kind, identity) + stamp
            if self._store.get(Table.ORIGINS, key) is None:
                yield Table.ORIGINS, f"{kind} {identity} does not lead to the event"

    def _operation(
        self, commit_ts: int, operation: layout.EventOperation, name: bytes
    ) -> Iterator[tuple[Table, str]]:
        shown = layout.parse_name_key(name)
        stamp = self._store.get(Table.VERSIONS, layout.version_key(operation.record_id, operation.version))
        if stamp is None or layout.unpack_u64(stamp) != commit_ts:
            yield Table.VERSIONS, f"version {operation.version} of {shown} does not lead to the event"
        data = self._store.get(Table.HISTORY, layout.history_key(operation.record_id, commit_ts))
        if data is None:
            yield Table.HISTORY, f"{shown} version {operation.version} is missing"
            return
        row = layout.unpack_history_row(data)
        if row.version != operation.version:
            yield Table.HISTORY, f"{shown} has version {row.version}, the event says {operation.version}"
        if row.flags & ERASED:
            return
        chunks: tuple[bytes, ...] = ()
        if not row.flags & TOMBSTONE:
            value = self._reads.value(operation.record_id, commit_ts, row)
            if value is None:
                # Erased a moment ago.
                return
            chunks = chunk_digests(value)
            if not row.flags & INLINE and chunks != row.chunks:
                yield (
                    Table.SEGMENTS,
                    f"the chunks of {shown} version {row.version} are not those that were written",
                )
        kind = KIND_DELETE if row.flags & TOMBSTONE else KIND_WRITE
        proof = operation_proof(kind, name, row.content_type, chunks)
        if kind != operation.kind or operation.digest != operation_digest(row.salt, proof):
            yield (
                Table.HISTORY,
                f"the value of {shown} version {row.version} is not the one that was committed",
            )

    def _records(
        self, place: _Place, at: int, limit: int, problems: list[Problem]
    ) -> tuple[int, _Place | None, float]:
        total = self._state.head.next_record_id
        rows = self._store.scan(Table.RECORDS, place.position, b"\xff" * 9, rows_max=min(limit, 256))
        for key, name in rows:
            problems += [
                Problem(0, table, what) for table, what in self._record(layout.unpack_u64(key), name, at)
            ]
        if not rows:
            return 0, _Place(_AGENTS, b"", place.digest), 1.0
        last = layout.unpack_u64(rows[-1][0])
        return len(rows), _Place(_RECORDS, layout.pack_u64(last + 1), place.digest), min(1.0, last / total)

    def _record(self, record_id: int, name: bytes, at: int) -> Iterator[tuple[Table, str]]:
        shown = layout.parse_name_key(name)
        data = self._store.get(Table.NAMES, name)
        if data is None:
            yield Table.NAMES, f"{shown} is missing"
            return
        row = layout.unpack_name_row(data)
        if row.record_id != record_id:
            yield Table.NAMES, f"{shown} leads to record {row.record_id}, not {record_id}"
            return
        if row.commit_ts > at:
            # Written since the check began; the next check proves it.
            return
        history = self._store.get(Table.HISTORY, layout.history_key(record_id, row.commit_ts))
        newest = layout.unpack_history_row(history) if history else None
        if (
            newest is None
            or newest[:3] != (row.version, row.flags, row.content_type)
            or newest.data != row.data
        ) and self._store.get(Table.NAMES, name) == data:
            # What was erased between the two looks has another row by now.
            yield Table.NAMES, f"the newest state of {shown} is not the newest of its history"
        yield from self._versions(record_id, row.version, str(shown))

    def _versions(self, record_id: int, newest: int, shown: str) -> Iterator[tuple[Table, str]]:
        start = layout.version_key(record_id, 1)
        stop = layout.version_key(record_id, newest) + b"\0"
        expected, commit_ts = 1, 0
        while True:
            page = self._store.scan(Table.VERSIONS, start, stop)
            for key, stamp in page:
                version = layout.unpack_u64(key[8:])
                if version != expected:
                    yield Table.VERSIONS, f"{shown} has no version {expected}"
                if layout.unpack_u64(stamp) <= commit_ts:
                    yield Table.VERSIONS, f"version {version} of {shown} is not newer than the one before"
                expected, commit_ts = version + 1, layout.unpack_u64(stamp)
            if not page:
                break
            start = page[-1][0] + b"\0"
        if expected != newest + 1:
            yield Table.VERSIONS, f"{shown} has no version {expected}"

    def _agents(
        self, place: _Place, at: int, limit: int, problems: list[Problem]
    ) -> tuple[int, _Place | None, float]:
        """Agents and namespaces in key order, a namespace before its agents."""
        start = place.position
        checked = 0
        while checked < limit:
            rows = self._store.scan(Table.AGENTS, start, b"\xff", rows_max=1)
            if not rows:
                return checked, None, 1.0
            prefix = rows[0][0][:-8]
            totals, last_ts = self._state.totals_at(prefix, at)
            if last_ts:
                counted = self._counted(prefix, at)
                checked += counted.events
                if counted != totals:
                    what = f"{prefix!r} has {counted}, its totals say {totals}"
                    problems.append(Problem(last_ts, Table.AGENTS, what))
            start = prefix[:-1] + b"\1"
        return checked, _Place(_AGENTS, start, place.digest), 0.5

    def _counted(self, prefix: bytes, at: int) -> Totals:
        """The totals of an agent or namespace, counted anew."""
        events = 0
        start, stop = layout.totals_key(prefix, 0), layout.totals_key(prefix, at + 1)
        while page := self._store.scan(Table.AGENTS, start, stop):
            events += len(page)
            start = page[-1][0] + b"\0"
        namespace, agent_id, _ = layout.parse_totals_key(layout.totals_key(prefix, 0))
        if agent_id:
            return Totals(events, self._live_keys(namespace, agent_id, at), 0)
        keys = agents = 0
        start, stop = prefix[:-1] + b"\1", layout.prefix_end(prefix[:-1])
        while rows := self._store.scan(Table.AGENTS, start, stop, rows_max=1):
            agent = rows[0][0][:-8]
            totals, last_ts = self._state.totals_at(agent, at)
            keys += totals.keys
            agents += bool(last_ts)
            start = agent[:-1] + b"\1"
        return Totals(events, keys, agents)

    def _live_keys(self, namespace: str, agent_id: str, at: int) -> int:
        count = 0
        limit = self._state.limits.page_rows_max
        request = Scan(namespace, agent_id, at=at, keys_only=True, limit=limit)
        while True:
            page = self._reads.scan(request)
            count += len(page.entries)
            if page.cursor is None:
                return count
            request = Scan(namespace, agent_id, keys_only=True, limit=limit, cursor=page.cursor)
