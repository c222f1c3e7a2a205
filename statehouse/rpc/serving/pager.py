"""The pages that one pipeline asks for: read a few at a time, when their turn over all clients has come.

A client may ask for a thousand pages at once, of which each takes a thread ten milliseconds; and may never
take the first of them. So they wait here and not in the engine, where all clients wait in one line.

Invariants:

* G1. A stream reads `_AT_ONCE` pages, and all streams and calls together as many as `Answers.pages` has
  places, in the order in which they come to it: streams take turns, whatever each of them has asked for.
* G2. No page is read that its client has no room for, or has stopped waiting for.
* G3. What waits for events takes no place: it reads its page when there is something to read.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import replace
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from statehouse.errors import DeadlineExceededError
from statehouse.protocol.requests import Replay, Request
from statehouse.rpc.serving.answers import Answers, settled
from statehouse.rpc.serving.weights import weight
from statehouse.rpc.sizes import ITEM_BYTES_MAX

_AT_ONCE: Final = 4


Encode = Callable[[Any], Message]


class _Asked(NamedTuple):
    request: Request[Any]
    encode: Encode
    deadline: float
    future: Future[Message | None]
    context: Context


class Pager:
    """Reads the pages of one stream, in its event loop.

    Args:
        answers: What answers.
        has_room: Whether the stream can hold another page.
    """

    def __init__(self, answers: Answers, has_room: Callable[[], bool]) -> None:
        self._answers = answers
        self._has_room = has_room
        self._waiting: deque[_Asked] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def submit(self, request: Request[Any], encode: Encode, deadline: float) -> Future[Message | None]:
        """Begins a request, or queues it; gives the message of its reply, or None for one that is too large.

        Args:
            request: What to answer; no commit.
            encode: Makes a message of the reply.
            deadline: When nobody waits for it any more, by the monotonic clock.
        """
        asked = _Asked(request, encode, deadline, Future(), copy_context())
        if isinstance(request, Replay) and request.wait_s:
            self._wait(asked, request)
        else:
            self._queue(asked)
        return asked.future

    def go_on(self) -> None:
        """To be called when there may be room again."""
        while self._waiting and len(self._tasks) < _AT_ONCE and self._has_room():
            self._tasks.add(self._loop.create_task(self._run()))

    def close(self) -> None:
        """Reads nothing more."""
        self._waiting.clear()
        for task in list(self._tasks):
            task.cancel()

    def _queue(self, asked: _Asked) -> None:
        self._waiting.append(asked)
        self.go_on()

    def _wait(self, asked: _Asked, request: Replay) -> None:
        waiting = self._answers.engine.submit(replace(request, limit=1, payloads=False))
        _cancel_with(asked.future, waiting)

        def came() -> None:
            if waiting.cancelled() or waiting.exception() is not None or not waiting.result().events:
                _settle(asked, waiting)
            else:
                self._queue(asked._replace(request=replace(request, wait_s=0.0)))

        def wake(_: object) -> None:
            # The loop may have been closed in the meantime.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(came)

        waiting.add_done_callback(wake)

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await self._read()
        finally:
            # At once: whoever comes next counts those that are at work.
            self._tasks.discard(task)

    async def _read(self) -> None:
        while self._waiting and self._has_room():
            asked = self._waiting.popleft()
            future = asked.future
            if time.monotonic() >= asked.deadline and future.set_running_or_notify_cancel():
                future.set_exception(
                    DeadlineExceededError("its time was over before its turn came; nothing was read")
                )
            if future.done():
                continue
            async with self._answers.pages:
                if future.cancelled():
                    continue
                reading = asked.context.run(self._answers.engine.submit, asked.request)
                _cancel_with(future, reading)
                await settled(reading)
                size = 0 if reading.cancelled() or reading.exception() else weight(reading.result())
                await self._answers.code(size, _settle, asked, reading)


def _cancel_with(future: Future[Any], source: Future[Any]) -> None:
    future.add_done_callback(lambda done: source.cancel() if done.cancelled() else None)


def _settle(asked: _Asked, source: Future[Any]) -> None:
    future = asked.future
    if source.cancelled():
        future.cancel()
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(_fitting(asked.encode, source.result()))
    except Exception as error:  # noqa: BLE001 - whoever waits is told
        future.set_exception(error)


def _fitting(encode: Encode, reply: object) -> Message | None:
    if weight(reply) > ITEM_BYTES_MAX:
        return None
    answer = encode(reply)
    return answer if answer.ByteSize() <= ITEM_BYTES_MAX else None
