"""Reading state, as of one commit_ts. No locks: rows carry their commit_ts, and nothing is changed in place.

A read first fixes its read_ts, at most `State.visible`. The row in `names` is the newest state of a
record, which may be newer than read_ts (written since, or not yet announced); then the row in `history`
with the greatest commit_ts up to read_ts is the answer, one seek away.

Only an erase changes rows of the past. A value whose bytes it takes away between the look at its row and the
look at its segments seems damaged, so the row is looked at again before anybody is told so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from statehouse.engine import layout, ropes
from statehouse.engine.cursors import pack_cursor, unpack_cursor
from statehouse.engine.layout import (
    ERASED,
    INLINE,
    NAME_HEAD_BYTES,
    TOMBSTONE,
    TYPES,
    HistoryRow,
    NameRow,
    inline_value,
    unpack_name_head,
)
from statehouse.engine.state import State
from statehouse.errors import (
    CorruptionError,
    ErasedError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
)
from statehouse.protocol.limits import check_integer
from statehouse.protocol.names import RecordKey, check_key, check_text
from statehouse.protocol.replies import Entry, OperationKind, Page, Read
from statehouse.protocol.requests import Get, GetAtVersion, GetMany, History, Scan
from statehouse.protocol.values import Payload
from statehouse.storage import PAGE_ROWS, Table


def check_limit(state: State, limit: object) -> None:
    """Raises InvalidArgumentError unless a page limit is 1 to 10,000."""
    check_integer("limit", limit, 1, state.limits.page_rows_max)


def kind_of(flags: int) -> OperationKind:
    """What a write with these flags was."""
    if flags & TOMBSTONE:
        return "delete"
    return "erased" if flags & ERASED else "write"


class Reads:
    """Answers the reads of state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._store = state.store

    def get(self, request: Get) -> Read:
        """See `Get`."""
        state = self._state
        key, at = request.key, request.at
        read_ts = state.visible if at is None else state.read_ts(at)
        data = self._store.get(Table.NAMES, state.name_key(key))
        if data is None:
            return Read(Entry(key, None, 0, 0, None), read_ts)
        _, version, commit_ts, flags, code = unpack_name_head(data)
        if flags == INLINE and commit_ts <= read_ts and code in TYPES:
            payload = Payload(TYPES[code], data[NAME_HEAD_BYTES:])
            return Read(Entry(key, payload, version, commit_ts, "write"), read_ts)
        return Read(_readable(self._entry(key, layout.unpack_name_row(data), read_ts), read_ts), read_ts)

    def get_at_version(self, request: GetAtVersion) -> Read:
        """See `GetAtVersion`."""
        state = self._state
        key, version = request.key, request.version
        check_integer("version", version, 1)
        read_ts = state.visible
        data = self._store.get(Table.NAMES, state.name_key(key))
        if data is not None and version <= layout.unpack_name_row(data).version:
            record_id = layout.unpack_name_row(data).record_id
            stamp = self._store.get(Table.VERSIONS, layout.version_key(record_id, version))
            if stamp is not None:
                commit_ts = layout.unpack_u64(stamp)
                if commit_ts <= read_ts:
                    row = self._history_row(record_id, commit_ts)
                    entry = self._from_history(key, record_id, row, commit_ts)
                    return Read(_readable(entry, read_ts), read_ts)
        raise NotFoundError(f"{key} has no version {version}", key=key, version=version)

    def get_many(self, request: GetMany) -> Page:
        """See `GetMany`."""
        state = self._state
        if len(request.keys) > state.limits.get_many_keys_max:
            raise LimitExceededError(
                f"{len(request.keys)} keys in one read; the limit is {state.limits.get_many_keys_max}",
                limit=state.limits.get_many_keys_max,
                actual=len(request.keys),
            )
        read_ts = state.read_ts(request.at)
        # All of them first: a malformed one is refused whatever page it would be on.
        names = [state.name_key(key) for key in request.keys]
        entries: list[Entry] = []
        size = 0
        for start in range(0, len(names), PAGE_ROWS):
            some = names[start : start + PAGE_ROWS]
            for name, data in zip(some, self._store.get_many(Table.NAMES, some), strict=True):
                if size >= state.limits.page_bytes_max:
                    return Page(tuple(entries), None, read_ts)
                key = request.keys[len(entries)]
                if data is None:
                    entry = Entry(key, None, 0, 0, None)
                else:
                    entry = _readable(self._entry(key, layout.unpack_name_row(data), read_ts), read_ts)
                entries.append(entry)
                size += len(name) if entry.payload is None else len(name) + len(entry.payload.data)
        return Page(tuple(entries), None, read_ts)

    def scan(self, request: Scan) -> Page:
        """See `Scan`."""
        state = self._state
        check_limit(state, request.limit)
        agent = state.agent_prefix(request.namespace, request.agent_id)
        check_text("prefix", request.prefix, state.limits.key_bytes_max, empty=True)
        within = agent + request.prefix.encode()
        start, stop = within, layout.prefix_end(within)
        scope = f"scan\0{request.reverse}\0{request.keys_only}\0" + within.decode()
        after: bytes | None = None
        if request.cursor is not None:
            if request.at is not None or request.after is not None:
                raise InvalidArgumentError(
                    "a cursor has its own position and commit_ts: leave at and after out"
                )
            read_ts, after = unpack_cursor(state, scope, request.cursor)
            after = agent + after
        else:
            read_ts = state.read_ts(request.at)
            if request.after is not None:
                check_key(request.after, state.limits)
                after = agent + request.after.encode()
        if after is not None:
            start, stop = (start, min(stop, after)) if request.reverse else (max(start, after + b"\0"), stop)
        return self._page(request, read_ts, start, stop, scope, len(agent))

    def _page(
        self, request: Scan, read_ts: int, start: bytes, stop: bytes, scope: str, agent_size: int
    ) -> Page:
        entries: list[Entry] = []
        size = 0
        bytes_max = self._state.limits.page_bytes_max
        namespace, agent_id = request.namespace, request.agent_id
        for name, data in self._rows(start, stop, reverse=request.reverse, expected=request.limit):
            key = RecordKey(namespace, agent_id, name[agent_size:].decode())
            entry = self._entry(key, layout.unpack_name_row(data), read_ts, keys_only=request.keys_only)
            if not entry.exists:
                continue
            if len(entries) == request.limit or size >= bytes_max:
                last = entries[-1].key.key.encode()
                return Page(tuple(entries), pack_cursor(self._state, scope, read_ts, last), read_ts)
            entries.append(entry if request.keys_only else _readable(entry, read_ts))
            size += len(name) if entry.payload is None else len(name) + len(entry.payload.data)
        return Page(tuple(entries), None, read_ts)

    def _rows(
        self, start: bytes, stop: bytes, *, reverse: bool, expected: int
    ) -> Iterator[tuple[bytes, bytes]]:
        rows_max = min(PAGE_ROWS, expected + 1)
        while start < stop:
            page = self._store.scan(Table.NAMES, start, stop, reverse=reverse, rows_max=rows_max)
            yield from page
            if not page:
                return
            if reverse:
                stop = page[-1][0]
            else:
                start = page[-1][0] + b"\0"

    def history(self, request: History) -> Page:
        """See `History`."""
        state = self._state
        check_limit(state, request.limit)
        name = state.name_key(request.key)
        scope = f"history\0{request.reverse}\0" + "\0".join(request.key)
        position = 0
        if request.cursor is not None:
            if request.at is not None:
                raise InvalidArgumentError("a cursor has its own commit_ts: leave at out")
            read_ts, packed = unpack_cursor(state, scope, request.cursor)
            position = layout.unpack_u64(packed)
        else:
            read_ts = state.read_ts(request.at)
        data = self._store.get(Table.NAMES, name)
        if data is None:
            return Page((), None, read_ts)
        record_id = layout.unpack_name_row(data).record_id
        # Newest first on disk: the newest is at read_ts, the oldest at 0.
        newest, oldest = read_ts, 0
        if position:
            newest, oldest = (position - 1, 0) if request.reverse else (read_ts, position + 1)
        return self._history_page(request, record_id, newest, oldest, read_ts, scope)

    def _history_page(
        self, request: History, record_id: int, newest: int, oldest: int, read_ts: int, scope: str
    ) -> Page:
        entries: list[Entry] = []
        size = 0
        bytes_max = self._state.limits.page_bytes_max
        rows = self._history_rows(record_id, newest, oldest, reverse=not request.reverse)
        for commit_ts, row in rows:
            if len(entries) == request.limit or size >= bytes_max:
                last = layout.pack_u64(entries[-1].commit_ts)
                return Page(tuple(entries), pack_cursor(self._state, scope, read_ts, last), read_ts)
            entry = self._from_history(request.key, record_id, row, commit_ts)
            entries.append(entry)
            size += 64 if entry.payload is None else 64 + len(entry.payload.data)
        return Page(tuple(entries), None, read_ts)

    def _history_rows(
        self, record_id: int, newest: int, oldest: int, *, reverse: bool
    ) -> Iterator[tuple[int, HistoryRow]]:
        """The versions of a record with ``oldest <= commit_ts <= newest``; newest first unless reversed."""
        start = layout.history_key(record_id, newest)
        stop = layout.history_key(record_id, oldest) + b"\0"
        while start < stop:
            page = self._store.scan(Table.HISTORY, start, stop, reverse=reverse)
            for key, data in page:
                yield layout.parse_history_key(key)[1], layout.unpack_history_row(data)
            if not page:
                return
            if reverse:
                stop = page[-1][0]
            else:
                start = page[-1][0] + b"\0"

    def _entry(self, key: RecordKey, row: NameRow, read_ts: int, *, keys_only: bool = False) -> Entry:
        """A record as of read_ts, given its newest state."""
        record_id, version, commit_ts, flags, content_type, data = row
        if commit_ts > read_ts:
            start = layout.history_key(record_id, read_ts)
            stop = layout.history_key(record_id, 0) + b"\0"
            rows = self._store.scan(Table.HISTORY, start, stop, rows_max=1)
            if not rows:
                return Entry(key, None, 0, 0, None)
            found, data = rows[0]
            commit_ts = layout.parse_history_key(found)[1]
            past = layout.unpack_history_row(data)
            return self._from_history(key, record_id, past, commit_ts, keys_only=keys_only)
        if keys_only or flags & (TOMBSTONE | ERASED):
            return Entry(key, None, version, commit_ts, kind_of(flags))
        if data is not None:
            return Entry(key, Payload(content_type, data), version, commit_ts, "write")
        return self._from_history(key, record_id, self._history_row(record_id, commit_ts), commit_ts)

    def _history_row(self, record_id: int, commit_ts: int) -> HistoryRow:
        data = self._store.get(Table.HISTORY, layout.history_key(record_id, commit_ts))
        if data is None:
            raise layout.damaged(Table.HISTORY, f"record {record_id} has no row at commit_ts {commit_ts}")
        return layout.unpack_history_row(data)

    def _from_history(
        self, key: RecordKey, record_id: int, row: HistoryRow, commit_ts: int, *, keys_only: bool = False
    ) -> Entry:
        if keys_only or row.flags & (TOMBSTONE | ERASED):
            return Entry(key, None, row.version, commit_ts, kind_of(row.flags))
        data = self.value(record_id, commit_ts, row)
        if data is None:
            return Entry(key, None, row.version, commit_ts, "erased")
        return Entry(key, Payload(row.content_type, data), row.version, commit_ts, "write")

    def value(self, record_id: int, commit_ts: int, row: HistoryRow) -> bytes | None:
        """The bytes that a history row stands for; None when it was erased since it was read.

        Raises:
            CorruptionError: They are not there.
        """
        try:
            return ropes.read(self._store, row)
        except CorruptionError:
            if self._history_row(record_id, commit_ts).flags & ERASED:
                return None
            raise

    def payloads(
        self, keys: Sequence[bytes], rows: Sequence[bytes | None]
    ) -> Iterator[tuple[OperationKind, Payload | None]]:
        """The values of history rows, for the event log; each is read as it is taken.

        Raises:
            CorruptionError: A row is missing.
        """
        for key, data in zip(keys, rows, strict=True):
            if data is None:
                raise layout.damaged(Table.HISTORY, "an event's value has no row")
            if inline := inline_value(data):
                yield "write", Payload(*inline)
                continue
            row = layout.unpack_history_row(data)
            kind = kind_of(row.flags)
            value = self.value(*layout.parse_history_key(key), row) if kind == "write" else None
            if value is not None:
                yield kind, Payload(row.content_type, value)
            else:
                yield ("erased" if kind == "write" else kind), None


def _readable(entry: Entry, read_ts: int) -> Entry:
    if entry.kind == "erased":
        raise ErasedError(
            f"the value of {entry.key} version {entry.version} was erased",
            key=entry.key,
            version=entry.version,
            commit_ts=entry.commit_ts,
            read_ts=read_ts,
        )
    return entry
