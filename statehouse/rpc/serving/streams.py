"""The streams that are open: so many at most, ended when the daemon goes down, cut off when nobody reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, Final

from statehouse.errors import OverloadedError
from statehouse.rpc.serving.answers import Refusal, going_down, log, logged, refusal_of, refuse

_RETRY_AFTER_S: Final = 1.0


def slow_reader(stall_s: float) -> OverloadedError:
    """What is said to who takes nothing for so long, in seconds."""
    return OverloadedError(
        f"nothing was taken from this stream for {stall_s:g} s, so it was cut off: go on after what was "
        "received",
        retry_after=_RETRY_AFTER_S,
        reason="slow_reader",
    )


class Streams:
    """Streams of one kind, each in a task of its own.

    A stream counts until its last word was taken by the client, or the client is gone: what gRPC still holds
    for a client that does not read is bounded by `count_max` too.

    Args:
        what: What they are called.
        count_max: The most at once.
        stall_s: A client that takes nothing for so long is cut off, in seconds.
    """

    def __init__(self, what: str, *, count_max: int, stall_s: float) -> None:
        self._what = what
        self._count_max = count_max
        self._stall_s = stall_s
        self._tasks: set[asyncio.Task[Any]] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._tasks)

    async def serve(self, rpc: str, context: Any, run: Callable[[], Awaitable[None]]) -> None:
        """Runs a stream in the present task, and tells its errors as the contract says."""
        task = asyncio.current_task()
        assert task is not None
        # gRPC would send it with the first message, and, if that is given up half-way, again with the status,
        # which then fails: the client would wait for ever.
        await context.send_initial_metadata(())
        try:
            refusal = self._refusal()
            if refusal is None:
                self._tasks.add(task)
                refusal = await self._run(rpc, context, run)
            # See `guarded`.
            del run
            if refusal is not None:
                await refuse(context, refusal)
        finally:
            self._tasks.discard(task)

    def _refusal(self) -> Refusal | None:
        if self._draining:
            return going_down()
        if len(self._tasks) >= self._count_max:
            return OverloadedError(
                f"{len(self._tasks)} {self._what} are open already: end some, or try again",
                retry_after=_RETRY_AFTER_S,
                reason="too_many_streams",
            )
        return None

    async def _run(self, rpc: str, context: Any, run: Callable[[], Awaitable[None]]) -> Refusal | None:
        try:
            with logged(rpc, context) if log.isEnabledFor(logging.DEBUG) else nullcontext():
                await run()
        except asyncio.CancelledError:
            # By `drain`; else the client has gone, and nobody is there to be told.
            if not self._draining:
                raise
            return going_down()
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is answered and the server goes on
            return refusal_of(rpc, context, error)
        return None

    async def send(self, context: Any, data: bytes) -> None:
        """Sends a message, and returns when the client can take another.

        Raises:
            OverloadedError: It took nothing for too long.
        """
        try:
            async with asyncio.timeout(self._stall_s):
                await context.write(data)
        except TimeoutError:
            log.warning("a client took nothing for %g s: cut off", self._stall_s)
            raise slow_reader(self._stall_s) from None

    def drain(self) -> None:
        """Ends every stream with UNAVAILABLE, and begins no other."""
        self._draining = True
        for task in self._tasks:
            task.cancel()
