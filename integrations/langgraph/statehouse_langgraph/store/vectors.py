"""Vectors in memory: rows of 32-bit floats, and which items they are of.

* V1. Rows are only ever added at the end, in memory that no snapshot looks at; a row that is replaced or
  removed is disowned. A snapshot therefore never changes, and takes a copy of the owners only.
* V2. Whoever changes a matrix, or takes a snapshot, holds the lock of the cache that it is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from statehouse_langgraph.store.records import VectorRecord

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

_ROWS_MIN: Final = 16
_NOBODY: Final = -1
_NAME_BYTES: Final = 200
"""About what a name costs besides its row."""


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where the log was followed, and in which store and epoch."""

    commit_ts: int
    store_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Vectors as of one commit.

    Attributes:
        commit_ts: The commit.
        names: The items.
        rows: The vectors, each of length 1 (or 0, of zeros only).
        owners: The place of each row's item in `names`; negative for rows of nobody.
    """

    commit_ts: int
    names: list[str]
    rows: Floats
    owners: Places

    @property
    def work_bytes(self) -> int:
        """How many bytes ranking looks at."""
        return self.rows.nbytes

    def rank(self, query: Floats) -> Ranking:
        """Gives the items by how near their nearest vector is, the nearest first."""
        best = np.full(int(self.owners.max(initial=-1)) + 1, -np.inf, dtype=np.float32)
        owned = self.owners >= 0
        np.maximum.at(best, self.owners[owned], (self.rows @ unit(query))[owned])
        order = np.argsort(-best, kind="stable")
        return Ranking(self.names, order[: int(np.isfinite(best).sum())], best)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Items by score.

    Attributes:
        names: The items.
        order: Their places in `names`, the best first.
        scores: The score of each place.
    """

    names: list[str]
    order: Places
    scores: Floats

    def __iter__(self) -> Iterator[tuple[str, float]]:
        for place in self.order.tolist():
            yield self.names[place], float(self.scores[place])

    def ranked(self) -> set[str]:
        """The names of all items that have a score."""
        return {self.names[place] for place in self.order.tolist()}


def ranking_of(scores: Mapping[str, float]) -> Ranking:
    """Gives a ranking from the score of each item."""
    best = np.fromiter(scores.values(), dtype=np.float32, count=len(scores))
    return Ranking(list(scores), np.argsort(-best, kind="stable"), best)


class Matrix:
    """The vectors of all items in a namespace and below it.

    Args:
        dims: How many numbers a vector has.
        position: What it is as of.
    """

    def __init__(self, dims: int, position: Position) -> None:
        self.position = position
        self._dims = dims
        self._names: list[str] = []
        self._rows_of: dict[str, list[int]] = {}
        self._rows: Floats = np.empty((_ROWS_MIN, dims), dtype=np.float32)
        self._owners: Places = np.empty(_ROWS_MIN, dtype=np.int64)
        self._count = 0
        self._owned = 0

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return self._rows.nbytes + self._owners.nbytes + len(self._names) * _NAME_BYTES

    def change(self, changes: Iterable[tuple[str, Floats | None]], position: Position) -> None:
        """Takes in what items have by now: rows of length 1, or None for none any more."""
        for name, rows in changes:
            disowned = self._rows_of.pop(name, ())
            for at in disowned:
                self._owners[at] = _NOBODY
            self._owned -= len(disowned)
            if rows is not None and len(rows):
                self._add(name, rows)
        self.position = position
        if self._count > _ROWS_MIN and self._owned < self._count // 2:
            self._compact()

    def snapshot(self) -> Snapshot:
        """Gives what it is now."""
        count = self._count
        return Snapshot(self.position.commit_ts, self._names, self._rows[:count], self._owners[:count].copy())

    def _add(self, name: str, rows: Floats) -> None:
        first, end = self._count, self._count + len(rows)
        if end > len(self._rows):
            self._make_room(end)
        self._rows[first:end] = rows
        self._owners[first:end] = len(self._names)
        self._rows_of[name] = list(range(first, end))
        self._names.append(name)
        self._count = end
        self._owned += len(rows)

    def _make_room(self, count: int) -> None:
        room = max(count, self._count + self._count // 2)
        rows, owners = np.empty((room, self._dims), dtype=np.float32), np.empty(room, dtype=np.int64)
        rows[: self._count], owners[: self._count] = self._rows[: self._count], self._owners[: self._count]
        self._rows, self._owners = rows, owners

    def _compact(self) -> None:
        # New memory and a new list: snapshots keep the old ones (V1).
        old, rows_of = self._rows, self._rows_of
        room = max(_ROWS_MIN, self._owned)
        self._rows, self._owners = np.empty((room, self._dims), dtype=np.float32), np.empty(room, np.int64)
        self._names, self._rows_of, self._count, self._owned = [], {}, 0, 0
        for name, places in rows_of.items():
            self._add(name, old[places])


def unit(rows: Floats) -> Floats:
    """Gives vectors of length 1 in the same directions; zeros stay zeros."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    made: Floats = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return made


def rows_of(record: VectorRecord, dims: int) -> Floats | None:
    """Gives the vectors of an item, of length 1; None if they are of another kind than the index is now."""
    if record.dims != dims:
        return None
    rows = np.frombuffer(record.data, dtype="<f4").reshape(-1, dims)
    return unit(rows.astype(np.float32))
