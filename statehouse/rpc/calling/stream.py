"""One conversation with a daemon, and what wakes its threads."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import Any


class Bell:
    """Wakes the one thread that waits for it, or that waits next.

    It is a bare lock: a `threading.Event` that was being set when Ctrl-C came may stay locked for ever,
    and with it whoever waits for it.
    """

    __slots__ = ("_silence",)

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """Wakes it."""
        # Another thread may ring at the same moment.
        with suppress(RuntimeError):
            if self._silence.locked():
                self._silence.release()

    def wait(self) -> None:
        """Waits until it rings; at once if it has rung since the last time."""
        self._silence.acquire()


class Stream:
    """One conversation: from a hello to the loss of the connection.

    Attributes:
        wake: Rung when there is something to send, or it has ended.
        ended: Nothing more is sent over it.
        answered: Whether anything came back over it.
        withdrawn: Ids of calls to take back.
        rpc: The pipeline; None for a server that has none.
    """

    __slots__ = ("answered", "ended", "rpc", "wake", "withdrawn")

    def __init__(self) -> None:
        self.wake = Bell()
        self.ended = False
        self.answered = False
        self.withdrawn: deque[int] = deque()
        self.rpc: Any = None

    def end(self) -> None:
        """Ends it, from any thread."""
        self.ended = True
        self.wake.ring()
        if self.rpc is not None:
            self.rpc.cancel()
