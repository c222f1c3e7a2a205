"""Erasing: nothing that was put is anywhere in the store any more, and what is left goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse.extend import Erase, RecordKey, Write, ask, commit, encode, run
from statehouse_langgraph import ContentError, StatehouseStore
from tests.langgraph.store.colours import DIMS, Coloured, Embedding
from tests.langgraph.store.conftest import MakeStore

Everywhere = Callable[..., Coloured]
USER = ("users", "u-1")


def erase(store: Coloured, namespace: tuple[str, ...], key: str | None = None) -> int:
    if store.awaiting:
        return asyncio.run(store.store.aerase(namespace, key))
    return store.store.erase(namespace, key)


def test_an_item_that_is_erased_has_a_history_without_values(everywhere: Everywhere) -> None:
    store = everywhere()
    for number in range(3):
        store.put(USER, "k", {"n": number})
    store.put(USER, "k2", {"n": 9})
    assert erase(store, USER, "k") == 3
    assert store.value(USER, "k") is None
    assert [(each.kind, each.value) for each in store.history(USER, "k")] == [
        ("erased", None),
        ("erased", None),
        ("erased", None),
        ("delete", None),
    ]
    assert store.keys(()) == ["k2"]
    assert erase(store, USER, "k") == erase(store, USER, "never") == 0


def test_a_namespace_is_erased_with_all_below_it_and_no_other(everywhere: Everywhere) -> None:
    store = everywhere(index={"dims": DIMS, "embed": Embedding(), "fields": ["text"]})
    for namespace in (USER, (*USER, "below"), ("users", "u-10")):
        store.put(namespace, "k", {"text": "green tea"}, ttl=5)
    assert erase(store, USER) == 2
    assert store.namespaces() == [("users", "u-10")]
    assert len(store.search((), query="green tea")) == 1
    store.put(USER, "k", {"text": "again"})
    assert store.value(USER, "k") == {"text": "again"}


def test_the_past_is_read_without_what_was_erased(everywhere: Everywhere) -> None:
    store = everywhere(index={"dims": DIMS, "embed": Embedding(), "fields": ["text"]})
    for number in range(4):
        store.put(USER, f"k{number}", {"text": f"tea {number}", "n": number})
    item = store.get(USER, "k3")
    assert item is not None
    for key in ("k1", "k2"):
        erase(store, USER, key)
    past = store.store.as_of(item.commit_ts)
    assert [each.key for each in past.search(())] == ["k3", "k0"]
    assert [each.key for each in past.search((), filter={"n": {"$lt": 3}})] == ["k0"]
    assert {each.key for each in past.search((), query="tea 1")} == {"k0", "k3"}
    assert past.get(USER, "k1") is None
    erase(store, USER)
    assert past.list_namespaces() == past.search(()) == []


@pytest.mark.slow
def test_nothing_of_it_is_in_a_file(tmp_path: Path) -> None:
    with Statehouse(f"file:{tmp_path / 'store'}") as handle:
        store = StatehouseStore(handle)
        store.put(USER, "k", {"secret": "correct horse battery staple"})
        store.put(USER, "k", {"secret": "another horse battery staple"})
        store.erase(USER)
        store.put(USER, "k2", {"not": "secret"})
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"battery" in data for data in files)
    assert any(b"secret" in data for data in files)


def erase_rows(store: StatehouseStore, *names: str) -> None:
    """Erases rows without deleting them, as a put that overtakes an erase is met by it."""
    request = Erase(store._backing.namespace, "items", keys=names)
    while (part := run(store._backing.connection, ask(request))).cursor is not None:
        request = replace(request, cursor=part.cursor)


def test_an_item_that_was_put_while_it_was_erased_is_not_there(make_store: MakeStore) -> None:
    store = make_store(index={"dims": DIMS, "embed": Embedding(), "fields": ["text"]})
    store.put(USER, "k", {"text": "tea"}, ttl=5)
    store.put(("other",), "k", {"text": "tea"})
    erase_rows(store, "users#u-1##k")
    assert store.get(USER, "k") is None
    assert [item.namespace for item in store.search(())] == [("other",)]
    assert [item.namespace for item in store.search((), filter={"text": "tea"})] == [("other",)]
    assert [item.namespace for item in store.search((), query="tea")] == [("other",)]
    assert store.list_namespaces() == [("other",)]
    store.erase(USER, "k")
    backing = store._backing
    rows = Statehouse.from_connection(backing.connection, namespace=backing.namespace)
    assert {agent: rows.list_keys(agent_id=agent) for agent in ("items", "vectors", "expiries", "due")} == {
        "items": ["other##k"],
        "vectors": ["other##k"],
        "expiries": [],
        "due": [],
    }


def test_an_item_that_was_erased_may_be_put_again(make_store: MakeStore) -> None:
    store = make_store()
    store.put(USER, "k", {"n": 1}, ttl=5)
    backing = store._backing
    erase_rows(store, "users#u-1##k")
    store.put(USER, "k", {"n": 2}, expected_version=0)
    assert store.get(USER, "k") is not None
    rows = Statehouse.from_connection(backing.connection, namespace=backing.namespace)
    assert rows.list_keys(agent_id="due") == rows.list_keys(agent_id="expiries") == []


def test_rows_that_are_not_the_stores_are_named(make_store: MakeStore) -> None:
    store = make_store()
    key = RecordKey(store._backing.namespace, "items", "users#u-1##k")
    run(store._backing.connection, commit(store._backing.connection, [Write(key, encode({"value": 1}))]))
    with pytest.raises(ContentError, match="expected an item"):
        store.get(USER, "k")
