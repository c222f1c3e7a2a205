"""A commit on its way through the writer, and how its caller is told what became of it.

A ticket is either begun by the writer or withdrawn by its caller, whichever comes first, and never both
(W3). A caller that blocks waits on a bare lock: a `Future` costs it three more switches of threads.

Callers of one group that wait in threads wake one another: the writer wakes the first, each wakes the next,
the last wakes the writer. Woken all at once they would fight for the interpreter, which runs one of them:
with 64 threads that fight took more time than their commits. Whoever stops waiting, for whatever reason,
wakes the next.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from statehouse.engine.prepare import Prepared
from statehouse.errors import StatehouseError
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit


class Ticket(Protocol):
    """What the writer needs to know of a queued commit."""

    commit: Commit
    prepared: Prepared | None
    size_bytes: int
    deadline: float

    @property
    def begun(self) -> bool:
        """Whether `begin` succeeded."""
        ...

    def begin(self) -> bool:
        """Takes the ticket for writing; False when it was withdrawn. May be repeated."""
        ...

    def tell(self, result: Committed | StatehouseError) -> None:
        """Answers the caller; to be called once."""
        ...


class PromisedTicket:
    """A ticket whose caller holds a future; cancelling it withdraws the ticket."""

    __slots__ = ("commit", "deadline", "future", "prepared", "size_bytes")

    def __init__(self, commit: Commit, prepared: Prepared | None, size_bytes: int, deadline: float) -> None:
        """Promises an answer."""
        self.commit = commit
        self.prepared = prepared
        self.size_bytes = size_bytes
        self.deadline = deadline
        self.future: Future[Committed] = Future()

    @property
    def begun(self) -> bool:
        """See `Ticket.begun`."""
        return self.future.running()

    def begin(self) -> bool:
        """See `Ticket.begin`."""
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def tell(self, result: Committed | StatehouseError) -> None:
        """See `Ticket.tell`."""
        if isinstance(result, StatehouseError):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class AwaitedTicket:
    """A ticket whose caller waits in its own thread."""

    __slots__ = (
        "begun",
        "commit",
        "deadline",
        "left",
        "next",
        "prepared",
        "result",
        "size_bytes",
        "told",
        "turn",
    )

    def __init__(self, commit: Commit, prepared: Prepared, deadline: float) -> None:
        """Prepares to wait."""
        self.commit = commit
        self.prepared: Prepared | None = prepared
        self.size_bytes = prepared.size_bytes
        self.deadline = deadline
        self.begun = False
        self.result: Committed | StatehouseError | None = None
        self.next: AwaitedTicket | threading.Event | None = None
        self.left = False
        # Both locks are used once: whoever takes the turn has it, and the answer lifts the other.
        self.turn = threading.Lock()
        self.told = threading.Lock()
        self.told.acquire()

    def begin(self) -> bool:
        """See `Ticket.begin`."""
        if not self.begun:
            self.begun = self.turn.acquire(blocking=False)
        return self.begun

    def withdraw(self) -> bool:
        """Takes the ticket back; False when it is being written, or was answered."""
        return self.turn.acquire(blocking=False)

    def tell(self, result: Committed | StatehouseError) -> None:
        """See `Ticket.tell`."""
        self.set(result, None)
        _wake(self)

    def set(
        self, result: Committed | StatehouseError, following: AwaitedTicket | threading.Event | None
    ) -> None:
        """Sets the answer, and whom this caller wakes; it may find the answer before it is woken."""
        self.next = following
        self.result = result

    def wait(self, seconds: float) -> Committed | StatehouseError | None:
        """The answer; None when there was none in time."""
        try:
            self.told.acquire(timeout=max(0.0, seconds))
        finally:
            self.left = True
            if self.result is not None:
                _wake(self.next)
        return self.result


def _wake(link: AwaitedTicket | threading.Event | None) -> None:
    """Wakes a caller; if it has left already, those behind it."""
    while isinstance(link, AwaitedTicket):
        # One that leaves at this moment may be woken twice, and then wakes the next one itself.
        try:  # noqa: SIM105 - every caller does this, and `suppress` takes it half a microsecond
            link.told.release()
        except RuntimeError:
            pass
        if not link.left:
            return
        link = link.next
    if link is not None:
        link.set()


def tell_all(
    answers: Sequence[tuple[Ticket, Committed | StatehouseError]], all_woken: threading.Event
) -> None:
    """Answers the callers of a group, and sets an event when none of them waits in its thread any more."""
    first: AwaitedTicket | threading.Event = all_woken
    for ticket, result in reversed(answers):
        if isinstance(ticket, AwaitedTicket):
            ticket.set(result, first)
            first = ticket
    _wake(first)
    for ticket, result in answers:
        if not isinstance(ticket, AwaitedTicket):
            ticket.tell(result)
