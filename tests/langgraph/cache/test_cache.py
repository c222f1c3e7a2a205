"""`StatehouseCache`: what LangGraph asks of a cache, and what it must not do."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.cache.base import BaseCache, FullKey, Namespace
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy

from statehouse import InvalidArgumentError, Payload, Statehouse
from statehouse.extend import RecordKey, Write, commit, run
from statehouse_langgraph import StatehouseCache
from statehouse_langgraph.cache_rows import CACHED_TYPE, CacheRecord
from tests.langgraph.homes import HOMES, opened
from tests.langgraph.store.colours import Clock, numbered

_NAMES = numbered("cache")
A, B = ("a",), ("a", "b")


@dataclass(frozen=True, slots=True)
class Coloured:
    """A cache, by its blocking or by its awaiting methods."""

    cache: StatehouseCache[Any]
    awaiting: bool

    def get(self, *keys: FullKey) -> dict[FullKey, Any]:
        return asyncio.run(self.cache.aget(keys)) if self.awaiting else self.cache.get(keys)

    def set(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        if self.awaiting:
            asyncio.run(self.cache.aset(pairs))
        else:
            self.cache.set(pairs)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        if self.awaiting:
            asyncio.run(self.cache.aclear(namespaces))
        else:
            self.cache.clear(namespaces)

    def sweep(self) -> int:
        return asyncio.run(self.cache.asweep()) if self.awaiting else self.cache.sweep()


@pytest.fixture(scope="module", params=HOMES)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Statehouse]:
    with opened(request.param, tmp_path_factory.mktemp("home")) as handle:
        yield handle


@pytest.fixture(scope="module")
def memory() -> Iterator[Statehouse]:
    with Statehouse("memory:") as handle:
        yield handle


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["blocking", "awaiting"])
def cache(request: pytest.FixtureRequest, home: Statehouse, clock: Clock) -> Coloured:
    """An empty cache, in each home and each colour."""
    client = home.aio if request.param == "awaiting" else home
    return Coloured(StatehouseCache(client, namespace=next(_NAMES), clock=clock), request.param == "awaiting")


@pytest.fixture
def in_memory(memory: Statehouse, clock: Clock) -> StatehouseCache[Any]:
    """An empty cache in memory."""
    return StatehouseCache(memory, namespace=next(_NAMES), clock=clock)


def test_what_was_set_is_got(cache: Coloured) -> None:
    assert cache.get() == cache.get((A, "k")) == {}
    values: dict[FullKey, tuple[Any, int | None]] = {
        (A, "k"): ({"n": 1}, None),
        (B, "k"): ([1, "two", b"3", None], 60),
        ((), ""): ("root", None),
    }
    cache.set(values)
    assert cache.get(*values, (A, "never")) == {key: value for key, (value, _) in values.items()}
    cache.set({(A, "k"): ("again", None)})
    assert cache.get((A, "k"), (A, "k")) == {(A, "k"): "again"}


def test_a_value_lives_for_its_seconds(cache: Coloured, clock: Clock) -> None:
    cache.set({(A, "k"): (1, 60), (A, "stays"): (2, None)})
    clock.now += 59
    assert cache.get((A, "k")) == {(A, "k"): 1}
    clock.now += 1
    assert cache.get((A, "k"), (A, "stays")) == {(A, "stays"): 2}
    assert cache.sweep() == 1
    assert cache.sweep() == 0
    assert cache.get((A, "stays")) == {(A, "stays"): 2}


def test_a_namespace_is_cleared_and_none_below_it(cache: Coloured) -> None:
    cache.set({(A, "k"): (1, None), (B, "k"): (2, 60), (("c",), "k"): (3, None)})
    cache.clear([A, ("never",)])
    assert cache.get((A, "k"), (B, "k"), (("c",), "k")) == {(B, "k"): 2, (("c",), "k"): 3}
    cache.clear()
    assert cache.get((B, "k"), (("c",), "k")) == {}


def test_names_of_any_length_and_characters_are_apart(in_memory: StatehouseCache[Any]) -> None:
    texts = [
        "",
        "x",
        "x#",
        "#x",
        "%",
        "%23",
        "\x00",
        "\n",
        "é" * 900,
        "é" * 901,
        "h" * 5_000,
        "%h" + "0" * 64,
    ]
    values: dict[FullKey, tuple[Any, int | None]] = {
        ((text, other), key): ([text, other, key], 60)
        for text in texts
        for other in ("", "y", "z" * 600)
        for key in texts
    }
    in_memory.set(values)
    assert in_memory.get(list(values)) == {key: value for key, (value, _) in values.items()}
    in_memory.clear([("h" * 5_000, "y")])
    assert len(in_memory.get(list(values))) == len(values) - len(texts)


def test_setting_sweeps_what_expired_now_and_then(
    in_memory: StatehouseCache[Any], memory: Statehouse, clock: Clock
) -> None:
    in_memory.set({(A, str(number)): (number, 1) for number in range(50)})
    clock.now += 60
    in_memory.set({(A, "new"): (1, None)})
    entries = memory.list_keys(agent_id="entries", namespace=in_memory._rows._namespace)
    assert len(entries) == 1
    assert memory.list_keys(agent_id="due", namespace=in_memory._rows._namespace) == []


def test_what_was_set_anew_is_not_swept_by_its_first_time(
    in_memory: StatehouseCache[Any], clock: Clock
) -> None:
    in_memory.set({(A, "k"): (1, 10)})
    clock.now += 5
    in_memory.set({(A, "k"): (2, 10)})
    clock.now += 6
    assert in_memory.sweep() == 0
    assert in_memory.get([(A, "k")]) == {(A, "k"): 2}
    clock.now += 5
    assert in_memory.sweep() == 1


def test_a_sweep_is_bounded(in_memory: StatehouseCache[Any], clock: Clock) -> None:
    in_memory.set({(A, str(number)): (number, 1) for number in range(450)})
    clock.now += 2
    assert [in_memory.sweep() for _ in range(4)] == [200, 200, 50, 0]


def test_pickle_is_refused_when_setting_and_never_loaded(
    in_memory: StatehouseCache[Any], memory: Statehouse
) -> None:
    with pytest.raises(InvalidArgumentError, match="pickle"):
        StatehouseCache(memory, serde=JsonPlusSerializer(pickle_fallback=True))
    in_memory.set({(A, "k"): (1, None)})
    rows = in_memory._rows
    (key,) = memory.list_keys(agent_id="entries", namespace=rows._namespace)
    hostile = CacheRecord(0, ("pickle", pickle.dumps(1)))
    _write(memory, RecordKey(rows._namespace, "entries", key), hostile.payload())
    assert in_memory.get([(A, "k")]) == {}


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\x00\x01", b"{}"])
def test_what_cannot_be_read_is_not_there(
    in_memory: StatehouseCache[Any], memory: Statehouse, data: bytes
) -> None:
    in_memory.set({(A, "k"): (1, 1)})
    rows = in_memory._rows
    (key,) = memory.list_keys(agent_id="entries", namespace=rows._namespace)
    for content_type in (CACHED_TYPE, "application/json"):
        _write(memory, RecordKey(rows._namespace, "entries", key), Payload(content_type, data))
        assert in_memory.get([(A, "k")]) == {}


def test_a_value_too_large_to_store_is_computed_again(in_memory: StatehouseCache[Any]) -> None:
    in_memory.set({(A, "large"): (b"x" * (16 * 1024 * 1024), None), (A, "small"): (1, None)})
    assert in_memory.get([(A, "large"), (A, "small")]) == {(A, "small"): 1}


@pytest.mark.parametrize("ttl", ["60", True, float("nan")])
def test_a_time_to_live_that_is_no_number_is_refused(in_memory: StatehouseCache[Any], ttl: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="number of seconds"):
        in_memory.set({(A, "k"): (1, ttl)})


class _State(TypedDict):
    asked: str
    answers: Annotated[list[str], lambda left, right: left + right]


def test_a_node_with_a_cache_policy_runs_once(in_memory: StatehouseCache[Any]) -> None:
    ran: list[str] = []

    def answer(state: _State) -> dict[str, list[str]]:
        ran.append(state["asked"])
        return {"answers": [state["asked"].upper()]}

    builder = StateGraph(_State)
    builder.add_node("answer", answer, cache_policy=CachePolicy(ttl=60))
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    cache: BaseCache[Any] = in_memory
    graph = builder.compile(cache=cache)
    asked: _State = {"asked": "tea?", "answers": []}
    assert graph.invoke(asked) == graph.invoke(asked) == {"asked": "tea?", "answers": ["TEA?"]}
    assert asyncio.run(graph.ainvoke(asked)) == {"asked": "tea?", "answers": ["TEA?"]}
    assert ran == ["tea?"]
    graph.clear_cache()
    graph.invoke(asked)
    assert ran == ["tea?", "tea?"]


def test_a_cache_opens_its_own_store(tmp_path: Any) -> None:
    url = f"file:{tmp_path / 'store'}"
    with StatehouseCache.from_conn_string(url) as cache:
        cache.set({(A, "k"): (1, None)})

    async def again() -> dict[FullKey, Any]:
        async with StatehouseCache.from_conn_string(url) as cache:
            return await cache.aget([(A, "k")])

    assert asyncio.run(again()) == {(A, "k"): 1}


def _write(handle: Statehouse, key: RecordKey, payload: Payload) -> None:
    run(handle, commit(handle, [Write(key, payload)]))
