"""What one event loop waits for over one connection.

Answers come on threads of the engine, many at a time; however many, the loop is woken once for all of
them; and one timer bounds all reads: they have the same time, so the one that began first is over first.

Invariants:

* W1. Threads of the engine touch nothing here but `_arrived` and `_called`. Everything else is the loop's.
* W2. What arrives after `_called` was taken back calls the loop again; what arrived before is looked for.
* W3. While anything is in `_reads` that has a deadline, the timer is set to the first one, or earlier.
* W4. While several wait, the loop looks for more by itself before it has to be called. To call it lets go
  of the interpreter, and the loop, which is at work, would take it for one answer, and then for the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from functools import partial
from math import inf
from typing import Any, Final, final

from statehouse.protocol.engine import Engine, gone, in_loop

Waiter = asyncio.Future[None]


@final
class Waits:
    """The waits of one event loop.

    Args:
        loop: The loop.
        timeout: Seconds that a read may take; None if it is answered whatever happens.
    """

    __slots__ = (
        "_arrived",
        "_called",
        "_engine",
        "_followers",
        "_left",
        "_others",
        "_reads",
        "_timed",
        "_timeout",
        "_way",
        "loop",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float | None) -> None:
        self.loop: Final = loop
        self._timeout = inf if timeout is None else timeout
        self._arrived: deque[Waiter] = deque()
        self._called = False
        self._reads: dict[Waiter, float] = {}
        self._followers: set[Waiter] = set()
        self._others = 0
        self._timed = timeout is None
        self._engine: Engine | None = None
        self._way: Engine | None = None
        self._left: Engine | None = None

    def way(self, engine: Engine) -> Engine:
        """How this loop asks an engine; a connection's may be another one from one call to the next."""
        if engine is not self._engine or self._way is None:
            self._leave()
            self._engine, self._way = engine, in_loop(engine)
        return self._way

    def _leave(self) -> None:
        if self._way is not None and self._way is not self._engine:
            self._left = self._way
            self._way.close()

    async def gone(self) -> None:
        """Waits, after `close`, until nothing is at work in the loop for its sake."""
        if self._left is not None:
            await gone(self._left)

    async def read(self, future: Future[Any]) -> None:
        """Waits until a read is done, its time is over, or the connection is closed; cancels nothing."""
        loop = self.loop
        waiter = loop.create_future()
        self._reads[waiter] = deadline = loop.time() + self._timeout
        if not self._timed:
            self._timed = True
            loop.call_at(deadline, self._ring)
        future.add_done_callback(partial(self._arrive, waiter))
        try:
            await waiter
        finally:
            del self._reads[waiter]

    async def follow(self, future: Future[Any], seconds: float | None) -> None:
        """As `read`, with a time of its own; None for as long as it takes."""
        waiter = self.loop.create_future()
        self._followers.add(waiter)
        try:
            await self._until(waiter, future, seconds)
        finally:
            self._followers.discard(waiter)

    async def settle(self, future: Future[Any], seconds: float | None) -> None:
        """As `follow`, whether or not the connection is closed."""
        if not future.done():
            await self._until(self.loop.create_future(), future, seconds)

    async def _until(self, waiter: Waiter, future: Future[Any], seconds: float | None) -> None:
        timer = None if seconds is None else self.loop.call_later(seconds, _end, waiter)
        self._others += 1
        future.add_done_callback(partial(self._arrive, waiter))
        try:
            await waiter
        finally:
            self._others -= 1
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Ends all reads and followers, from any thread."""
        self._call(self._end_all)

    def _arrive(self, waiter: Waiter, _: Future[Any]) -> None:
        if asyncio._get_running_loop() is self.loop:  # noqa: SLF001 - exported; the other one raises
            _end(waiter)
            return
        # W1: a thread of the engine's.
        self._arrived.append(waiter)
        if not self._called:
            self._called = True
            self._call(self._deliver)

    def _call(self, what: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(what)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return

    def _deliver(self) -> None:
        arrived = self._arrived
        while arrived:
            _end(arrived.popleft())
        if len(self._reads) + self._others > 1:
            self.loop.call_soon(self._look_again)
        else:
            self._rest()

    def _look_again(self) -> None:
        """W4."""
        if self._arrived:
            self._deliver()
        else:
            self._rest()

    def _rest(self) -> None:
        self._called = False
        # W2
        if self._arrived:
            self._called = True
            self.loop.call_soon(self._deliver)

    def _end_all(self) -> None:
        self._leave()
        for waiter in (*self._reads, *self._followers):
            _end(waiter)

    def _ring(self) -> None:
        # W3
        now = self.loop.time()
        for waiter, deadline in self._reads.items():
            if deadline > now:
                self.loop.call_at(deadline, self._ring)
                return
            _end(waiter)
        self._timed = False


def _end(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_result(None)
