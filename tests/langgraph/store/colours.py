"""The two colours of a store under one set of names, and what tests of stores need besides."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from langgraph.store.base import Op, Result

from statehouse_langgraph import StatehouseStore
from statehouse_langgraph.store.items import FoundItem, ItemVersion, StoredItem
from statehouse_langgraph.store.views import PastStore

T = TypeVar("T")

DIMS = 16


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def minutes(self, minutes: float) -> None:
        """Goes on."""
        self.now += minutes * 60


@dataclass(slots=True)
class Embedding:
    """Vectors that depend on the words of a text only; counts the texts."""

    embedded: list[str] = field(default_factory=list)

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        self.embedded += texts
        return [vector_of(text) for text in texts]


def vector_of(text: str) -> list[float]:
    """A vector that has something in common with those of texts that share words."""
    vector = [0.0] * DIMS
    for word in text.lower().split():
        for byte in hashlib.sha256(word.encode()).digest()[:4]:
            vector[byte % DIMS] += 1.0 + byte / 256
    return vector


@dataclass(frozen=True, slots=True)
class Coloured:
    """A store, by its blocking or by its awaiting methods.

    Each awaiting call has a loop of its own, so that nothing may depend on one.
    """

    store: StatehouseStore
    awaiting: bool

    def _call(self, blocking: Callable[..., Any], awaiting: Callable[..., Coroutine[Any, Any, Any]]) -> Any:
        return (lambda *args, **kw: asyncio.run(awaiting(*args, **kw))) if self.awaiting else blocking

    def get(self, namespace: tuple[str, ...], key: str, **options: Any) -> StoredItem | None:
        found: StoredItem | None = self._call(self.store.get, self.store.aget)(namespace, key, **options)
        return found

    def value(self, namespace: tuple[str, ...], key: str) -> dict[str, Any] | None:
        item = self.get(namespace, key)
        return None if item is None else item.value

    def put(self, namespace: tuple[str, ...], key: str, value: Any, *args: Any, **options: Any) -> None:
        self._call(self.store.put, self.store.aput)(namespace, key, value, *args, **options)

    def delete(self, namespace: tuple[str, ...], key: str, **options: Any) -> None:
        self._call(self.store.delete, self.store.adelete)(namespace, key, **options)

    def search(self, prefix: tuple[str, ...], **options: Any) -> list[FoundItem]:
        found: list[FoundItem] = self._call(self.store.search, self.store.asearch)(prefix, **options)
        return found

    def keys(self, prefix: tuple[str, ...], **options: Any) -> list[str]:
        return [item.key for item in self.search(prefix, **options)]

    def namespaces(self, **options: Any) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = self._call(self.store.list_namespaces, self.store.alist_namespaces)(
            **options
        )
        return found

    def batch(self, ops: Sequence[Op]) -> list[Result]:
        found: list[Result] = self._call(self.store.batch, self.store.abatch)(ops)
        return found

    def sweep(self) -> int:
        found: int = self._call(self.store.sweep_ttl, self.store.asweep_ttl)()
        return found

    def history(self, namespace: tuple[str, ...], key: str, **options: Any) -> list[ItemVersion]:
        async def collected() -> list[ItemVersion]:
            return [each async for each in self.store.ahistory(namespace, key, **options)]

        return (
            asyncio.run(collected()) if self.awaiting else list(self.store.history(namespace, key, **options))
        )

    def past_value(self, past: PastStore, namespace: tuple[str, ...], key: str) -> Any:
        item = asyncio.run(past.aget(namespace, key)) if self.awaiting else past.get(namespace, key)
        return None if item is None else item.value


def numbered(prefix: str) -> Iterator[str]:
    """Names that were not given before."""
    number = 0
    while True:
        number += 1
        yield f"{prefix}-{number}"
