"""Listing checkpoints, newest first: pages of ids, then one checkpoint at a time; nothing is held."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse import InvalidArgumentError
from statehouse.extend import Entry, Flow, RecordKey, Scan, ask, decode
from statehouse_langgraph.saver import keys as names
from statehouse_langgraph.saver.backing import Backing
from statehouse_langgraph.saver.keys import INDEX_AGENT, ThreadKeys, ordered
from statehouse_langgraph.saver.reading import Found, load, rows_of, scanned
from statehouse_langgraph.saver.records import CheckpointRecord, Mark, Place

_ROWS_AT_ONCE: Final = 64
_THREADS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Query:
    """What is listed.

    Attributes:
        place: The thread, and of it a namespace or one checkpoint if they are given; None for all threads.
        filter: What the metadata must hold; None stands for absent, too.
        before: Only ids below this one; None for all.
        limit: How many at most; None for all.
    """

    place: Place | None
    filter: Mapping[str, Any] | None = None
    before: str | None = None
    limit: int | None = None

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any] | None,
        filter: Mapping[str, Any] | None,  # noqa: A002 - LangGraph's name for it
        before: Mapping[str, Any] | None,
        limit: int | None,
    ) -> Query:
        """Reads the arguments of `list`.

        Raises:
            InvalidArgumentError: The limit is no number, or a filter no mapping.
        """
        # What people pass is not always what is declared.
        given: tuple[object, object] = (limit, filter)
        if given[0] is not None and type(given[0]) is not int:
            raise InvalidArgumentError(f"limit must be an integer: {limit!r:.80}")
        if given[1] is not None and not isinstance(given[1], Mapping):
            raise InvalidArgumentError(f"filter must map metadata keys to values: {filter!r:.80}")
        bound = None if before is None else (before.get("configurable") or {}).get("checkpoint_id")
        return cls(None if config is None else Place.of(config), filter, bound, limit)

    def admits(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata is what the filter asks for."""
        return all(metadata.get(key) == value for key, value in (self.filter or {}).items())


class Listing:
    """One listing in progress; `next` gives one checkpoint at a time.

    Every thread is read as of one commit_ts, so that what is written while somebody lists neither shows nor
    disturbs; a listing that is abandoned leaves nothing behind.
    """

    def __init__(self, backing: Backing, query: Query, serde: SerializerProtocol) -> None:
        self._backing = backing
        self._query = query
        self._serde = serde
        self._left = query.limit
        self._threads: deque[Place] = deque() if query.place is None else deque([query.place])
        self._more_threads = query.place is None
        self._threads_cursor: str | None = None
        self._thread: _Thread | None = None

    def next(self) -> Flow[tuple[Found, Place, Mapping[str, Any]] | None]:
        """Gives the next checkpoint, its thread and its metadata; None at the end."""
        if self._left is not None and self._left <= 0:
            return None
        while True:
            if self._thread is None:
                place = yield from self._next_place()
                if place is None:
                    return None
                self._thread = _Thread(self._backing, place, self._query, self._serde)
            found = yield from self._thread.next()
            if found is None:
                self._thread = None
                continue
            if self._left is not None:
                self._left -= 1
            return found[0], self._thread.place, found[1]

    def _next_place(self) -> Flow[Place | None]:
        while not self._threads and self._more_threads:
            page = yield from ask(
                Scan(
                    f"{self._backing.namespace}.index",
                    INDEX_AGENT,
                    "active/",
                    reverse=True,
                    limit=_THREADS_AT_ONCE,
                    cursor=self._threads_cursor,
                )
            )
            for entry in page.entries:
                assert entry.payload is not None
                thread_id = decode(entry.payload)
                self._threads.append(Place(thread_id, thread_id, None, None))
            self._threads_cursor = page.cursor
            self._more_threads = page.cursor is not None
        return self._threads.popleft() if self._threads else None


class _Thread:
    """The checkpoints of one thread."""

    def __init__(self, backing: Backing, place: Place, query: Query, serde: SerializerProtocol) -> None:
        self.place = place
        self._backing = backing
        self._keys: ThreadKeys = backing.keys(place.agent_id)
        self._query = query
        self._serde = serde
        self._at: int | None = None
        self._generation = 0
        self._ids: deque[RecordKey] = deque()
        self._rows: deque[Entry] = deque()

    def next(self) -> Flow[tuple[Found, Mapping[str, Any]] | None]:
        if self._at is None:
            yield from self._begin()
        while True:
            if not self._rows:
                if not self._ids:
                    return None
                keys = [self._ids.popleft() for _ in range(min(len(self._ids), _ROWS_AT_ONCE))]
                assert self._at is not None
                rows = yield from rows_of(keys, at=self._at)
                self._rows.extend(rows[key] for key in keys)
            entry = self._rows.popleft()
            if entry.payload is None:
                continue
            record = CheckpointRecord.of(entry.payload)
            if record.generation != self._generation:
                continue
            metadata = self._serde.loads_typed(record.metadata)
            if not self._query.admits(metadata):
                continue
            assert self._at is not None
            found = yield from load(self._backing, self._keys, entry, record, self._serde, at=self._at)
            return found, metadata

    def _begin(self) -> Flow[None]:
        """Finds the ids: they are few bytes each, and what sorts them is in their keys."""
        place, keys = self.place, self._keys
        first = yield from ask(Scan(keys.namespace, keys.agent_id, names.THREAD, limit=1))
        self._at = first.read_ts
        marked = [entry for entry in first.entries if entry.key == keys.thread()]
        self._generation = Mark.of(marked[0].payload if marked else None).generation
        if place.checkpoint_id is not None and place.ns is not None:
            wanted = [keys.checkpoint(place.ns, place.checkpoint_id)]
        else:
            prefix = names.checkpoints_prefix(place.ns)
            entries = yield from scanned(keys, prefix, at=self._at, keys_only=True)
            wanted = [entry.key for entry in entries]
        # checkpoint/NS/ID: ids sort as text.
        ranked = sorted(((key.key.rsplit("/", 1)[1], key) for key in wanted), reverse=True)
        exact = None if place.checkpoint_id is None else ordered(place.checkpoint_id)
        bound = None if self._query.before is None else ordered(self._query.before)
        self._ids.extend(
            key
            for checkpoint_id, key in ranked
            if (exact is None or checkpoint_id == exact) and (bound is None or checkpoint_id < bound)
        )
