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
from dataclasses import replace
from typing import Any, Final, NamedTuple

from statehouse.errors import DeadlineExceededError
from statehouse.protocol.requests import Replay, Request
from statehouse.rpc.serving.answers import Answers, settled

_AT_ONCE: Final = 4


class _Asked(NamedTuple):
    request: Request[Any]
    deadline: float
    future: Future[Any]


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

    def submit(self, request: Request[Any], deadline: float) -> Future[Any]:
        """Begins a request, or queues it; as `Engine.submit`.

        Args:
            request: What to answer; no commit.
            deadline: When nobody waits for it any more, by the monotonic clock.
        """
        future: Future[Any] = Future()
        if isinstance(request, Replay) and request.wait_s:
            self._wait(request, deadline, future)
        else:
            self._queue(_Asked(request, deadline, future))
        return future

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

    def _wait(self, request: Replay, deadline: float, future: Future[Any]) -> None:
        waiting = self._answers.engine.submit(replace(request, limit=1, payloads=False))
        _cancelled_with(future, waiting)

        def came() -> None:
            if future.done() or waiting.cancelled():
                return
            if waiting.exception() is not None or not waiting.result().events:
                _complete(future, waiting)
            else:
                self._queue(_Asked(replace(request, wait_s=0.0), deadline, future))

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
            request, deadline, future = self._waiting.popleft()
            if time.monotonic() >= deadline and future.set_running_or_notify_cancel():
                future.set_exception(
                    DeadlineExceededError("its time was over before its turn came; nothing was read")
                )
            if future.done():
                continue
            async with self._answers.pages:
                if future.cancelled():
                    continue
                reading = self._answers.engine.submit(request)
                _cancelled_with(future, reading)
                await settled(reading)
                _complete(future, reading)
                # Until it has become a reply, it is held.
                await asyncio.sleep(0)


def _cancelled_with(future: Future[Any], source: Future[Any]) -> None:
    future.add_done_callback(lambda done: source.cancel() if done.cancelled() else None)


def _complete(future: Future[Any], source: Future[Any]) -> None:
    if source.cancelled():
        future.cancel()
        return
    if not future.set_running_or_notify_cancel():
        return
    error = source.exception()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(source.result())
