"""What LangGraph asks of a store, in each home and each colour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)

from statehouse import CompactedError, InvalidArgumentError, LimitExceededError
from statehouse_langgraph import ItemChangedError
from tests.langgraph.store.colours import DIMS, Clock, Coloured, Embedding

Everywhere = Callable[..., Coloured]
USER = ("users", "u-1")


def test_what_was_put_is_got(everywhere: Everywhere, clock: Clock) -> None:
    store = everywhere()
    value = {"text": "tea", "n": 2**60, "list": [1, None, True, "ü"], "nested": {"a": {"b": 1.5}}}
    store.put(USER, "k", value)
    item = store.get(USER, "k")
    assert item is not None
    assert (item.value, item.key, item.namespace, item.version) == (value, "k", USER, 1)
    assert item.created_at == item.updated_at == datetime.fromtimestamp(clock.now, UTC)


def test_a_put_keeps_the_time_of_the_first_one(everywhere: Everywhere, clock: Clock) -> None:
    store = everywhere()
    store.put(USER, "k", {"n": 1})
    first = store.get(USER, "k")
    clock.minutes(1)
    store.put(USER, "k", {"n": 2})
    second = store.get(USER, "k")
    assert first is not None
    assert second is not None
    assert (second.created_at, second.version) == (first.created_at, 2)
    assert (second.updated_at - first.updated_at).total_seconds() == 60
    assert second.commit_ts > first.commit_ts


def test_what_was_deleted_is_gone_and_may_come_back(everywhere: Everywhere) -> None:
    store = everywhere()
    store.put(USER, "k", {"n": 1})
    store.delete(USER, "k")
    store.delete(USER, "never there")
    assert store.get(USER, "k") is None
    assert store.search(()) == []
    store.put(USER, "k", {"n": 2})
    assert store.value(USER, "k") == {"n": 2}


def test_a_prefix_ends_where_a_label_ends(everywhere: Everywhere) -> None:
    store = everywhere()
    for namespace in [("a",), ("a", "b"), ("ab",), ("a-b",), ("a#b",), ("a b", "c")]:
        store.put(namespace, "/".join(namespace), {})
    assert sorted(store.keys(("a",))) == ["a", "a/b"]
    assert store.keys(("a b",)) == ["a b/c"]
    assert len(store.keys(())) == 6


def test_a_search_gives_the_newest_first_by_pages(everywhere: Everywhere) -> None:
    store = everywhere()
    for number in range(6):
        store.put(USER, f"k{(number * 5) % 7}", {"number": number})
    numbers = [item.value["number"] for item in store.search(USER)]
    assert numbers == [5, 4, 3, 2, 1, 0]
    assert [item.value["number"] for item in store.search(USER, limit=2, offset=3)] == [2, 1]
    assert store.search(USER, limit=0) == store.search(USER, offset=6) == []


def test_a_search_admits_what_its_filter_does(everywhere: Everywhere) -> None:
    store = everywhere()
    for number in range(8):
        store.put(USER, f"k{number}", {"n": number, "even": number % 2 == 0})
    assert store.keys(USER, filter={"even": True}) == ["k6", "k4", "k2", "k0"]
    assert store.keys(USER, filter={"n": {"$gt": 2, "$lte": 5}}) == ["k5", "k4", "k3"]
    assert store.keys(USER, filter={"even": False, "n": {"$ne": 3}}, limit=2, offset=1) == ["k5", "k1"]


def test_namespaces_are_listed_in_order(everywhere: Everywhere) -> None:
    store = everywhere()
    all_of_them = [
        ("a", "b", "c"),
        ("a", "b", "d", "e"),
        ("a", "b", "d", "i"),
        ("a", "b", "f"),
        ("a", "c", "f"),
    ]
    for namespace in reversed(all_of_them):
        store.put(namespace, "k1", {})
        store.put(namespace, "k2", {})
    assert store.namespaces() == all_of_them
    assert store.namespaces(prefix=("a", "b"), max_depth=3) == [
        ("a", "b", "c"),
        ("a", "b", "d"),
        ("a", "b", "f"),
    ]
    assert store.namespaces(prefix=("a", "*", "f")) == [("a", "b", "f"), ("a", "c", "f")]
    assert store.namespaces(suffix=("d", "*")) == [("a", "b", "d", "e"), ("a", "b", "d", "i")]
    assert store.namespaces(limit=2, offset=1) == all_of_them[1:3]


def test_a_batch_reads_what_was_before_it_and_writes_all_of_it(everywhere: Everywhere) -> None:
    store = everywhere()
    store.put(USER, "k", {"n": 1})
    results = store.batch(
        [
            PutOp(USER, "k", {"n": 2}),
            GetOp(USER, "k"),
            PutOp(("users", "u-2"), "new", {"n": 3}),
            SearchOp(("users",)),
            ListNamespacesOp((MatchCondition("prefix", ("users",)),)),
            PutOp(USER, "k", {"n": 4}),
            GetOp(("users", "u-2"), "new"),
        ]
    )
    got, found = results[1], results[3]
    assert got is not None
    assert not isinstance(got, list)
    assert isinstance(found, list)
    assert got.value == {"n": 1}
    assert len(found) == 1
    assert results[4] == [USER]
    assert results[0] is results[2] is results[5] is results[6] is None
    after = store.get(USER, "k")
    other = store.get(("users", "u-2"), "new")
    assert after is not None
    assert other is not None
    assert after.value == {"n": 4}
    assert (after.version, after.commit_ts) == (2, other.commit_ts)


def test_a_batch_with_one_bad_put_stores_nothing(everywhere: Everywhere) -> None:
    store = everywhere()
    with pytest.raises(InvalidArgumentError, match=r"'bad'.*datetime is not JSON"):
        store.batch([PutOp(USER, "good", {"n": 1}), PutOp(USER, "bad", {"when": datetime.now(UTC)})])
    assert store.search(()) == []


def test_a_put_on_condition_is_refused_when_the_item_changed(everywhere: Everywhere) -> None:
    store = everywhere()
    store.put(USER, "k", {"n": 1}, expected_version=0)
    store.put(USER, "k", {"n": 2}, expected_version=1)
    with pytest.raises(ItemChangedError) as refused:
        store.put(USER, "k", {"n": 3}, expected_version=1)
    assert (refused.value.version, refused.value.expected_version, refused.value.key) == (2, 1, "k")
    with pytest.raises(ItemChangedError):
        store.delete(USER, "k", expected_version=1)
    assert store.value(USER, "k") == {"n": 2}
    store.delete(USER, "k", expected_version=2)
    with pytest.raises(ItemChangedError):
        store.put(USER, "k", {"n": 3}, expected_version=2)
    store.put(USER, "k", {"n": 3}, expected_version=0)


def test_the_history_of_an_item_has_every_version(everywhere: Everywhere, clock: Clock) -> None:
    store = everywhere()
    store.put(USER, "k", {"n": 1})
    clock.minutes(1)
    store.put(USER, "k", {"n": 2})
    store.delete(USER, "k")
    versions = store.history(USER, "k")
    assert [(each.version, each.kind, each.value) for each in versions] == [
        (1, "put", {"n": 1}),
        (2, "put", {"n": 2}),
        (3, "delete", None),
    ]
    assert versions[1].at.timestamp() == clock.now
    assert [each.version for each in store.history(USER, "k", reverse=True)] == [3, 2, 1]
    assert store.history(USER, "never") == []


def test_the_past_is_read_as_it_was(everywhere: Everywhere) -> None:
    store = everywhere()
    store.put(USER, "k", {"n": 1})
    first = store.get(USER, "k")
    assert first is not None
    store.put(USER, "k", {"n": 2})
    store.put(("users", "u-2"), "k", {"n": 3})
    past = store.store.as_of(first.commit_ts)
    assert store.past_value(past, USER, "k") == {"n": 1}
    assert [item.value for item in past.search(())] == [{"n": 1}]
    assert past.list_namespaces() == [USER]
    assert past.search((), filter={"n": 2}) == []
    with pytest.raises(InvalidArgumentError, match="past cannot be changed"):
        past.put(USER, "k", {})
    with pytest.raises((InvalidArgumentError, CompactedError)):
        store.store.as_of(2**40).get(USER, "k")


def test_an_item_expires(everywhere: Everywhere, clock: Clock) -> None:
    store = everywhere(ttl={"default_ttl": 10, "refresh_on_read": False})
    store.put(USER, "ends", {"n": 1})
    store.put(USER, "stays", {"n": 2}, ttl=None)
    store.put(USER, "soon", {"n": 3}, ttl=1)
    clock.minutes(1)
    assert store.keys(()) == ["stays", "ends"]
    assert store.keys((), filter={"n": {"$gt": 0}}) == ["stays", "ends"]
    assert store.value(USER, "soon") is None
    clock.minutes(9)
    assert store.keys(()) == ["stays"]
    assert store.sweep() == 2
    assert store.sweep() == 0
    assert [each.kind for each in store.history(USER, "ends")] == ["put", "delete"]


def test_a_read_makes_an_item_live_longer(everywhere: Everywhere, clock: Clock) -> None:
    store = everywhere(ttl={"default_ttl": 10})
    for key in ("got", "found", "seen"):
        store.put(USER, key, {"key": key})
    clock.minutes(6)
    assert store.get(USER, "got") is not None
    assert store.keys(USER, filter={"key": "found"}) == ["found"]
    assert store.get(USER, "seen", refresh_ttl=False) is not None
    clock.minutes(6)
    assert store.keys(USER) == ["found", "got"]


def test_a_search_by_meaning_finds_the_nearest(everywhere: Everywhere) -> None:
    store = everywhere(index={"dims": DIMS, "embed": Embedding(), "fields": ["text"]})
    store.put(USER, "tea", {"text": "green tea leaves", "kind": "drink"})
    store.put(USER, "cars", {"text": "fast red cars"})
    store.put(("users", "u-2"), "also tea", {"text": "green tea"})
    found = store.search(USER, query="green tea leaves")
    assert [item.key for item in found] == ["tea", "cars"]
    assert found[0].score == pytest.approx(1.0)
    assert store.keys(("users",), query="green tea", limit=1) == ["also tea"]
    assert store.keys((), query="red cars", filter={"kind": "drink"}) == ["tea"]


@pytest.mark.parametrize("namespace", [(), ("a.b",), ("",), ("langgraph",)])
def test_a_namespace_that_langgraph_does_not_have_is_refused(
    everywhere: Everywhere, namespace: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidNamespaceError):
        everywhere().put(namespace, "k", {})


def test_a_name_that_is_too_long_is_refused_with_what_to_do(everywhere: Everywhere) -> None:
    store = everywhere()
    store.put(USER, "k" * 980, {})
    assert store.get(USER, "k" * 980) is not None
    with pytest.raises(LimitExceededError, match="shorten") as refused:
        store.put(USER, "k" * 1000, {})
    assert refused.value.limit == 1000
