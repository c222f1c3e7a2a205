"""A pytest plugin that puts ours in the place of LangGraph's own savers, stores and caches in memory.

It runs in a process of LangGraph's tests, which are unchanged. The environment says what to put in::

    STATEHOUSE_STANDS_IN=embedded python -m pytest -p substitution tests

``reference`` leaves LangGraph's own where they are; ``embedded`` is ours on disk, ``daemon`` ours behind a
daemon. The same tests are selected each time: those that have a saver, a store or a cache in memory, by the
parameter of a fixture or by its class.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import langgraph.cache.memory
import langgraph.checkpoint.memory
import langgraph.store.memory
import pytest

from statehouse import Statehouse
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from statehouse_langgraph import StatehouseCache, StatehouseSaver, StatehouseStore

STANDS_IN: Final = os.environ["STATEHOUSE_STANDS_IN"]
IN_MEMORY: Final = {
    "cache": "memory",
    "sync_checkpointer": "memory",
    "async_checkpointer": "memory",
    "sync_store": "in_memory",
    "async_store": "in_memory",
}
"""The fixtures of LangGraph's tests that give one of several; the parameter for the one in memory."""
CLASSES: Final = ("InMemorySaver", "MemorySaver", "InMemoryStore", "InMemoryCache")

_running = ExitStack()
_numbers = count()


def _client() -> Statehouse:
    """One store for all tests of the process, in which each saver, store and cache has its own namespace."""
    if STANDS_IN == "embedded":
        folder = Path(_running.enter_context(tempfile.TemporaryDirectory()))
        return _running.enter_context(Statehouse(f"file:{folder / 'store'}", durability="none"))
    engine = _running.enter_context(closing(open_engine(MemoryStore())))
    return _running.enter_context(Statehouse(_running.enter_context(serving(engine))))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    """Puts ours in, before LangGraph's conftest takes what it finds."""
    if STANDS_IN != "reference":
        _put_in(_client())
    return (yield)


def _put_in(client: Statehouse) -> None:

    def namespace() -> str:
        return f"upstream-{next(_numbers)}"

    class Saver(StatehouseSaver):
        def __init__(self, *, serde: Any = None) -> None:
            super().__init__(client, namespace=namespace(), serde=serde)

    class Store(StatehouseStore):
        def __init__(self, *, index: Any = None) -> None:
            super().__init__(client, namespace=namespace(), index=index)

    class Cache(StatehouseCache[Any]):
        def __init__(self, *, serde: Any = None) -> None:
            super().__init__(client, namespace=namespace(), serde=serde)

    @contextmanager
    def fresh() -> Iterator[Saver]:
        yield Saver()

    if Path("tests/conftest_checkpointer.py").exists():
        # What it derives from LangGraph's own stays; its fixture for memory gives ours.
        vars(importlib.import_module("tests.conftest_checkpointer"))["_checkpointer_memory"] = fresh
    for module, names, ours in (
        (langgraph.checkpoint.memory, ("InMemorySaver", "MemorySaver"), Saver),
        (langgraph.store.memory, ("InMemoryStore",), Store),
        (langgraph.cache.memory, ("InMemoryCache",), Cache),
    ):
        vars(module).update(dict.fromkeys(names, ours))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the tests that what stands in has to do with."""
    kept = [item for item in items if isinstance(item, pytest.Function) and _concerned(item)]
    config.hook.pytest_deselected(items=list(set(items).difference(kept)))
    items[:] = kept
    if STANDS_IN != "reference":
        used = {vars(item.module).get(name) for item in kept for name in CLASSES}
        # Not a test of what it should stand in for.
        assert {kind.__module__ for kind in used - {None}} == {__name__}, used


def _concerned(item: pytest.Function) -> bool:
    given = {} if not hasattr(item, "callspec") else item.callspec.params
    asked = [given[name] == memory for name, memory in IN_MEMORY.items() if name in given]
    return all(asked) if asked else any(name in vars(item.module) for name in CLASSES)


def pytest_unconfigure() -> None:
    """Stops what runs."""
    _running.close()
