"""A terminal 100 columns wide, for the commands of a page."""

from __future__ import annotations

import fcntl
import os
import pty
import shlex
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

from tests.docs.fences import ROOT

_COLUMNS = 100
_TIMEOUT_SECONDS = 60


class Terminal:
    """Runs one command after the other; what one exports, the next one sees.

    What ends in ``&`` goes on until `close`; it is a daemon, and says on its first line that it is ready.

    Args:
        directory: Where they run. What they need to find our programs is put beside it.
        port: Where a daemon listens that is not told where to.
    """

    def __init__(self, directory: Path, port: str) -> None:
        self._directory = directory
        self._port = port
        programs = directory.with_name(f"{directory.name}-programs")
        programs.mkdir()
        python = shlex.quote(sys.executable)
        for name, command in (
            ("statehousectl", f"{python} -m statehouse"),
            ("statehoused", f"{python} -m statehouse.daemon"),
            ("statehouse-langgraph", f"{python} -m statehouse_langgraph"),
            ("python", python),
        ):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            program.chmod(0o755)
        self._said = programs / "said-by-daemons"
        self._daemons: list[subprocess.Popen[str]] = []
        self._state = programs / "exported"
        self._state.touch()
        self._environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "NO_COLOR": "1",
        }

    def run(self, command: str) -> str:
        """Gives what a command prints, on both streams; of a daemon, its first line."""
        if command.endswith(" &"):
            return self._start(command.removesuffix(" &"))
        script = (
            f"source {shlex.quote(str(self._state))}\n{command}\nexport -p > {shlex.quote(str(self._state))}"
        )
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, _COLUMNS, 0, 0))
        with subprocess.Popen(
            ["bash", "-c", script],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as shell:
            os.close(theirs)
            try:
                printed = _read_all(ours)
                shell.wait(_TIMEOUT_SECONDS)
            except BaseException:
                # What does not end is not waited for.
                os.killpg(shell.pid, signal.SIGKILL)
                raise
            finally:
                os.close(ours)
        return printed.decode().replace("\r\n", "\n")

    def close(self) -> None:
        """Ends what was started, as a service manager would."""
        for daemon in self._daemons:
            os.killpg(daemon.pid, signal.SIGTERM)
            daemon.communicate(timeout=_TIMEOUT_SECONDS)

    def _start(self, command: str) -> str:
        with self._said.open("a") as said:
            daemon = subprocess.Popen(
                ["bash", "-c", f"source {shlex.quote(str(self._state))}\n{command}"],
                cwd=self._directory,
                env={"STATEHOUSE_LISTEN": f"127.0.0.1:{self._port}", **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,
            )
        self._daemons.append(daemon)
        assert daemon.stdout
        return daemon.stdout.readline() or self._said.read_text()


def _read_all(terminal: int) -> bytes:
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            # Linux says so when the last program that had the terminal is gone.
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)
