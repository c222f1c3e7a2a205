"""gRPC's events come when they are there, and not one in a pass of the event loop.

grpc.aio has a thread that writes a byte to a socket for each event, and a reader in the loop that takes one
byte and then all the events that there are. Under load events come faster than passes. Then bytes gather,
until the socket takes no more (some 280 of them, on Linux) and the thread waits: from there on, each pass
brings one event. A call needs several, with hundreds of others before them; Health took a second.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

_BYTES_MAX: Final = 65_536


@contextmanager
def prompt(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Mends the reader that gRPC adds to a loop in the block, with its first server or channel there."""
    add_reader = loop.add_reader

    def add_draining_reader(fd: Any, callback: Callable[..., object], *args: Any) -> None:
        if isinstance(fd, socket.socket):
            add_reader(fd, _drained, fd, callback, *args)
        else:
            add_reader(fd, callback, *args)

    # On this one loop, and through what is public of it.
    loop.add_reader = add_draining_reader  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        del loop.add_reader


def _drained(source: socket.socket, callback: Callable[..., object], *args: Any) -> None:
    # Another loop of this process reads the same socket, and may have taken everything and handled it.
    with suppress(BlockingIOError):
        waiting = len(source.recv(_BYTES_MAX, socket.MSG_PEEK))
        if waiting > 1:
            # All but the one that gRPC takes itself. The event is there before its byte is.
            source.recv(waiting - 1)
        callback(*args)
