"""Many writers at once, and what it costs: what belongs to an item always fits together."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from langgraph.store.base import GetOp, PutOp

from statehouse import OverloadedError, Statehouse
from statehouse.engine import open_engine
from statehouse.extend import Scan, ask, run
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from statehouse_langgraph import ItemChangedError, StatehouseStore
from statehouse_langgraph.store.keys import parse_due_key
from statehouse_langgraph.store.records import ExpiryRecord, VectorRecord
from tests.langgraph.store.colours import DIMS, Embedding
from tests.langgraph.store.conftest import MakeStore
from tests.langgraph.store.watching import Watched, commits, keys_read, scans_of_values

USER = ("users", "u-1")


def check_that_it_fits(store: StatehouseStore) -> None:
    """Checks that items, vectors, expiries and the index by time say the same (P1)."""
    backing = store._backing
    handle = Statehouse.from_connection(backing.connection, namespace=backing.namespace)
    items = {each.key: each.value for each in handle.scan_prefix(agent_id="items")}
    # As they are stored: the SDK shows them through their codec.
    rows = run(handle, ask(Scan(backing.namespace, "vectors"))).entries
    vectors = {each.key.key: VectorRecord.of(each.payload) for each in rows if each.payload is not None}
    expiries = {
        each.key: ExpiryRecord(each.value["minutes"], each.value["until_us"])
        for each in handle.scan_prefix(agent_id="expiries")
    }
    due = [parse_due_key(key) for key in handle.list_keys(agent_id="due")]
    assert {name: len(record.paths) for name, record in vectors.items()} == {
        name: item["vectors"] for name, item in items.items() if "vectors" in item
    }
    assert set(expiries) == {name for name, item in items.items() if item.get("expires")}
    assert sorted(due) == sorted((record.until_us, name) for name, record in expiries.items())


def test_a_counter_that_many_threads_raise_loses_nothing(make_store: MakeStore) -> None:
    store = make_store()

    def add_one() -> None:
        while True:
            item = store.get(USER, "n")
            value, version = (item.value["n"], item.version) if item is not None else (0, 0)
            try:
                store.put(USER, "n", {"n": value + 1}, expected_version=version)
            except ItemChangedError:
                continue
            return

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(add_one) for _ in range(40)]:
            done.result()
    item = store.get(USER, "n")
    assert item is not None
    assert (item.value, item.version) == ({"n": 40}, 40)


def test_what_belongs_to_an_item_fits_whoever_was_last(make_store: MakeStore) -> None:
    store = make_store(index={"dims": DIMS, "embed": Embedding(), "fields": ["text"]})
    other = make_store(namespace=store._backing.namespace)

    def write(number: int) -> None:
        writer = (store, other)[number % 2]
        ttl = (None, 5.0, 10.0)[number % 3]
        if number % 7 == 0:
            writer.delete(USER, "k")
        else:
            writer.put(USER, "k", {"text": f"tea {number}"}, ttl=ttl)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(60)))
    check_that_it_fits(store)


def test_a_put_that_another_overtook_is_made_again(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store(index={"dims": DIMS, "embed": Embedding(), "fields": ["text"]})
    other = watched_store()
    watched.before_commit(lambda: other.put(USER, "k", {"n": 1}, ttl=5))
    store.put(USER, "k", {"text": "tea"}, ttl=10)
    item = store.get(USER, "k")
    assert item is not None
    assert (item.value, item.version) == ({"text": "tea"}, 2)
    check_that_it_fits(store)


def test_a_condition_is_checked_again_when_another_was_first(
    watched_store: MakeStore, watched: Watched
) -> None:
    store, other = watched_store(), watched_store()
    watched.before_commit(lambda: other.put(USER, "k", {"n": 1}))
    with pytest.raises(ItemChangedError) as refused:
        store.put(USER, "k", {"n": 2}, expected_version=0)
    assert refused.value.version == 1


def test_a_put_that_is_overtaken_without_end_gives_up(watched_store: MakeStore, watched: Watched) -> None:
    store, other = watched_store(), watched_store()

    def overtake() -> None:
        refill = list(watched._before_commit)
        watched._before_commit.clear()
        other.put(USER, "k", {})
        watched._before_commit.extend([*refill, overtake])

    watched.before_commit(overtake)
    with pytest.raises(OverloadedError, match="50 times"):
        store.put(USER, "k", {"mine": True})


def test_several_loops_use_one_store_at_once(make_store: MakeStore) -> None:
    store = make_store(index={"dims": DIMS, "embed": Embedding(), "fields": ["text"]})

    async def use(loop: int) -> int:
        async def one(number: int) -> list[Any]:
            await store.aput(("loops", str(loop)), str(number), {"text": f"tea {number}"})
            return await store.asearch(("loops", str(loop)), query=f"tea {number}", limit=1)

        found = await asyncio.gather(*(one(number) for number in range(10)))
        return len([each for each in found if each])

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda loop: asyncio.run(use(loop)), range(3))) == [10, 10, 10]
    assert len(store.search(("loops",), query="tea 3", limit=100)) == 30


def test_blocking_calls_work_in_the_thread_of_a_loop(make_store: MakeStore) -> None:
    store = make_store()

    async def use() -> dict[str, Any] | None:
        store.put(USER, "k", {"n": 1})
        item = store.get(USER, "k")
        return None if item is None else item.value

    assert asyncio.run(use()) == {"n": 1}


@pytest.mark.parametrize("embedding", [None, {"dims": DIMS, "embed": Embedding(), "fields": ["text"]}])
def test_two_clients_of_a_daemon_see_each_other(embedding: Any) -> None:
    with (
        closing(open_engine(MemoryStore())) as engine,
        serving(engine) as address,
        Statehouse(address) as one,
        Statehouse(address) as two,
    ):
        left, right = StatehouseStore(one, index=embedding), StatehouseStore(two, index=embedding)
        for number in range(5):
            left.put(USER, "k", {"text": f"tea {number}"})
            assert right.search((), query=f"tea {number}")[0].value == {"text": f"tea {number}"}
            right.put(USER, "k2", {"text": f"tea {number}"})
            assert {item.key for item in left.search((), query="tea")} == {"k", "k2"}


def test_many_items_are_got_in_one_request(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store()
    store.batch([PutOp(USER, f"k{number}", {"n": number}) for number in range(500)])
    with watched.watch() as asked:
        results = store.batch([GetOp(USER, f"k{number}") for number in range(500)])
    assert all(result is not None for result in results)
    assert len(asked) == 1


def test_many_puts_are_one_read_and_one_commit(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store()
    store.put(USER, "warm", {})
    with watched.watch() as asked:
        store.batch([PutOp(USER, f"k{number}", {"n": number}) for number in range(500)])
    assert (len(asked), commits(asked)) == (2, 1)


def test_a_search_reads_the_values_that_it_gives_only(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store()
    store.batch([PutOp(USER, f"k{number:04}", {"n": number}) for number in range(1_200)])
    store.put(USER, "last", {})
    with watched.watch() as asked:
        found = store.search((), limit=10, offset=5)
    assert len(found) == 10
    assert keys_read(asked) == 10
    assert scans_of_values(asked, "items") == 0


@pytest.mark.slow
def test_a_list_of_namespaces_jumps_over_items(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store()
    for namespace in (("a",), ("a", "b"), ("c",)):
        store.batch([PutOp(namespace, f"k{number:04}", {}) for number in range(1_500)])
    with watched.watch() as asked:
        assert store.list_namespaces() == [("a",), ("a", "b"), ("c",)]
    pages = len(asked)
    with watched.watch() as asked:
        assert store.list_namespaces(max_depth=1) == [("a",), ("c",)]
        assert store.list_namespaces(limit=1) == [("a",)]
    assert pages <= 5
    assert len(asked) <= 6


@pytest.mark.slow
def test_a_batch_too_large_for_one_commit_is_refused_whole(make_store: MakeStore) -> None:
    store = make_store()
    with pytest.raises(ValueError, match="10000"):
        store.batch([PutOp(USER, str(number), {}) for number in range(10_001)])
    assert store.search(()) == []
