"""A daemon that is killed with -9 while it writes groups of commits in its event loop loses none of them."""

from __future__ import annotations

import random
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from statehouse.protocol.limits import MIB
from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.history import CommitRow
from tests.crash.client_processes import clients
from tests.crash.killing import Judge
from tests.crash.restarting import Restarted
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
        loads = stack.enter_context(
            clients(daemon.target, ledger, processes=2, seed=1, module="tests.crash.batches")
        )
        for _ in range(20):
            moments.choice(loads).await_replies(moments.randint(1, 600))
            written += daemon.written_in_loop()
            daemon.end(signal.SIGKILL)
            daemon.start()
        for load in loads:
            load.await_replies(100)
            load.finish()
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
