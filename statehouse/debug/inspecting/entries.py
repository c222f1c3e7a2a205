"""Many entries at once, of which some may be erased: that fails no read of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from statehouse.errors import EngineError, ErasedError
from statehouse.extend import Entry, Flow, GetMany, History, Page, RecordKey, Scan

_KEYS_AT_ONCE: Final = 1000


def entries_of(names: Sequence[RecordKey], at: int | None = None) -> Flow[list[Entry]]:
    """Gives what keys hold as of a commit_ts, in the order asked; an erased value is of kind ``erased``.

    Raises (in the flow):
        CompactedError: `at` is below the horizon.
        InvalidArgumentError: It is in the future.
    """
    found: list[Entry] = []
    while len(found) < len(names):
        wanted = names[len(found) : len(found) + _KEYS_AT_ONCE]
        try:
            page: Page = yield GetMany(tuple(wanted), at)
        except ErasedError:
            # One of them is; a history has it all the same.
            for name in wanted:
                entry = yield from _newest(name, at)
                found.append(entry)
            continue
        if not page.entries:
            raise EngineError("a read of many keys was answered with none of them")
        found += page.entries
        at = page.read_ts
    return found


def _newest(name: RecordKey, at: int | None) -> Flow[Entry]:
    page: Page = yield History(name, at, reverse=True, limit=1)
    return page.entries[0] if page.entries else Entry(name, None, 0, 0, None)


def newest_ts(name: RecordKey) -> Flow[int]:
    """Gives the newest commit_ts, by a read of a key that may be read.

    `Status` says it, too, and more; for that it may have to look at the whole store.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    page: Page = yield Scan(name.namespace, name.agent_id, name.key, keys_only=True, limit=1)
    return page.read_ts
