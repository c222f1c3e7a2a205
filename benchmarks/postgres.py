"""A PostgreSQL of Debian's in a directory of its own, with its defaults, to measure and test against.

It ends with whoever started it, also when that is killed: the kernel tells it so.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

_INSTALLED: Final = Path("/usr/lib/postgresql")
_USER: Final = "postgres"
_BEGINS_WITHIN_S: Final = 60
_ENDS_WITHIN_S: Final = 30


def programs() -> Path | None:
    """Where the programs of the newest PostgreSQL on this machine are; None where there is none."""
    found = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def postgres() -> Iterator[str]:
    """Starts a server that only this machine's sockets reach, gives its connection string, and stops it.

    It is stopped, too, when the thread ends that entered: enter it from the main thread.

    Raises:
        RuntimeError: PostgreSQL is not installed, or does not start.
    """
    bin_directory = programs()
    if bin_directory is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    # On disk, unlike /tmp on many machines; not below the repository: the server runs as another user, who
    # may not be let through there.
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/var/tmp"))
    try:
        with (home / "log").open("w+b") as log:
            server = _start(bin_directory, home, log)
            try:
                _await_ready(server, [str(bin_directory / "pg_isready"), "-q", "-h", str(home)], log)
                yield f"postgresql://bench@/postgres?host={home}"
            finally:
                # At once: nobody needs what is in it.
                server.send_signal(signal.SIGQUIT)
                server.wait(_ENDS_WITHIN_S)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(bin_directory: Path, home: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    as_user = ["setpriv"]
    if os.geteuid() == 0:
        # It refuses to run as root.
        user = pwd.getpwnam(_USER)
        os.chown(home, user.pw_uid, user.pw_gid)
        as_user += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = home / "data"
    make = [*as_user, str(bin_directory / "initdb"), "-D", str(data), "-A", "trust", "-U", "bench"]
    if subprocess.run(make, cwd=home, stdout=log, stderr=log, check=False).returncode:
        raise RuntimeError(f"initdb failed: {_said(log)}")
    serve = [*as_user, "--pdeathsig=QUIT", str(bin_directory / "postgres"), "-D", str(data)]
    serve += ["-c", "listen_addresses=", "-c", f"unix_socket_directories={home}"]
    # The server keeps what it inherits: a pipe would fill.
    return subprocess.Popen(serve, cwd=home, stdout=log, stderr=log)


def _await_ready(server: subprocess.Popen[bytes], ask: list[str], log: IO[bytes]) -> None:
    deadline = time.monotonic() + _BEGINS_WITHIN_S
    while subprocess.run(ask, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL does not start: {_said(log)}")
        time.sleep(0.02)


def _said(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-2000:]
