"""One request on its way to a daemon: a future that knows what it asks, how long, and how often it was sent.

::

    QUEUED ──sent──▶ SENT ──reply──▶ done
      ▲               │
      └──connection lost: again, up to three times──┘

Reads, and commits that were never sent, can be cancelled. A commit that was sent cannot: cancelling it asks
the daemon to take it back if it has not begun to write it, and what became of it is still answered.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, Final

from google.protobuf.message import Message

from statehouse.errors import ConnectionError, DeadlineExceededError, OutcomeUnknownError, StatehouseError
from statehouse.protocol.deadlines import begun_too_late, out_of_time
from statehouse.protocol.requests import Commit, FindEvents, GetMany, History, Replay, Request, Scan
from statehouse.rpc.methods import Method
from statehouse.rpc.sizes import ITEM_BYTES_MAX

SENDINGS_MAX: Final = 3
_ROWS_FEW: Final = 100


class Call(Future[Any]):
    """A request and its answer.

    Args:
        request: What is asked.
        method: How it is said.
        message: It, said.
        deadline: When nobody waits for it any more, on the monotonic clock.
        traceparent: The span that asks.
        withdrawn: Told when somebody cancels it after it was sent.
    """

    def __init__(
        self,
        request: Request[Any],
        method: Method,
        message: Message,
        *,
        deadline: float,
        traceparent: str,
        withdrawn: Callable[[Call], object],
    ) -> None:
        super().__init__()
        self.request = request
        self.method = method
        self.message = message
        self.deadline = deadline
        self.traceparent = traceparent
        self.size_bytes = message.ByteSize()
        self.ident = 0
        self.sendings = 0
        self.alone = self.size_bytes > ITEM_BYTES_MAX or _is_bulky(request)
        """Whether it goes by a call of its own: it, or most likely its reply, is large."""
        self._withdrawn = withdrawn

    def cancel(self) -> bool:
        """Gives the answer up; False when it is there, or when this is a commit that was sent."""
        if self.done():
            return False
        cancelled = super().cancel()
        if self.sendings:
            self._withdrawn(self)
        return cancelled

    def begin(self, now: float) -> bool:
        """Notes that it is sent now, with what is left of its time; False when nobody wants it any more."""
        if self.cancelled():
            return False
        left = self.deadline - now
        if left <= 0:
            self.fail(self.late())
            return False
        if isinstance(self.request, Commit):
            # From here on nobody may believe that it was not applied.
            if not self.running() and not self.set_running_or_notify_cancel():
                return False
            self.message.timeout_ms = milliseconds(left)  # type: ignore[attr-defined]
        self.sendings += 1
        return True

    def complete(self, reply: object) -> None:
        """Answers."""
        try:
            self.set_result(reply)
        except InvalidStateError:
            return  # cancelled meanwhile

    def fail(self, error: BaseException) -> None:
        """Answers by an error."""
        try:
            self.set_exception(error)
        except InvalidStateError:
            return  # cancelled meanwhile

    def late(self) -> StatehouseError:
        """What is said when its time is over."""
        if isinstance(self.request, Commit):
            return out_of_time(self.request) if self.sendings else begun_too_late(self.request)
        return DeadlineExceededError(
            f"{self.method.call} was not answered in time; the daemon may be overloaded or far away: "
            "try again, or give the handle a longer timeout="
        )

    def lost(self, error: StatehouseError) -> StatehouseError:
        """What is said when the connection is gone and it will not be sent again."""
        if isinstance(self.request, Commit) and self.sendings:
            return OutcomeUnknownError(
                f"the connection was lost while transaction {self.request.txn_id} was being committed "
                f"({error.message}); commit it again, or look the transaction up, to know what became of it",
                txn_id=self.request.txn_id,
            )
        return type(error)(error.message, **error.details)

    @property
    def may_go_again(self) -> bool:
        """Whether it may be sent once more after a connection was lost: every request is idempotent (G5)."""
        return self.sendings < SENDINGS_MAX


def lost_connection(url: str, why: str) -> ConnectionError:
    """The daemon was there, and is not any more."""
    return ConnectionError(f"the connection to the daemon at {url} was lost: {why}", url=url)


def milliseconds(seconds: float) -> int:
    """Seconds as the wire says them; never 0, which means for ever."""
    return max(1, math.ceil(seconds * 1000))


def _is_bulky(request: Request[Any]) -> bool:
    """Whether a reply is likely to be larger than an item may be."""
    match request:
        case Replay(wait_s=0.0, payloads=True) | FindEvents() | History():
            return request.limit > _ROWS_FEW
        case Scan(keys_only=False):
            return request.limit > _ROWS_FEW
        case GetMany():
            return len(request.keys) > _ROWS_FEW
        case _:
            return False
