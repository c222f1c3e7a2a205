"""A daemon that is killed with -9 while it writes groups of commits in its event loop loses none of them."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from statehouse.protocol.limits import MIB
from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.history import CommitRow
from tests.crash.killing import REPOSITORY, Judge
from tests.crash.restarting import WAIT_S, Restarted
from tests.engine_faults.workload import events_of

MEMORY: Final = Path("/dev/shm")
"""Where syncs are short, whatever the disk: that is where a loop writes itself."""


class Watched(Restarted):
    """A daemon that is watched from outside."""

    def written_in_loop(self) -> int:
        """How many bytes the thread of its event loop has written to files; of Linux."""
        assert self._process is not None
        pid = self._process.pid
        facts = Path(f"/proc/{pid}/task/{pid}/io").read_text().split()
        return int(facts[facts.index("wchar:") + 1])


@contextmanager
def batches(target: str, ledger: Path, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-W", "error", "-m", "tests.crash.batches", target, str(ledger), str(seed)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def await_replies(process: subprocess.Popen[bytes], count: int) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    if len(process.stdout.read(count)) < count:
        raise AssertionError(process.stderr.read().decode())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and has a disk in /dev/shm")
def test_of_groups_that_a_loop_writes_nothing_acknowledged_is_lost() -> None:
    moments = random.Random(7)
    written = 0
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        ledger = path / "ledger"
        daemon = Watched(path)
        stack.callback(daemon.close)
        daemon.start()
        loads = [stack.enter_context(batches(daemon.target, ledger, seed)) for seed in (1, 2)]
        for _ in range(20):
            await_replies(moments.choice(loads), moments.randint(1, 600))
            written += daemon.written_in_loop()
            daemon.end(signal.SIGKILL)
            daemon.start()
        for load in loads:
            await_replies(load, 100)
            _, said = load.communicate(timeout=WAIT_S)
            assert (load.returncode, said.decode()) == (0, "")
        remote = RemoteEngine(daemon.target)
        log = events_of(remote)
        remote.close()
        daemon.end(signal.SIGTERM)
        judge = Judge(path / "store", ledger)
        told = {row.txn_id: row.outcome for row in judge.rows() if isinstance(row, CommitRow)}
        assert set(told.values()) <= {"acknowledged", "failed"}, "a client left open what became of a commit"
        judge.judge(earlier_logs=[log])
    # Of which its twenty starts are a fifth.
    assert written > MIB, "it was hardly ever the loop that wrote"
