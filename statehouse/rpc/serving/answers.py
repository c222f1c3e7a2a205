"""What every call is answered with: an engine that is asked without blocking, threads for what is large, and
words for what goes wrong.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any, Final, NamedTuple, TypeVar

import grpc

from statehouse.errors import ConnectionError, DeadlineExceededError, EngineError, StatehouseError
from statehouse.protocol.deadlines import begun_too_late, dropped, out_of_time
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import KIB
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Replay, Request
from statehouse.rpc.methods import BY_REQUEST
from statehouse.rpc.serving.admission import Admission
from statehouse.rpc.serving.gathering import Gathering
from statehouse.rpc.serving.meter import Meter
from statehouse.rpc.serving.spans import asker
from statehouse.rpc.serving.weights import weight_of_commit
from statehouse.rpc.status import status_of, trailers, words
from statehouse.tracing import TracedEngine
from statehouse.tracing.propagation import parsed

log: Final = logging.getLogger("statehouse.rpc")

R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

INLINE_BYTES_MAX: Final = 64 * KIB
"""What is larger is turned into messages, or out of them, in a thread: ten milliseconds, as Struct."""

PAGES_MAX: Final = 3
"""How many pages are read, held and made into messages at once, over all clients. More would not be read any
faster, as they take turns at the interpreter; and everybody else's turn would come later."""

_CODING_THREADS: Final = 2
_FAULTS: Final = (grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)


class ReplyTooLargeError(Exception):
    """The answer is larger than the client takes; the text says how to ask for less of it."""


class Caller(NamedTuple):
    """Who asks, if the call says so: a trace and a span, 32 and 16 hexadecimal digits."""

    trace_id: str = ""
    span_id: str = ""


def _never(_: Commit) -> None:
    """For engines that have no `commit_here`, and those whose requests have spans."""


def caller_of(context: Any) -> Caller:
    """Gives who asks, by the W3C ``traceparent`` of the call."""
    for name, value in context.invocation_metadata() or ():
        if name == "traceparent":
            found = parsed(value)
            if found is not None:
                return Caller(found[0], found[1])
    return Caller()


class Answers:
    """The engine of a server, and what goes with it; one for each server, in its event loop.

    Args:
        engine: What answers; not closed here.
        admission: What counts the requests that wait.
        meter: Where what is answered is counted, if anywhere.

    Attributes:
        engine: See above.
        admission: See above.
        meter: See above.
        traced: Whether the engine makes spans.
        asked_by: Makes the span of a ``traceparent`` current, if the engine makes spans.
        commit_here: Commits without leaving the event loop, where the engine can and it takes no time; gives
            None where not, and nothing was done.
        pages: Whoever reads a page, or anything as large, holds one of these until the page has become bytes.
    """

    def __init__(self, engine: Engine, admission: Admission, meter: Meter | None = None) -> None:
        self.engine = engine
        self.admission = admission
        self.meter = meter
        self.traced = isinstance(engine, TracedEngine)
        self.commit_here: Callable[[Commit], Committed | None] = getattr(engine, "commit_here", _never)
        self._gathering = Gathering(engine)
        self.asked_by = asker(engine)
        self.pages = asyncio.Semaphore(PAGES_MAX)
        self._threads = ThreadPoolExecutor(_CODING_THREADS, thread_name_prefix="statehouse-coding")
        self._waits: set[Future[Any]] = set()
        self._draining = False

    async def ask(self, request: Request[R], *, timeout: float | None = None) -> R:
        """Answers a request without blocking the loop.

        When the caller is cancelled, the request is: a commit that is not being written yet is not applied.

        Args:
            request: What to answer.
            timeout: Seconds to wait; None for as long as it takes. A commit has its own.

        Raises:
            ConnectionError: The daemon goes down, and this only waits for commits to come.
            DeadlineExceededError: There was no answer in time; nothing was applied.
            OutcomeUnknownError: A commit was being written when its time was over.
            StatehouseError: See the request's class.
        """
        if isinstance(request, Commit):
            reply: Any = await self._commit(request)
            return reply  # type: ignore[no-any-return]
        waits = isinstance(request, Replay) and request.wait_s > 0
        if waits and self._draining:
            raise going_down()
        future = self.engine.submit(request)
        if waits:
            self._waits.add(future)
        try:
            await settled(future, timeout)
        finally:
            late = future.cancel()
            self._waits.discard(future)
        if late and waits and self._draining:
            raise going_down()
        if late or not future.done():
            call = BY_REQUEST[type(request)].call
            raise DeadlineExceededError(
                f"{call} was not answered within {timeout or 0:g} s, the time of the call"
            )
        return future.result()

    def submit(self, commit: Commit) -> Future[Committed]:
        """Begins a commit, in the loop; those that come in one pass of it are written together."""
        self._gathering.begin()
        return self.engine.submit(commit)

    async def _commit(self, commit: Commit) -> Committed:
        # The engine checks it here and now, and only its values elsewhere.
        if weight_of_commit(commit) <= INLINE_BYTES_MAX:
            future = self.submit(commit)
        else:
            future = await self.in_thread(self.engine.submit, commit)
        try:
            await settled(future, commit.timeout_s)
        except asyncio.CancelledError:
            future.cancel()
            raise
        if future.cancelled():
            raise dropped(commit)
        if future.cancel():
            raise begun_too_late(commit)
        if not future.done():
            raise out_of_time(commit)
        return future.result()

    async def code(self, size_bytes: int, function: Callable[..., T], *arguments: Any) -> T:
        """Turns something of about this size into messages, or out of them; in a thread if it is large."""
        if size_bytes <= INLINE_BYTES_MAX:
            return function(*arguments)
        return await self.in_thread(function, *arguments)

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Does what would stop the loop for too long."""
        # The span that asks goes along.
        run = copy_context().run
        return await asyncio.get_running_loop().run_in_executor(self._threads, run, function, *arguments)

    def drain(self) -> None:
        """Ends what only waits for commits to come, with UNAVAILABLE; what has something to answer does."""
        self._draining = True
        for future in tuple(self._waits):
            future.cancel()

    def close(self) -> None:
        """Ends the threads; to be called when no call is running."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def going_down() -> ConnectionError:
    """What is said while the daemon goes down."""
    return ConnectionError("the daemon is going down: connect again when it is back")


async def settled(future: Future[Any], timeout: float | None = None) -> None:
    """Waits until a future of the engine is done, or the time is over; cancels and raises nothing of it."""
    if future.done():
        return
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object) -> None:
        # The loop may have been closed while a commit that nobody waits for was being written.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_set, waiter)

    timer = None if timeout is None else loop.call_later(timeout, _set, waiter)
    future.add_done_callback(wake)
    try:
        await waiter
    finally:
        if timer is not None:
            timer.cancel()


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


Answer = Callable[[bytes, Any], Awaitable[bytes]]


def guarded(rpc: str, answer: Answer) -> Answer:
    """Gives the handler of a unary call: it tells errors as the contract says, and logs.

    Args:
        rpc: The name of the call.
        answer: Gives the bytes of the reply, for those of the request and the call's context.
    """

    async def call(data: bytes, context: Any) -> bytes:
        try:
            if log.isEnabledFor(logging.DEBUG):
                with logged(rpc, context):
                    return await answer(data, context)
            return await answer(data, context)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is answered and the server goes on
            refusal = refusal_of(rpc, context, error)
        # gRPC keeps the exception that ends a call, and so this frame, until the garbage collector comes by.
        del data
        await refuse(context, refusal)
        raise AssertionError("abort returned")

    return call


@contextmanager
def logged(rpc: str, context: Any) -> Iterator[None]:
    """Says in the log, for debugging, when a call begins, and how it ends."""
    log.debug("%s begins", rpc, extra=facts(context, rpc=rpc))
    began = time.monotonic()
    code = "OK"
    try:
        yield
    except StatehouseError as error:
        code = status_of(error).name
        raise
    except ReplyTooLargeError:
        code = "RESOURCE_EXHAUSTED"
        raise
    except asyncio.CancelledError:
        code = "CANCELLED"
        raise
    except Exception:
        code = "INTERNAL"
        raise
    finally:
        duration_ms = round((time.monotonic() - began) * 1000, 3)
        more = facts(context, rpc=rpc, code=code, duration_ms=duration_ms)
        log.debug("%s ends: %s", rpc, code, extra=more)


Refusal = StatehouseError | ReplyTooLargeError


def refusal_of(rpc: str, context: Any, error: Exception) -> Refusal:
    """Gives what a client is told of an error; what is no fault of the client's is logged.

    It has no traceback any more: whoever keeps the error would keep the request, which may be large.
    """
    if isinstance(error, ReplyTooLargeError):
        return without_traceback(error)
    if isinstance(error, StatehouseError):
        status = status_of(error)
        if status in _FAULTS:
            log.error("%s: %s", rpc, error, extra=facts(context, rpc=rpc, code=status.name))
        return without_traceback(error)
    log.error("%s failed", rpc, exc_info=error, extra=facts(context, rpc=rpc, code="INTERNAL"))
    return EngineError(f"the daemon failed to answer {rpc}; its log says why")


def without_traceback(error: E) -> E:
    """Gives an error that keeps no frames, and nothing that is in them."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


async def refuse(context: Any, refusal: Refusal) -> None:
    """Ends a call with an error; never returns."""
    if isinstance(refusal, ReplyTooLargeError):
        # In the words of gRPC, which every client understands as that.
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(refusal))
    else:
        await context.abort(status_of(refusal), words(refusal), trailers(refusal))


def facts(context: Any, **more: Any) -> dict[str, Any]:
    """What a line of the log says besides: who asks, and what is given."""
    return {**more, "peer": context.peer(), "trace_id": caller_of(context).trace_id}
