"""How requests that may be large come in: so many at once, so that what is being received is bounded too.

gRPC says nothing of a message's size before the whole of it is in memory, where no admission can refuse it
any more. But it receives no more than its first 64 KiB until it is asked for the message.

Invariants:

* T1. A connection has so many messages received at once, however long its client takes over them: a client
  that says nothing keeps nobody waiting but itself.
* T2. All connections together have so many that have taken less than `_PATIENCE_S`. A slow one gives its
  place up and goes on: what it takes in memory, it takes slowly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc.aio

from statehouse.errors import InvalidArgumentError
from statehouse.rpc.serving.answers import Answer

_PLACES: Final = 16
_CONNECTION_PLACES: Final = 8
_PATIENCE_S: Final = 0.25


class _Connection:
    __slots__ = ("calls", "places")

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(_CONNECTION_PLACES)
        self.calls = 0


class Intake:
    """Receives messages; one for each server."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_PLACES)
        self._connections: dict[str, _Connection] = {}

    def taking(self, answer: Answer) -> Callable[[Any, Any], Awaitable[bytes]]:
        """Gives the handler of a call whose one message is received here, and then answered."""

        async def call(_: Any, context: Any) -> bytes:
            # Only the answer holds the message, and lets go of it when it likes.
            return await answer(await self.receive(context), context)

        return call

    async def receive(self, context: Any) -> bytes:
        """Gives the one message of a call, when its turn has come.

        Raises:
            InvalidArgumentError: The call has none.
        """
        peer = context.peer()
        connection = self._connections.get(peer)
        if connection is None:
            connection = self._connections[peer] = _Connection()
        connection.calls += 1
        try:
            async with connection.places:
                data = await self._received(context)
        finally:
            connection.calls -= 1
            if not connection.calls:
                del self._connections[peer]
        if data is grpc.aio.EOF:
            raise InvalidArgumentError("the call has no request")
        return data  # type: ignore[no-any-return]

    async def _received(self, context: Any) -> Any:
        await self._places.acquire()
        # Given up by the timer, or at the end.
        timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._places.release)
        try:
            return await context.read()
        finally:
            if not timer.cancelled() and timer.when() > asyncio.get_running_loop().time():
                timer.cancel()
                self._places.release()
