"""Who waits for the next commit: followers of the log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple


class _Waiter(NamedTuple):
    after_ts: int
    deadline: float
    future: Future[None]


class Watch:
    """Futures that complete when a commit above a given one is announced, or their time is up.

    A follower reads, finds nothing, and asks for a future; asking again under the lock whether something
    came meanwhile means that no announcement falls between the two.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: list[_Waiter] = []
        self._visible = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiters)

    def wait(self, after_ts: int, deadline: float) -> Future[None]:
        """A future that completes when the visible commit_ts exceeds `after_ts`, or at `expire`."""
        future: Future[None] = Future()
        with self._lock:
            if not (self._visible > after_ts or self._closed):
                self._waiters.append(_Waiter(after_ts, deadline, future))
                return future
        future.set_result(None)
        return future

    def leave(self, future: Future[None]) -> None:
        """Forgets a future that nobody waits for any more."""
        with self._lock:
            self._waiters = [waiter for waiter in self._waiters if waiter.future is not future]

    def announce(self, visible: int) -> None:
        """Wakes those whose commit has come."""
        with self._lock:
            self._visible = visible
        if self._waiters:
            self._complete(lambda waiter: waiter.after_ts < visible)

    def expire(self, now: float) -> None:
        """Wakes those whose time is up."""
        if self._waiters:
            self._complete(lambda waiter: waiter.deadline <= now)

    def next_deadline(self) -> float | None:
        """When `expire` has something to do; None when nobody waits."""
        with self._lock:
            return min((waiter.deadline for waiter in self._waiters), default=None)

    def close(self) -> None:
        """Wakes everybody, for good."""
        with self._lock:
            self._closed = True
        self._complete(lambda _: True)

    def _complete(self, due: Callable[[_Waiter], bool]) -> None:
        with self._lock:
            woken = [waiter.future for waiter in self._waiters if due(waiter)]
            self._waiters = [waiter for waiter in self._waiters if not due(waiter)]
        for future in woken:
            if future.set_running_or_notify_cancel():
                future.set_result(None)
