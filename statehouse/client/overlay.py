"""Scans inside a transaction: the store's rows as of read_ts, and over them what it wrote itself.

What a scan returned becomes a range of the read set (G3): to the last key returned when a limit ended it,
to the end of the prefix when nothing did, and page by page in between.
"""

from __future__ import annotations

from collections.abc import Sequence

from statehouse.client.pages import ROWS_AT_ONCE, check_scan
from statehouse.client.records import Record, record_of
from statehouse.client.transactions import WHOSE, Staged, TransactionLogic
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.engine import Flow
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Entry, Page
from statehouse.protocol.requests import Delete, KeyRange, Scan

Row = Entry | Staged


class OverlaidPages:
    """The records of one agent whose keys begin with a prefix, as one transaction sees them."""

    def __init__(
        self,
        logic: TransactionLogic,
        prefix: str,
        *,
        agent_id: str | None,
        namespace: str | None,
        reverse: bool,
        limit: int | None,
        keys_only: bool = False,
    ) -> None:
        logic.check_open()
        agent_id = logic.agent_id if agent_id is None else agent_id
        if agent_id is None:
            raise InvalidArgumentError(WHOSE)
        namespace = logic.namespace if namespace is None else namespace
        check_scan(namespace, agent_id, prefix, limit)
        self._logic = logic
        self._namespace = namespace
        self._agent_id = agent_id
        self._prefix = prefix
        self._reverse = bool(reverse)
        self._keys_only = keys_only
        self._left = limit
        self._staged = logic.staged_in(namespace, agent_id, prefix)
        self._cursor: str | None = None
        self._range: KeyRange | None = None
        self._ended = False

    def next(self) -> Flow[Sequence[Record] | None]:
        """Gives the next records; None when there are no more."""
        rows = yield from self._next_rows()
        return None if rows is None else [self._record(key, row) for key, row in rows]

    def keys(self) -> Flow[list[str]]:
        """Gives all the keys there are."""
        found: list[str] = []
        while (rows := (yield from self._next_rows())) is not None:
            found += [key for key, _ in rows]
        return found

    def _record(self, key: str, row: Row) -> Record:
        if isinstance(row, Entry):
            return record_of(row)
        record = self._logic.own_record(RecordKey(self._namespace, self._agent_id, key), row)
        assert record is not None, "a deleted key was taken out of the rows"
        return record

    def _next_rows(self) -> Flow[list[tuple[str, Row]] | None]:
        if self._ended or self._left == 0:
            return None
        self._logic.check_open()
        page: Page = yield from self._logic.pinned(self._request)
        self._cursor = page.cursor
        self._ended = page.cursor is None
        boundary = page.entries[-1].key.key if page.entries else None
        rows: dict[str, Row] = {entry.key.key: entry for entry in page.entries}
        for key in [key for key in self._staged if self._ended or self._reached(key, boundary)]:
            staged = self._staged.pop(key)
            if isinstance(staged, Delete):
                rows.pop(key, None)
            else:
                rows[key] = staged
        keys = sorted(rows, reverse=self._reverse)
        if self._left is not None and len(keys) >= self._left:
            keys = keys[: self._left]
            boundary = keys[-1]
            self._ended = False
        if self._left is not None:
            self._left -= len(keys)
        self._add_range(None if self._ended else boundary)
        return [(key, rows[key]) for key in keys]

    def _request(self, read_ts: int | None) -> Scan:
        # What was staged may hide as many rows as it has.
        wanted = ROWS_AT_ONCE if self._left is None else min(self._left + len(self._staged), ROWS_AT_ONCE)
        return Scan(
            self._namespace,
            self._agent_id,
            self._prefix,
            at=read_ts if self._cursor is None else None,
            reverse=self._reverse,
            keys_only=self._keys_only,
            limit=wanted,
            cursor=self._cursor,
        )

    def _reached(self, key: str, boundary: str | None) -> bool:
        if boundary is None:
            return False
        return key >= boundary if self._reverse else key <= boundary

    def _add_range(self, boundary: str | None) -> None:
        if boundary is None and not self._ended:
            return
        first, last = (boundary, None) if self._reverse else (None, boundary)
        span = KeyRange(self._namespace, self._agent_id, self._prefix, first, last, self._keys_only)
        self._logic.add_range(span, self._range)
        self._range = span
