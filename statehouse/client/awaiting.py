"""The awaiting driver: runs a flow in an asyncio task, never blocking its loop for longer than a point read.

`statehouse.client.blocking` is its twin. Any number of event loops may use one connection at once.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from statehouse.client.connection import Connected, Connection, connection_of
from statehouse.client.pages import Pages
from statehouse.client.streams import AsyncStream
from statehouse.errors import EngineError
from statehouse.protocol.deadlines import begun_too_late, dropped, out_of_time
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
    Request,
    Version,
)

T = TypeVar("T")

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


async def close(connection: Connection) -> None:
    """Closes a connection; flushing a store may take a while, so a thread does it."""
    await asyncio.to_thread(connection.close)


async def _answer(connection: Connection, asked: Request[Any] | Future[Any]) -> Any:
    if isinstance(asked, Future):
        await _settled(asked)
        return asked.result()
    if isinstance(asked, Commit):
        return await _commit(connection, asked)
    if connection.local and _is_point_read(asked):
        return connection.engine.execute(asked)
    future = connection.engine.submit(asked)
    try:
        await _settled(future, connection=connection)
    finally:
        future.cancel()
    if connection.closed:
        connection.check_open()
    return future.result()


def _is_point_read(request: Request[Any]) -> bool:
    if isinstance(request, GetMany):
        return len(request.keys) <= _INLINE_KEYS_MAX
    return isinstance(request, _POINT_READS)


async def _commit(connection: Connection, commit: Commit) -> Committed:
    future = connection.engine.submit(commit)
    try:
        await _settled(future, timeout=commit.timeout_s)
    except BaseException:
        future.cancel()
        raise
    if future.cancelled():
        raise dropped(commit)
    if future.cancel():
        raise begun_too_late(commit)
    if not future.done():
        raise out_of_time(commit)
    return future.result()


async def _settled(
    future: Future[Any], *, timeout: float | None = None, connection: Connection | None = None
) -> None:
    """Waits until the future is done, the time is over or the connection is closed; cancels nothing."""
    if future.done():
        return
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object = None) -> None:
        try:
            loop.call_soon_threadsafe(_set, waiter)
        except RuntimeError:
            # The loop was closed while a commit of one of its cancelled tasks was being written.
            return

    timer = None if timeout is None else loop.call_later(timeout, _set, waiter)
    future.add_done_callback(wake)
    if connection is not None:
        connection.when_closed(wake)
    try:
        await waiter
    finally:
        if timer is not None:
            timer.cancel()
        if connection is not None:
            connection.forget(wake)


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
