"""Versions of many records, one after the other: what an erase walks over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from statehouse.engine import layout
from statehouse.engine.layout import INLINE, TOMBSTONE, NameHead, pack_u64, unpack_u64
from statehouse.storage import Store, Table

_start: Final = itemgetter(0)


class Version(NamedTuple):
    """One version of a record: the key in `names`, the record id, the commit, and the row in `history`."""

    name: bytes
    record_id: int
    commit_ts: int
    row: bytes

    @property
    def key(self) -> bytes:
        """The key in `history`."""
        return layout.history_key(self.record_id, self.commit_ts)


class Names:
    """Ranges of keys in `names`, in order; they do not touch."""

    def __init__(self, ranges: Iterable[tuple[bytes, bytes]]) -> None:
        """Melts ranges, ``start <= key < stop`` each, that may touch."""
        melted: list[tuple[bytes, bytes]] = []
        for start, stop in sorted(ranges):
            if melted and start <= melted[-1][1]:
                melted[-1] = (melted[-1][0], max(stop, melted[-1][1]))
            else:
                melted.append((start, stop))
        self.ranges: Sequence[tuple[bytes, bytes]] = melted

    def __contains__(self, name: bytes) -> bool:
        at = bisect_right(self.ranges, name, key=_start) - 1
        return at >= 0 and name < self.ranges[at][1]


def versions_of(
    store: Store, names: Names, through: int, *, after: tuple[bytes, int] = (b"", 0), ropes: bool = False
) -> Iterator[Version]:
    """The versions of records up to a commit, by name, the newest of each first.

    Args:
        store: Where they are.
        names: Which records.
        through: The newest commit.
        after: Begin behind this name and commit_ts.
        ropes: Records with one version that is inline, or a delete, may be left out.
    """
    name_after, ts_after = after
    for low, stop in names.ranges:
        start = max(low, name_after)
        while start < stop and (page := store.scan(Table.NAMES, start, stop)):
            heads = [layout.unpack_name_head(data) for _, data in page]
            single = _single_rows(store, heads, ropes=ropes)
            for (name, _), head in zip(page, heads, strict=True):
                newest = ts_after - 1 if name == name_after else through
                if head[1] > 1:
                    yield from _versions(store, name, head[0], newest)
                elif head[2] <= newest and head[0] in single:
                    yield Version(name, head[0], head[2], single[head[0]])
            start = page[-1][0] + b"\0"


def _single_rows(store: Store, heads: Sequence[NameHead], *, ropes: bool) -> dict[int, bytes]:
    """The rows in `history` of records with one version; to walk to each would cost ten times as much."""
    dull = INLINE | TOMBSTONE if ropes else 0
    single = [head for head in heads if head[1] == 1 and not head[3] & dull]
    rows = store.get_many(Table.HISTORY, [layout.history_key(head[0], head[2]) for head in single])
    found = {head[0]: row for head, row in zip(single, rows, strict=True) if row is not None}
    if len(found) < len(single):
        raise layout.damaged(Table.HISTORY, "a record has no row where its newest version should be")
    return found


def _versions(store: Store, name: bytes, record_id: int, newest: int) -> Iterator[Version]:
    start, stop = layout.history_key(record_id, newest), layout.history_key(record_id, 0) + b"\0"
    while page := store.scan(Table.HISTORY, start, stop):
        for key, row in page:
            yield Version(name, *layout.parse_history_key(key), row)
        start = page[-1][0] + b"\0"


def versions_since(store: Store, agent: bytes, after_ts: int) -> Iterator[Version]:
    """The versions of an agent's records that commits above a commit_ts made, in order.

    Args:
        store: Where they are.
        agent: An `agent_prefix`.
        after_ts: The commit.

    Raises:
        CorruptionError: The log does not lead to them.
    """
    start, stop = layout.totals_key(agent, after_ts + 1), agent + b"\xff" * 8
    while page := store.scan(Table.AGENTS, start, stop):
        stamps = [key[-8:] for key, _ in page]
        for stamp, event in zip(stamps, store.get_many(Table.EVENTS, stamps), strict=True):
            yield from _written(store, agent, unpack_u64(stamp), event)
        start = page[-1][0] + b"\0"


def _written(store: Store, agent: bytes, commit_ts: int, event: bytes | None) -> Iterator[Version]:
    if event is None:
        raise layout.damaged(Table.EVENTS, f"event {commit_ts} is missing")
    ids = [operation[0] for operation in layout.unpack_event(event)[3]]
    for record_id, name in zip(ids, store.get_many(Table.RECORDS, [*map(pack_u64, ids)]), strict=True):
        if name is not None and name.startswith(agent):
            row = store.get(Table.HISTORY, layout.history_key(record_id, commit_ts))
            if row is None:
                raise layout.damaged(Table.HISTORY, f"record {record_id} has no row at commit_ts {commit_ts}")
            yield Version(name, record_id, commit_ts, row)
