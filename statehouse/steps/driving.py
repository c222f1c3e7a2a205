"""Two drivers for the flows of steps: besides requests, they call the bodies of steps, and wait between
attempts.

`drive` blocks, `drive_async` awaits; what they ask an engine goes through the drivers of `statehouse.extend`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from statehouse.client.blocking import run
from statehouse.client.connection import Connection
from statehouse.errors import DeadlineExceededError
from statehouse.extend import Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function of the program's, or await it.

    Attributes:
        function: The function; for the awaiting driver it gives an awaitable.
        timeout: Seconds it may take; None for as long as it likes.
        path: The step it is the body of.
        body: The program's own function, which `function` calls; for debuggers.
    """

    function: Callable[[], Any]
    timeout: float | None
    path: str
    body: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


StepFlow = Generator[Request[Any] | Future[Any] | Call | Pause, Any, T]
"""A flow (see `statehouse.extend.Flow`) that may also yield `Call` and `Pause`."""


def drive(connection: Connection, flow: StepFlow[T]) -> T:
    """Runs a flow of steps to its end, blocking, and gives what it returns.

    Raises:
        Exception: Whatever the flow does not catch.
    """
    try:
        asked = next(flow)
        while True:
            try:
                if isinstance(asked, Call):
                    reply = _call(asked)
                elif isinstance(asked, Pause):
                    reply = time.sleep(asked.seconds)  # type: ignore[func-returns-value]
                else:
                    reply = run(connection, _one(asked))
            except BaseException as error:  # noqa: BLE001 - the flow decides; what it does not catch comes out of it
                asked = flow.throw(error)
            else:
                asked = flow.send(reply)
    except StopIteration as done:
        result: T = done.value
        return result


async def drive_async(connection: Connection, flow: StepFlow[T]) -> T:
    """Runs a flow of steps to its end, awaiting, and gives what it returns.

    Raises:
        Exception: Whatever the flow does not catch.
        asyncio.CancelledError: The task was cancelled.
    """
    from asyncio import sleep  # noqa: PLC0415 - programs that never await need no asyncio

    from statehouse.client.awaiting import run as run_async  # noqa: PLC0415 - likewise

    try:
        asked = next(flow)
        while True:
            try:
                if isinstance(asked, Call):
                    reply = await _await(asked)
                elif isinstance(asked, Pause):
                    reply = await sleep(asked.seconds)  # type: ignore[func-returns-value]
                else:
                    reply = await run_async(connection, _one(asked))
            except BaseException as error:  # noqa: BLE001 - the flow decides; what it does not catch comes out of it
                asked = flow.throw(error)
            else:
                asked = flow.send(reply)
    except StopIteration as done:
        result: T = done.value
        return result


def _one(asked: Request[Any] | Future[Any]) -> Generator[Request[Any] | Future[Any], Any, Any]:
    return (yield asked)


async def _await(call: Call) -> Any:
    from asyncio import timeout  # noqa: PLC0415 - programs that never await need no asyncio

    if call.timeout is None:
        return await call.function()
    try:
        async with timeout(call.timeout) as scope:
            return await call.function()
    except TimeoutError:
        if scope.expired():
            raise _out_of_time(call, "it was cancelled") from None
        raise


def _call(call: Call) -> Any:
    if call.timeout is None:
        return call.function()
    return _call_in_time(call, call.timeout)


def _call_in_time(call: Call, timeout: float) -> Any:
    """Python cannot stop a function: one that takes too long is left to itself, in a thread of its own."""
    answer: Future[Any] = Future()
    context = copy_context()

    def body() -> None:
        try:
            answer.set_result(context.run(call.function))
        except BaseException as error:  # noqa: BLE001 - it is raised where the step was called
            answer.set_exception(error)

    threading.Thread(target=body, name=f"step {call.path}", daemon=True).start()
    try:
        return answer.result(timeout)
    except TimeoutError:
        if answer.done():
            return answer.result()
        raise _out_of_time(
            call, "it cannot be stopped, and goes on in its thread; nothing that it does is recorded"
        ) from None


def _out_of_time(call: Call, then: str) -> DeadlineExceededError:
    return DeadlineExceededError(
        f"the step {call.path} took longer than its timeout of {call.timeout:g} s; {then}", path=call.path
    )
