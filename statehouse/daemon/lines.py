"""Lines on their way out of the process: to whoever reads its stderr and stdout.

Nobody who logs waits for a reader: a thread of its own writes the lines. When the reader does not keep up,
lines are dropped and counted rather than kept for ever; when it has gone, they are dropped.

* L1. `put` never blocks and never raises; it may be called from any thread, by one at a time (logging's
  handlers see to that), and from a signal's handler or a finalizer in the middle of itself.
* L2. At most `bytes_max` bytes wait to be written.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from statehouse.protocol.limits import KIB, MIB

__all__ = ["Lines"]

_BYTES_MAX: Final = 4 * MIB
_AT_ONCE_BYTES: Final = 64 * KIB
_LOOK_AGAIN_S: Final = 1.0


class Lines:
    """Writes lines to a file descriptor.

    Args:
        fd: The file descriptor.
        lost: Gives the line that says how many were dropped.
        bytes_max: How many bytes may wait.
    """

    def __init__(self, fd: int, lost: Callable[[int], str], *, bytes_max: int = _BYTES_MAX) -> None:
        self._fd = fd
        self._lost = lost
        self._bytes_max = bytes_max
        self._queue: SimpleQueue[bytes | threading.Event] = SimpleQueue()
        # Each of the two has one writer: whoever puts, and the thread.
        self._put_bytes = 0
        self._gone_bytes = 0
        self._dropped = 0
        self._told = 0
        self._thread = threading.Thread(target=self._run, name="statehoused-lines", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Writes a line soon, or drops it (L1)."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._put_bytes - self._gone_bytes + len(data) > self._bytes_max:  # L2
            self._dropped += 1
            return
        self._put_bytes += len(data)
        self._queue.put(data)

    def flush(self, timeout_s: float) -> bool:
        """Waits until what was put is written, and says whether it was in time."""
        written = threading.Event()
        self._queue.put(written)
        return written.wait(timeout_s)

    def _run(self) -> None:
        while True:
            data, flushed = self._take()
            if self._dropped > self._told:
                dropped = self._dropped
                data += self._lost(dropped - self._told).encode("utf-8", "backslashreplace") + b"\n"
                self._told = dropped
            self._write(data)
            for written in flushed:
                written.set()

    def _take(self) -> tuple[bytes, list[threading.Event]]:
        """Waits for a line, and takes those that wait with it."""
        parts: list[bytes] = []
        flushed: list[threading.Event] = []
        size = 0
        item = self._queue.get()
        while True:
            if isinstance(item, bytes):
                parts.append(item)
                size += len(item)
            else:
                flushed.append(item)
            if size >= _AT_ONCE_BYTES:
                break
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
        self._gone_bytes += size
        return b"".join(parts), flushed

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                # Somebody who shares the file made it so.
                select.select([], [self._fd], [], _LOOK_AGAIN_S)
            except (OSError, ValueError):
                # The reader went away, or the disk is full: there is nobody to tell.
                return
