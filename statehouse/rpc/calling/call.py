"""One request on its way to a daemon: a future that knows what it asks, how long, and how often it was sent.

::

    QUEUED ──sent──▶ SENT ──reply──▶ done
      ▲               │
      └──connection lost: again, up to five times (what only waits: always)──┘

Reads, and commits that were never sent, can be cancelled. A commit that was sent cannot: cancelling it asks
the daemon to take it back if it has not begun to write it, and what became of it is still answered.

Invariants:

* C1. A commit is either begun by whoever sends it or cancelled by its caller, whichever comes first and never
  both: what is said of it afterwards rests on that.
* C2. A caller that blocks waits on a bare lock. Ctrl-C can leave the condition of a `Future` locked for ever,
  and with it the thread that answers.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Final, Protocol

from google.protobuf.message import Message

from statehouse.errors import (
    ConnectionError,
    DeadlineExceededError,
    OutcomeUnknownError,
    OverloadedError,
    StatehouseError,
)
from statehouse.protocol.deadlines import begun_too_late, out_of_time
from statehouse.protocol.requests import Commit, FindEvents, GetMany, History, Replay, Request, Scan
from statehouse.rpc.methods import Method
from statehouse.rpc.sizes import ITEM_BYTES_MAX
from statehouse.rpc.status import from_message

SENDINGS_MAX: Final = 5
_ROWS_FEW: Final = 100
_ITEM_EXTRA_BYTES: Final = 128
"""What an item has besides its request: an id, times, a span."""


class Carrier(Protocol):
    """What has calls sent."""

    def withdraw(self, call: Call) -> None:
        """Tells the daemon that nobody waits for a call that was sent."""
        ...


class Call(Future[Any]):
    """A request and its answer.

    Args:
        request: What is asked.
        method: How it is said.
        message: It, said.
        deadline: When nobody waits for it any more, on the monotonic clock.
        traceparent: The span that asks.

    Attributes:
        carrier: What has it sent; told when somebody cancels it after it was sent.
    """

    def __init__(
        self,
        request: Request[Any],
        method: Method,
        message: Message,
        *,
        deadline: float,
        traceparent: str,
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
        self.alone = self.size_bytes + _ITEM_EXTRA_BYTES > ITEM_BYTES_MAX or _is_bulky(request)
        """Whether it goes by a call of its own: it, or most likely its reply, is large."""
        self.abandoned = False
        """Whether nobody waits for it any more, though it could not be cancelled."""
        self.carrier: Carrier | None = None
        self._turn = threading.Lock()
        self._told = threading.Lock()
        self._told.acquire()

    def wait(self, seconds: float) -> bool:
        """Waits for the answer; whether it came in time (C2). For one thread, once."""
        return self._told.acquire(timeout=max(0.0, seconds))

    def cancel(self) -> bool:
        """Gives the answer up; False when it is there, or when this is a commit that was sent."""
        if self.done():
            return self.cancelled()
        if not self._turn.acquire(blocking=False):
            if not isinstance(self.request, Commit):
                # Another thread cancels it at this moment.
                return self.cancelled()
            # C1
            self.abandoned = True
            self._withdraw()
            return False
        cancelled = super().cancel()
        if cancelled:
            # Whoever waits for several futures is only told now.
            self.set_running_or_notify_cancel()
            self._told.release()
        if self.sendings:
            self._withdraw()
        return cancelled

    def _withdraw(self) -> None:
        if self.carrier is not None:
            self.carrier.withdraw(self)

    def begin(self, now: float) -> bool:
        """Notes that it is sent now, with what is left of its time; False when nobody wants it any more."""
        if self.done():
            return False
        left = self.deadline - now
        if left <= 0 or self.abandoned:
            self.fail(self.late())
            return False
        if isinstance(self.request, Commit):
            if not self.sendings and not self._turn.acquire(blocking=False):
                # C1
                return False
            self.message.timeout_ms = milliseconds(left)  # type: ignore[attr-defined]
        self.sendings += 1
        return True

    def unsent(self) -> None:
        """Notes that it was not sent after all: nobody was there who could have read it."""
        self.sendings -= 1
        if isinstance(self.request, Commit) and not self.sendings:
            self._turn.release()

    def add_to(self, items: Any, now: float) -> None:
        """Adds it to the items of a batch."""
        left = milliseconds(self.deadline - now)
        said = {self.method.field: self.message}
        items.add(id=self.ident, timeout_ms=left, traceparent=self.traceparent, **said)

    def answer_item(self, item: Any) -> bool:
        """Answers by an item of a batch; False when it has to be asked by a call of its own."""
        kind = item.WhichOneof("reply")
        if kind == "error":
            self.fail(self.refused(from_message(item.error)))
        elif kind == "too_large":
            self.alone = True
            return False
        elif kind == self.method.field:
            self.answer(getattr(item, kind))
        else:
            self.fail(self.senseless(f"it is {kind or 'empty'}"))
        return True

    def answer(self, message: Message) -> None:
        """Answers by the message of a reply."""
        try:
            reply = self.method.decode_reply(self.request, message)
        except StatehouseError as error:
            self.fail(self.lost(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller must not wait for ever
            self.fail(self.senseless(repr(error)))
        else:
            self.complete(reply)

    def complete(self, reply: object) -> None:
        """Answers."""
        with suppress(InvalidStateError):
            self.set_result(reply)
            self._told.release()

    def fail(self, error: BaseException) -> None:
        """Answers by an error."""
        with suppress(InvalidStateError):
            self.set_exception(error)
            self._told.release()

    @property
    def _begun(self) -> bool:
        """Whether this is a commit that may have been sent."""
        return isinstance(self.request, Commit) and self._turn.locked() and not self.cancelled()

    def late(self) -> StatehouseError:
        """What is said when its time is over."""
        if isinstance(self.request, Commit):
            return out_of_time(self.request) if self._begun else begun_too_late(self.request)
        return DeadlineExceededError(
            f"{self.method.call} was not answered in time; the daemon may be overloaded or far away: "
            "try again, or give the handle a longer timeout="
        )

    def lost(self, error: StatehouseError) -> StatehouseError:
        """What is said when the connection is gone and it will not be sent again."""
        if isinstance(self.request, Commit) and self._begun:
            return OutcomeUnknownError(
                f"the connection was lost while transaction {self.request.txn_id} was being committed "
                f"({error.message}); commit it again, or look the transaction up, to know what became of it",
                txn_id=self.request.txn_id,
            )
        return type(error)(error.message, **error.details)

    def refused(self, error: StatehouseError) -> StatehouseError:
        """What is said when the daemon answers an error."""
        if self._begun and self.sendings > 1 and isinstance(error, OverloadedError | DeadlineExceededError):
            # Said without looking: an earlier sending, over a connection that is gone, may have been applied.
            return self.lost(error)
        return error

    def unclear(self, error: StatehouseError) -> StatehouseError:
        """What is said of an error that is gRPC's and not the daemon's."""
        if type(error) is StatehouseError:
            return self.lost(error)
        return self.refused(error)

    def senseless(self, why: str) -> StatehouseError:
        """What is said of an answer that is none."""
        return self.unclear(StatehouseError(f"the answer to {self.method.call} makes no sense: {why}"))

    @property
    def may_go_again(self) -> bool:
        """Whether it may be sent once more after a connection was lost: every request is idempotent (G5)."""
        if isinstance(self.request, Replay) and self.request.wait_s:
            # However often the daemon is restarted: waiting has not harmed it.
            return not self.abandoned
        return self.sendings < SENDINGS_MAX and not self.abandoned


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
