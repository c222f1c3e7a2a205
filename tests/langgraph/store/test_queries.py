"""What filters admit and namespaces match, beyond what LangGraph's own store in memory does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langgraph.store.base import ListNamespacesOp, MatchCondition, SearchOp

from statehouse import InvalidArgumentError, Statehouse
from statehouse_langgraph import StatehouseStore
from statehouse_langgraph.store import filters
from tests.langgraph.store.conftest import MakeStore


@pytest.mark.parametrize(
    "condition, value, admitted",
    [
        ({"x": None}, {}, True),
        ({"x": 1}, {"x": True}, True),
        ({"x": {"$ne": 1}}, {}, True),
        ({"x": {"$gt": 1}}, {}, False),
        ({"x": {"$gt": 1}}, {"x": None}, False),
        ({"x": {"$gt": 9}}, {"x": 10}, True),
        ({"x": {"$gt": 9}}, {"x": "10"}, True),
        ({"x": {"$gt": 9}}, {"x": "ten"}, False),
        ({"x": {"$gte": "2024-01-31"}}, {"x": "2024-02-01"}, True),
        ({"x": {"$lt": "2024-01-31"}}, {"x": "2024-02-01"}, False),
        ({"x": {"$lte": 2**60}}, {"x": 2**60 + 1}, False),
        ({"x": {"$eq": {"a": 1}}}, {"x": {"a": 1, "b": 2}}, False),
        ({"x": {"a": 1}}, {"x": {"a": 1, "b": 2}}, True),
        ({"x": {"a": {"$gt": 1}}}, {"x": {"a": 2}}, True),
        ({"x": {"a": 1}}, {"x": [1]}, False),
        ({"x": [1, {"$gt": 1}]}, {"x": [1, 2]}, True),
        ({"x": [1]}, {"x": [1, 2]}, False),
        ({"x": (1, 2)}, {"x": [1, 2]}, True),
        ({"x": {"$eq": (1, 2)}}, {"x": [1, 2]}, True),
        ({}, {"x": 1}, True),
    ],
)
def test_a_filter_admits(condition: dict[str, Any], value: dict[str, Any], *, admitted: bool) -> None:
    filters.check(condition)
    assert filters.admits(condition, value) is admitted


@pytest.mark.parametrize("condition", [{"x": {"$in": [1]}}, {"x": {"$gt": 1, "y": 2}}, {"x": [{"$no": 1}]}])
def test_an_unknown_operator_is_refused_also_where_nothing_is(make_store: MakeStore, condition: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\$eq"):
        make_store().search((), filter=condition)


@pytest.mark.parametrize("options", [{"limit": -1}, {"offset": -1}, {"limit": "5"}, {"filter": [1]}])
def test_a_search_that_makes_no_sense_is_refused(make_store: MakeStore, options: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        make_store().search((), **options)


@pytest.mark.parametrize(
    "op",
    [
        ListNamespacesOp((MatchCondition("infix", ("a",)),)),  # type: ignore[arg-type]
        ListNamespacesOp(max_depth=-1),
        ListNamespacesOp(limit=-1),
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(make_store: MakeStore, op: ListNamespacesOp) -> None:
    with pytest.raises(InvalidArgumentError):
        make_store().batch([op])


def test_the_past_is_found_by_time_too() -> None:
    with Statehouse("memory:") as handle:
        store = StatehouseStore(handle)
        store.put(("a",), "k", {"n": 1})
        item = store.get(("a",), "k")
        assert item is not None
        commit = next(iter(handle.replay(namespace="langgraph.store", from_ts=item.commit_ts)))
        now = commit.committed_at
        assert store.as_of(now).get(("a",), "k") is not None
        assert store.as_of(now - timedelta(seconds=1)).get(("a",), "k") is None
        assert store.as_of(0).search(()) == []
        with pytest.raises(InvalidArgumentError, match="time zone"):
            store.as_of(datetime.now()).get(("a",), "k")  # noqa: DTZ005 - what is refused
        with pytest.raises(InvalidArgumentError, match="commit_ts"):
            store.as_of("yesterday").get(("a",), "k")  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match="past"):
            store.as_of(datetime.now(UTC)).delete(("a",), "k")


def test_large_values_are_found_over_many_pages(make_store: MakeStore) -> None:
    store = make_store()
    for number in range(8):
        store.put(("a",), f"k{number}", {"n": number, "pad": "x" * 300_000})
    found = store.search((), filter={"n": {"$lt": 6}}, limit=4, offset=1)
    assert [item.key for item in found] == ["k4", "k3", "k2", "k1"]
    assert len(store.batch([SearchOp((), limit=100)])[0]) == 8  # type: ignore[arg-type]


def test_a_store_opens_its_own_statehouse(tmp_path: Any) -> None:
    url = f"file:{tmp_path / 'store'}"
    opened = StatehouseStore.from_conn_string(url, namespace="mine")
    with opened as store:
        store.setup()
        store.put(("a",), "k", {"n": 1})
        with pytest.raises(InvalidArgumentError, match="open already"):
            opened.__enter__()
    with Statehouse(url) as handle:
        shown = handle.get_state("a##k", agent_id="items", namespace="mine").value
    assert shown["value"] == {"n": 1}
