"""`RemoteEngine`: an `Engine` that asks a daemon."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from copy import copy
from typing import Final, TypeVar

from statehouse.errors import InvalidArgumentError, StatehouseError
from statehouse.protocol.limits import DEFAULT_LIMITS, check_seconds
from statehouse.protocol.requests import Commit, Replay, Request
from statehouse.rpc.calling.call import Call
from statehouse.rpc.calling.lane import Lane
from statehouse.rpc.calling.link import Link
from statehouse.rpc.methods import BY_REQUEST
from statehouse.tracing.propagation import traceparent

R = TypeVar("R")


class RemoteEngine:
    """An engine behind a daemon; see `statehouse.protocol.engine.Engine`.

    Nothing is connected before the first call, which waits up to `connect_timeout` for the daemon to be
    there. When a connection is lost, for a restart say, what was asked is asked again over the next one,
    until its time is over: reads change nothing, and a commit keeps its ``txn_id`` (G5).

    Safe to use from any thread. After a fork, every call in the child raises `ForkedProcessError`.

    Args:
        target: ``host:port`` or ``unix:/path``.
        timeout: Seconds a call may take, other than a commit, which has its own.
        connect_timeout: Seconds to wait for a daemon that is not there.
        pipelined: False asks by a gRPC call a request, as for a server without Pipeline.

    Raises:
        InvalidArgumentError: No number of seconds from 1 ms to 1 h.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        pipelined: bool = True,
    ) -> None:
        limits = DEFAULT_LIMITS
        check_seconds("connect_timeout", connect_timeout, limits.timeout_s_min, limits.timeout_s_max)
        self._link = Link(target, connect_timeout=connect_timeout, pipelined=pipelined)
        self._lanes: dict[asyncio.AbstractEventLoop, Lane] = {}
        self.timeout = _checked(timeout)

    def with_timeout(self, timeout: float) -> RemoteEngine:
        """Gives another face of the same connection, with a timeout of its own."""
        face = copy(self)
        face.timeout = _checked(timeout)
        return face

    def in_loop(self) -> LoopEngine:
        """Gives what the coroutines of the running event loop ask through; see `Lane`."""
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(loop)
        if lane is None:
            for ended in [each for each in self._lanes.copy() if each.is_closed()]:
                self._lanes.pop(ended, None)
            lane = self._lanes[loop] = Lane(loop, self._link)
        return LoopEngine(self, lane)

    def __repr__(self) -> str:
        return f"<RemoteEngine {self._link!r}>"

    @property
    def connected(self) -> bool:
        """Whether it has ever asked for anything, so that threads of gRPC were at work in this process."""
        return self._link.connected

    @property
    def unanswered(self) -> int:
        """How many requests are on their way, those included that nobody waits for any more."""
        return self._link.unanswered + sum(len(lane.unanswered) for lane in self._lanes.copy().values())

    def execute(self, request: Request[R]) -> R:
        """Asks, and waits for the answer; see the request's class for the errors.

        Raises:
            ConnectionError: The daemon is not there, or was lost and did not come back.
            DeadlineExceededError: There was no answer in time.
            OutcomeUnknownError: A commit was sent, and there was no answer.
        """
        call = self._call(request)
        self._link.send(call)
        try:
            in_time = call.wait(call.deadline - time.monotonic())
        except BaseException:
            self._link.abandon(call)
            raise
        if not in_time and (call.cancel() or not call.done()):
            raise call.late()
        reply: R = call.result()
        return reply

    def submit(self, request: Request[R]) -> Future[R]:
        """Asks, and returns at once; the future completes on a thread of the connection.

        Whoever waits for it bounds the wait. A future that nobody bounds ends when the connection does.
        """
        return self._submit(request, self._link)

    def close(self) -> None:
        """Waits a moment for what was asked, and gives the connection up. Idempotent."""
        for lane in self._lanes.copy().values():
            lane.close()
        self._link.close()

    def _submit(self, request: Request[R], by: Link | Lane) -> Future[R]:
        try:
            call = self._call(request)
            by.send(call)
        except StatehouseError as error:
            refused: Future[R] = Future()
            refused.set_exception(error)
            return refused
        return call

    def _call(self, request: Request[R]) -> Call:
        method = BY_REQUEST.get(type(request))
        if method is None:
            self._link.check_open()
            raise InvalidArgumentError(f"not a request that an engine answers: {request!r:.80}")
        message = method.encode(request)
        timeout = request.timeout_s if isinstance(request, Commit) else self.timeout
        if isinstance(request, Replay):
            timeout += request.wait_s
        return Call(
            request,
            method,
            message,
            deadline=time.monotonic() + timeout,
            traceparent=traceparent(),
        )


class LoopEngine:
    """A remote engine, as the coroutines of one event loop see it.

    Args:
        engine: The engine.
        lane: The loop's way to the daemon.
    """

    __slots__ = ("_left", "_submit", "engine", "lane")

    def __init__(self, engine: RemoteEngine, lane: Lane) -> None:
        self.engine: Final = engine
        self.lane: Final = lane
        self._submit = engine._submit  # noqa: SLF001 - its other half
        self._left = False
        lane.enter()

    def execute(self, request: Request[R]) -> R:
        """As `RemoteEngine.execute`: whoever blocks the loop must not wait for what the loop does."""
        return self.engine.execute(request)

    def submit(self, request: Request[R]) -> Future[R]:
        """As `RemoteEngine.submit`, from the loop's thread; the future completes there."""
        return self._submit(request, self.lane)

    def close(self) -> None:
        """Leaves the loop alone, from its thread; the engine stays open. Idempotent."""
        if not self._left:
            self._left = True
            self.lane.leave()

    async def gone(self) -> None:
        """Waits until nothing of it is at work in the loop, after it was closed."""
        await self.lane.gone()


def _checked(timeout: float) -> float:
    check_seconds("timeout", timeout, DEFAULT_LIMITS.timeout_s_min, DEFAULT_LIMITS.timeout_s_max)
    return timeout
