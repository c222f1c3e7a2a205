"""What a service manager is told: the protocol of ``sd_notify``, which systemd and others speak."""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["notify"]


def notify(state: str) -> None:
    """Tells the service manager such as ``READY=1``, if there is one; whether it listens is its affair."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        # An at sign stands for the zero byte that names outside the file system begin with.
        manager.sendto(state.encode(), "\0" + where[1:] if where[0] == "@" else where)
