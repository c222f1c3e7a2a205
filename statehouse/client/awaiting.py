"""The awaiting driver: runs a flow in an asyncio task, never blocking its loop for longer than a point read.

`statehouse.client.blocking` is its twin. Any number of event loops may use one connection at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from inspect import isawaitable
from typing import Any, Final, TypeVar

from statehouse.client.connection import Connected, Connection, connection_of
from statehouse.client.pages import Pages
from statehouse.client.streams import AsyncStream
from statehouse.client.waits import Waits
from statehouse.errors import EngineError, InvalidArgumentError
from statehouse.protocol.deadlines import begun_too_late, dropped, out_of_time, unanswered
from statehouse.protocol.engine import Engine, Flow
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import (
    Commit,
    Get,
    GetAtVersion,
    GetMany,
    Health,
    LocateTime,
    LookupTxn,
    Replay,
    Request,
    Version,
)

T = TypeVar("T")
X = TypeVar("X")

sleep: Final = asyncio.sleep

_POINT_READS: Final = (Get, GetAtVersion, Health, LocateTime, LookupTxn, Version)
_INLINE_KEYS_MAX: Final = 16


async def run(over: Connected | Connection | Engine, flow: Flow[T]) -> T:
    """Runs a flow to its end, awaiting, and gives what it returns.

    Args:
        over: A handle (`Statehouse`, `StatehouseAsync`, an agent or a transaction of theirs), or an engine.
        flow: A generator that yields requests, or futures to wait for, and is sent their replies.

    Raises:
        StatehouseError: Whatever the flow does not catch.
        asyncio.CancelledError: The task was cancelled. A commit that was still queued is not applied; one
            that was being written is.
    """
    connection = connection_of(over)
    try:
        asked = next(flow)
        while True:
            try:
                reply = await _answer(connection, asked)
            except EngineError as error:
                asked = flow.throw(connection.why(error))
            except BaseException as error:  # noqa: BLE001 - the flow decides; what it does not catch comes out of it
                asked = flow.throw(error)
            else:
                asked = flow.send(reply)
    except StopIteration as done:
        result: T = done.value
        return result


async def iterate(over: Connected, pages: Pages[T]) -> AsyncStream[T]:
    """Gives the rows of pages one by one, asking for a page when it is needed."""
    connection = connection_of(over)
    while (page := await run(connection, pages.next())) is not None:
        for row in page:
            yield row


def check_function(function: object) -> None:
    """Checks, before anything is begun, what `transact` is given: a plain one may give what is to be awaited.

    Raises:
        InvalidArgumentError: It cannot be called.
    """
    if not callable(function):
        raise InvalidArgumentError(f"transact needs a function that takes the transaction: {function!r:.80}")


async def call(function: Callable[[X], Awaitable[T]], argument: X) -> T:
    """Gives what a function returns when it is awaited.

    Raises:
        InvalidArgumentError: It is not to be awaited.
    """
    result = function(argument)
    if not isawaitable(result):
        raise InvalidArgumentError(
            f"transact of a StatehouseAsync was given a function that cannot be awaited (it gave "
            f"{result!r:.80}): write `async def`, or use Statehouse. Nothing was committed"
        )
    return await result


async def close(connection: Connection) -> None:
    """Closes a connection; flushing a store may take a while, so a thread does it."""
    waits = connection.loops.get(asyncio.get_running_loop())
    await asyncio.to_thread(connection.close)
    if waits is not None:
        await waits.gone()


async def _answer(connection: Connection, asked: Request[Any] | Future[Any]) -> Any:
    if isinstance(asked, Future):
        await _waits(connection).settle(asked, None)
        return asked.result()
    if isinstance(asked, Commit):
        return await _commit(connection, asked)
    local = connection.local
    if local and _is_point_read(asked):
        return connection.engine.execute(asked)
    waits = _waits(connection)
    future = waits.way(connection.engine).submit(asked)
    try:
        if isinstance(asked, Replay) and asked.wait_s:
            await waits.follow(future, None if local else asked.wait_s + connection.timeout)
        else:
            await waits.read(future)
    except BaseException:
        future.cancel()
        raise
    return _result(connection, asked, future)


def _result(connection: Connection, asked: Request[Any], future: Future[Any]) -> Any:
    if connection.closed:
        future.cancel()
        connection.check_open()
    try:
        return future.result(0)
    except TimeoutError:
        # Every look at a future takes its lock: most of the time this is the only one.
        if future.cancel() or not future.done():
            raise unanswered(asked, connection.timeout) from None
        return future.result()


def _is_point_read(request: Request[Any]) -> bool:
    if isinstance(request, GetMany):
        return len(request.keys) <= _INLINE_KEYS_MAX
    return isinstance(request, _POINT_READS)


async def _commit(connection: Connection, commit: Commit) -> Committed:
    waits = _waits(connection)
    future = waits.way(connection.engine).submit(commit)
    try:
        await waits.settle(future, commit.timeout_s)
    except BaseException:
        future.cancel()
        raise
    if future.done():
        if future.cancelled():
            raise dropped(commit)
        return future.result()
    if future.cancel():
        raise begun_too_late(commit)
    if not future.done():
        raise out_of_time(commit)
    return future.result()


def _waits(connection: Connection) -> Waits:
    """What the running loop waits for over a connection."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        # In a forked child none is, and that is said.
        connection.check_open()
        raise
    waits: Waits | None = connection.loops.get(loop)
    if waits is not None:
        return waits
    # Programs that run a loop for each thing they do must not leave one behind for each.
    for ended in [each for each in connection.loops.copy() if each.is_closed()]:
        if (gone := connection.loops.pop(ended, None)) is not None:
            connection.forget(gone.close)
    waits = connection.loops[loop] = Waits(loop, None if connection.local else connection.timeout)
    connection.when_closed(waits.close)
    return waits
