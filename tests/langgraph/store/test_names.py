"""Names of items: any text, each its own, in the order of namespaces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, InvalidNamespaceError, Op, PutOp, SearchOp

from statehouse import InvalidArgumentError
from statehouse_langgraph.store import keys
from tests.langgraph.store.conftest import MakeStore

_texts = st.text(st.sampled_from("ab#%!$&-/~,\x01\x1f \x7fé\U0010ffff"), max_size=3)
_namespaces = st.lists(_texts.filter(bool), max_size=3).map(tuple)
_names = st.tuples(_namespaces, _texts)


@settings(max_examples=50)
@given(_names)
def test_a_name_tells_its_namespace_and_key(name: tuple[tuple[str, ...], str]) -> None:
    assert keys.parse_name(keys.name_of(*name)) == name


@settings(max_examples=50)
@given(_names, _names)
def test_names_sort_as_namespaces_and_keys_do(
    left: tuple[tuple[str, ...], str], right: tuple[tuple[str, ...], str]
) -> None:
    assert (left < right) == (keys.name_of(*left) < keys.name_of(*right))


@settings(max_examples=50)
@given(_namespaces, _names)
def test_a_subtree_is_what_begins_with_its_labels(
    namespace: tuple[str, ...], other: tuple[tuple[str, ...], str]
) -> None:
    name, inside = keys.name_of(*other), other[0][: len(namespace)] == namespace
    assert name.startswith(keys.subtree(namespace)) == inside
    assert name.startswith(keys.within(namespace)) == (other[0] == namespace)
    assert (name > keys.after_items(namespace)) == (other[0] > namespace)
    if namespace:
        assert (name > keys.after_subtree(namespace)) == (other[0] > namespace and not inside)


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_name_has_no_control_characters(text: str) -> None:
    name = keys.name_of((text or "x",), text)
    assert all(character >= " " for character in name)


@pytest.mark.parametrize("key", ["", "a/b.c", "line\nline", "\x00", "##", "é\U0010ffff", " ", "%23"])
def test_a_key_may_be_any_text(make_store: MakeStore, key: str) -> None:
    store = make_store()
    store.put(("a", "b c"), key, {"key": key}, ttl=5)
    assert [(item.namespace, item.key) for item in store.search(("a",))] == [(("a", "b c"), key)]
    store.delete(("a", "b c"), key)
    assert store.list_namespaces() == []


@pytest.mark.parametrize(
    "op",
    [GetOp(("a.b",), "k"), PutOp(("a", ""), "k", {}), SearchOp(("a.b",)), GetOp((1,), "k")],  # type: ignore[arg-type]
)
def test_an_operation_of_a_batch_is_checked_as_a_call_is(make_store: MakeStore, op: Op) -> None:
    with pytest.raises(InvalidNamespaceError):
        make_store().batch([op])


def test_a_key_of_half_a_character_is_refused(make_store: MakeStore) -> None:
    with pytest.raises(InvalidArgumentError, match="Unicode"):
        make_store().put(("a",), "\ud800", {})


@pytest.mark.parametrize(
    "value",
    [
        {"x": {1, 2}},
        {"x": float("nan")},
        {1: "x"},
        {"x": b"bytes"},
        {"x": "\ud800"},
        ["no", "dict"],
        {"x": object()},
    ],
)
def test_a_value_that_is_no_json_is_refused_and_named(make_store: MakeStore, value: Any) -> None:
    store = make_store()
    with pytest.raises(InvalidArgumentError, match=r"item 'k' of \('a',\)"):
        store.put(("a",), "k", value)
    assert store.get(("a",), "k") is None


def test_a_value_is_as_it_was_when_it_was_put(make_store: MakeStore) -> None:
    store = make_store()
    value = {"list": [1]}
    store.put(("a",), "k", value)
    value["list"].append(2)
    got = store.get(("a",), "k")
    assert got is not None
    got.value["list"].append(3)
    again = store.get(("a",), "k")
    assert again is not None
    assert again.value == {"list": [1]}


def test_an_unknown_operation_is_refused(make_store: MakeStore) -> None:
    with pytest.raises(InvalidArgumentError, match="str"):
        make_store().batch(["get"])  # type: ignore[list-item]


@pytest.mark.parametrize("version", [-1, "1", True])
def test_a_version_that_makes_no_sense_is_refused(make_store: MakeStore, version: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="expected_version"):
        make_store().put(("a",), "k", {}, expected_version=version)
