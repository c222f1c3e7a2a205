"""The replies of one pipeline on their way out: those that are ready leave together, in one message.

Whoever reads sends what it has answered at once, itself: for a client that asks one thing at a time, another
task would take longer to wake than the reply took to make. What is ready later, or while something is being
sent, a task sends; it lives as long as there is something.

* O1. One message is being sent at a time.
* O2. What is ready is being sent, or whoever added it is about to call `send` or `flush`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, Final

from statehouse._generated import statehouse_pb2 as pb
from statehouse.protocol.limits import MIB
from statehouse.rpc.serving.answers import Refusal
from statehouse.rpc.serving.streams import slow_reader

_log = logging.getLogger("statehouse.rpc")

_BATCH_BYTES_MAX: Final = 1 * MIB
_LOOKS: Final = 4
"""How often, in the time that a client has to take something, it is looked whether it did."""


class _Batch:
    """Replies that leave together, and about how many bytes they are."""

    __slots__ = ("message", "size_bytes")

    def __init__(self) -> None:
        self.message = pb.ReplyBatch()
        self.size_bytes = 0


class Outbox:
    """What one stream has to send.

    Args:
        context: The call.
        stall_s: A client that takes nothing for so long, in seconds, is given up.
        sent: Told whenever something has left.

    Attributes:
        items: How many replies are here.
        size_bytes: About how many bytes they are.
        ended: Done when nothing more can be sent: why, for a client that takes nothing; else what broke.
    """

    def __init__(self, context: Any, *, stall_s: float, sent: Callable[[], object]) -> None:
        self._context = context
        self._stall_s = stall_s
        self._sent = sent
        self._loop = asyncio.get_running_loop()
        self._ready: deque[_Batch] = deque()
        self._sending = False
        self._began = inf
        self._task: asyncio.Task[None] | None = None
        self._watch = self._loop.call_later(stall_s / _LOOKS, self._look)
        self.items = 0
        self.size_bytes = 0
        self.ended: asyncio.Future[Refusal | None] = self._loop.create_future()

    def add(self, size_bytes: int, **reply: Any) -> None:
        """Takes a reply of about this size; `send` or `flush` must follow (O2)."""
        ready = self._ready
        if not ready or ready[-1].size_bytes >= _BATCH_BYTES_MAX:
            ready.append(_Batch())
        batch = ready[-1]
        batch.message.items.add(**reply)
        batch.size_bytes += size_bytes
        self.items += 1
        self.size_bytes += size_bytes

    async def send(self) -> None:
        """Sends a message of what is ready; what is ready besides, or by then, goes on its own."""
        if self._sending or not self._ready:
            return
        self._sending = True
        try:
            await self._send_next()
        finally:
            self._sending = False
        self.flush()

    def flush(self) -> None:
        """Has everything sent that is ready."""
        if self._ready and not self._sending:
            self._sending = True
            self._task = self._loop.create_task(self._send_all())

    async def finish(self) -> None:
        """Sends everything, unless nothing more can be sent."""
        self.flush()
        if self._task is not None:
            await asyncio.wait((self._task, self.ended), return_when=asyncio.FIRST_COMPLETED)

    def close(self) -> None:
        """Lets go of everything."""
        self._watch.cancel()
        self._ready.clear()
        if self._task is not None:
            self._task.cancel()
        self.ended.cancel()

    async def _send_all(self) -> None:
        try:
            while self._ready:
                await self._send_next()
        except Exception as error:  # noqa: BLE001 - whoever serves the stream waits for it
            if not self.ended.done():
                self.ended.set_exception(error)
        finally:
            self._sending = False

    async def _send_next(self) -> None:
        batch = self._ready.popleft()
        count, size, data = len(batch.message.items), batch.size_bytes, batch.message.SerializeToString()
        del batch
        self._began = self._loop.time()
        try:
            await self._context.write(data)
        finally:
            self._began = inf
            # This frame is kept with the exception that ended it.
            del data
        self.items -= count
        self.size_bytes -= size
        self._sent()

    def _look(self) -> None:
        """One timer a stream instead of one a message."""
        if self._loop.time() - self._began < self._stall_s:
            self._watch = self._loop.call_later(self._stall_s / _LOOKS, self._look)
        elif not self.ended.done():
            _log.warning("a client took no replies for %g s: cut off", self._stall_s)
            self.ended.set_result(slow_reader(self._stall_s))
