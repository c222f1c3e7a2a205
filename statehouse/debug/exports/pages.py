"""Reads of state out of an exported run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from statehouse.debug.exports.contents import ExportContents
from statehouse.debug.exports.coverage import NotExportedError, not_exported
from statehouse.debug.exports.cursors import Asked, fitting, pack, unpack
from statehouse.errors import ErasedError, InvalidArgumentError, LimitExceededError
from statehouse.extend import (
    DEFAULT_LIMITS,
    AgentPage,
    Entry,
    Get,
    GetAtVersion,
    GetMany,
    History,
    ListAgents,
    ListNamespaces,
    NamespacePage,
    Page,
    Read,
    Scan,
)
from statehouse.protocol.limits import check_integer
from statehouse.protocol.names import check_agent_id, check_key, check_namespace, check_record_key, check_text
from statehouse.protocol.replies import AgentCounts, NamespaceCounts

T = TypeVar("T")

_ROWS_MAX: Final = DEFAULT_LIMITS.page_rows_max


class ExportPages:
    """Answers reads of keys, scans, histories and counts."""

    def __init__(self, contents: ExportContents) -> None:
        self._contents = contents

    def get(self, request: Get) -> Read:
        """See `Get`."""
        check_record_key(request.key)
        read_ts = self._read_ts(request.at)
        return Read(_readable(self._contents.entry(request.key, read_ts), read_ts), read_ts)

    def get_at_version(self, request: GetAtVersion) -> Read:
        """See `GetAtVersion`."""
        check_record_key(request.key)
        check_integer("version", request.version, 1)
        head = self._contents.head
        return Read(_readable(self._contents.at_version(request.key, request.version), head), head)

    def get_many(self, request: GetMany) -> Page:
        """See `GetMany`."""
        if len(request.keys) > DEFAULT_LIMITS.get_many_keys_max:
            raise LimitExceededError(
                f"{len(request.keys)} keys in one read; the limit is {DEFAULT_LIMITS.get_many_keys_max}",
                limit=DEFAULT_LIMITS.get_many_keys_max,
                actual=len(request.keys),
            )
        for key in request.keys:
            check_record_key(key)
        read_ts = self._read_ts(request.at)
        found = (self._contents.entry(key, read_ts) for key in request.keys)
        taken, _ = _fitting(found, len(request.keys) or 1)
        return Page(tuple([_readable(entry, read_ts) for entry in taken]), None, read_ts)

    def scan(self, request: Scan) -> Page:
        """See `Scan`."""
        check_namespace(request.namespace)
        check_agent_id(request.agent_id)
        check_text("prefix", request.prefix, DEFAULT_LIMITS.key_bytes_max, empty=True)
        _check_limit(request.limit)
        where = (request.namespace, request.agent_id, request.prefix)
        asked: Asked = ("scan", *where, request.reverse, request.keys_only)
        read_ts, after = self._begin(asked, request.cursor, request.at)
        if request.after is not None:
            if request.cursor is not None:
                raise InvalidArgumentError("a cursor has its own position: leave after out")
            check_key(request.after)
            after = request.after
        rows: Iterator[Entry] = self._contents.existing(*where, read_ts, reverse=request.reverse, after=after)
        if request.keys_only:
            rows = (Entry(row.key, None, row.version, row.commit_ts, row.kind) for row in rows)
        taken, more = _fitting(rows, request.limit)
        if not request.keys_only:
            # Only the rows of this page: the next one, which tells whether there are more, may be erased.
            taken = [_readable(row, read_ts) for row in taken]
        return Page(tuple(taken), pack(asked, read_ts, taken[-1].key.key) if more else None, read_ts)

    def history(self, request: History) -> Page:
        """See `History`. What was before the first version that is held is refused when it is come to."""
        check_record_key(request.key)
        _check_limit(request.limit)
        asked: Asked = ("history", *request.key, request.reverse)
        read_ts, after = self._begin(asked, request.cursor, request.at)
        rows = self._contents.versions(request.key, read_ts)
        if not rows and not self._contents.is_whole(request.key):
            since = self._contents.coverage.since(request.key)
            raise not_exported(f"the history of {request.key}", since=since, head=self._contents.head)
        earliest = rows[0].version if rows else 1
        if request.reverse:
            left = [row for row in reversed(rows) if after is None or row.version < int(after)]
        else:
            left = [row for row in rows if after is None or row.version > int(after)]
        if earliest > 1 and (not request.reverse or not left):
            raise NotExportedError(
                f"{request.key} is here only since version {earliest}, which was valid when the run began: "
                "--reverse (reverse=True) shows what is here; ask the store that it came from for more",
                oldest=self._contents.coverage.since(request.key),
            )
        taken, more = _fitting(iter(left), request.limit)
        more = more or (request.reverse and earliest > 1)
        return Page(tuple(taken), pack(asked, read_ts, str(taken[-1].version)) if more else None, read_ts)

    def agents(self, request: ListAgents) -> AgentPage:
        """See `ListAgents`: the agents something of which is held, with counts of what is held."""
        check_namespace(request.namespace)
        _check_limit(request.limit)
        read_ts, after = self._begin(asked := ("agents", request.namespace), request.cursor, request.at)
        names = [
            agent_id
            for namespace, agent_id in self._contents.agents()
            if namespace == request.namespace and (after is None or agent_id > after)
        ]
        counted = (self._count(request.namespace, agent_id, read_ts) for agent_id in names)
        taken, more = fitting((each for each in counted if each.events), request.limit)
        return AgentPage(tuple(taken), pack(asked, read_ts, taken[-1].agent_id) if more else None, read_ts)

    def namespaces(self, request: ListNamespaces) -> NamespacePage:
        """See `ListNamespaces`: those something of which is held, with counts of what is held."""
        _check_limit(request.limit)
        read_ts, after = self._begin(asked := ("namespaces",), request.cursor, request.at)
        found: dict[str, list[AgentCounts]] = {}
        for namespace, agent_id in self._contents.agents():
            counts = self._count(namespace, agent_id, read_ts)
            if counts.events and (after is None or namespace > after):
                found.setdefault(namespace, []).append(counts)
        counted = (self._sum(namespace, agents, read_ts) for namespace, agents in found.items())
        taken, more = fitting(counted, request.limit)
        return NamespacePage(
            tuple(taken), pack(asked, read_ts, taken[-1].namespace) if more else None, read_ts
        )

    def _count(self, namespace: str, agent_id: str, at: int) -> AgentCounts:
        numbers = [
            event.commit_ts
            for event in self._contents.between(1, at)
            if any(each.namespace == namespace and each.agent_id == agent_id for each in event.operations)
        ]
        keys = self._contents.keys_held(namespace, agent_id, at)
        return AgentCounts(namespace, agent_id, keys, len(numbers), numbers[-1] if numbers else 0)

    def _sum(self, namespace: str, agents: Sequence[AgentCounts], at: int) -> NamespaceCounts:
        events = sum(
            any(each.namespace == namespace for each in event.operations)
            for event in self._contents.between(1, at)
        )
        keys = sum(each.keys for each in agents)
        return NamespaceCounts(
            namespace, len(agents), keys, events, max(each.last_commit_ts for each in agents)
        )

    def _begin(self, asked: Asked, cursor: str | None, at: int | None) -> tuple[int, str | None]:
        """As of which commit a page is, and behind which row it begins."""
        if cursor is None:
            return self._read_ts(at), None
        if at is not None:
            raise InvalidArgumentError("a cursor has its own commit_ts: leave at out")
        return unpack(asked, cursor)

    def _read_ts(self, at: int | None) -> int:
        head = self._contents.head
        if at is None:
            return head
        check_integer("at", at, 0)
        if at > head:
            raise InvalidArgumentError(f"at is {at}; this export ends at commit_ts {head}")
        return at


def _check_limit(limit: object) -> None:
    check_integer("limit", limit, 1, _ROWS_MAX)


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


def _fitting(rows: Iterator[Entry], limit: int) -> tuple[list[Entry], bool]:
    """As many of the first rows as a page may have, at least one; whether there are more."""
    return fitting(rows, limit, lambda row: 0 if row.payload is None else len(row.payload.data))
