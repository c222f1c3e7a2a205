"""Daemons in processes of their own, started as an operator would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from statehouse import Statehouse, __version__

TIMEOUT_S: Final = 60
COMMAND: Final = (sys.executable, "-m", "statehouse.daemon")
_READY: Final = re.compile(
    rf"statehoused {re.escape(__version__)} ready on (?P<on>\S+(, \S+)*) \((?P<home>.+), pid (?P<pid>\d+)\)\n"
)


class Daemon:
    """A daemon that is ready.

    Attributes:
        process: Its process.
        on: Its addresses.
        home: What it says that it serves.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = _READY.fullmatch(line)
        assert found, (line, log.read_text())
        self.process = process
        self.on = found["on"].split(", ")
        self.home = found["home"]
        self._log = log
        assert int(found["pid"]) == process.pid

    @property
    def target(self) -> str:
        """Where its first address is."""
        return self.on[0]

    @property
    def log(self) -> list[str]:
        """What it wrote to stderr, by lines."""
        return self._log.read_text().splitlines()

    def end(self, *signals: int) -> int:
        """Signals it, and gives what it exited with."""
        for number in signals:
            self.process.send_signal(number)
        code = self.process.wait(TIMEOUT_S)
        assert self.process.stdout is not None
        assert self.process.stdout.read() == "", "stdout has the ready line and nothing else"
        return code


@contextmanager
def daemon(log: Path, *args: str, **facts: Any) -> Iterator[Daemon]:
    """Starts a daemon and waits until it is ready; kills it in the end, if it is still there.

    Args:
        log: Where its stderr goes.
        args: Its flags; without ``--listen`` it takes a port that is free.
        facts: More for `subprocess.Popen`.
    """
    command = [*facts.pop("command", COMMAND), *args]
    if "--listen" not in args:
        command += ["--listen", "127.0.0.1:0"]
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True, **facts
        ) as process,
    ):
        try:
            yield Daemon(process, log)
        finally:
            if process.poll() is None:
                process.kill()


def refused(*args: str, **facts: Any) -> tuple[int, str]:
    """Starts a daemon that cannot start, and gives its exit code and what it said on stderr."""
    done = subprocess.run(
        [*COMMAND, *args], capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **facts
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def environment(**variables: str) -> dict[str, str]:
    """The environment with these variables besides."""
    return {**os.environ, **variables}


def stopped(pid: int) -> None:
    """Stops a process, so that signals gather until it goes on."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


def cut(directory: Path, *, commits: int) -> None:
    """Makes a store from which the newest commits are missing."""
    with Statehouse(directory) as sh:
        sh.write("k", 0, agent_id="a")
    shutil.copytree(directory, directory.with_name("older"))
    with Statehouse(directory) as sh:
        for number in range(commits):
            sh.write("k", number, agent_id="a")
    shutil.copy(directory / "marks", directory.with_name("older") / "marks")
    shutil.rmtree(directory)
    directory.with_name("older").rename(directory)
