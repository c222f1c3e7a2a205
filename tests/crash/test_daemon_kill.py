"""A loaded daemon is killed with -9, again and again, and started again at once: its clients lose nothing."""

from __future__ import annotations

import random
import signal
import sys
import threading
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.history import CommitRow
from tests.crash.client_processes import clients
from tests.crash.killing import Judge
from tests.crash.restarting import restarted
from tests.engine_faults.workload import events_of
from tests.rpc.daemons import eventually


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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_of_clients_that_are_killed_while_they_commit_nothing_is_left(tmp_path: Path) -> None:
    with restarted(tmp_path) as daemon:
        daemon.start()
        with Statehouse(daemon.target) as sh:
            before = sh.status()
            sockets = daemon.sockets()
            for seed in range(3):
                with clients(daemon.target, tmp_path / "ledger", processes=2, seed=seed * 10) as loads:
                    for load in loads:
                        load.await_replies(30)
                    assert daemon.sockets() > sockets
                    eventually(lambda: sh.status().followers)
                eventually(lambda: daemon.sockets() == sockets)
                eventually(lambda: (sh.status().followers, sh.status().queued_commits) == (0, 0))
            assert sh.status().commit_ts > before.commit_ts
        daemon.end(signal.SIGTERM)
    Judge(tmp_path / "store", tmp_path / "ledger").judge()
