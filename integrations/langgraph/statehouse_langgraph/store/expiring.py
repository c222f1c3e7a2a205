"""Items that are read live longer; items whose time is over are removed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from statehouse import ConflictError, PreconditionFailedError, StatehouseError
from statehouse.extend import Delete, Flow, Precondition, WriteOperation, commit
from statehouse_langgraph.store import keys
from statehouse_langgraph.store.lifetimes import refreshed
from statehouse_langgraph.store.putting import change_of_expiry, removal
from statehouse_langgraph.store.reading import Backing, Reading, chunks, found_of
from statehouse_langgraph.store.records import MINUTE_US, ExpiryRecord

_log: Final = logging.getLogger(__name__)

SWEPT_AT_ONCE: Final = 1_000
_COMMITTED_AT_ONCE: Final = 250
_REFRESHED_AT_ONCE: Final = 1_000
_ATTEMPTS_MAX: Final = 10
_LATE_US: Final = 10 * MINUTE_US
"""Rows may turn up this long before where the sweeper has been: clocks differ."""


def refresh(backing: Backing, read: Mapping[str, tuple[ExpiryRecord, int]]) -> Flow[None]:
    """Makes items live longer that were read, given their expiries and the versions of those.

    What another writer changed meanwhile is left as it is. The read itself has succeeded, so that a refresh
    which fails is only logged.
    """
    now_us = backing.now_us()
    due = [
        (name, version, expiry, new)
        for name, (expiry, version) in read.items()
        if (new := refreshed(expiry, now_us)) is not None
    ]
    try:
        for some in chunks(due, _REFRESHED_AT_ONCE):
            yield from _refresh(backing, some)
    except StatehouseError as error:
        _log.warning("%d items that were read do not live longer: %s", len(due), error)


def _refresh(backing: Backing, due: Iterable[tuple[str, int, ExpiryRecord, ExpiryRecord]]) -> Flow[None]:
    left = {backing.named(keys.EXPIRIES, name): (name, version, old, new) for name, version, old, new in due}
    while left:
        operations: list[WriteOperation] = []
        for name, _, old, new in left.values():
            operations += change_of_expiry(backing, name, old, new)
        conditions = [Precondition(key, version=version) for key, (_, version, _, _) in left.items()]
        try:
            yield from commit(backing.connection, operations, preconditions=conditions)
        except PreconditionFailedError as error:
            # Each attempt has one less: it ends.
            del left[error.which.key]
        else:
            return


@dataclass(slots=True)
class Sweeping:
    """Where the sweeper of a store has been.

    Deleted rows stay where they were, and looking past them costs time, so a sweep begins where the last one
    ended. The first one of a process begins at the beginning.
    """

    through_us: int = 0


def sweep(backing: Backing, sweeping: Sweeping, limit: int = SWEPT_AT_ONCE) -> Flow[int]:
    """Removes items whose time is over, up to a limit, and gives how many.

    Raises (in the flow):
        StatehouseError: As reads and commits do.
    """
    swept = attempts = 0
    while swept < limit and attempts < _ATTEMPTS_MAX:
        now_us = backing.now_us()
        reading = Reading(backing, now_us)
        begin = keys.due_key(max(0, sweeping.through_us - _LATE_US), "")
        rows, _ = yield from reading.page(
            keys.DUE, "", after=begin, keys_only=True, limit=min(_COMMITTED_AT_ONCE, limit - swept)
        )
        due = [
            (until_us, name)
            for until_us, name in (keys.parse_due_key(row.key.key) for row in rows)
            if until_us <= now_us
        ]
        if not due:
            sweeping.through_us = max(sweeping.through_us, now_us)
            break
        try:
            swept += yield from _remove(reading, due)
            attempts = 0
        except ConflictError:
            # One of them was put or read meanwhile.
            attempts += 1
            continue
        sweeping.through_us = max(sweeping.through_us, due[-1][0])
    return swept


def _remove(reading: Reading, due: list[tuple[int, str]]) -> Flow[int]:
    backing = reading.backing
    names = list(dict.fromkeys(name for _, name in due))
    found = {entry.key.key: entry for entry in (yield from reading.many(keys.ITEMS, names))}
    yield from reading.load_expiries(names)
    operations: list[WriteOperation] = []
    removed = 0
    for until_us, name in due:
        entry, known = found[name], reading.expiries.get(name)
        if entry.exists and known is not None and known[0].until_us == until_us:
            item = found_of(entry)
            operations += removal(backing, name, entry, None if item is None else item.record, known[0])
            removed += 1
        else:
            operations.append(Delete(backing.named(keys.DUE, keys.due_key(until_us, name))))
    reads = [backing.named(agent_id, name) for name in names for agent_id in (keys.ITEMS, keys.EXPIRIES)]
    yield from commit(backing.connection, operations, read_ts=reading.read_ts, reads=reads)
    return removed
