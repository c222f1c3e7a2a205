"""A PostgreSQL of Debian's in a directory of its own, with its defaults, to measure and test against."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_INSTALLED: Final = Path("/usr/lib/postgresql")
_USER: Final = "postgres"


def programs() -> Path | None:
    """Where the programs of the newest PostgreSQL on this machine are; None where there is none."""
    found = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def postgres() -> Iterator[str]:
    """Starts a server that only this machine's sockets reach, gives its connection string, and stops it.

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
        as_user: list[str] = []
        if os.geteuid() == 0:
            # It refuses to run as root.
            user = pwd.getpwnam(_USER)
            os.chown(home, user.pw_uid, user.pw_gid)
            as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = home / "data"
        _run([*as_user, str(bin_directory / "initdb"), "-D", str(data), "-A", "trust", "-U", "bench"], home)
        control = [*as_user, str(bin_directory / "pg_ctl"), "-D", str(data), "-w", "-t", "60"]
        options = f"-c listen_addresses='' -c unix_socket_directories={home}"
        _run([*control, "-l", str(home / "log"), "-o", options, "start"], home)
        try:
            yield f"postgresql://bench@/postgres?host={home}"
        finally:
            _run([*control, "-m", "immediate", "stop"], home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(command: list[str], home: Path) -> None:
    # The server keeps what it inherits: a pipe would never end.
    with (home / "said").open("w+") as said:
        done = subprocess.run(command, cwd=home, stdout=said, stderr=said, check=False)
        if done.returncode:
            said.seek(0)
            raise RuntimeError(f"{Path(command[-1]).name} failed: {said.read()[-2000:]}")
