"""`transact` commits nothing of a function that its handle cannot run, and says which handle can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from statehouse import InvalidArgumentError, Statehouse, StatehouseAsync
from statehouse.engine import open_engine
from statehouse.protocol.requests import Request
from statehouse.storage.memory import MemoryStore
from tests.client.engines import RecordingEngine


async def write_async(tx: Any, value: int = 1) -> int:
    tx.write("k", value, agent_id="a")
    return value


def write(tx: Any) -> int:
    tx.write("k", 1, agent_id="a")
    return 1


class Awaited:
    async def __call__(self, tx: Any) -> int:
        return await write_async(tx)

    async def method(self, tx: Any) -> int:
        return await write_async(tx)


def write_and_give_a_coroutine(tx: Any) -> Any:
    write(tx)
    return write_async(tx)


def write_and_yield(tx: Any) -> Any:
    yield write(tx)


async def write_and_yield_async(tx: Any) -> Any:
    yield write(tx)


def begin_later(tx: Any) -> Any:
    return write_async(tx)


@pytest.mark.parametrize(
    "function", [write_async, partial(write_async, value=2), Awaited(), Awaited().method], ids=repr
)
def test_an_async_function_is_refused_by_a_blocking_handle_before_anything_is_begun(
    function: Callable[[Any], Any],
) -> None:
    def none_is_expected(request: Request[Any]) -> None:
        raise AssertionError(request)

    sh = Statehouse.from_engine(RecordingEngine(none_is_expected))
    for transact in (sh.transact, sh.agent("a").transact):
        with pytest.raises(InvalidArgumentError, match="use StatehouseAsync"):
            transact(function)


@pytest.mark.parametrize("function", [write_and_give_a_coroutine, begin_later])
def test_a_function_that_gives_something_to_await_commits_nothing_with_a_blocking_handle(
    function: Callable[[Any], Any],
) -> None:
    with Statehouse("memory:") as sh:
        with pytest.raises(InvalidArgumentError, match="use StatehouseAsync"):
            sh.transact(function)
        assert sh.status().commit_ts == 0


def test_a_plain_function_commits_nothing_with_an_asyncio_handle_which_names_the_other() -> None:
    async def main() -> int:
        async with StatehouseAsync("memory:") as sh:
            plain: Any = write
            with pytest.raises(InvalidArgumentError, match="write `async def`, or use Statehouse"):
                await sh.transact(plain)
            with pytest.raises(InvalidArgumentError, match="write `async def`, or use Statehouse"):
                await sh.agent("a").transact(plain)
            return (await sh.status()).commit_ts

    assert asyncio.run(main()) == 0


def test_a_plain_function_that_gives_a_coroutine_is_awaited_by_an_asyncio_handle() -> None:
    async def main() -> int:
        async with StatehouseAsync("memory:") as sh:
            return await sh.transact(begin_later)

    assert asyncio.run(main()) == 1


@pytest.mark.parametrize("function", [write_and_yield, write_and_yield_async])
def test_a_generator_function_which_would_not_run_is_refused_in_either_colour(
    function: Callable[[Any], Any],
) -> None:
    async def main() -> int:
        async with StatehouseAsync("memory:") as sh:
            with pytest.raises(InvalidArgumentError, match="cannot be awaited"):
                await sh.transact(function)
            with pytest.raises(InvalidArgumentError, match="without `yield`"):
                sh.sync.transact(function)
            return (await sh.status()).commit_ts

    assert asyncio.run(main()) == 0


def test_what_is_no_function_is_refused_in_either_colour() -> None:
    nothing: Any = None
    engine = open_engine(MemoryStore(), durability="none")
    with pytest.raises(InvalidArgumentError, match="needs a function"):
        Statehouse.from_engine(engine).transact(nothing)
    with pytest.raises(InvalidArgumentError, match="needs a function"):
        asyncio.run(StatehouseAsync.from_engine(engine).transact(nothing))
    engine.close()
