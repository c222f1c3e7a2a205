"""Versions of many records, one after the other: what an erase walks over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from statehouse.engine import layout
from statehouse.engine.layout import pack_u64, unpack_u64
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
    store: Store, names: Names, through: int, *, after: tuple[bytes, int] = (b"", 0)
) -> Iterator[Version]:
    """The versions of records up to a commit, by name, the newest of each first.

    Args:
        store: Where they are.
        names: Which records.
        through: The newest commit.
        after: Begin behind this name and commit_ts.
    """
    name_after, ts_after = after
    for low, stop in names.ranges:
        start = max(low, name_after)
        while start < stop and (page := store.scan(Table.NAMES, start, stop)):
            for name, data in page:
                newest = ts_after - 1 if name == name_after else through
                yield from _versions(store, name, data, newest)
            start = page[-1][0] + b"\0"


def _versions(store: Store, name: bytes, data: bytes, newest: int) -> Iterator[Version]:
    record_id, version, commit_ts, _, _ = layout.unpack_name_head(data)
    if version == 1:
        # A look at one row costs a tenth of a walk.
        if commit_ts <= newest:
            key = layout.history_key(record_id, commit_ts)
            row = store.get(Table.HISTORY, key)
            if row is None:
                raise layout.damaged(Table.HISTORY, f"record {record_id} has no row at commit_ts {commit_ts}")
            yield Version(name, record_id, commit_ts, row)
        return
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
