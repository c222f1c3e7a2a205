"""An interpreter that a reader types a page's Python into: a process of its own, as for every reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.fences import ROOT

_TIMEOUT_SECONDS = 60

# What is printed goes back as one line of JSON; whatever else writes to its output is among the errors.
_LOOP = """
import io, json, os, sys, traceback
from contextlib import redirect_stdout

replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
typed = {"__name__": "__main__"}
for line in sys.stdin:
    page, source = json.loads(line)
    printed, error = io.StringIO(), ""
    try:
        with redirect_stdout(printed):
            exec(compile(source, page, "exec", dont_inherit=True), typed)
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps([printed.getvalue(), error]), file=replies, flush=True)
replies.close()
"""


class Interpreter:
    """Runs one block after the other in one namespace; a warning is an error.

    Args:
        directory: Where it was started: what is in it can be imported.
    """

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _LOOP],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, page: Path, line: int, source: str) -> str:
        """Gives what a block prints; what it raises fails the test."""
        # Lines are counted as in the page, so that a traceback leads there.
        block = json.dumps([str(page), "\n" * (line - 1) + source])
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{block}\n")
        self._process.stdin.flush()
        reply = self._process.stdout.readline()
        if not reply:
            pytest.fail(f"{page}:{line} ended Python", pytrace=False)
        printed, error = json.loads(reply)
        if error:
            pytest.fail(error, pytrace=False)
        return str(printed)

    def leave(self) -> None:
        """Ends it, as Ctrl-D does."""
        try:
            self._process.communicate(timeout=_TIMEOUT_SECONDS)
        finally:
            self._process.kill()
