"""What an engine is, and how a conversation with one is written.

The local engine, the remote one, the traced one, the faulty one and the reference engine of the tests
all have just these members. One contract suite (`statehouse.testing.contracts`) runs over all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from statehouse.protocol.requests import Request

R = TypeVar("R")
T = TypeVar("T")

Flow = Generator[Request[Any] | Future[Any], Any, T]
"""Logic without I/O: yields requests (or futures to wait for) and is sent their replies; returns ``T``.

An error of the engine is thrown into the flow at the ``yield``. Two small drivers run a flow, one
blocking and one awaiting; see `statehouse.extend.run` and `run_async`.
"""


class Engine(Protocol):
    """Executes requests. Safe to use from any thread."""

    def execute(self, request: Request[R]) -> R:
        """Answers a request, blocking for as long as it takes.

        Raises:
            StatehouseError: See the request's class.
        """
        ...

    def submit(self, request: Request[R]) -> Future[R]:
        """Begins a request and returns at once; never blocks on a disk, a lock or the network.

        Cancelling the future of a commit succeeds only while nothing of it has been written.
        """
        ...

    def close(self) -> None:
        """Finishes what was begun, makes it durable and frees everything. Idempotent."""
        ...


def in_loop(engine: Engine) -> Engine:
    """Gives the way in which the coroutines of the running event loop ask an engine.

    It is the engine itself, unless that has a shorter one: an ``in_loop()`` that gives an engine for them, to
    be closed when the loop asks no more.
    """
    nearer: Callable[[], Engine] | None = getattr(engine, "in_loop", None)
    return engine if nearer is None else nearer()


async def gone(engine: Engine) -> None:
    """Waits until nothing of what `in_loop` gave, and was closed, is at work in the running loop."""
    wait: Callable[[], Awaitable[None]] | None = getattr(engine, "gone", None)
    if wait is not None:
        await wait()


def ask(request: Request[R]) -> Generator[Request[Any], Any, R]:
    """Yields one request and returns its reply, typed; to be used with ``yield from``."""
    reply: R = yield request
    return reply
