"""Programs in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(program: str, *arguments: object) -> str:
    """Runs a program to its end; it must succeed and say nothing on stderr. Gives what it printed.

    What gRPC says of each fork is let pass: there is no way to have it say nothing and complain of the rest.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            textwrap.dedent(program),
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    said = [line for line in done.stderr.splitlines() if "fork_posix.cc" not in line]
    assert (done.returncode, said) == (0, [])
    return done.stdout.strip()
