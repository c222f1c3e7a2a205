"""The blocking driver: runs a flow in the calling thread.

`statehouse.client.awaiting` is its twin.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction, isgeneratorfunction
from typing import Any, Final, TypeVar

from statehouse.client.connection import Connected, Connection, connection_of
from statehouse.client.pages import Pages
from statehouse.client.streams import Stream
from statehouse.errors import EngineError, InvalidArgumentError
from statehouse.protocol.deadlines import unanswered
from statehouse.protocol.engine import Engine, Flow
from statehouse.protocol.replies import EventPage
from statehouse.protocol.requests import Replay, Request

T = TypeVar("T")
X = TypeVar("X")

sleep: Final = time.sleep

_ASYNC: Final = (
    "transact was given an async function, which nobody would await here: use StatehouseAsync, or give this "
    "one a plain function. Nothing was committed"
)


def run(over: Connected | Connection | Engine, flow: Flow[T]) -> T:
    """Runs a flow to its end, blocking, and gives what it returns.

    Args:
        over: A handle (`Statehouse`, `StatehouseAsync`, an agent or a transaction of theirs), or an engine.
        flow: A generator that yields requests, or futures to wait for, and is sent their replies.

    Raises:
        StatehouseError: Whatever the flow does not catch.
    """
    connection = connection_of(over)
    try:
        asked = next(flow)
        while True:
            try:
                reply = _answer(connection, asked)
            except EngineError as error:
                asked = flow.throw(connection.why(error))
            except BaseException as error:  # noqa: BLE001 - the flow decides; what it does not catch comes out of it
                asked = flow.throw(error)
            else:
                asked = flow.send(reply)
    except StopIteration as done:
        result: T = done.value
        return result


def iterate(over: Connected, pages: Pages[T]) -> Stream[T]:
    """Gives the rows of pages one by one, asking for a page when it is needed."""
    connection = connection_of(over)
    while (page := run(connection, pages.next())) is not None:
        yield from page


def check_function(function: object) -> None:
    """Checks, before anything is begun, what `transact` is given.

    Raises:
        InvalidArgumentError: It cannot be called, or calling it would not run it.
    """
    if not callable(function):
        raise InvalidArgumentError(f"transact needs a function that takes the transaction: {function!r:.80}")
    if iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__):
        raise InvalidArgumentError(_ASYNC)
    if isgeneratorfunction(function) or isasyncgenfunction(function):
        raise InvalidArgumentError(
            "transact was given a generator function, of which nothing would run before the commit: give it "
            "a function without `yield`"
        )


def call(function: Callable[[X], T], argument: X) -> T:
    """Gives what a function returns.

    Raises:
        InvalidArgumentError: It is to be awaited, so nothing was done yet.
    """
    result = function(argument)
    if isawaitable(result):
        # Dropped as it is, a coroutine would warn, and a task would go on.
        for end in ("close", "cancel"):
            if hasattr(result, end):
                getattr(result, end)()
        raise InvalidArgumentError(_ASYNC)
    return result


def close(connection: Connection) -> None:
    """Closes a connection."""
    connection.close()


def _answer(connection: Connection, asked: Request[Any] | Future[Any]) -> Any:
    if isinstance(asked, Replay) and asked.wait_s:
        return _follow(connection, asked)
    if isinstance(asked, Future):
        return asked.result()
    return connection.engine.execute(asked)


def _follow(connection: Connection, request: Replay) -> EventPage:
    future = connection.engine.submit(request)
    # A bare lock: Ctrl-C can leave the one in an Event locked for ever, and with it the thread that sets it.
    changed = threading.Lock()
    changed.acquire()

    def wake(_: object = None) -> None:
        # Twice, if the reply comes while the handle is closed.
        with suppress(RuntimeError):
            changed.release()

    future.add_done_callback(wake)
    connection.when_closed(wake)
    try:
        # What is remote may never answer; see `Connection.local`.
        changed.acquire(timeout=-1 if connection.local else request.wait_s + connection.timeout)
    finally:
        connection.forget(wake)
        unanswered_yet = future.cancel() or not future.done()
    if connection.closed:
        connection.check_open()
    if unanswered_yet:
        raise unanswered(request, connection.timeout)
    return future.result()
