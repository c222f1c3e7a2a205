"""Where the demo happens: a directory, the processes in it, and the words in which it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS: Final = 120


class StoryError(Exception):
    """Something that the demo tells did not happen."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is: the stores, the ledgers of executed steps, and what was read of the library."""

    directory: Path

    @property
    def url(self) -> str:
        """The store of the agent that is killed."""
        return f"file:{self.directory / 'store'}"

    @property
    def ledger(self) -> Path:
        """The file of the steps that it executed."""
        return self.directory / "executed.txt"

    @property
    def served(self) -> Path:
        """The directory of the store that the daemon serves."""
        return self.directory / "served"

    @property
    def log(self) -> Path:
        """The daemon's log."""
        return self.directory / "statehoused.log"

    def ask(
        self,
        question: str = "",
        *,
        run_id: str,
        url: str,
        pace: float,
        ledger: Path,
        stdout: int = subprocess.PIPE,
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        """Starts the agent in a process of its own; without a question it goes on with its run."""
        command = [sys.executable, "-m", "examples.research_agent", "ask", *([question] if question else [])]
        command += ["--run", run_id, "--store", url, "--ledger", str(ledger)]
        command += ["--cache", str(self.directory / "library"), "--pace", str(pace)]
        return started(command, stdout=stdout)


def executed(ledger: Path) -> list[tuple[str, int]]:
    """Gives the run and the number of each step that was executed, as the agents wrote it down outside."""
    return [(line.split()[0], int(line.split()[1])) for line in ledger.read_text().splitlines()]


@contextmanager
def started(
    command: Sequence[str],
    *,
    stdout: int = subprocess.PIPE,
    stderr: IO[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Runs a process while the block does; what is left of it then is killed."""
    # In a session of its own: Ctrl-C is for the demo, which ends what it has started.
    with subprocess.Popen(  # noqa: S603 - programs of this repository
        command, cwd=ROOT, env=env, stdout=stdout, stderr=stderr, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def without_settings() -> dict[str, str]:
    """The environment without what configures a Statehouse."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STATEHOUSE_")}


def heading(text: str) -> None:
    """Begins a part of the story."""
    print(f"\n{text}\n", flush=True)


def require(holds: bool, otherwise: str) -> None:
    """Checks what is told.

    Raises:
        StoryError: It does not hold.
    """
    if not holds:
        raise StoryError(otherwise)
