"""A daemon in a process of its own, to be measured."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def daemon(path: Path | None, *options: str) -> Iterator[str]:
    """Starts ``statehoused`` on a directory, or in memory, and gives its address; kills it at the end."""
    home = ["--memory"] if path is None else ["--data-dir", str(path)]
    command = [sys.executable, "-m", "statehouse.daemon", *home, "--listen", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            ready = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:\d+", ready)
            if found is None:
                raise RuntimeError(f"statehoused did not start: {ready!r}")
            yield found[0]
        finally:
            process.kill()
