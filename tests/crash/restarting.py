"""A daemon that ends in the ways processes end, and is started again at the same address."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.daemon.processes import COMMAND, Daemon
from tests.rpc.daemons import free_target

WAIT_S: Final = 60


class Restarted:
    """A daemon that is started again, at the same address and on the same directory.

    Attributes:
        target: Where.
    """

    def __init__(self, path: Path) -> None:
        self.target = free_target()
        self._log = path / "log"
        self._command = [*COMMAND, "--data-dir", str(path / "store"), "--listen", self.target]
        self._command += ["--free-bytes-min", "0"]
        self._process: subprocess.Popen[str] | None = None

    def start(self, *, ready: bool = True) -> None:
        """Starts it; returns when it is ready, if that is to be waited for."""
        with self._log.open("a") as stderr:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        if ready:
            assert Daemon(self._process, self._log).target == self.target

    def end(self, number: int) -> None:
        """Signals it, and waits for its end."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        process.send_signal(number)
        code = process.wait(WAIT_S)
        process.stdout.close()
        assert code == (0 if number == signal.SIGTERM else -number), self._log.read_text()
        self._process = None

    def sockets(self) -> int:
        """How many sockets it has; of Linux."""
        assert self._process is not None
        files = Path(f"/proc/{self._process.pid}/fd")
        while True:
            try:
                return sum(str(each.readlink()).startswith("socket:") for each in files.iterdir())
            except FileNotFoundError:
                continue  # one was closed while they were counted

    def close(self) -> None:
        """Kills it, if it is there."""
        if self._process is not None:
            self.end(signal.SIGKILL)


@contextmanager
def restarted(path: Path) -> Iterator[Restarted]:
    """A daemon that has not been started yet."""
    daemon = Restarted(path)
    try:
        yield daemon
    finally:
        daemon.close()
