"""Who may work in one pass of the event loop: some, so that a pass is short however many wait."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

_TURNS: Final = 8


class Turns:
    """Hands out turns, so many in one pass of the event loop, in the order in which they are asked for.

    With hundreds of streams that all have something to do, a little of each makes a pass of a second; and a
    call that has nothing to do with them, like Health, takes two or three passes.
    """

    __slots__ = ("_loop", "_taken", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Returns when there is a turn: at once, unless this pass has had its number."""
        if not self._taken:
            self._loop.call_soon(self._pass)
        elif self._taken >= _TURNS or self._waiting:
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            await waiter
            return
        self._taken += 1

    def _pass(self) -> None:
        """The next pass has begun."""
        self._taken = 0
        waiting = self._waiting
        while waiting and self._taken < _TURNS:
            waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._taken += 1
        if self._taken:
            self._loop.call_soon(self._pass)
