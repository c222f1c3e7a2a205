"""Random batches: what LangGraph's own store in memory gives, ours gives, and newest first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, Op, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from statehouse import Statehouse
from statehouse_langgraph import StatehouseStore
from statehouse_langgraph.store.keys import name_of
from tests.langgraph.store.colours import DIMS, Embedding, numbered

_NAMES = numbered("oracle")
_LABELS = st.sampled_from(["a", "b", "ab", "a-b", "é #"])
_NAMESPACES = st.lists(_LABELS, min_size=1, max_size=3).map(tuple)
_PREFIXES = st.lists(_LABELS, max_size=2).map(tuple)
_KEYS = st.sampled_from(["k", "k2", "#", ""])
_WORDS = st.sampled_from(["green tea", "black tea", "red cars", "fast cars", "tea"])
_TAGS = st.lists(st.sampled_from(["rain", "snow", "sun"]), max_size=2, unique=True)
_FIELDS = ["text", "tags[*]"]

_values = st.fixed_dictionaries(
    {"n": st.integers(0, 4)},
    optional={"text": _WORDS, "tags": _TAGS, "in": st.fixed_dictionaries({"n": st.integers(0, 1)})},
)
_puts = st.builds(
    PutOp,
    _NAMESPACES,
    _KEYS,
    st.none() | _values | _values,
    index=st.sampled_from([None, None, False, ["text"]]),
    ttl=st.none(),
)
_numbers = st.integers(0, 4)
_filters = st.fixed_dictionaries(
    {},
    optional={
        "n": _numbers
        | st.dictionaries(
            st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), _numbers, max_size=2
        ),
        "text": _WORDS | st.none() | st.fixed_dictionaries({"$ne": _WORDS}),
        "tags": _TAGS,
        "in": st.fixed_dictionaries({}, optional={"n": st.integers(0, 1)}),
    },
)
_searches = st.builds(
    SearchOp, _PREFIXES, _filters | st.none(), st.integers(0, 5) | st.just(100), st.integers(0, 3), st.none()
)
_queries = st.builds(SearchOp, _PREFIXES, _filters | st.none(), st.just(100), st.just(0), _WORDS)
_paths = st.lists(_LABELS | st.just("*"), min_size=1, max_size=2).map(tuple)
_conditions = st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), _paths)
_listings = st.builds(
    ListNamespacesOp,
    st.none() | st.lists(_conditions, max_size=2).map(tuple),
    st.none() | st.integers(1, 3),
    st.integers(0, 3) | st.just(100),
    st.integers(0, 2),
)
_gets = st.builds(GetOp, _NAMESPACES, _KEYS)
_ops = st.one_of(_puts, _puts, _puts, _gets, _searches, _queries, _listings)
_batches = st.lists(st.lists(_ops, min_size=1, max_size=6), min_size=1, max_size=8)


class Oracle:
    """LangGraph's store in memory, and when each item was put."""

    def __init__(self) -> None:
        index: Any = {"dims": DIMS, "embed": Embedding(), "fields": _FIELDS}
        self.store = InMemoryStore(index=index)
        self.put_in: dict[tuple[tuple[str, ...], str], int] = {}
        self.batches = 0

    def read(self, op: Op) -> Any:
        # It lists namespaces that had an item once, or were only asked for.
        for namespace in [each for each, items in self.store._data.items() if not items]:
            del self.store._data[namespace]
        return self.store.batch([op])[0]

    def write(self, puts: Iterable[PutOp]) -> None:
        self.batches += 1
        for put in puts:
            # It keeps vectors of values that were replaced.
            self.store.batch([PutOp(put.namespace, put.key, None)])
            self.store.batch([put])
            self.put_in[put.namespace, put.key] = self.batches

    def newest(self, op: SearchOp) -> list[tuple[tuple[str, ...], str]]:
        found = self.read(op._replace(limit=10_000, offset=0))
        names = [(item.namespace, item.key) for item in found]
        names.sort(key=lambda name: (-self.put_in[name], name_of(*name)))
        return names[op.offset : op.offset + op.limit]


def _same_nearest(ours: list[Any], theirs: list[Any]) -> None:
    def scores(found: list[Any]) -> dict[Any, Any]:
        return {(item.namespace, item.key): item.score for item in found}

    expected = {
        name: None if score is None else pytest.approx(score, abs=1e-5)
        for name, score in scores(theirs).items()
    }
    assert scores(ours) == expected
    scored = [item.score for item in ours if item.score is not None]
    assert scored == sorted(scored, reverse=True)
    assert all(item.score is None for item in ours[len(scored) :])


@pytest.mark.slow
@settings(max_examples=200)
@given(_batches)
def test_batches_mean_what_they_mean_to_langgraphs_own_store(batches: list[list[Op]]) -> None:
    index: Any = {"dims": DIMS, "embed": Embedding(), "fields": _FIELDS}
    with Statehouse("memory:") as handle:
        ours, oracle = StatehouseStore(handle, index=index), Oracle()
        for batch in batches:
            results = ours.batch(batch)
            for op, result in zip(batch, results, strict=True):
                match op:
                    case GetOp():
                        theirs = oracle.read(op)
                        assert (result and result.value) == (theirs and theirs.value)  # type: ignore[union-attr]
                    case SearchOp(query=None):
                        found = [(item.namespace, item.key) for item in result]  # type: ignore[union-attr]
                        assert found == oracle.newest(op)
                    case SearchOp():
                        _same_nearest(result, oracle.read(op))  # type: ignore[arg-type]
                    case ListNamespacesOp():
                        assert result == oracle.read(op)
                    case PutOp():
                        assert result is None
            last = {(op.namespace, op.key): op for op in batch if isinstance(op, PutOp)}
            oracle.write(last.values())
