"""Processes of clients (`tests.crash.clients`, `tests.crash.batches`), as the test sees them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.killing import REPOSITORY
from tests.crash.restarting import WAIT_S


class Clients:
    """A process of clients.

    Args:
        target: Where the daemon is.
        ledger: Where they write what they saw.
        seed: What comes to their minds.
        module: What they do.
    """

    def __init__(self, target: str, ledger: Path, seed: int, module: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", module, target, str(ledger), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
        )

    def await_replies(self, count: int) -> None:
        """Returns when they had so many more replies."""
        assert self.process.stdout is not None
        seen = self.process.stdout.read(count)
        assert len(seen) == count, self.process.communicate()[1].decode()

    def finish(self) -> None:
        """Has them finish what they have begun."""
        _, said = self.process.communicate(timeout=WAIT_S)
        assert (self.process.returncode, said.decode()) == (0, "")


@contextmanager
def clients(
    target: str, ledger: Path, *, processes: int, seed: int, module: str = "tests.crash.clients"
) -> Iterator[list[Clients]]:
    """Several processes of clients; killed in the end, if they are still there."""
    running = [Clients(target, ledger, seed + number, module) for number in range(processes)]
    try:
        yield running
    finally:
        for each in running:
            each.process.kill()
            each.process.communicate()
