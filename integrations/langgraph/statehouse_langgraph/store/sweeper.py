"""The thread that removes expired items now and then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from statehouse import StatehouseError
from statehouse.extend import Connection
from statehouse_langgraph.store.expiring import SWEPT_AT_ONCE

_log: Final = logging.getLogger(__name__)


class Sweeper:
    """A thread that sweeps until it is stopped, or the store is closed; never why a program does not exit.

    Args:
        sweep: Sweeps once, and gives how many items it removed.
        every_s: Seconds between two sweeps.
        connection: The store.

    Attributes:
        ended: Is done when the thread has ended; cancelling it stops the thread.
    """

    def __init__(self, sweep: Callable[[], int], every_s: float, connection: Connection) -> None:
        self.ended: Future[None] = Future()
        self._sweep = sweep
        self._every_s = every_s
        self._connection = connection
        self._stop = threading.Event()
        self.ended.add_done_callback(lambda _: self._stop.set())
        connection.when_closed(self._stop.set)
        self._thread = threading.Thread(target=self._work, name="statehouse-langgraph-store-ttl", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it still sweeps."""
        return self._thread.is_alive() and not self._stop.is_set()

    def stop(self, timeout: float | None = None) -> bool:
        """Stops it; gives whether it has ended within the timeout, in seconds."""
        self._stop.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        pause_s = self._every_s
        while not self._stop.wait(pause_s):
            try:
                swept = self._sweep()
            except StatehouseError as error:
                # A daemon that is gone comes back.
                _log.warning("expired items were not removed: %s", error)
                swept = 0
            pause_s = 0 if swept >= SWEPT_AT_ONCE else self._every_s
        self._connection.forget(self._stop.set)
        if self.ended.set_running_or_notify_cancel():
            self.ended.set_result(None)
