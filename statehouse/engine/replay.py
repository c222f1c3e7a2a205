"""The event log: replay, events by origin, times, and what agents and namespaces there are.

Replaying an agent walks its own index, so it costs in proportion to that agent's events. The commits of
the whole store are dense, so they are read by number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from statehouse.engine import layout
from statehouse.engine.cursors import pack_cursor, unpack_cursor
from statehouse.engine.layout import KIND_NAMES, Totals
from statehouse.engine.reads import Reads, check_limit
from statehouse.engine.state import State, check_commit_ts
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.limits import COMMIT_TS_MAX, check_integer
from statehouse.protocol.names import check_namespace, check_text, check_txn_id
from statehouse.protocol.origin import Origin, check_span_id, check_trace_id
from statehouse.protocol.replies import (
    AgentCounts,
    AgentPage,
    Event,
    EventPage,
    Located,
    NamespaceCounts,
    NamespacePage,
    Operation,
    OperationKind,
    TxnOutcome,
)
from statehouse.protocol.requests import FindEvents, ListAgents, ListNamespaces, LocateTime, LookupTxn, Replay
from statehouse.protocol.values import Payload
from statehouse.storage import PAGE_ROWS, Table


class _Wanted(NamedTuple):
    """Which operations of an event a replay shows; None for all."""

    namespace: str | None
    agent_id: str | None


_EventFields = tuple[int, str, Origin, list[tuple[int, int, int, bytes]]]
"""What `layout.unpack_event` gives."""


class Log:
    """Answers the questions about events."""

    def __init__(self, state: State, reads: Reads) -> None:
        self._state = state
        self._store = state.store
        self._reads = reads

    def replay(self, request: Replay) -> EventPage:
        """One page of `Replay`, without waiting."""
        state = self._state
        check_limit(state, request.limit)
        check_commit_ts("from_ts", request.from_ts)
        prefix = self._prefix(request)
        first = max(request.from_ts, 1)
        last = state.visible
        if request.to_ts is not None:
            check_commit_ts("to_ts", request.to_ts)
            if request.to_ts < request.from_ts:
                raise InvalidArgumentError(f"to_ts {request.to_ts} is before from_ts {request.from_ts}")
            last = min(last, request.to_ts)
        epoch = self._epoch_of(request)
        state.check_horizon(first)
        wanted = _Wanted(request.namespace, request.agent_id)
        numbers = self._numbers(prefix, first, last)
        events, more = self._collect(numbers, wanted, request.limit, payloads=request.payloads)
        through = events[-1].commit_ts if more else max(last, first - 1)
        done = request.to_ts is not None and through >= request.to_ts
        return EventPage(events, through, done, state.store_id.hex(), epoch)

    def _epoch_of(self, request: Replay | FindEvents) -> int:
        """Checks where a page begins, and gives its epoch.

        To be called when the end of the page is known: a read-only store learns of an epoch first, and then
        shows what was committed in it.
        """
        epoch = self._state.epoch
        self._state.check_position(request)
        return epoch

    def _prefix(self, request: Replay) -> bytes | None:
        if request.namespace is None:
            if request.agent_id is not None:
                raise InvalidArgumentError("an agent needs its namespace")
            return None
        if request.agent_id is None:
            check_namespace(request.namespace, self._state.limits)
            return layout.namespace_prefix(request.namespace)
        return self._state.agent_prefix(request.namespace, request.agent_id)

    def _numbers(self, prefix: bytes | None, first: int, last: int) -> Iterator[list[int]]:
        """The commit_ts of the events of a replay, in short pages."""
        if prefix is None:
            for at in range(first, last + 1, PAGE_ROWS):
                yield list(range(at, min(at + PAGE_ROWS, last + 1)))
            return
        yield from self._indexed(Table.AGENTS, prefix, first, last)

    def _indexed(self, table: Table, prefix: bytes, first: int, last: int) -> Iterator[list[int]]:
        start, stop = prefix + layout.pack_u64(first), prefix + layout.pack_u64(last + 1)
        while start < stop:
            page = self._store.scan(table, start, stop)
            if not page:
                return
            yield [layout.unpack_u64(key[-8:]) for key, _ in page]
            start = page[-1][0] + b"\0"

    def _collect(
        self, pages: Iterable[list[int]], wanted: _Wanted, limit: int, *, payloads: bool
    ) -> tuple[tuple[Event, ...], bool]:
        """The first events of some commit_ts, up to the limits of a page; whether there are more."""
        events: list[Event] = []
        size = 0
        bytes_max = self._state.limits.page_bytes_max
        for numbers in pages:
            at = 0
            while at < len(numbers):
                if len(events) == limit or size >= bytes_max:
                    return tuple(events), True
                for event in self._events(numbers[at : at + limit - len(events)], wanted, payloads=payloads):
                    events.append(event)
                    size += _size_of(event)
                    at += 1
                    if size >= bytes_max:
                        break
        return tuple(events), False

    def _event_rows(self, numbers: list[int]) -> list[_EventFields]:
        rows: list[_EventFields] = []
        unpack = layout.unpack_event
        for data in self._store.get_many(Table.EVENTS, list(map(layout.pack_u64, numbers))):
            if data is None:
                raise layout.damaged(Table.EVENTS, f"event {numbers[len(rows)]} is missing")
            rows.append(unpack(data))
        return rows

    def _events(self, numbers: list[int], wanted: _Wanted, *, payloads: bool) -> Iterator[Event]:
        """The events of some commit_ts; the values of each are read as it is taken."""
        rows = self._event_rows(numbers)
        names = self._state.names_of({operation[0] for row in rows for operation in row[3]})
        namespace, agent_id = wanted
        kept = [
            [
                operation
                for operation in row[3]
                if (namespace is None or names[operation[0]][0] == namespace)
                and (agent_id is None or names[operation[0]][1] == agent_id)
            ]
            for row in rows
        ]
        values: Iterator[tuple[OperationKind, Payload | None]] = iter(())
        if payloads:
            key = layout.history_key
            keys = [
                key(operation[0], number)
                for number, operations in zip(numbers, kept, strict=True)
                for operation in operations
            ]
            values = self._reads.payloads(keys, self._store.get_many(Table.HISTORY, keys))
        for number, row, operations in zip(numbers, rows, kept, strict=True):
            shown = []
            for record_id, version, kind, _ in operations:
                found, payload = next(values) if payloads else (KIND_NAMES[kind], None)
                shown.append(Operation(*names[record_id], found, version, payload))
            yield Event(row[1], number, row[0], row[2], tuple(shown))

    def find(self, request: FindEvents) -> EventPage:
        """See `FindEvents`."""
        state = self._state
        check_limit(state, request.limit)
        check_commit_ts("from_ts", request.from_ts)
        first, last = max(request.from_ts, 1), state.visible
        pages: Iterable[list[int]]
        match request.by:
            case "txn":
                check_txn_id(request.id, state.limits)
                commit_ts = self._commit_of(request.id)
                pages = [[commit_ts]] if commit_ts and first <= commit_ts <= last else []
            case "trace" | "span" | "run":
                _check_identity(request, state)
                prefix = layout.origin_prefix(request.by, request.id)
                pages = self._indexed(Table.ORIGINS, prefix, first, last)
            case _:
                raise InvalidArgumentError(
                    f"events are found by trace, span, run or txn, not {request.by!r:.80}"
                )
        epoch = self._epoch_of(request)
        events, more = self._collect(pages, _Wanted(None, None), request.limit, payloads=True)
        through = events[-1].commit_ts if more else max(last, first - 1)
        return EventPage(events, through, not more, state.store_id.hex(), epoch)

    def _commit_of(self, txn_id: str) -> int:
        row = self._store.get(Table.TXNS, layout.pack_txn_id(txn_id))
        return layout.unpack_txn_row(row)[0] if row else 0

    def lookup(self, request: LookupTxn) -> TxnOutcome:
        """See `LookupTxn`."""
        state = self._state
        check_txn_id(request.txn_id, state.limits)
        if request.txn_id in state.in_flight or request.txn_id in state.in_doubt:
            return TxnOutcome(request.txn_id, "unknown")
        commit_ts = self._commit_of(request.txn_id)
        if commit_ts > state.visible:
            return TxnOutcome(request.txn_id, "unknown")
        return TxnOutcome(request.txn_id, "committed" if commit_ts else "absent", commit_ts)

    def locate(self, request: LocateTime) -> Located:
        """See `LocateTime`: bisection over the times of the commits, which never go backwards."""
        time_us = request.time_us
        check_integer("time_us (microseconds since 1970)", time_us, -COMMIT_TS_MAX)
        low, high = max(self._state.horizon.commit_ts, 1), self._state.visible
        found = Located(0, 0)
        while low <= high:
            middle = (low + high) // 2
            data = self._store.get(Table.EVENTS, layout.pack_u64(middle))
            if data is None:
                raise layout.damaged(Table.EVENTS, f"event {middle} is missing")
            committed_at_us = layout.event_time(data)
            if committed_at_us <= time_us:
                found, low = Located(middle, committed_at_us), middle + 1
            else:
                high = middle - 1
        return found

    def agents(self, request: ListAgents) -> AgentPage:
        """See `ListAgents`."""
        state = self._state
        check_limit(state, request.limit)
        check_namespace(request.namespace, state.limits)
        scope = f"agents\0{request.namespace}"
        read_ts, after = self._position(request, scope)
        space = layout.namespace_prefix(request.namespace)[:-1]
        # 0x01 sorts behind every row of the namespace itself (00 00 …) and before every agent's.
        start, stop = space + (after + b"\1" if after else b"\1"), layout.prefix_end(space)
        agents: list[AgentCounts] = []
        for name, totals, last_ts in self._owners(start, stop, read_ts):
            if len(agents) == request.limit:
                cursor = pack_cursor(state, scope, read_ts, agents[-1].agent_id.encode())
                return AgentPage(tuple(agents), cursor, read_ts)
            agents.append(AgentCounts(request.namespace, name[1], totals.keys, totals.events, last_ts))
        return AgentPage(tuple(agents), None, read_ts)

    def namespaces(self, request: ListNamespaces) -> NamespacePage:
        """See `ListNamespaces`."""
        state = self._state
        check_limit(state, request.limit)
        read_ts, after = self._position(request, "namespaces")
        found: list[NamespaceCounts] = []
        start = after + b"\1" if after else b""
        while True:
            rows = self._store.scan(Table.AGENTS, start, b"\xff", rows_max=1)
            if not rows:
                return NamespacePage(tuple(found), None, read_ts)
            namespace = layout.parse_totals_key(rows[0][0])[0]
            totals, last_ts = state.totals_at(layout.namespace_prefix(namespace), read_ts)
            start = namespace.encode() + b"\1"
            if not last_ts:
                continue
            if len(found) == request.limit:
                cursor = pack_cursor(state, "namespaces", read_ts, found[-1].namespace.encode())
                return NamespacePage(tuple(found), cursor, read_ts)
            found.append(NamespaceCounts(namespace, totals.agents, totals.keys, totals.events, last_ts))

    def _position(self, request: ListAgents | ListNamespaces, scope: str) -> tuple[int, bytes]:
        if request.cursor is None:
            return self._state.read_ts(request.at), b""
        if request.at is not None:
            raise InvalidArgumentError("a cursor has its own commit_ts: leave at out")
        return unpack_cursor(self._state, scope, request.cursor)

    def _owners(
        self, start: bytes, stop: bytes, read_ts: int
    ) -> Iterator[tuple[tuple[str, str], Totals, int]]:
        """The agents with rows in a range, each with its totals as of read_ts; skips from one to the next."""
        while True:
            rows = self._store.scan(Table.AGENTS, start, stop, rows_max=1)
            if not rows:
                return
            namespace, agent_id, _ = layout.parse_totals_key(rows[0][0])
            prefix = layout.agent_prefix(namespace, agent_id)
            totals, last_ts = self._state.totals_at(prefix, read_ts)
            if last_ts:
                yield (namespace, agent_id), totals, last_ts
            start = prefix[:-1] + b"\1"


def _size_of(event: Event) -> int:
    size = 128
    for operation in event.operations:
        size += 64 + (len(operation.payload.data) if operation.payload is not None else 0)
    return size


def _check_identity(request: FindEvents, state: State) -> None:
    match request.by:
        case "trace":
            check_trace_id(request.id)
        case "span":
            check_span_id(request.id)
        case _:
            check_text("run_id", request.id, state.limits.key_bytes_max)
