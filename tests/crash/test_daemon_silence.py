"""A daemon that is stopped (SIGSTOP) keeps its connections and says nothing: that is noticed, and ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from statehouse.errors import ConnectionError, OutcomeUnknownError
from statehouse.protocol.requests import LookupTxn, Replay
from statehouse.rpc.calling import RemoteEngine
from statehouse.rpc.sizes import KEEPALIVE_S, SILENCE_S
from statehouse.testing.contracts.engine_phrases import put, transaction, write
from tests.daemon.processes import daemon, stopped
from tests.rpc.proxy import Proxy


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
@pytest.mark.parametrize("pipelined", [True, False])
def test_a_peer_that_falls_silent_is_noticed_long_before_the_calls_time_is_over(
    tmp_path: Path, pipelined: bool
) -> None:
    with daemon(tmp_path / "log", "--data-dir", str(tmp_path / "store")) as served:
        remote = RemoteEngine(served.target, timeout=300, connect_timeout=1, pipelined=pipelined)
        put(remote)
        following = remote.submit(Replay(from_ts=2, wait_s=600))
        stopped(served.process.pid)
        began = time.monotonic()
        committing = remote.submit(transaction(write(), txn_id="t", timeout_s=300))
        with pytest.raises(OutcomeUnknownError):
            committing.result(60)
        with pytest.raises(ConnectionError):
            following.result(60)
        assert time.monotonic() - began < SILENCE_S + 5
        os.kill(served.process.pid, signal.SIGCONT)
        commit = transaction(write(), txn_id="t")
        assert remote.execute(commit).commit_ts == remote.execute(LookupTxn("t")).commit_ts == 2
        remote.close()
        assert served.end(signal.SIGTERM) == 0


@pytest.mark.slow
@pytest.mark.parametrize("pipelined", [True, False])
def test_a_quiet_connection_stays_open(tmp_path: Path, pipelined: bool) -> None:
    """Client and daemon ping each other every ten seconds; neither takes that for abuse."""
    with (
        daemon(tmp_path / "log", "--data-dir", str(tmp_path / "store")) as served,
        Proxy(served.target) as proxy,
    ):
        remote = RemoteEngine(proxy.url, timeout=5, pipelined=pipelined)
        waiting = remote.submit(Replay(wait_s=5 * KEEPALIVE_S))
        page = waiting.result(6 * KEEPALIVE_S)
        assert (page.events, page.through_commit_ts) == ((), 0)
        assert proxy.taken == 1
        remote.close()
