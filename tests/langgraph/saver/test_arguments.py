"""What a saver, a store and a cache are made of is checked when they are made."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from statehouse import InvalidArgumentError, LimitExceededError, Statehouse
from statehouse_langgraph import AllowlistSerializer, StatehouseCache, StatehouseSaver, StatehouseStore

CLASSES: list[Any] = [StatehouseSaver, StatehouseStore, StatehouseCache]


@pytest.mark.parametrize("made", CLASSES)
def test_a_url_instead_of_a_store_is_told_what_opens_it(made: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=rf"{made.__name__}\.from_conn_string\('file:\./threads'\)"
    ):
        made("file:./threads")


@pytest.mark.parametrize("made", CLASSES)
@pytest.mark.parametrize("client", [None, 5, Statehouse, object()], ids=["None", "5", "class", "object"])
def test_what_is_no_store_is_refused(made: Any, client: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="pass a Statehouse or a StatehouseAsync"):
        made(client)


@pytest.mark.parametrize("made", CLASSES)
def test_a_handle_of_one_agent_is_no_store(made: Any, handle: Statehouse) -> None:
    with pytest.raises(InvalidArgumentError, match="of the type Agent"):
        made(handle.agent("a"))


@pytest.mark.parametrize("made", CLASSES)
def test_a_namespace_that_is_none_is_refused(made: Any, handle: Statehouse) -> None:
    for wrong in ("", "a\n", 5, None):
        with pytest.raises(InvalidArgumentError, match="namespace"):
            made(handle, namespace=wrong)
    with pytest.raises(LimitExceededError, match="namespace"):
        made(handle, namespace="x" * 5000)


@pytest.mark.parametrize("made", [StatehouseSaver, StatehouseCache])
def test_what_is_no_serializer_is_refused(made: Any, handle: Statehouse) -> None:
    for wrong in (5, "msgpack", object(), JsonPlusSerializer, AllowlistSerializer):
        with pytest.raises(InvalidArgumentError, match="serde must be a serializer"):
            made(handle, serde=wrong)


@pytest.mark.parametrize("made", CLASSES)
@pytest.mark.parametrize("taken", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_what_has_a_store_open_is_not_pickled_nor_copied_with_it(
    made: Any, taken: Callable[[Any], Any], handle: Statehouse
) -> None:
    with pytest.raises(TypeError, match=r"cannot be pickled or deep-copied.*open one in each process"):
        taken(made(handle))


@pytest.mark.parametrize("wrong", [60, "60", [("default_ttl", 60)]], ids=repr)
def test_what_is_said_by_a_dict_is_one(wrong: Any, handle: Statehouse) -> None:
    for made, name in ((StatehouseSaver, "ttl"), (StatehouseStore, "ttl"), (StatehouseStore, "index")):
        anything: Any = made
        with pytest.raises(InvalidArgumentError, match=f"{name} must be a dict such as"):
            anything(handle, **{name: wrong})
