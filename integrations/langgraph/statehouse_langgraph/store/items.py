"""What a store gives: LangGraph's items, with the version and the commit that they are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from langgraph.store.base import Item, SearchItem

from statehouse_langgraph.store.keys import Namespace
from statehouse_langgraph.store.records import ItemRecord


class StoredItem(Item):
    """An item as `StatehouseStore.get` gives it.

    Attributes:
        version: The number of the put that made it so; for ``put(..., expected_version=)``.
        commit_ts: The commit of that put; for `StatehouseStore.as_of`.
    """

    __slots__ = ("commit_ts", "version")

    version: int
    commit_ts: int


class FoundItem(SearchItem):
    """An item as `StatehouseStore.search` gives it; see `StoredItem`."""

    __slots__ = ("commit_ts", "version")

    version: int
    commit_ts: int


@dataclass(frozen=True, slots=True)
class ItemVersion:
    """One version of an item, of its history.

    Attributes:
        version: Its number, counting puts and deletes.
        commit_ts: The commit that made it.
        at: When that was.
        kind: What was done; ``erased`` for a put whose value is gone for good.
        value: What was put; None for a delete, and where it was erased.
    """

    version: int
    commit_ts: int
    at: datetime
    kind: Literal["put", "delete", "erased"]
    value: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Found:
    """An item as it was read.

    Attributes:
        name: Its name in keys.
        record: What it holds.
        version: See `StoredItem`.
        commit_ts: See `StoredItem`.
    """

    name: str
    record: ItemRecord
    version: int
    commit_ts: int

    def item(self, namespace: Namespace, key: str) -> StoredItem:
        """Gives it as `get` does."""
        made = StoredItem(
            value=self.record.value,
            key=key,
            namespace=namespace,
            created_at=self.record.created_at,
            updated_at=self.record.updated_at,
        )
        made.version, made.commit_ts = self.version, self.commit_ts
        return made

    def found(self, namespace: Namespace, key: str, score: float | None) -> FoundItem:
        """Gives it as `search` does."""
        made = FoundItem(
            namespace, key, self.record.value, self.record.created_at, self.record.updated_at, score
        )
        made.version, made.commit_ts = self.version, self.commit_ts
        return made
