"""Stores for tests: one Statehouse a module and home, in which each store has a namespace of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from statehouse import Statehouse
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse_langgraph import StatehouseStore
from tests.langgraph.homes import HOMES, opened
from tests.langgraph.store.colours import Clock, Coloured, numbered
from tests.langgraph.store.watching import Watched

_NAMES = numbered("test")

MakeStore = Callable[..., StatehouseStore]


@pytest.fixture(scope="module", params=HOMES)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Statehouse]:
    """A Statehouse in each kind of home."""
    with opened(request.param, tmp_path_factory.mktemp("home")) as handle:
        yield handle


@pytest.fixture(scope="module")
def memory() -> Iterator[Statehouse]:
    """A Statehouse in memory."""
    with Statehouse("memory:") as handle:
        yield handle


@pytest.fixture
def clock() -> Clock:
    """What the stores of a test tell the time by."""
    return Clock()


@pytest.fixture(params=["blocking", "awaiting"])
def everywhere(request: pytest.FixtureRequest, home: Statehouse, clock: Clock) -> Callable[..., Coloured]:
    """Makes an empty store in each home, in each colour."""

    def make(**options: Any) -> Coloured:
        client = home.aio if request.param == "awaiting" else home
        store = StatehouseStore(client, namespace=next(_NAMES), clock=clock, **options)
        return Coloured(store, request.param == "awaiting")

    return make


@pytest.fixture
def make_store(memory: Statehouse, clock: Clock) -> MakeStore:
    """Makes an empty store in memory, or another one on the same items by ``namespace``."""

    def make(**options: Any) -> StatehouseStore:
        options.setdefault("namespace", next(_NAMES))
        return StatehouseStore(memory, clock=clock, **options)

    return make


@pytest.fixture
def watched() -> Iterator[Watched]:
    """An engine in memory that says what it was asked."""
    with closing(open_engine(MemoryStore())) as engine:
        yield Watched(engine)


@pytest.fixture
def watched_store(watched: Watched, clock: Clock) -> MakeStore:
    """Makes stores on one engine that is watched, all on the same items."""

    def make(**options: Any) -> StatehouseStore:
        return StatehouseStore(Statehouse.from_engine(watched), clock=clock, **options)

    return make
