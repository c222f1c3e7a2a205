"""A terminal to type commands in, and what it looks like then."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WIDTH: Final = 114
_LINES: Final = 60
_ASKING: Final = (b"(Pdb) ", b"(step) ")
_ASKING_BYTES: Final = 16
# Colours, and what a line editor says to the terminal around the line that is typed.
_CONTROLS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]\r?")


@dataclass(frozen=True, slots=True)
class Typed:
    """What a command did: its exit code, and all that the terminal showed of it."""

    code: int
    shown: str

    @property
    def text(self) -> str:
        """What it showed, as text alone."""
        return _CONTROLS.sub("", self.shown)


def type_in(
    command: Sequence[str], *, directory: Path, env: Mapping[str, str], answers: Sequence[str], seconds: float
) -> Typed:
    """Runs a command in a terminal, and types answers where the debugger of Python asks.

    Args:
        command: The program, and its arguments.
        directory: Where it runs.
        env: Its environment.
        answers: Lines; the next one is typed at each prompt of the debugger.
        seconds: How long it may take.

    Raises:
        TimeoutError: It took longer, and was killed.
    """
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, WIDTH, 0, 0))
        with subprocess.Popen(  # noqa: S603 - what the caller says
            command,
            cwd=directory,
            env={**env, "TERM": "dumb" if "NO_COLOR" in env else env.get("TERM", "xterm")},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            try:
                shown = b"".join(_shown(ours, answers, time.monotonic() + seconds))
                code = process.wait(seconds)
            except BaseException:
                process.kill()
                raise
    finally:
        os.close(ours)
    return Typed(code, shown.decode(errors="replace").replace("\r\n", "\n"))


def _shown(terminal: int, answers: Sequence[str], until: float) -> Iterator[bytes]:
    """Gives what appears, until nobody is at the other side."""
    left, seen = list(answers), b""
    while True:
        ready, _, _ = select.select([terminal], [], [], max(until - time.monotonic(), 0.0))
        if not ready:
            raise TimeoutError("the command did not come to its end")
        try:
            data = os.read(terminal, 65536)
        except OSError:
            # What Linux says when the last program has closed it.
            return
        if not data:
            return
        yield data
        seen = (seen + data)[-_ASKING_BYTES:]
        if seen.endswith(_ASKING) and left:
            os.write(terminal, f"{left.pop(0)}\n".encode())
