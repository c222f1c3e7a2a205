"""Events out of an exported run."""

from __future__ import annotations

import math

from statehouse.debug.exports.contents import ExportContents
from statehouse.debug.exports.coverage import not_exported
from statehouse.debug.exports.cursors import fitting
from statehouse.errors import InvalidArgumentError, StoreChangedError
from statehouse.extend import (
    DEFAULT_LIMITS,
    EventPage,
    FindEvents,
    Located,
    LocateTime,
    LookupTxn,
    Replay,
    TxnOutcome,
)
from statehouse.protocol.limits import COMMIT_TS_MAX, check_integer, check_seconds
from statehouse.protocol.names import check_agent_id, check_namespace, check_text, check_txn_id
from statehouse.protocol.origin import check_span_id, check_trace_id
from statehouse.protocol.replies import Event, Operation


class ExportEvents:
    """Answers replays and searches."""

    def __init__(self, contents: ExportContents) -> None:
        self._contents = contents

    def replay(self, request: Replay) -> EventPage:
        """See `Replay`: of an agent that is held whole, or of commits that are all held.

        A page is never waited for: nothing will come.
        """
        self._check_replay(request)
        contents, head = self._contents, self._contents.head
        first = max(request.from_ts, 1)
        last = head if request.to_ts is None else min(request.to_ts, head)
        found = contents.between(first, last) if first <= last else ()
        if len(found) != max(0, last - first + 1):
            self._check_agent(request, first, last)
        wanted = (_part(event, request.namespace, request.agent_id) for event in found)
        events, more = fitting((event for event in wanted if event.operations), request.limit, _size)
        if not request.payloads:
            events = list(map(_without_payloads, events))
        through = events[-1].commit_ts if more else max(last, first - 1)
        done = not more and (request.to_ts is None or through >= min(request.to_ts, head))
        return EventPage(tuple(events), through, done, contents.header.store_id, contents.header.epoch)

    def _check_replay(self, request: Replay) -> None:
        if request.namespace is not None:
            check_namespace(request.namespace)
        elif request.agent_id is not None:
            raise InvalidArgumentError("an agent needs its namespace")
        if request.agent_id is not None:
            check_agent_id(request.agent_id)
        check_integer("from_ts", request.from_ts, 0)
        if request.to_ts is not None:
            check_integer("to_ts", request.to_ts, 0)
            if request.to_ts < request.from_ts:
                raise InvalidArgumentError(f"to_ts {request.to_ts} is before from_ts {request.from_ts}")
        check_integer("limit", request.limit, 1, DEFAULT_LIMITS.page_rows_max)
        check_seconds("wait_s", request.wait_s, 0.0, math.inf)
        self._check_own(request)

    def _check_own(self, request: Replay | FindEvents) -> None:
        header = self._contents.header
        if request.store_id not in ("", header.store_id) or request.epoch not in (0, header.epoch):
            raise StoreChangedError(
                f"this export is of store {header.store_id} epoch {header.epoch}, not {request.store_id} "
                f"epoch {request.epoch}: begin again from the start"
            )

    def _check_agent(self, request: Replay, first: int, last: int) -> None:
        """Refuses a replay of which some commits are not held."""
        namespace, agent_id, head = request.namespace, request.agent_id, self._contents.head
        since = None
        if namespace is not None and agent_id is not None:
            since = self._contents.coverage.range_since(namespace, agent_id)
            if since is not None and since < first:
                return
        where = "/".join(filter(None, (namespace, agent_id))) or "the whole store"
        raise not_exported(f"every commit to {where} from {first} to {last}", since=since, head=head)

    def find(self, request: FindEvents) -> EventPage:
        """See `FindEvents`: among the events that are held."""
        match request.by:
            case "trace":
                check_trace_id(request.id)
            case "span":
                check_span_id(request.id)
            case "run":
                check_text("run_id", request.id, DEFAULT_LIMITS.key_bytes_max)
            case "txn":
                check_txn_id(request.id)
            case _:
                raise InvalidArgumentError(
                    f"events are found by trace, span, run or txn, not {request.by!r:.80}"
                )
        check_integer("from_ts", request.from_ts, 0)
        check_integer("limit", request.limit, 1, DEFAULT_LIMITS.page_rows_max)
        self._check_own(request)
        header = self._contents.header
        found = (
            event
            for event in self._contents.found(request.by, request.id)
            if event.commit_ts >= request.from_ts
        )
        events, more = fitting(found, request.limit, _size)
        through = events[-1].commit_ts if more else max(self._contents.head, request.from_ts - 1)
        return EventPage(tuple(events), through, not more, header.store_id, header.epoch)

    def lookup(self, request: LookupTxn) -> TxnOutcome:
        """See `LookupTxn`: what is not held may have been committed all the same."""
        check_txn_id(request.txn_id)
        for event in self._contents.found("txn", request.txn_id):
            return TxnOutcome(request.txn_id, "committed", event.commit_ts)
        return TxnOutcome(request.txn_id, "unknown")

    def locate(self, request: LocateTime) -> Located:
        """See `LocateTime`: the newest commit that is held; no key that is held has changed since that."""
        check_integer("time_us (microseconds since 1970)", request.time_us, -COMMIT_TS_MAX)
        header = self._contents.header
        if request.time_us >= header.to_us:
            return Located(header.to_ts, header.to_us)
        event = self._contents.located(request.time_us)
        return Located(0, 0) if event is None else Located(event.commit_ts, event.committed_at_us)


def _part(event: Event, namespace: str | None, agent_id: str | None) -> Event:
    if namespace is None:
        return event
    operations = tuple(
        operation
        for operation in event.operations
        if operation.namespace == namespace and agent_id in (None, operation.agent_id)
    )
    return Event(event.txn_id, event.commit_ts, event.committed_at_us, event.origin, operations)


def _without_payloads(event: Event) -> Event:
    # Without its values an event says what it did, and not what became of it.
    operations = tuple(
        Operation(
            operation.namespace,
            operation.agent_id,
            operation.key,
            "delete" if operation.kind == "delete" else "write",
            operation.version,
        )
        for operation in event.operations
    )
    return Event(event.txn_id, event.commit_ts, event.committed_at_us, event.origin, operations)


def _size(event: Event) -> int:
    return sum(len(operation.payload.data) for operation in event.operations if operation.payload)
