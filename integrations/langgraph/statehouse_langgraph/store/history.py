"""Every version an item has had."""

from __future__ import annotations

from datetime import datetime

from statehouse.extend import Entry, Flow, History, Replay, ask
from statehouse_langgraph.store import keys
from statehouse_langgraph.store.items import ItemVersion
from statehouse_langgraph.store.reading import Backing
from statehouse_langgraph.store.records import ItemRecord, time_of

_AT_ONCE = 100


class Versions:
    """The versions of an item, in pages.

    Args:
        backing: The store's.
        name: The item.
        reverse: The newest first.
    """

    def __init__(self, backing: Backing, name: str, *, reverse: bool) -> None:
        self._request: History | None = History(
            backing.named(keys.ITEMS, name), reverse=reverse, limit=_AT_ONCE
        )
        self._backing = backing

    def next(self) -> Flow[list[ItemVersion] | None]:
        """Gives the next ones; None when there are no more."""
        request = self._request
        if request is None:
            return None
        page = yield from ask(request)
        self._request = (
            None
            if page.cursor is None
            else History(request.key, reverse=request.reverse, limit=_AT_ONCE, cursor=page.cursor)
        )
        versions: list[ItemVersion] = []
        for entry in page.entries:
            versions += [(yield from self._version(entry))]
        return versions

    def _version(self, entry: Entry) -> Flow[ItemVersion]:
        if entry.payload is not None:
            record = ItemRecord.of(entry.payload)
            return ItemVersion(entry.version, entry.commit_ts, record.updated_at, "put", record.value)
        at = yield from self._time(entry.commit_ts)
        return ItemVersion(
            entry.version, entry.commit_ts, at, "delete" if entry.kind == "delete" else "erased", None
        )

    def _time(self, commit_ts: int) -> Flow[datetime]:
        # A row that is gone says nothing itself; its commit does.
        request = Replay(
            self._backing.namespace, keys.ITEMS, from_ts=commit_ts, to_ts=commit_ts, limit=1, payloads=False
        )
        page = yield from ask(request)
        return time_of(page.events[0].committed_at_us)
