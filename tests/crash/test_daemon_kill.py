"""A loaded daemon is killed with -9, again and again, and started again at once: its clients lose nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.history import CommitRow
from tests.crash.killing import REPOSITORY, Judge
from tests.daemon.processes import COMMAND, Daemon
from tests.engine_faults.workload import events_of
from tests.rpc.daemons import free_target

WAIT_S: Final = 60


class Restarted:
    """A daemon that is started again, at the same address and on the same directory.

    Attributes:
        target: Where.
    """

    def __init__(self, path: Path) -> None:
        self.target = free_target()
        self._log = path / "log"
        self._command = [*COMMAND, "--data-dir", str(path / "store"), "--listen", self.target]
        self._command += ["--free-bytes-min", "0"]
        self._process: subprocess.Popen[str] | None = None

    def start(self, *, ready: bool = True) -> None:
        """Starts it; returns when it is ready, if that is to be waited for."""
        with self._log.open("a") as stderr:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        if ready:
            assert Daemon(self._process, self._log).target == self.target

    def end(self, number: int) -> None:
        """Signals it, and waits for its end."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        process.send_signal(number)
        code = process.wait(WAIT_S)
        process.stdout.close()
        assert code == (0 if number == signal.SIGTERM else -number), self._log.read_text()
        self._process = None

    def close(self) -> None:
        """Kills it, if it is there."""
        if self._process is not None:
            self.end(signal.SIGKILL)


@contextmanager
def restarted(path: Path) -> Iterator[Restarted]:
    """A daemon that has not been started yet."""
    daemon = Restarted(path)
    try:
        yield daemon
    finally:
        daemon.close()


class Clients:
    """A process of clients.

    Args:
        target: Where the daemon is.
        ledger: Where they write what they saw.
        seed: What comes to their minds.
    """

    def __init__(self, target: str, ledger: Path, seed: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.crash.clients", target, str(ledger), str(seed)],
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
def clients(target: str, ledger: Path, *, processes: int, seed: int) -> Iterator[list[Clients]]:
    """Several processes of clients; killed in the end, if they are still there."""
    running = [Clients(target, ledger, seed + number) for number in range(processes)]
    try:
        yield running
    finally:
        for each in running:
            each.process.kill()
            each.process.communicate()


def kill_and_judge(path: Path, *, cycles: int, seed: int, processes: int) -> None:
    moments = random.Random(seed)
    ledger = path / "ledger"
    judge = Judge(path / "store", ledger)
    with restarted(path) as daemon, clients(daemon.target, ledger, processes=processes, seed=seed) as loads:
        daemon.start()
        for _ in range(cycles):
            moments.choice(loads).await_replies(moments.randint(1, 150))
            daemon.end(signal.SIGKILL)
            if moments.random() < 0.2:
                # One that is killed while it starts, or just after.
                daemon.start(ready=False)
                threading.Event().wait(moments.random())
                daemon.end(signal.SIGKILL)
            daemon.start()
        for load in loads:
            load.await_replies(50)
            load.finish()
        remote = RemoteEngine(daemon.target)
        log = events_of(remote)
        remote.close()
        daemon.end(signal.SIGTERM)
    told = {row.txn_id: row.outcome for row in judge.rows() if isinstance(row, CommitRow)}
    assert set(told.values()) <= {"acknowledged", "failed"}, "a client left open what became of a commit"
    assert len(log) > 10 * cycles
    judge.judge(earlier_logs=[log])


@pytest.mark.slow
def test_fifty_kills(tmp_path: Path) -> None:
    kill_and_judge(tmp_path, cycles=50, seed=1000, processes=2)
