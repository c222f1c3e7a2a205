"""gRPC's events come when they are there, and not one in a pass of the event loop.

grpc.aio has a thread that writes a byte to a socket for each event, and a reader in the loop that takes one
byte and then all the events that there are. Under load events come faster than passes. Then bytes gather,
until the socket takes no more (some 280 of them, on Linux) and the thread waits: from there on, each pass
brings one event. A call needs several, with hundreds of others before them; Health took a second.

Loops of one process share that socket. Nobody is told twice of an event, so who takes a byte must look for
events then: gRPC's reader does both, and here it does them once for each byte that waits. Were bytes taken
without a look, two loops could take all there are and each leave the looking to the other; the event that
tells a server of a call would lie there for good, and it would answer no more.
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
    # Another loop may take some at any moment; the oldest gRPC that we admit lets the socket's error through.
    with suppress(BlockingIOError):
        for _ in source.recv(_BYTES_MAX, socket.MSG_PEEK):
            callback(*args)
