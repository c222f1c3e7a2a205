"""One connection to a daemon, shared by every thread and event loop of the process.

Whoever asks puts a `Call` into the queue. While a `Stream` is open, a thread of gRPC takes what waits there,
all of it at once, as one batch; the I/O thread of this link reads the answers. Large calls, and all calls to
a server that has no Pipeline, go by RPCs of their own, on the same channel.

::

    send ─▶ queue ─▶ _take ─▶ a batch ─▶ Pipeline ─▶ _answer ─▶ the call's future
              ▲         └────▶ an RPC of its own ─▶ _answered_alone ─▶ the call's future
              └─ what was sent and not answered, when the connection is lost

The I/O thread waits for work, says hello (waiting up to `connect_timeout` for a daemon that is not there),
converses until the connection is lost, and begins again. So a restart of the daemon costs time, not errors.

Invariants:

* L1. A call is in the queue, in `_pending` (its batch was taken, its answer is due), in `_alone`, or done.
* L2. A call that is taken again was sent over a connection that is gone; a commit is applied once (G5).
* L3. Nothing is sent, and no lock is used, in a forked child.
* L4. What a caller's thread does here uses bare locks only: Ctrl-C can leave any other one locked for ever.
* L5. Whatever an answer is, the I/O thread goes on.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import suppress
from functools import partial
from typing import Any, Final

import grpc

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import (
    ConnectionError,
    EngineError,
    ForkedProcessError,
    OverloadedError,
    StatehouseError,
)
from statehouse.protocol.limits import DEFAULT_LIMITS
from statehouse.protocol.requests import Replay
from statehouse.rpc.calling.call import Call, lost_connection
from statehouse.rpc.calling.channel import SERVICE, closed_error, let_go, open_channel
from statehouse.rpc.calling.hello import Hello
from statehouse.rpc.calling.stream import Bell, Stream
from statehouse.rpc.methods import parse
from statehouse.rpc.sizes import BATCH_BYTES_MAX, BATCH_ITEMS_MAX, STREAM_ITEMS_MAX
from statehouse.rpc.status import DETAILS_TRAILER, from_rpc_error

_ALONE_MAX: Final = 256
_CLOSE_S: Final = 5.0
_PAUSE_S_FIRST: Final = 0.02
_PAUSE_S_MAX: Final = 1.0
_WITHDRAWN: Final = object()
"""In `_alone`: nobody waits for the call that is just being asked."""


class Link:
    """A connection that is made when it is needed and made again when it is lost.

    Args:
        target: ``host:port`` or ``unix:/path``.
        connect_timeout: Seconds to wait for a daemon that is not there.
        pipelined: Whether to use the pipeline if the server has one.
    """

    def __init__(self, target: str, *, connect_timeout: float, pipelined: bool) -> None:
        self.target = target
        self.connect_timeout = connect_timeout
        self.pipelined = pipelined
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._wake = Bell()
        self._closed = threading.Event()
        self._queue: deque[Call] = deque()
        self._queued_bytes = 0
        self._pending: dict[int, Call] = {}
        self._alone: dict[Call, Any] = {}
        self._abandoned: deque[Call] = deque()
        self._idents = itertools.count(1)
        self._stream: Stream | None = None
        self._hello = Hello(target, connect_timeout=connect_timeout, closed=self._closed)
        self._channel: grpc.Channel | None = None
        self._running = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        _links.add(self)

    def __repr__(self) -> str:
        how = "pipelined" if self.pipelined else "unary"
        state = "closed" if self._closing else "connected" if self._stream is not None else "not connected"
        return f"{self.target} {how}, {state}"

    @property
    def connected(self) -> bool:
        """Whether it ever had a channel; takes no lock."""
        return self._channel is not None

    @property
    def unanswered(self) -> int:
        """How many calls it has not answered, those included that nobody waits for any more."""
        with self._lock:
            return len(self._unanswered_locked())

    # Asking: any thread.

    def send(self, call: Call) -> None:
        """Has a call sent as soon as can be.

        Raises:
            EngineError: The link is closed.
            ForkedProcessError: It was made before a fork.
            OverloadedError: Too much waits to be sent already.
        """
        if self._process != os.getpid():
            raise _forked(self.target)
        limits = DEFAULT_LIMITS
        with self._lock:
            if self._closing:
                raise self._closed_error()
            if len(self._queue) >= limits.commit_queue_count_max or (
                self._queue and self._queued_bytes + call.size_bytes > limits.commit_queue_bytes_max
            ):
                raise OverloadedError(
                    f"{len(self._queue)} requests ({self._queued_bytes} bytes) wait already to be sent to "
                    f"{self.target}; nothing was sent: try again",
                    retry_after=0.1,
                    reason="queue_full",
                )
            call.carrier = self
            self._queue.append(call)
            self._queued_bytes += call.size_bytes
            wake = self._wake if self._stream is None else self._stream.wake
            if not self._running.locked():
                # Ctrl-C at this moment may leave a thread that never runs; then the next call starts another.
                threading.Thread(target=self._run, name="statehouse-link", daemon=True).start()
        wake.ring()

    def check_open(self) -> None:
        """Raises what `send` would, if the link is closed or from before a fork."""
        if self._process != os.getpid():
            raise _forked(self.target)
        if self._closing:
            raise self._closed_error()

    def abandon(self, call: Call) -> None:
        """Has a call cancelled by a thread of the connection: its caller was interrupted (L4)."""
        self._abandoned.append(call)
        stream = self._stream
        (self._wake if stream is None else stream.wake).ring()

    def withdraw(self, call: Call) -> None:
        """Tells the daemon that nobody waits for a call that was sent."""
        if self._process != os.getpid():
            return
        with self._lock:
            if call in self._alone and self._alone[call] is None:
                # It is being asked at this moment, in another thread, which cancels it then.
                self._alone[call] = _WITHDRAWN
                return
            rpc = self._alone.get(call)
            stream = self._stream
            if rpc is None and (stream is None or self._pending.get(call.ident) is not call):
                return
            if rpc is None and stream is not None:
                if call.cancelled():
                    self._pending.pop(call.ident, None)
                stream.withdrawn.append(call.ident)
        if rpc is not None:
            rpc.cancel()
        elif stream is not None:
            stream.wake.ring()

    def close(self) -> None:
        """Lets what was asked finish, for a moment, and gives the connection up. Idempotent."""
        if self._process != os.getpid():
            return
        self._cancel_abandoned()
        with self._lock:
            if self._closing:
                return
            self._closing = True
            asked = self._unanswered_locked()
            thread = self._thread
            # For a daemon that is not there, nobody waits longer than ever.
            seconds = _CLOSE_S if self._stream is not None else min(_CLOSE_S, self.connect_timeout)
        for call in asked:
            if isinstance(call.request, Replay) and call.request.wait_s:
                call.fail(self._closed_error())
        if thread is not None and thread is not threading.current_thread():
            wait(asked, timeout=seconds)
        self._closed.set()
        self._wake.ring()
        stream = self._stream
        if stream is not None:
            stream.end()
        self._hello.cancel()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSE_S)
        if self._channel is not None:
            self._channel.close()
        with self._lock:
            left = self._unanswered_locked()
            self._queue.clear()
            self._pending.clear()
        for call in left:
            call.fail(call.lost(self._closed_error()))

    def _unanswered_locked(self) -> list[Call]:
        return [*self._queue, *self._pending.values(), *self._alone]

    def _closed_error(self) -> EngineError:
        return closed_error(self.target)

    # The I/O thread.

    def _run(self) -> None:
        if not self._running.acquire(blocking=False):
            return
        self._thread = threading.current_thread()
        fruitless = 0
        while self._await_work():
            error = self._say_hello()
            if error is not None:
                self._fail_queued(error)
                continue
            fruitless = 0 if self._converse() else fruitless + 1
            if fruitless:
                # A daemon that is there and breaks every conversation must not be asked in a circle.
                self._closed.wait(min(_PAUSE_S_MAX, _PAUSE_S_FIRST * 2**fruitless))

    def _await_work(self) -> bool:
        """Waits until something is to be sent; False when the link is closed."""
        while not self._closed.is_set():
            if self._queue:
                return True
            self._wake.wait()
        return False

    def _say_hello(self) -> StatehouseError | None:
        """Waits for the daemon to be there; gives the error if it is not."""
        if self._channel is None:
            self._channel = open_channel(self.target, self.connect_timeout)
        return self._hello.say(self._channel)

    def _fail_queued(self, error: StatehouseError) -> None:
        self._cancel_abandoned()
        with self._lock:
            failed = list(self._queue)
            self._queue.clear()
            self._queued_bytes = 0
        for call in failed:
            call.fail(call.lost(error))

    def _converse(self) -> bool:
        """Sends and reads until the connection is lost; whether anything was answered."""
        stream = Stream()
        with self._lock:
            self._stream = stream
        if self._closed.is_set():
            stream.end()
        why = self._pipeline(stream) if self.pipelined else self._calls(stream)
        self._end(stream, why)
        return stream.answered

    def _pipeline(self, stream: Stream) -> str:
        assert self._channel is not None
        try:
            rpc = self._channel.stream_stream(f"{SERVICE}Pipeline")(self._batches(stream))
            stream.rpc = rpc
            if stream.ended:
                rpc.cancel()
            for data in rpc:
                self._answer(data)
                stream.answered = True
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                self._do_without_pipeline(stream)
            let_go(error)
            return f"{error.code().name}: {error.details()}"
        except Exception as error:  # noqa: BLE001 - L5: bytes that are no batch, a channel that was closed just now
            stream.end()
            return str(error)
        return "the daemon ended it"

    def _do_without_pipeline(self, stream: Stream) -> None:
        with self._lock:
            self.pipelined = False
            stream.ended = True
            unsent = list(self._pending.values())
        stream.answered = True
        for call in unsent:
            call.unsent()

    def _calls(self, stream: Stream) -> str:
        """As `_pipeline`, for a server that has none."""
        while not stream.ended:
            self._take(stream)
            stream.wake.wait()
        return "UNAVAILABLE"

    def _end(self, stream: Stream, why: str) -> None:
        """Puts what was not answered back into the queue, in the order in which it was asked."""
        error = self._closed_error() if self._closing else lost_connection(self.target, why)
        with self._lock:
            self._stream = None
            stream.ended = True
            lost = [call for _, call in sorted(self._pending.items()) if not call.done()]
            self._pending.clear()
            again = [call for call in lost if call.may_go_again and not self._closed.is_set()]
            self._queue.extendleft(reversed(again))
            self._queued_bytes += sum(call.size_bytes for call in again)
        stream.wake.ring()
        for call in lost:
            if call not in again:
                call.fail(call.lost(error))

    def _answer(self, data: bytes) -> None:
        pending = self._pending
        for item in parse(pb.ReplyBatch, data).items:
            call = pending.pop(item.id, None)
            if call is not None and not call.answer_item(item):
                self._again(call)
        stream = self._stream
        if self._queue and stream is not None:
            # It may have waited for room among the unanswered.
            stream.wake.ring()

    def _again(self, call: Call) -> None:
        """Queues a call that cannot be answered as it was sent."""
        with self._lock:
            stream = self._stream
            closed = self._closed.is_set()
            if not closed:
                self._queue.append(call)
                self._queued_bytes += call.size_bytes
        if closed:
            call.fail(call.lost(self._closed_error()))
        (self._wake if stream is None else stream.wake).ring()

    # Taking from the queue: gRPC's thread that sends, or the I/O thread where there is no pipeline.

    def _batches(self, stream: Stream) -> Iterator[bytes]:
        while not stream.ended:
            while (batch := self._take(stream)) is not None:
                yield batch
            stream.wake.wait()

    def _take(self, stream: Stream) -> bytes | None:
        """Gives what waits as one batch; None when nothing does."""
        self._cancel_abandoned()
        batch = pb.RequestBatch()
        items = batch.items
        with self._lock:
            calls = self._taken_locked(stream)
            while stream.withdrawn:
                items.add(id=stream.withdrawn.popleft(), cancel=pb.Cancel())
        if not calls and not items:
            return None
        now = time.monotonic()
        for call in calls:
            if not call.begin(now):
                self._pending.pop(call.ident, None)
                self._alone.pop(call, None)
            elif call.ident:
                call.add_to(items, now)
            else:
                self._ask_alone(call, stream)
        return batch.SerializeToString() if items else self._take(stream)

    def _cancel_abandoned(self) -> None:
        # Two threads may do it at once.
        with suppress(IndexError):
            while True:
                self._abandoned.popleft().cancel()

    def _taken_locked(self, stream: Stream) -> list[Call]:
        queue, pending = self._queue, self._pending
        taken: list[Call] = []
        size = 0
        while (
            queue
            and not stream.ended
            and len(taken) < BATCH_ITEMS_MAX
            and size < BATCH_BYTES_MAX
            and self._has_room_locked(queue[0])
        ):
            call = queue.popleft()
            self._queued_bytes -= call.size_bytes
            taken.append(call)
            if self._goes_alone(call):
                call.ident = 0
                # L1: until it is really asked.
                self._alone[call] = None
            else:
                size += call.size_bytes
                call.ident = next(self._idents)
                pending[call.ident] = call
        if not queue:
            # An interrupted `send` may have counted half.
            self._queued_bytes = 0
        return taken

    def _goes_alone(self, call: Call) -> bool:
        return call.alone or not self.pipelined

    def _has_room_locked(self, call: Call) -> bool:
        if self._goes_alone(call):
            return len(self._alone) < _ALONE_MAX
        return len(self._pending) < STREAM_ITEMS_MAX

    # RPCs of their own.

    def _ask_alone(self, call: Call, stream: Stream) -> None:
        assert self._channel is not None
        metadata = (("traceparent", call.traceparent),) if call.traceparent else None
        try:
            rpc = self._channel.unary_unary(f"{SERVICE}{call.method.call}").future(
                call.message.SerializeToString(),
                timeout=max(0.001, call.deadline - time.monotonic()),
                metadata=metadata,
            )
        except ValueError:
            # The channel was closed at this moment.
            with self._lock:
                self._alone.pop(call, None)
            call.fail(call.lost(self._closed_error()))
            return
        with self._lock:
            withdrawn = self._alone.get(call) is _WITHDRAWN
            self._alone[call] = rpc
        if withdrawn:
            rpc.cancel()
        rpc.add_done_callback(partial(self._answered_alone, call, stream))

    def _answered_alone(self, call: Call, stream: Stream, rpc: Any) -> None:
        with self._lock:
            self._alone.pop(call, None)
            waiting = bool(self._queue)
        if waiting:
            # For room, it may be.
            stream.wake.ring()
        try:
            self._settle(call, stream, rpc)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller must not wait for ever
            call.fail(call.senseless(str(error)))

    def _settle(self, call: Call, stream: Stream, rpc: Any) -> None:
        if call.done():
            return
        if call.abandoned and rpc.cancelled():
            call.fail(call.late())
            return
        code = rpc.code()
        if code is grpc.StatusCode.OK:
            stream.answered = True
            call.answer(parse(call.method.answered, rpc.result()))
            return
        error = from_rpc_error(rpc)
        if self._closing and isinstance(error, ConnectionError):
            call.fail(call.lost(self._closed_error()))
        elif isinstance(error, ConnectionError):
            # What broke one call has broken the connection: say hello first.
            stream.end()
            if call.may_go_again:
                self._again(call)
            else:
                call.fail(call.lost(lost_connection(self.target, error.message)))
        elif _is_from_daemon(rpc):
            stream.answered = True
            call.fail(call.refused(error))
        elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
            call.fail(call.late())
        else:
            call.fail(call.unclear(error))

    def forget_after_fork(self) -> None:
        """In a forked child: everything of the parent's is left alone (L3)."""
        self._lock = threading.Lock()
        self._closing = True
        _leaked.append(self)


def _is_from_daemon(rpc: Any) -> bool:
    """Whether an error is the daemon's own, and not gRPC's."""
    return any(name == DETAILS_TRAILER for name, _ in rpc.trailing_metadata() or ())


def _forked(target: str) -> ForkedProcessError:
    return ForkedProcessError(
        f"this handle on {target} was opened before os.fork() and cannot be used in the child process; open "
        "one there"
    )


_links: weakref.WeakSet[Link] = weakref.WeakSet()
_leaked: list[Link] = []


def _after_fork_in_child() -> None:
    for link in list(_links):
        link.forget_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
