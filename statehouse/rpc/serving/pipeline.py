"""Many requests over one stream: the daemon's side of Pipeline.

What is quick is answered in the event loop as it is read; what waits (commits, pages, followers) is begun and
answered when it is done. Replies gather while a batch of them is being sent, and leave together.

Invariants:

* P1. Each item is answered once, or its stream has ended.
* P2. A stream holds at most so many unanswered items, and bytes of requests and replies; then it reads no
  further. The bytes are shared out among the streams there are. What was begun before that and has a reply
  that does not fit any more is told to ask again in a call of its own.
* P3. Threads of the engine touch nothing here but `_finished`, and wake the loop once for all they add.
* P4. While items of a group are being answered the loop looks for more by itself. To wake it lets go of the
  interpreter, and the loop, which is at work, would take it for one reply, and then for the next.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from math import inf
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import (
    DeadlineExceededError,
    EngineError,
    InvalidArgumentError,
    LimitExceededError,
    StatehouseError,
)
from statehouse.protocol.limits import KIB, MIB
from statehouse.protocol.requests import Commit, Replay, Request
from statehouse.rpc.methods import BY_FIELD, Method
from statehouse.rpc.serving.answers import Answers, Refusal, refusal_of, refuse, without_traceback
from statehouse.rpc.serving.outbox import Outbox
from statehouse.rpc.serving.pager import Pager
from statehouse.rpc.serving.received import received
from statehouse.rpc.serving.turns import Turns
from statehouse.rpc.serving.weights import is_light, is_quick, weight
from statehouse.rpc.sizes import ITEM_BYTES_MAX, STREAM_BYTES_MAX, STREAM_ITEMS_MAX
from statehouse.rpc.status import to_message

_log = logging.getLogger("statehouse.rpc")

_TURN_BYTES: Final = 16 * KIB
_TURN_ITEM_BYTES: Final = 256
"""So many bytes of items, and each as if it had some more, are begun before others have their turn."""

_TURN_ANSWERS: Final = 64
"""So many answers are made before others have their turn."""

_SMALL_BYTES_MAX: Final = 4 * KIB
"""Replies that always fit: every item may have one."""

_SHARED_BYTES_MAX: Final = 256 * MIB
_SHARE_BYTES_MIN: Final = 256 * KIB


class PipelineService:
    """Serves pipelines.

    Args:
        answers: What answers.
        stall_s: A client that takes no reply for so long is cut off, in seconds.
    """

    def __init__(self, answers: Answers, *, stall_s: float) -> None:
        self._answers = answers
        self._stall_s = stall_s
        self._turns = Turns()
        self._streams: set[_Stream] = set()

    async def serve(self, context: Any) -> None:
        """Serves one stream to its end."""
        stream = _Stream(self._answers, self._turns, context, self._share, self._stall_s)
        self._streams.add(stream)
        try:
            await stream.serve()
        finally:
            self._streams.discard(stream)

    def __len__(self) -> int:
        return len(self._streams)

    def _share(self) -> int:
        """How many bytes one stream may hold now (P2)."""
        return max(_SHARE_BYTES_MIN, min(STREAM_BYTES_MAX, _SHARED_BYTES_MAX // (len(self._streams) or 1)))

    def drain(self) -> None:
        """Has every stream read no further, answer what it has begun, and end."""
        for stream in self._streams:
            stream.drain()


class _Running:
    """An item that was begun and is not answered."""

    __slots__ = ("came_at", "future", "ident", "message", "method", "request", "size_bytes")

    def __init__(
        self,
        ident: int,
        method: Method,
        message: Message,
        request: Request[Any],
        size_bytes: int,
        came_at: float,
    ) -> None:
        self.came_at = came_at
        self.ident = ident
        self.method = method
        self.message = message
        self.request = request
        self.size_bytes = size_bytes
        self.future: Future[Any] | None = None


class _Stream:
    """One pipeline; everything but `_done` runs in the event loop."""

    def __init__(
        self,
        answers: Answers,
        turns: Turns,
        context: Any,
        share: Callable[[], int],
        stall_s: float,
    ) -> None:
        self._coding = answers
        self._turns = turns
        self._engine = answers.engine
        self._asked_by = answers.asked_by
        self._meter = answers.meter
        self._admission = answers.admission
        self._context = context
        self._share = share
        self._loop = asyncio.get_running_loop()
        self._running: dict[int, _Running] = {}
        self._running_bytes = 0
        self._finished: deque[_Running] = deque()
        self._collecting = False
        self._item_bytes = 0
        self._is_alone = False
        self._room = asyncio.Event()
        self._outbox = Outbox(context, stall_s=stall_s, sent=self._sent)
        self._pager = Pager(answers, self._has_room)
        self._reading: asyncio.Task[Refusal | None] | None = None
        self._draining = False
        self._over = False

    async def serve(self) -> None:
        """Reads and answers until the client has ended the stream, takes no replies, or it is drained."""
        # See `Streams.serve`.
        await self._context.send_initial_metadata(())
        outbox = self._outbox
        self._reading = asyncio.create_task(self._read())
        refusal: Refusal | None = None
        try:
            await asyncio.wait((self._reading, outbox.ended), return_when=asyncio.FIRST_COMPLETED)
            if not outbox.ended.done() and not self._reading.cancelled():
                refusal = self._reading.result()
            if refusal is None and not outbox.ended.done():
                await self._settle()
                await outbox.finish()
            if outbox.ended.done():
                refusal = outbox.ended.result()
        finally:
            self._over = True
            self._reading.cancel()
            outbox.close()
            self._pager.close()
            for running in list(self._running.values()):
                _give_up(running)
        if refusal is not None:
            await refuse(self._context, refusal)
        if self._draining:
            await self._context.abort(grpc.StatusCode.UNAVAILABLE, "the daemon is going down: connect again")

    def drain(self) -> None:
        """See `PipelineService.drain`."""
        self._draining = True
        if self._reading is not None:
            self._reading.cancel()
        for running in list(self._running.values()):
            _give_up(running)

    # Reading and beginning.

    async def _read(self) -> Refusal | None:
        """Begins what comes, to the end; or gives why it reads no further."""
        try:
            while not self._draining:
                data = await self._context.read()
                if data is grpc.aio.EOF:
                    break
                await self._begin_batch(data)
        except StatehouseError as error:
            return refusal_of("Pipeline", self._context, error)
        return None

    async def _begin_batch(self, data: bytes) -> None:
        batch = await self._coding.code(len(data), received, pb.RequestBatch, data)
        came_at = time.monotonic()
        debug = _log.isEnabledFor(logging.DEBUG)
        turn = 0
        await self._turns.take()
        self._is_alone = len(batch.items) == 1
        for item in batch.items:
            if self._is_full():
                await self._make_room()
            if debug:
                _log.debug("pipeline item", extra=_facts(item))
            with self._asked_by(item.traceparent):
                heavy = self._begin(item, came_at)
            if heavy is not None:
                self._outbox.flush()
                await heavy
            turn += _TURN_ITEM_BYTES + self._item_bytes
            if turn >= _TURN_BYTES:
                # Others have their turn; so has what is ready to be sent.
                self._outbox.flush()
                await asyncio.sleep(0)
                await self._turns.take()
                turn = 0
        await self._outbox.send()

    def _is_full(self) -> bool:
        outbox = self._outbox
        return (
            len(self._running) + outbox.items >= STREAM_ITEMS_MAX
            or self._running_bytes + outbox.size_bytes >= self._share()
        )

    def _has_room(self) -> bool:
        """Whether another page, which is not there yet, would fit."""
        held = self._outbox.size_bytes
        return not held or held + ITEM_BYTES_MAX <= self._share()

    def _sent(self) -> None:
        self._room.set()
        self._pager.go_on()

    async def _make_room(self) -> None:
        while not self._over and self._is_full():
            self._outbox.flush()
            self._room.clear()
            await self._room.wait()

    def _begin(self, item: pb.RequestItem, came_at: float) -> Awaitable[None] | None:
        """Begins an item; what is returned has to be awaited for that."""
        ident = item.id
        self._item_bytes = size = item.ByteSize()
        kind = item.WhichOneof("request")
        if kind == "cancel":
            running = self._running.get(ident)
            if running is not None and running.future is not None:
                running.future.cancel()
            return None
        try:
            method = BY_FIELD.get(kind or "")
            if method is None:
                raise InvalidArgumentError("the item asks nothing that this daemon knows")
            if size > ITEM_BYTES_MAX:
                raise LimitExceededError(
                    f"an item of a pipeline may have {ITEM_BYTES_MAX} bytes, and this one has {size}: "
                    f"call {method.call}",
                    limit=ITEM_BYTES_MAX,
                    actual=size,
                )
            self._admission.enter(size)
        except StatehouseError as error:
            self._fail(ident, error)
            return None
        message = getattr(item, kind or "")
        if not is_light(message, size):
            return self._begin_heavy(item, method, message, size, came_at)
        try:
            request = method.decode(message)
            if is_quick(request):
                self._reply(ident, method, message, request, self._engine.execute(request))
                self._admission.leave(size)
                if self._meter is not None:
                    self._meter.took(method.call, time.monotonic() - came_at)
                return None
            running = self._new(item, method, message, request, size, came_at)
            if not isinstance(request, Commit):
                self._run(running, self._page(running, _deadline(item, came_at)))
            elif not self._committed_here(running, request):
                self._run(running, self._coding.submit(request))
        except Exception as error:  # noqa: BLE001 - one request's defect must not end the others
            self._refuse(ident, method, size, error)
        return None

    def _committed_here(self, running: _Running, commit: Commit) -> bool:
        """Answers a commit that came alone, if it can be made at once: two switches of threads less."""
        if not self._is_alone or self._running:
            return False
        reply = self._coding.commit_here(commit)
        if reply is None:
            return False
        self._reply(running.ident, running.method, running.message, commit, reply)
        self._admission.leave(running.size_bytes)
        if self._meter is not None:
            self._meter.took(running.method.call, time.monotonic() - running.came_at)
        return True

    async def _begin_heavy(
        self, item: pb.RequestItem, method: Method, message: Message, size: int, came_at: float
    ) -> None:
        """As `_begin`, in a thread."""
        try:
            request = await self._coding.in_thread(method.decode, message)
            running = self._new(item, method, message, request, size, came_at)
            with self._asked_by(item.traceparent):
                if isinstance(request, Commit):
                    self._run(running, await self._coding.in_thread(self._engine.submit, request))
                else:
                    self._run(running, self._page(running, _deadline(item, came_at)))
        except Exception as error:  # noqa: BLE001 - see `_begin`
            self._refuse(item.id, method, size, error)
        except BaseException:
            # The stream has ended.
            self._admission.leave(size)
            raise

    def _new(
        self,
        item: pb.RequestItem,
        method: Method,
        message: Message,
        request: Request[Any],
        size: int,
        came_at: float,
    ) -> _Running:
        if time.monotonic() >= _deadline(item, came_at):
            raise DeadlineExceededError(
                f"{method.call} was not begun within its {item.timeout_ms} ms; nothing was applied"
            )
        if item.id in self._running:
            raise InvalidArgumentError(f"id {item.id} is that of an item that is not answered yet")
        return _Running(item.id, method, message, request, size, came_at)

    def _run(self, running: _Running, future: Future[Any]) -> None:
        running.future = future
        self._running[running.ident] = running
        self._running_bytes += running.size_bytes
        future.add_done_callback(partial(self._done, running))

    def _page(self, running: _Running, deadline: float) -> Future[Message | None]:
        encode = partial(running.method.encode_reply, running.message, running.request)
        return self._pager.submit(running.request, encode, deadline)

    def _refuse(self, ident: int, method: Method, size: int, error: Exception) -> None:
        self._admission.leave(size)
        self._fail(ident, error if isinstance(error, StatehouseError) else _defect(method))

    # Answering.

    def _done(self, running: _Running, _: Future[Any]) -> None:
        """Any thread (P3)."""
        self._finished.append(running)
        if not self._collecting:
            self._collecting = True
            try:
                self._loop.call_soon_threadsafe(self._collect)
            except RuntimeError:
                return  # the server is gone, and nobody waits

    def _collect(self) -> None:
        finished = self._finished
        for _ in range(min(len(finished), _TURN_ANSWERS)):
            running = finished.popleft()
            self._running.pop(running.ident, None)
            self._running_bytes -= running.size_bytes
            self._admission.leave(running.size_bytes)
            if self._meter is not None and not _waits(running.request):
                self._meter.took(running.method.call, time.monotonic() - running.came_at)
            if not self._over:
                self._answer(running)
            # It knows its item, and would keep it, and the reply, for the garbage collector.
            running.future = None
        self._outbox.flush()
        self._room.set()
        if self._running:
            self._loop.call_soon(self._look_again)
        else:
            self._rest()

    def _look_again(self) -> None:
        """Sees what came in this pass of the loop, before a thread has to wake it (P4)."""
        if self._finished:
            self._collect()
        else:
            self._rest()

    def _rest(self) -> None:
        self._collecting = False
        # What is added from here on wakes the loop; what was added before may not have.
        if self._finished:
            self._collecting = True
            self._loop.call_soon(self._collect)

    def _answer(self, running: _Running) -> None:
        future, method = running.future, running.method
        assert future is not None
        if future.cancelled():
            # Whoever waited asks the next daemon.
            if not self._draining:
                taken_back = f"{method.call} was taken back before it was begun; nothing was applied"
                self._fail(running.ident, DeadlineExceededError(taken_back))
            return
        error = future.exception()
        if isinstance(error, StatehouseError):
            self._fail(running.ident, without_traceback(error))
            return
        try:
            if isinstance(running.request, Commit):
                self._reply(running.ident, method, running.message, running.request, future.result())
            else:
                self._say(running.ident, method, future.result())
        except Exception:  # noqa: BLE001 - see `_begin`
            self._fail(running.ident, _defect(method))

    def _reply(
        self, ident: int, method: Method, message: Message, request: Request[Any], reply: object
    ) -> None:
        # Before it is made into a message: as Struct a large one would stop the loop for a second.
        too_large = weight(reply) > ITEM_BYTES_MAX
        self._say(ident, method, None if too_large else method.encode_reply(message, request, reply))

    def _say(self, ident: int, method: Method, answer: Message | None) -> None:
        if answer is not None:
            size = answer.ByteSize()
            held = self._outbox.size_bytes
            if size <= _SMALL_BYTES_MAX or (size <= ITEM_BYTES_MAX and held + size <= self._share()):
                self._outbox.add(size, id=ident, **{method.field: answer})
                return
        self._outbox.add(0, id=ident, too_large=pb.TooLarge())

    def _fail(self, ident: int, error: StatehouseError) -> None:
        message = to_message(error)
        self._outbox.add(message.ByteSize(), id=ident, error=message)

    async def _settle(self) -> None:
        """Waits until everything that was begun is answered."""
        while self._running:
            self._room.clear()
            await self._room.wait()


def _deadline(item: pb.RequestItem, came_at: float) -> float:
    return came_at + item.timeout_ms / 1000 if item.timeout_ms else inf


def _waits(request: Request[Any]) -> bool:
    """Whether the time that it takes is that of others, who have not committed anything yet."""
    return isinstance(request, Replay) and request.wait_s > 0


def _give_up(running: _Running) -> None:
    """What only waits need not wait any longer; a commit goes on."""
    if running.future is not None and not isinstance(running.request, Commit):
        running.future.cancel()


def _defect(method: Method) -> EngineError:
    """Logs the exception that is being handled, and gives what the client is told."""
    _log.exception("a request failed", extra={"rpc": method.call})
    return EngineError(f"the daemon failed to answer {method.call}; its log says why")


def _facts(item: pb.RequestItem) -> dict[str, Any]:
    kind = item.WhichOneof("request")
    return {"rpc": kind, "item": item.id, "trace_id": item.traceparent[3:35]}
