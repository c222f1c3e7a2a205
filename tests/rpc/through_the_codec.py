"""An engine that is asked in bytes and answers in bytes, without a network between."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, TypeVar

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError, StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Request
from statehouse.rpc.methods import BY_REQUEST, Method, parse
from statehouse.rpc.status import from_message, to_message

R = TypeVar("R")


class ThroughTheCodec:
    """An `Engine` whose requests, replies and errors become bytes, as between a client and a daemon."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner

    def execute(self, request: Request[R]) -> R:
        """Asks in bytes."""
        asked = Asked(request)
        try:
            reply = asked.said(self._inner.execute(asked.meant))
        except StatehouseError as error:
            raise travelled(error) from None
        answer: R = asked.understood(reply)
        return answer

    def submit(self, request: Request[R]) -> Future[R]:
        """Asks in bytes, and does not wait."""
        try:
            asked = Asked(request)
        except StatehouseError as error:
            refused: Future[R] = Future()
            refused.set_exception(error)
            return refused
        return Answer(asked, self._inner.submit(asked.meant))

    def close(self) -> None:
        """Closes it."""
        self._inner.close()


class Asked:
    """A request as the daemon meets it."""

    def __init__(self, request: Request[Any]) -> None:
        self.request = request
        self.method: Method | None = BY_REQUEST.get(type(request))
        if self.method is None:
            raise InvalidArgumentError(f"not a request that an engine answers: {request!r:.80}")
        data = self.method.encode(request).SerializeToString()
        try:
            self.message = parse(self.method.asked, data)
            self.meant = self.method.decode(self.message)
        except StatehouseError as error:
            raise travelled(error) from None

    def said(self, reply: object) -> bytes:
        """The reply, as the daemon sends it."""
        assert self.method is not None
        return self.method.encode_reply(self.message, self.meant, reply).SerializeToString()

    def understood(self, data: bytes) -> Any:
        """The reply, as the client gets it."""
        assert self.method is not None
        return self.method.decode_reply(self.request, parse(self.method.answered, data))


class Answer(Future[Any]):
    """The reply to come; it is cancelled where the request is."""

    def __init__(self, asked: Asked, waiting: Future[Any]) -> None:
        super().__init__()
        self._asked = asked
        self._waiting = waiting
        waiting.add_done_callback(self._answer)

    def cancel(self) -> bool:
        """Cancels the request, if that is still possible."""
        if not (self._waiting.cancel() and super().cancel()):
            return False
        # Tells those who wait for several futures.
        self.set_running_or_notify_cancel()
        return True

    def _answer(self, done: Future[Any]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, StatehouseError):
            self.set_exception(travelled(error))
        else:
            self.set_result(self._asked.understood(self._asked.said(done.result())))


def travelled(error: StatehouseError) -> StatehouseError:
    """An error as it arrives."""
    return from_message(pb.StatehouseError.FromString(to_message(error).SerializeToString()))
