"""A connection of one event loop's own: what its coroutines ask changes no thread on its way.

A `Link` serves every thread of the process. What a coroutine asks through it goes from its loop to a thread
that sends, and the answer from gRPC's thread to one that reads, and then to the loop: a third of the time of
a point read. So a loop that keeps asking gets a lane beside the link::

    send ─▶ _waiting ─▶ the task that sends ─▶ Pipeline ─▶ the task that reads ─▶ the call's future
      └─ what is large, and everything while no lane is open ─▶ the link
                         what was sent and not answered, when the lane is lost ─▶ the link

It only shortens a way. Connecting, waiting for a daemon that is not there, asking again, large calls and
servers without a pipeline are the link's.

Invariants:

* N1. A call is in `_waiting`, in `_pending` (it was sent, its answer is due), the link's, or done.
* N2. Everything here is the loop's, but `close`, which any thread may call.
* N3. Nobody waits for a lane to open, and none is opened for a loop that asks a few times and ends.
* N4. Whatever an answer is, and whatever becomes of the tasks, N1 holds.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final

import grpc
import grpc.aio

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import StatehouseError
from statehouse.rpc.calling.call import Call, lost_connection
from statehouse.rpc.calling.channel import SERVICE, channel_options, uri
from statehouse.rpc.calling.link import Link
from statehouse.rpc.methods import parse
from statehouse.rpc.sizes import BATCH_BYTES_MAX, BATCH_ITEMS_MAX, STREAM_BYTES_MAX, STREAM_ITEMS_MAX

ASKED_MIN: Final = 16
"""To open a lane takes about as long as it saves in so many calls."""

_TURN_ANSWERS: Final = 16
"""After so many answers, whoever got them goes on. Of 32 that commit again and again, one half is being
committed while the other half works; all at once, the daemon would wait for them and they for the daemon."""

_GONE_S: Final = 1.0
_DRAINED_S: Final = 0.1
_PAUSE_S: Final = 1.0
"""So long after a lane was lost, or could not be opened, none is opened."""


def lanes_are_quiet(version: str = grpc.__version__) -> bool:
    """Whether gRPC can serve several event loops at once.

    Before 1.80 each loop that was woken for another one's event logged a `BlockingIOError` (grpc/grpc#25364):
    four loops that asked at once logged 2,200 of them in 12,000 calls.
    """
    return tuple(int(part) for part in version.split(".")[:2]) >= (1, 80)


class Lane:
    """The way of one event loop's calls, by a connection of its own once that pays.

    Args:
        loop: The loop.
        link: What else takes a call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, link: Link) -> None:
        self.loop: Final = loop
        self._link = link
        self._open = False
        self._closed = not lanes_are_quiet()
        self._asked = 0
        self._not_before = 0.0
        self._idents = itertools.count(1)
        self._waiting: deque[Call] = deque()
        self._waiting_bytes = 0
        self._pending: dict[int, Call] = {}
        self._withdrawn: deque[int] = deque()
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._conversing = False
        self._ending = False
        self._users = 0

    def __repr__(self) -> str:
        return f"<Lane to {self._link.target}, {'open' if self._open else 'by the link'}>"

    @property
    def is_open(self) -> bool:
        """Whether calls go by it."""
        return self._open

    @property
    def unanswered(self) -> list[Call]:
        """The calls on their way here, those included that nobody waits for any more."""
        return [*self._waiting, *self._pending.values()]

    def send(self, call: Call) -> None:
        """Has a call sent as soon as can be.

        Raises:
            StatehouseError: As `Link.send`.
        """
        if self._open and not call.alone and self._has_room:
            call.carrier = self
            self._waiting.append(call)
            self._waiting_bytes += call.size_bytes
            self._bell.set()
            return
        self._link.send(call)
        if not self._open and not self._closed:
            self._asked += 1
            if self._asked >= ASKED_MIN and (self._task is None or self._task.done()):
                self._begin()

    @property
    def _has_room(self) -> bool:
        unanswered = len(self._pending) + len(self._waiting)
        return unanswered < STREAM_ITEMS_MAX and self._waiting_bytes < STREAM_BYTES_MAX

    def withdraw(self, call: Call) -> None:
        """Tells the daemon that nobody waits for a call that was sent."""
        if asyncio._get_running_loop() is not self.loop:  # noqa: SLF001 - exported; the other one raises
            # It was cancelled by another thread, which touches nothing here.
            self._soon(self.withdraw, call)
        elif self._pending.get(call.ident) is call:
            if call.cancelled():
                del self._pending[call.ident]
            self._withdrawn.append(call.ident)
            self._bell.set()

    def enter(self) -> None:
        """Notes one more handle of the loop's that asks through it."""
        self._users += 1

    def leave(self) -> None:
        """Undoes `enter`. The last one that leaves gives the connection up: a loop may end after that."""
        self._users -= 1
        if not self._users:
            self._end()

    async def gone(self) -> None:
        """Waits until nothing of it is at work in the loop, after it was closed or left."""
        task = self._task
        if task is None or not (self._closed or not self._users):
            return
        _, late = await asyncio.wait((task,), timeout=_GONE_S)
        if late:
            task.cancel()
            await asyncio.wait((task,), timeout=_GONE_S)

    def close(self) -> None:
        """Gives what is not answered to the link, and the connection up. Idempotent."""
        self._closed = True
        self._hand_over("it was closed")
        self._soon(self._end)

    def _soon(self, what: Any, *arguments: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:
            # The loop is closed, and with it everything that ran in it.
            return

    def _end(self) -> None:
        """Ends what is at work in the loop; by saying so where it can: gRPC takes longer over what is cut."""
        self._open = False
        if self._conversing:
            self._ending = True
            self._bell.set()
        elif self._task is not None and not self._task.cancelling():
            self._task.cancel()

    # The tasks.

    def _begin(self) -> None:
        if self._link.pipelined and time.monotonic() >= self._not_before:
            self._task = self.loop.create_task(self._serve(), name="statehouse-lane")

    async def _serve(self) -> None:
        """Opens the lane, and reads until it is lost."""
        why, cut = "", False
        channel = grpc.aio.insecure_channel(
            uri(self._link.target), options=channel_options(self._link.connect_timeout)
        )
        rpc: Any = channel.stream_stream(f"{SERVICE}Pipeline")()
        try:
            async with asyncio.timeout(self._link.connect_timeout):
                # The daemon says it when it has begun to read.
                await rpc.initial_metadata()
            why = await self._converse(rpc)
        except grpc.RpcError as error:
            why = f"{error.code().name}: {error.details()}"
        except asyncio.CancelledError:
            # Not raised again: this is the end of the task, and a traceback would hold the call, and the call
            # the connection.
            why, cut = "its loop ended", True
        except Exception as error:  # noqa: BLE001 - N4: no connection in time, bytes that are no batch
            why = repr(error)
        finally:
            self._asked = 0
            self._not_before = time.monotonic() + _PAUSE_S
            self._hand_over(why)
            rpc.cancel()
            try:
                # Until then, a task of gRPC's waits in the loop for the end of the call.
                await rpc.code()
                if cut:
                    await _drained(channel)
            finally:
                await channel.close()

    async def _converse(self, rpc: Any) -> str:
        self._withdrawn.clear()
        self._ending = False
        sending = self.loop.create_task(self._send(rpc), name="statehouse-lane-send")
        self._conversing = True
        try:
            self._open = not self._closed
            while (data := await rpc.read()) is not grpc.aio.EOF:
                await self._answer(data)
        finally:
            self._open = self._conversing = False
            sending.cancel()
        return "the daemon ended it"

    async def _send(self, rpc: Any) -> None:
        try:
            while not self._ending:
                await self._bell.wait()
                self._bell.clear()
                while (batch := self._take()) is not None:
                    await rpc.write(batch)
            await rpc.done_writing()
        except asyncio.CancelledError:
            # See `_serve`; whoever reads has ended.
            return
        except Exception:  # noqa: BLE001 - it is lost, which whoever reads is told now, if not before
            rpc.cancel()

    def _take(self) -> bytes | None:
        """Gives what waits as one batch; None when nothing does."""
        batch = pb.RequestBatch()
        items = batch.items
        while self._withdrawn:
            items.add(id=self._withdrawn.popleft(), cancel=pb.Cancel())
        now = time.monotonic()
        size = 0
        while self._waiting and len(items) < BATCH_ITEMS_MAX and size < BATCH_BYTES_MAX:
            call = self._waiting.popleft()
            self._waiting_bytes -= call.size_bytes
            if call.begin(now):
                call.ident = next(self._idents)
                self._pending[call.ident] = call
                call.add_to(items, now)
                size += call.size_bytes
        return batch.SerializeToString() if items else None

    async def _answer(self, data: bytes) -> None:
        for nth, item in enumerate(parse(pb.ReplyBatch, data).items, 1):
            call = self._pending.pop(item.id, None)
            if call is not None and not call.answer_item(item):
                self._by_link(call)
            if not nth % _TURN_ANSWERS:
                await asyncio.sleep(0)

    def _hand_over(self, why: str) -> None:
        """Gives the link what is not answered, in the order in which it was asked."""
        self._open = False
        sent, self._pending = self._pending, {}
        # N2: the loop may take an answer at this moment, and whoever takes a call out of here has it.
        for ident in sorted(sent):
            call = sent.pop(ident, None)
            if call is None:
                continue
            # If the daemon is still there: nobody waits for it there any more.
            self._withdrawn.append(ident)
            if call.done():
                continue
            if call.may_go_again:
                self._by_link(call)
            else:
                call.fail(call.lost(lost_connection(self._link.target, why)))
        with suppress(IndexError):
            while True:
                call = self._waiting.popleft()
                self._waiting_bytes -= call.size_bytes
                self._by_link(call)

    def _by_link(self, call: Call) -> None:
        try:
            self._link.send(call)
        except StatehouseError as error:
            call.fail(call.lost(error))


async def _drained(channel: grpc.aio.Channel) -> None:
    """Waits until gRPC has told the loop all about a call that was cut off.

    If it is told later, and the loop is closed by then, another loop of the process hears of it and logs an
    error. What is asked last is answered last.
    """
    with suppress(grpc.RpcError):
        await channel.unary_unary(f"{SERVICE}Version")(b"", timeout=_DRAINED_S)
