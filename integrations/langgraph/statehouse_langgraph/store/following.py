"""Keeps vectors in memory, up to date by following the log.

* F1. A matrix is as of one commit, and changes only from one commit to a later one, with all that happened in
  between, whoever wrote it: another thread, another process.
* F2. No lock is held while anything is waited for. Who read what to change, and finds the matrix changed
  meanwhile, takes it as it is now, or looks again.
* F3. Another store, another epoch, or history that is gone: the matrix is dropped and loaded again.
* F4. All matrices together take no more than a number of bytes; the one that was not used for longest goes.
  One that is larger by itself is not kept: its rows are read for each search.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from statehouse import CompactedError, StoreChangedError
from statehouse.extend import Entry, EventPage, Flow, Replay, ask
from statehouse_langgraph.store import keys
from statehouse_langgraph.store.reading import Backing, Reading
from statehouse_langgraph.store.records import VectorRecord
from statehouse_langgraph.store.vectors import Matrix, Position, Ranking, Snapshot, ranking_of, rows_of, unit

if TYPE_CHECKING:
    from statehouse_langgraph.store.vectors import Floats

_log: Final = logging.getLogger(__name__)

_ATTEMPTS_MAX: Final = 10
_EVENTS_AT_ONCE: Final = 500
_FOLLOWED_PAGES_MAX: Final = 4
_CHANGED_MAX: Final = 2_000
"""Above these, loading anew costs less than following."""
_TOO_LARGE_REMEMBERED: Final = 1_000
_END: Final = 2**53 - 1


class VectorCache:
    """The matrices of a store, by namespace prefix.

    Args:
        dims: How many numbers a vector has.
        bytes_max: How much memory they may take.
    """

    def __init__(self, dims: int, bytes_max: int) -> None:
        self.dims = dims
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._matrices: OrderedDict[str, Matrix] = OrderedDict()
        self._too_large: OrderedDict[str, None] = OrderedDict()
        self._warned = False

    def snapshots(self, backing: Backing, prefixes: Sequence[str]) -> Flow[dict[str, Snapshot]]:
        """Gives the vectors below each prefix, all as of the same commit; those too large are left out."""
        through: int | None = None
        for _ in range(_ATTEMPTS_MAX):
            found: dict[str, Snapshot] = {}
            for prefix in prefixes:
                snapshot = yield from self._snapshot(backing, prefix, through)
                if snapshot is not None:
                    found[prefix] = snapshot
            commits = {snapshot.commit_ts for snapshot in found.values()}
            if len(commits) <= 1:
                return found
            through = max(commits)
        # Others search and write without end: these read their rows themselves.
        return {}

    def stream(self, reading: Reading, prefix: str, query: Floats) -> Flow[Ranking]:
        """Ranks what is below a prefix without keeping it, as of any commit."""
        direction = unit(query)
        scores: dict[str, float] = {}
        after, more = None, True
        while more:
            entries, after = yield from reading.page(keys.VECTORS, prefix, after=after, keys_only=False)
            more = after is not None
            for name, rows in self._rows(entries):
                if rows is not None and len(rows):
                    scores[name] = float((rows @ direction).max())
        return ranking_of(scores)

    @property
    def size_bytes(self) -> int:
        """About how much memory the matrices take."""
        with self._lock:
            return sum(matrix.size_bytes for matrix in self._matrices.values())

    def _snapshot(self, backing: Backing, prefix: str, through: int | None) -> Flow[Snapshot | None]:
        for _ in range(_ATTEMPTS_MAX):
            with self._lock:
                matrix = self._matrices.get(prefix)
                if matrix is None and prefix in self._too_large:
                    return None
                position = None if matrix is None else matrix.position
            if matrix is None or position is None:
                if not (yield from self._load(backing, prefix)):
                    return None
                continue
            if through is None or position.commit_ts < through:
                followed = yield from self._follow(backing, prefix, position, through)
                if followed is None:
                    self._drop(prefix, matrix)
                    continue
                changes, reached = followed
            else:
                changes, reached = [], position
            with self._lock:
                if self._matrices.get(prefix) is not matrix:
                    continue
                if matrix.position == position:
                    matrix.change(changes, reached)
                elif matrix.position.commit_ts < reached.commit_ts:
                    continue
                self._matrices.move_to_end(prefix)
                self._make_room()
                return matrix.snapshot()
        return None

    def _follow(
        self, backing: Backing, prefix: str, position: Position, through: int | None
    ) -> Flow[tuple[list[tuple[str, Floats | None]], Position] | None]:
        """What changed since a position, and up to where; None when it is better to load anew."""
        request = Replay(
            backing.namespace,
            keys.VECTORS,
            from_ts=position.commit_ts + 1,
            to_ts=through,
            limit=_EVENTS_AT_ONCE,
            payloads=False,
            store_id=position.store_id,
            epoch=position.epoch,
        )
        names: set[str] = set()
        for _ in range(_FOLLOWED_PAGES_MAX):
            try:
                page: EventPage = yield from ask(request)
            except (StoreChangedError, CompactedError):
                return None
            names.update(
                operation.key
                for event in page.events
                for operation in event.operations
                if operation.key.startswith(prefix)
            )
            reached = Position(page.through_commit_ts, page.store_id, page.epoch)
            if not page.events or page.events[-1].commit_ts < page.through_commit_ts:
                break
            request = request.after(page)
            if page.done:
                break
        else:
            return None
        if len(names) > _CHANGED_MAX:
            return None
        reading = Reading(backing, 0, reached.commit_ts)
        entries = yield from reading.many(keys.VECTORS, sorted(names))
        return list(self._rows(entries)), reached

    def _load(self, backing: Backing, prefix: str) -> Flow[bool]:
        """Reads all that is below a prefix; whether that may be kept."""
        # Where it is, before what is there: if the store is replaced in between, following says so.
        start: EventPage = yield from ask(
            Replay(backing.namespace, keys.VECTORS, from_ts=_END, payloads=False)
        )
        reading = Reading(backing, 0)
        matrix = Matrix(self.dims, Position(0, start.store_id, start.epoch))
        after, more = None, True
        while more:
            entries, after = yield from reading.page(keys.VECTORS, prefix, after=after, keys_only=False)
            assert reading.read_ts is not None
            position = Position(reading.read_ts, start.store_id, start.epoch)
            matrix.change(self._rows(entries), position)
            if matrix.size_bytes > self._bytes_max:
                with self._lock:
                    self._too_large[prefix] = None
                    if len(self._too_large) > _TOO_LARGE_REMEMBERED:
                        self._too_large.popitem(last=False)
                return False
            more = after is not None
        with self._lock:
            self._matrices.setdefault(prefix, matrix)
            self._matrices.move_to_end(prefix)
            self._make_room()
        return True

    def _drop(self, prefix: str, matrix: Matrix) -> None:
        with self._lock:
            if self._matrices.get(prefix) is matrix:
                del self._matrices[prefix]

    def _make_room(self) -> None:
        # The newest stays, so that the search that brought it here finds it.
        while len(self._matrices) > 1 and self._taken() > self._bytes_max:
            self._matrices.popitem(last=False)

    def _taken(self) -> int:
        return sum(matrix.size_bytes for matrix in self._matrices.values())

    def _rows(self, entries: Iterable[Entry]) -> Iterable[tuple[str, Floats | None]]:
        for entry in entries:
            rows = None
            if entry.payload is not None:
                rows = rows_of(VectorRecord.of(entry.payload), self.dims)
                if rows is None and not self._warned:
                    self._warned = True
                    _log.warning(
                        "the store has vectors of another size than index dims %d, which are left out of "
                        "searches: put their items again",
                        self.dims,
                    )
            yield entry.key.key, rows
