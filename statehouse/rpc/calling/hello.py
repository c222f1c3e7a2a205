"""The first call over a connection: it waits for the daemon to be there, and asks until it knows.

A connection can break at this moment too, and not every break is noticed. Where a reset comes with the last
bytes, gRPC 1.76 reads the bytes and waits for more, until something is sent or a keepalive finds out. So what
is not answered soon is asked once more beside the first: on a broken connection that shows at once, and the
next one is made. Far away, the first goes on and its answer counts.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

import grpc

from statehouse.errors import StatehouseError
from statehouse.rpc.calling.channel import SERVICE, closed_error, let_go, not_there

_PAUSE_S_FIRST: Final = 0.02
_PAUSE_S_MAX: Final = 1.0
_PATIENCE_S: Final = 0.2


class Hello:
    """Finds out whether a daemon is there.

    Args:
        target: Where it is.
        connect_timeout: Seconds to wait for it.
        closed: Set when nobody wants to know any more; then `cancel` is called.
    """

    def __init__(self, target: str, *, connect_timeout: float, closed: threading.Event) -> None:
        self._target = target
        self._connect_timeout = connect_timeout
        self._closed = closed
        self._asked: list[Any] = []

    def say(self, channel: grpc.Channel) -> StatehouseError | None:
        """Waits for the daemon to be there; gives the error if it is not."""
        deadline = time.monotonic() + self._connect_timeout
        pause = _PAUSE_S_FIRST
        while True:
            try:
                self._ask(channel, deadline)
            except (grpc.FutureCancelledError, ValueError):
                # gRPC's word for a channel that was closed is the latter.
                return closed_error(self._target)
            except grpc.RpcError as error:
                # gRPC waits for a connection, and not for a second one when the first breaks at this moment.
                broken = error.code() is grpc.StatusCode.UNAVAILABLE
                let_go(error)
                if not broken or time.monotonic() + pause >= deadline or self._closed.wait(pause):
                    return not_there(self._target, self._connect_timeout, error)
                pause = min(_PAUSE_S_MAX, pause * 2)
            else:
                return None

    def cancel(self) -> None:
        """Ends the waiting."""
        for rpc in list(self._asked):
            rpc.cancel()

    def _ask(self, channel: grpc.Channel, deadline: float) -> None:
        patience = _PATIENCE_S
        try:
            first = self._begin(channel, deadline)
            while True:
                try:
                    first.result(patience)
                except grpc.FutureTimeoutError:
                    self._begin(channel, deadline)
                    patience *= 2
                else:
                    return
        finally:
            self.cancel()
            self._asked.clear()

    def _begin(self, channel: grpc.Channel, deadline: float) -> Any:
        rpc = channel.unary_unary(f"{SERVICE}Version").future(
            b"", timeout=max(0.001, deadline - time.monotonic()), wait_for_ready=True
        )
        self._asked.append(rpc)
        if self._closed.is_set():
            rpc.cancel()
        return rpc
