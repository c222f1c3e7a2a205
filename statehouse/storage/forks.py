"""Lets a forked child of a process that used RocksDB end cleanly.

RocksDB's threads do not exist in a forked child, but its C++ destructors, which run when the process exits,
wait for them: the child crashes or hangs. Exit handlers run last in, first out, so one that is added in the
child ends the process before they come, with its status, after Python has finished and flushed everything.
`os._exit`, which is how multiprocessing's children leave, runs no handlers at all.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

__all__ = ["guard_forks"]


@cache
def guard_forks() -> None:
    """Guards every later fork of this process; to be called before RocksDB starts its threads."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_exit_before_destructors)


def _exit_before_destructors() -> None:
    # glibc has on_exit, which passes the status on; elsewhere the child leaves as it always did.
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):
        libc.on_exit(libc["_exit"], None)
