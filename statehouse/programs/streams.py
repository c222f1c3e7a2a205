"""The standard streams of a program that was started without one of them."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["open_closed_streams"]


def open_closed_streams() -> None:
    """Opens what was closed of stdin, stdout and stderr, so that no file of ours gets their numbers.

    Reading that stdin, or writing to that stdout, is an `OSError` as without this, and not a silent success;
    what is said on that stderr goes nowhere.
    """
    for descriptor, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # Lower ones are open by now, so this is the number that it gets.
            os.open(os.devnull, flags)
            os.set_inheritable(descriptor, True)
    sys.stdin = sys.stdin or _text(0, "r")
    sys.stdout = sys.stdout or _text(1, "w")
    sys.stderr = sys.stderr or _text(2, "w")


def _text(descriptor: int, mode: str) -> io.TextIOWrapper:
    file = open(descriptor, f"{mode}b", closefd=False)  # noqa: SIM115 - it is for the life of the process
    return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", line_buffering=descriptor == 2)
