"""Starting fresh interpreters that run one line and end."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(line: str, *, folder: Path, runs: int) -> float:
    """How long a line takes, above what an interpreter takes that does nothing; the median of some runs.

    Args:
        line: The line, such as ``import json``.
        folder: Where to run, and so to import from.
        runs: How often; each is paired with one that does nothing.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, env=environment)
        return time.perf_counter() - began

    run(line)  # writes what is compiled, and warms the disk's cache
    return statistics.median(run(line) - run("pass") for _ in range(runs))
