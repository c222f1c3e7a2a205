"""The saver as the `checkpointer.path` of a LangGraph Server configuration, as far as that shows without one.

The server imports the module and takes the name: an instance, a context manager, or something to call that
gives either. It enters it once in each thread with an event loop, and puts an adapter of its own around it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver

from statehouse import Statehouse
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.saver.chains import place
from tests.langgraph.server.adapting import RECOMMENDED, REQUIRED, Adapted
from tests.langgraph.threads import config, logging_graph

Factory = Callable[[], AbstractAsyncContextManager[StatehouseSaver]]


@pytest.fixture
def daemon() -> Iterator[str]:
    """The address of a daemon."""
    with closing(open_engine(MemoryStore())) as engine, serving(engine) as address:
        yield address


def written_out(address: str) -> Factory:
    """A factory as the server's documentation has it."""

    @asynccontextmanager
    async def checkpointer() -> AsyncIterator[StatehouseSaver]:
        async with StatehouseSaver.from_conn_string(address) as saver:
            yield saver

    return checkpointer


def short(address: str) -> Factory:
    """A factory in one line."""
    return lambda: StatehouseSaver.from_conn_string(address)


async def serve(factory: Factory) -> list[Any]:
    """Runs a graph as the server does, and gives its log."""
    async with factory() as saver:
        assert isinstance(saver, BaseCheckpointSaver)
        done = await logging_graph(Adapted(saver)).ainvoke({"count": 0}, config("t"))
        return list(done["log"])


@pytest.mark.parametrize("name", [*REQUIRED, *RECOMMENDED])
def test_what_the_server_asks_for_is_there(name: str) -> None:
    assert getattr(StatehouseSaver, name) is not getattr(BaseCheckpointSaver, name)


@pytest.mark.parametrize("make", [written_out, short])
def test_a_factory_is_entered_in_each_thread_with_a_loop(daemon: str, make: Callable[[str], Factory]) -> None:
    factory = make(daemon)
    with ThreadPoolExecutor(1) as background:
        assert background.submit(asyncio.run, serve(factory)).result() == ["line 0", "line 1", "line 2"]
    with Statehouse(daemon) as store:
        ours = StatehouseSaver(store)
        assert logging_graph(ours).get_state(config("t")).values["count"] == 3


def test_one_instance_serves_every_thread_where_the_store_is_embedded(tmp_path: Path) -> None:
    with Statehouse(f"file:{tmp_path / 'store'}") as store:
        saver = StatehouseSaver(store)

        async def run(thread_id: str) -> int:
            done = await logging_graph(Adapted(saver)).ainvoke({"count": 0}, config(thread_id))
            return int(done["count"])

        with ThreadPoolExecutor(2) as loops:
            counts = list(loops.map(lambda thread_id: asyncio.run(run(thread_id)), ["a", "b"]))
        assert counts == [3, 3]


def test_a_pruned_thread_keeps_its_delta_channels_in_the_server() -> None:
    async def prune_and_look(saver: StatehouseSaver) -> list[str]:
        adapted = Adapted(saver)
        graph = logging_graph(adapted)
        await graph.ainvoke({"count": 0}, config("t"))
        await adapted.aprune(["t"], strategy="keep_latest")
        assert len([each async for each in adapted.alist(place("t"))]) == 1
        return list((await graph.aget_state(config("t"))).values["log"])

    with Statehouse("memory:") as store:
        assert asyncio.run(prune_and_look(StatehouseSaver(store))) == ["line 0", "line 1", "line 2"]


def test_a_copied_thread_keeps_its_delta_channels_in_the_server() -> None:
    async def copy_and_look(saver: StatehouseSaver) -> list[str]:
        adapted = Adapted(saver)
        graph = logging_graph(adapted)
        await graph.ainvoke({"count": 0}, config("t"))
        await adapted.acopy_thread("t", "copy")
        return list((await graph.aget_state(config("copy"))).values["log"])

    with Statehouse("memory:") as store:
        assert asyncio.run(copy_and_look(StatehouseSaver(store))) == ["line 0", "line 1", "line 2"]
