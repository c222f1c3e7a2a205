"""LangGraph's savers are blocking or awaiting, and lock while they list; ours is both, and locks nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from statehouse_langgraph import StatehouseSaver
from tests.langgraph.peers.savers import Saver
from tests.langgraph.saver.chains import Chain, ids, place

WAITED_S = 0.1
"""What waits for itself waits for ever; this only has to be longer than a few writes take."""


def test_one_of_ours_answers_blocking_and_awaiting_in_any_loop(ours: StatehouseSaver) -> None:
    Chain(ours).add("1", {"x": 1})

    async def both() -> list[str]:
        awaited = await ours.aget_tuple(place())
        blocking = ours.get_tuple(place())
        assert awaited is not None
        assert blocking is not None
        return [awaited.checkpoint["id"], blocking.checkpoint["id"]]

    # Each in a loop of its own.
    assert asyncio.run(both()) == asyncio.run(both()) == ["1", "1"]


def test_the_blocking_sqlite_saver_does_not_await() -> None:
    with SqliteSaver.from_conn_string(":memory:") as saver, pytest.raises(NotImplementedError):
        asyncio.run(saver.aget_tuple(place()))


def test_the_awaiting_sqlite_saver_does_not_block_in_its_loop() -> None:
    async def block() -> None:
        async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
            saver.get_tuple(place())

    with pytest.raises(asyncio.InvalidStateError):
        asyncio.run(block())


@contextmanager
def copying(saver: Saver) -> Iterator[Future[None]]:
    """Adds a checkpoint for each one that a listing gives, while it is being listed."""
    chain = Chain(saver)
    for number in range(3):
        chain.add(f"{number}", {"x": number})

    def copy() -> None:
        for found in saver.list(place()):
            Chain(saver, thread_id="copy").add(found.checkpoint["id"], {"x": 0})

    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(copy)


def test_writing_to_ours_while_listing_it_works(ours: StatehouseSaver) -> None:
    with copying(ours) as copied:
        copied.result()
    assert ids(ours, place("copy")) == ["2", "1", "0"]


def test_writing_to_sqlite_while_listing_it_waits_for_ever() -> None:
    with SqliteSaver.from_conn_string(":memory:") as saver, copying(saver) as copied:
        assert wait([copied], WAITED_S).done == set()
        # Breaks what keeps it, so that the thread ends, if with an error.
        while not copied.done():
            saver.lock.release()
            wait([copied], WAITED_S)
