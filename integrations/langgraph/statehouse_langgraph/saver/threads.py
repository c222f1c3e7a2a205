"""All threads of a saver: listing them, those whose time is over, those of a run, and what one weighs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT

from statehouse import PreconditionFailedError
from statehouse.extend import Flow, Get, Scan, ask, decode
from statehouse_langgraph.saver import keys as names
from statehouse_langgraph.saver.backing import Backing, Plan, apply, read_mark
from statehouse_langgraph.saver.choosing import newest, of_runs
from statehouse_langgraph.saver.keys import INDEX_AGENT
from statehouse_langgraph.saver.pruning import remove
from statehouse_langgraph.saver.reading import Found, get, scanned
from statehouse_langgraph.saver.records import Place
from statehouse_langgraph.saver.removing import delete

Status = Literal["idle", "interrupted", "error"]
Strategy = Literal["delete", "keep_latest"]

_ROWS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class ThreadInfo:
    """A thread as it is now.

    Attributes:
        thread_id: The thread.
        checkpoint_id: The newest checkpoint of its root graph.
        commit_ts: The commit of that.
        metadata: Its metadata.
        status: ``interrupted`` when somebody is asked something there, ``error`` when a task failed there.
        checkpoints: How many checkpoints there are, those of subgraphs included.
        active_at: The minute of the last write, in UTC.
        holder: Who has the thread's lease; empty for nobody.
    """

    thread_id: str
    checkpoint_id: str
    commit_ts: int
    metadata: Mapping[str, Any]
    status: Status
    checkpoints: int
    active_at: datetime
    holder: str = ""


@dataclass(frozen=True, slots=True)
class ThreadStats:
    """What a thread weighs.

    Attributes:
        thread_id: The thread.
        checkpoints: How many checkpoints.
        writes: How many tasks' writes.
        value_bytes: The bytes of each channel's values, all versions added up as if nothing were shared.
        newest_bytes: The bytes of each channel's newest value.
        checkpoint_bytes: Of the checkpoints' records.
        write_bytes: Of the writes' records.
    """

    thread_id: str
    checkpoints: int
    writes: int
    value_bytes: Mapping[str, int]
    newest_bytes: Mapping[str, int]
    checkpoint_bytes: int
    write_bytes: int


class ThreadListing:
    """A listing of threads in progress, most recently active first.

    Args:
        backing: The saver's.
        serde: Decodes checkpoints.
        prefix: What thread ids begin with.
        metadata: What the newest checkpoint's metadata must hold.
        before: Only threads listed after this one.
        status: Only threads of this status; None for all.
        limit: How many at most; None for all.
    """

    def __init__(
        self,
        backing: Backing,
        serde: SerializerProtocol,
        *,
        prefix: str = "",
        metadata: Mapping[str, Any] | None = None,
        before: ThreadInfo | datetime | None = None,
        status: Status | None = None,
        limit: int | None = None,
    ) -> None:
        self._backing = backing
        self._serde = serde
        self._prefix = prefix
        self._metadata = metadata or {}
        self._status = status
        self._left = limit
        self._after = None if before is None else _index_key(backing, before)
        self._cursor: str | None = None
        self._rows: list[str] = []
        self._done = False

    def next(self) -> Flow[ThreadInfo | None]:
        """Gives the next thread; None at the end."""
        while self._left is None or self._left > 0:
            if not self._rows:
                if self._done:
                    return None
                yield from self._page()
                continue
            thread_id = self._rows.pop(0)
            if not thread_id.startswith(self._prefix):
                continue
            info = yield from thread_info(self._backing, thread_id, self._serde)
            if info is None or (self._status is not None and info.status != self._status):
                continue
            if any(info.metadata.get(key) != value for key, value in self._metadata.items()):
                continue
            if self._left is not None:
                self._left -= 1
            return info
        return None

    def _page(self) -> Flow[None]:
        page = yield from ask(
            Scan(
                f"{self._backing.namespace}.index",
                INDEX_AGENT,
                "active/",
                reverse=True,
                limit=_ROWS_AT_ONCE,
                cursor=self._cursor,
                after=None if self._cursor else self._after,
            )
        )
        self._rows = [decode(entry.payload) for entry in page.entries if entry.payload is not None]
        self._cursor = page.cursor
        self._done = page.cursor is None


def _index_key(backing: Backing, before: ThreadInfo | datetime) -> str:
    if isinstance(before, datetime):
        return f"active/{int(before.timestamp() // 60):012d}/"
    return backing.keys(before.thread_id).active(int(before.active_at.timestamp() // 60)).key


def thread_info(backing: Backing, thread_id: str, serde: SerializerProtocol) -> Flow[ThreadInfo | None]:
    """Reads a thread's newest checkpoint; None if it has none."""
    place = Place(thread_id, thread_id, "", None)
    keys = backing.keys(thread_id)
    mark, _ = yield from read_mark(backing, keys)
    found = yield from get(backing, place, serde)
    if found is None:
        return None
    ids = yield from scanned(keys, names.checkpoints_prefix(), at=None, keys_only=True)
    return ThreadInfo(
        thread_id,
        found.record.id,
        found.commit_ts,
        serde.loads_typed(found.record.metadata),
        _status(found),
        len(ids),
        datetime.fromtimestamp(max(mark.minute, 0) * 60, UTC),
        mark.holder if mark.until > backing.clock() else "",
    )


def _status(found: Found) -> Status:
    channels = {each.channel for _, each in found.writes}
    if ERROR in channels:
        return "error"
    return "interrupted" if INTERRUPT in channels else "idle"


def stats(backing: Backing, place: Place) -> Flow[ThreadStats]:
    """Weighs a thread, page by page."""
    keys = backing.keys(place.agent_id)
    totals: dict[str, int] = {}
    newest_bytes: dict[str, int] = {}
    newest_ts: dict[str, int] = {}
    counted = {"checkpoint": [0, 0], "writes": [0, 0]}
    request = Scan(keys.namespace, keys.agent_id)
    while True:
        page = yield from ask(request)
        for entry in page.entries:
            kind, _, rest = entry.key.key.partition("/")
            size = 0 if entry.payload is None else len(entry.payload.data)
            if kind == "value":
                channel = "/".join(rest.split("/")[:2]).removeprefix("/")
                totals[channel] = totals.get(channel, 0) + size
                if entry.commit_ts >= newest_ts.get(channel, 0):
                    newest_ts[channel], newest_bytes[channel] = entry.commit_ts, size
            elif kind in counted:
                counted[kind][0] += 1
                counted[kind][1] += size
        if page.cursor is None:
            break
        request = Scan(keys.namespace, keys.agent_id, cursor=page.cursor)
    (checkpoints, checkpoint_bytes), (writes, write_bytes) = counted["checkpoint"], counted["writes"]
    return ThreadStats(
        place.agent_id, checkpoints, writes, totals, newest_bytes, checkpoint_bytes, write_bytes
    )


def commit_ts(backing: Backing, place: Place, serde: SerializerProtocol) -> Flow[int | None]:
    """Gives the commit that stored a checkpoint; None if there is no such."""
    keys = backing.keys(place.agent_id)
    if place.checkpoint_id is None:
        found = yield from get(backing, place, serde)
        return None if found is None else found.commit_ts
    read = yield from ask(Get(keys.checkpoint(place.ns or "", place.checkpoint_id)))
    return read.entry.commit_ts if read.entry.exists else None


def delete_for_runs(backing: Backing, run_ids: Iterable[str], serde: SerializerProtocol) -> Flow[None]:
    """Removes what runs made, in every thread; what stays keeps its state."""
    wanted = {str(run_id) for run_id in run_ids}
    for run_id in sorted(wanted):
        index = f"{backing.namespace}.index"
        request = Scan(index, INDEX_AGENT, f"run/{names.part(run_id)}/", limit=_ROWS_AT_ONCE)
        while True:
            page = yield from ask(request)
            for entry in page.entries:
                assert entry.payload is not None
                thread_id = decode(entry.payload)
                place = Place(thread_id, thread_id, None, None)
                yield from remove(backing, place, serde, of_runs({run_id}), runs={run_id})
            if page.cursor is None:
                break
            request = Scan(index, INDEX_AGENT, request.prefix, limit=_ROWS_AT_ONCE, cursor=page.cursor)


def sweep(
    backing: Backing, serde: SerializerProtocol, *, ttl_minutes: float, strategy: Strategy, limit: int
) -> Flow[int]:
    """Deletes, or prunes, threads that nobody wrote to for so long, longest ago first; gives how many.

    Args:
        backing: The saver's.
        serde: Decodes checkpoints.
        ttl_minutes: How long a thread lives after its last activity.
        strategy: ``delete``, or ``keep_latest``, which prunes once and then leaves the thread alone.
        limit: How many at most.
    """
    # Of a minute only its end is certain: nobody is swept before the time is over.
    last = int((backing.clock() - ttl_minutes * 60) // 60) - 1
    swept = 0
    cursor: str | None = None
    while swept < limit:
        page = yield from ask(
            Scan(f"{backing.namespace}.index", INDEX_AGENT, "active/", limit=_ROWS_AT_ONCE, cursor=cursor)
        )
        for entry in page.entries:
            if swept >= limit:
                break
            minute = int(entry.key.key.split("/")[1])
            if minute > last:
                return swept
            assert entry.payload is not None
            swept += yield from _expire(backing, serde, decode(entry.payload), minute, strategy)
        cursor = page.cursor
        if cursor is None:
            break
    return swept


def _expire(
    backing: Backing,
    serde: SerializerProtocol,
    thread_id: str,
    minute: int,
    strategy: Strategy,
) -> Flow[int]:
    keys = backing.keys(thread_id)
    place = Place(thread_id, thread_id, None, None)
    mark, version = yield from read_mark(backing, keys)
    if mark.minute != minute or (mark.holder and mark.until > backing.clock()):
        # Somebody was there meanwhile.
        return 0
    if strategy == "delete":
        yield from delete(backing, place, only_if=(mark, version))
        return 1
    if mark.swept == minute:
        return 0
    pruned = yield from remove(backing, place, serde, newest(1))
    mark, version = yield from read_mark(backing, keys)
    if mark.minute == minute:
        # Until somebody writes to it again, no sweep reads all of it again.
        plan = Plan(mark=replace(mark, swept=minute), active=False)
        with suppress(PreconditionFailedError):
            yield from apply(backing, place, mark, version, plan)
    return 1 if pruned.checkpoints else 0
