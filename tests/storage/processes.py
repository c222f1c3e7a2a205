"""Scripts about a store that need a process of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

HEADER = """
    import os, sys
    from pathlib import Path
    from statehouse.storage import NotWrittenError, Table
    from statehouse.storage.rocksdb import RocksStore
    path = Path(sys.argv[1])
"""


def python(script: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", textwrap.dedent(HEADER) + textwrap.dedent(script)]


def run(script: str, path: Path, *before: str, timeout: float = 60) -> str:
    """What a process of its own prints that runs the script on the path."""
    command = [*before, *python(script), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def killed_after(script: str, path: Path) -> None:
    """Runs the script until it prints a line, and kills it."""
    with subprocess.Popen([*python(script), str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
