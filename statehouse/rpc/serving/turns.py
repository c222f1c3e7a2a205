"""Who may work in one pass of the event loop: some, so that a pass is short however many wait."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

_PASS_S: Final = 0.001


class Turns:
    """Hands out turns, in the order in which they are asked for, until a pass of the loop is long enough.

    With hundreds of streams that all have something to do, a little of each makes a pass of a second. And
    gRPC takes one new call of a kind in several passes, and a call takes some more: whoever comes would wait
    for minutes.
    """

    __slots__ = ("_loop", "_until", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Returns when there is a turn: at once, unless this pass has been long enough."""
        now = self._loop.time()
        if not self._until:
            self._until = now + _PASS_S
            self._loop.call_soon(self._pass)
        elif self._waiting or now >= self._until:
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            await waiter

    def _pass(self) -> None:
        """The next pass has begun: one that waits has it, and then whoever comes until it is long enough."""
        self._until = 0.0
        waiting = self._waiting
        while waiting:
            waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._until = self._loop.time() + _PASS_S
                self._loop.call_soon(self._pass)
                return
