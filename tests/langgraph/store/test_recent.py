"""The newest of many items, found by the end of the log, are the newest."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from langgraph.store.base import PutOp

from statehouse import Statehouse
from statehouse.extend import Replay
from statehouse_langgraph import StatehouseStore
from statehouse_langgraph.store.keys import name_of
from tests.langgraph.store.colours import Clock
from tests.langgraph.store.conftest import MakeStore
from tests.langgraph.store.watching import Watched

MANY = ("many",)
FEW = ("few",)


class Model:
    """What was put when, and until when it lives."""

    def __init__(self) -> None:
        self.commits = 0
        self.items: dict[tuple[tuple[str, ...], str], tuple[int, float | None]] = {}

    def newest(self, prefix: tuple[str, ...], now: float) -> list[str]:
        alive = [
            (-commit, name_of(*name), name[1])
            for name, (commit, until) in self.items.items()
            if name[0][: len(prefix)] == prefix and (until is None or until > now)
        ]
        return [key for _, _, key in sorted(alive)]


def put(store: StatehouseStore, model: Model, puts: list[PutOp], now: float) -> None:
    store.batch(puts)
    model.commits += 1
    for op in puts:
        if op.value is None:
            model.items.pop((op.namespace, op.key), None)
        else:
            until = None if op.ttl is None else now + op.ttl * 60
            model.items[op.namespace, op.key] = model.commits, until


@pytest.fixture(scope="module")
def large() -> Iterator[tuple[StatehouseStore, Model, Clock]]:
    """A store with more items than are gone through, and what was done to it since."""
    clock, model, dice = Clock(), Model(), random.Random(7)
    with Statehouse("memory:") as handle:
        store = StatehouseStore(handle, clock=clock)
        put(store, model, [PutOp(MANY, f"old {number}", {}) for number in range(1_100)], clock.now)
        put(store, model, [PutOp(FEW, f"few {number}", {}) for number in range(5)], clock.now)
        for _ in range(150):
            clock.minutes(1)
            puts = {}
            for _ in range(dice.randint(1, 3)):
                key = f"new {dice.randrange(60)}"
                value = None if dice.random() < 0.2 else {"key": key}
                puts[key] = PutOp(
                    (*MANY, "sub") if dice.random() < 0.3 else MANY, key, value, ttl=dice.choice([None, 40])
                )
            put(store, model, list(puts.values()), clock.now)
        yield store, model, clock


@pytest.mark.parametrize("limit, offset", [(1, 0), (10, 0), (10, 25), (40, 10), (60, 30), (400, 100)])
@pytest.mark.parametrize("prefix", [(), MANY, (*MANY, "sub"), FEW], ids=str)
def test_the_newest_of_many_are_the_newest(
    large: tuple[StatehouseStore, Model, Clock], prefix: tuple[str, ...], limit: int, offset: int
) -> None:
    store, model, clock = large
    found = store.search(prefix, limit=limit, offset=offset, refresh_ttl=False)
    assert [item.key for item in found] == model.newest(prefix, clock.now)[offset : offset + limit]


def test_the_newest_of_many_cost_the_end_of_the_log(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store()
    store.batch([PutOp(MANY, f"old {number}", {}) for number in range(1_200)])
    for number in range(12):
        store.put(MANY, f"new {number}", {})
    with watched.watch() as asked:
        assert [item.key for item in store.search((), limit=2)] == ["new 11", "new 10"]
    assert len([each for each in asked if isinstance(each, Replay)]) == 1
    # A first page of keys, the end of the log, whether anything expires, and the items.
    assert len(asked) == 4
