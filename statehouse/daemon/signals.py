"""What the daemon does when it is signalled.

========================  ===================================================================
SIGTERM, SIGINT (Ctrl-C)  the first asks it to end; a second ends it at once, by `os._exit`:
                          no more harm than `kill -9`, which loses nothing that was answered.
                          The same one again within a second is no second one: who is asked once is
                          often told twice, as by ``timeout``, which signals its child and its group
SIGHUP                    nothing, but for a line in the log: nothing is read again
========================  ===================================================================

Handlers run in the main thread between two steps of Python, whatever the event loop is doing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final, Self

__all__ = ["Signals"]

_log = logging.getLogger("statehouse.daemon")

_ENDING: Final = tuple(
    # SIGBREAK is Windows': Ctrl-Break.
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGBREAK")
    if hasattr(signal, name)
)

_AGAIN_S: Final = 1.0


class Signals:
    """Turns signals into something to wait for. Used as a context in the main thread, in a running loop.

    Args:
        before_exit: Called before a second signal ends the process.
        clock: Gives seconds.
    """

    def __init__(
        self, before_exit: Callable[[], object], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._before_exit = before_exit
        self._clock = clock
        self._first_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._asked = asyncio.Event()
        self.first: signal.Signals | None = None
        """The signal that asked the process to end; None while none has."""

    def __enter__(self) -> Self:
        for number in _ENDING:
            signal.signal(number, self._end)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._hang_up)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # All is done and decided; what comes now would only falsify the exit code.
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)

    async def wait(self) -> None:
        """Returns when the process was asked to end."""
        await self._asked.wait()

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.first is None:
            self.first, self._first_at = signal.Signals(number), self._clock()
            self._loop.call_soon_threadsafe(self._asked.set)
            return
        if number == self.first and self._clock() - self._first_at < _AGAIN_S:
            return
        _log.warning(
            "%s after %s: ended at once; nothing that was answered is lost",
            signal.Signals(number).name,
            self.first.name,
        )
        self._before_exit()
        os._exit(128 + number)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        _log.warning(
            "SIGHUP does nothing: the configuration is read at the start only, so restart for a new one"
        )
