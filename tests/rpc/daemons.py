"""Daemons in this process that stop and come back at the same address, and what is no daemon of ours."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final, TypeVar

import grpc

from statehouse.errors import ConnectionError, StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Health, Request
from statehouse.rpc.methods import METHODS, Method, parse
from statehouse.rpc.serving.weights import is_quick
from statehouse.rpc.sizes import MESSAGE_BYTES_MAX
from statehouse.rpc.status import status_of, trailers, words
from statehouse.testing.daemon import serving

R = TypeVar("R")

MARGIN_S: Final = 2.0
"""How much longer than its timeout a call may take on a machine with two busy cores."""

WAIT_S: Final = 30.0


def eventually(holds: Callable[[], object], seconds: float = WAIT_S) -> None:
    """Returns as soon as something holds that other threads are about to do."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never held"
        threading.Event().wait(0.005)


def threads_of_clients() -> Counter[str]:
    """How many threads there are of this process's connections, and of gRPC for them, by what they do."""
    names = [thread.name for thread in threading.enumerate()]
    kinds = ("statehouse-link", "channel_spin", "consume_request_iterator")
    return Counter(kind for name in names for kind in kinds if kind in name)


def is_answered(remote: Engine) -> bool:
    """Whether there is a daemon that can be reached."""
    try:
        return remote.execute(Health()) == "ok"
    except ConnectionError:
        return False


@contextmanager
def within(seconds: float, *, at_least: float = 0.0) -> Iterator[None]:
    """Asserts how long its body takes."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert at_least <= took < seconds + MARGIN_S


def free_target() -> str:
    """An address that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


class Daemon:
    """Serves an engine at one address, from time to time.

    Attributes:
        target: Where.
    """

    def __init__(self, engine: Engine) -> None:
        self.target = free_target()
        self._engine = engine
        self._running = ExitStack()

    def start(self) -> None:
        """Begins to serve."""
        self._running.enter_context(serving(self._engine, listen=self.target))

    def stop(self) -> None:
        """Drains, and serves no more."""
        self._running.close()


class HeldEngine:
    """An engine that answers nothing before it is let go, but what a daemon answers in its event loop.

    Attributes:
        asked: What waits.
    """

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self._gone = threading.Event()
        self.asked: list[Request[Any]] = []

    def let_go(self) -> None:
        """Answers everything."""
        self._gone.set()

    def execute(self, request: Request[R]) -> R:
        """Waits, and answers."""
        return self._inner.execute(request) if is_quick(request) else self.submit(request).result(WAIT_S)

    def submit(self, request: Request[R]) -> Future[R]:
        """Answers in time to come."""
        if self._gone.is_set() or is_quick(request):
            return self._inner.submit(request)
        self.asked.append(request)
        future: Future[R] = Future()

        def wait() -> None:
            self._gone.wait(WAIT_S)
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._inner.execute(request))
                except StatehouseError as error:
                    future.set_exception(error)

        threading.Thread(target=wait, name="held", daemon=True).start()
        return future

    def close(self) -> None:
        """Closes it."""
        self._inner.close()


@contextmanager
def serving_calls(calls: Mapping[str, grpc.RpcMethodHandler[Any, Any]]) -> Iterator[str]:
    """A server that knows these calls, as one written by somebody else might."""
    with ThreadPoolExecutor(8) as threads:
        server = grpc.server(
            threads,
            options=(("grpc.max_receive_message_length", MESSAGE_BYTES_MAX), ("grpc.so_reuseport", 0)),
        )
        service = grpc.method_handlers_generic_handler("statehouse.v1.StatehouseService", calls)
        server.add_generic_rpc_handlers((service,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def serving_without_pipeline(engine: Engine) -> AbstractContextManager[str]:
    """A server that knows only the unary calls."""
    return serving_calls({method.call: _unary(engine, method) for method in METHODS})


def _unary(engine: Engine, method: Method) -> grpc.RpcMethodHandler:
    def answer(data: bytes, context: Any) -> bytes:
        message = parse(method.asked, data)
        request = method.decode(message)
        try:
            reply = engine.execute(request)
        except StatehouseError as error:
            context.set_trailing_metadata(trailers(error))
            context.abort(status_of(error), words(error))
        return method.encode_reply(message, request, reply).SerializeToString()

    return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def listening(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """A socket that takes connections and does something with each."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                    answer(taken[-1])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(WAIT_S)
    for each in taken:
        each.close()
