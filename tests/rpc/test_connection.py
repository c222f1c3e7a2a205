"""A connection to a daemon that is not there, is something else, comes later, goes away, or is slow."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest

from statehouse.engine import LocalEngine, open_engine
from statehouse.errors import (
    ConnectionError,
    DeadlineExceededError,
    EngineError,
    InvalidArgumentError,
    OutcomeUnknownError,
    OverloadedError,
)
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Get, Health, LookupTxn, Replay, Scan, Status
from statehouse.rpc.calling import RemoteEngine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.contracts.engine_phrases import entry, name, put, transaction, write
from statehouse.testing.daemon import serving
from statehouse.testing.faults import Call
from tests.engine_faults.gates import GatedStore, held
from tests.rpc.daemons import (
    WAIT_S,
    Daemon,
    HeldEngine,
    eventually,
    free_target,
    is_answered,
    listening,
    threads_of_clients,
    within,
)
from tests.rpc.proxy import Fault, Proxy

Connect = Callable[..., RemoteEngine]


@pytest.fixture(params=["pipeline", "unary"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Gives remote engines, and closes them."""
    with ExitStack() as opened:

        def connect(target: str, **options: float) -> RemoteEngine:
            remote = RemoteEngine(target, pipelined=request.param == "pipeline", **options)
            opened.callback(remote.close)
            return remote

        yield connect


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine for a daemon to serve."""
    engine = open_engine(MemoryStore())
    yield engine
    engine.close()


# Nobody there, or somebody else.


def test_where_no_daemon_is_the_error_says_where_and_how_to_start_one(connect: Connect) -> None:
    target = free_target()
    with within(0.3, at_least=0.3), pytest.raises(ConnectionError) as refused:
        connect(target, connect_timeout=0.3).execute(Health())
    assert refused.value.url == target
    assert f"no daemon answers at {target} (waited 0.3 s)" in refused.value.message
    assert f"statehoused --data-dir ./agent-data --listen {target}" in refused.value.message


def test_a_socket_that_is_not_there_is_named_with_its_path(connect: Connect, tmp_path: object) -> None:
    target = f"unix:{tmp_path}/statehoused.sock"
    with within(0.1), pytest.raises(ConnectionError, match=r"statehoused\.sock"):
        connect(target, connect_timeout=0.1).execute(Health())


def test_a_commit_that_found_no_daemon_was_surely_not_applied(connect: Connect) -> None:
    with pytest.raises(ConnectionError):
        put(connect(free_target(), connect_timeout=0.1))


def test_a_call_shorter_than_the_connect_timeout_ends_in_its_own_time(connect: Connect) -> None:
    remote = connect(free_target(), connect_timeout=WAIT_S, timeout=0.2)
    with within(0.2), pytest.raises(DeadlineExceededError):
        remote.execute(Status())
    with within(0.2), pytest.raises(DeadlineExceededError, match="nothing was applied"):
        remote.execute(transaction(write(), timeout_s=0.2))


@contextmanager
def _web_server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: listening(lambda _: None), id="silent"),
        pytest.param(lambda: listening(socket.socket.close), id="closing"),
        pytest.param(lambda: listening(lambda peer: peer.sendall(b"220 smtp.example\r\n")), id="smtp"),
        pytest.param(_web_server, id="http"),
    ],
)
def test_what_is_no_daemon_is_a_connection_error_in_time(
    connect: Connect, other: Callable[[], object]
) -> None:
    with other() as target, within(0.3), pytest.raises(ConnectionError, match=target):  # type: ignore[attr-defined]
        connect(target, connect_timeout=0.3).execute(Health())


def test_another_grpc_service_is_told_from_a_daemon_at_once(connect: Connect) -> None:
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        with within(0.5), pytest.raises(ConnectionError, match=f"{target}, but it is no Statehouse daemon"):
            connect(target, connect_timeout=WAIT_S).execute(Health())
        server.stop(None).wait()


# There later, and again.


def test_a_daemon_that_starts_within_the_connect_timeout_is_found(connect: Connect, engine: Engine) -> None:
    daemon = Daemon(engine)
    remote = connect(daemon.target, connect_timeout=WAIT_S)
    asked = remote.submit(Health())
    wait([asked], timeout=0.05)
    daemon.start()
    assert asked.result(WAIT_S) == "ok"
    daemon.stop()


def test_after_a_connection_error_the_handle_finds_the_daemon(connect: Connect, engine: Engine) -> None:
    daemon = Daemon(engine)
    remote = connect(daemon.target, connect_timeout=0.05)
    with pytest.raises(ConnectionError):
        remote.execute(Health())
    daemon.start()
    eventually(lambda: is_answered(remote))
    daemon.stop()


def test_a_restart_between_two_calls_is_not_noticed(connect: Connect, engine: Engine) -> None:
    daemon = Daemon(engine)
    remote = connect(daemon.target)
    for number in range(1, 4):
        daemon.start()
        assert put(remote, "k", number) == number
        assert entry(remote).version == number
        daemon.stop()


def test_calls_that_wait_while_the_daemon_restarts_are_answered_by_the_next(
    connect: Connect, engine: Engine
) -> None:
    """G5: what was sent and not answered is sent again, and a commit is applied once."""
    slow = HeldEngine(engine)
    before, after = Daemon(slow), Daemon(engine)
    after.target = before.target
    before.start()
    remote = connect(before.target, connect_timeout=WAIT_S)
    commits = [transaction(write(f"k{number}", number)) for number in range(5)]
    asked: list[Future[Any]] = [remote.submit(commit) for commit in commits]
    asked.append(remote.submit(Scan("default", "planner")))
    eventually(lambda: len(slow.asked) == 6)
    stopping = threading.Thread(target=before.stop)
    stopping.start()
    slow.let_go()
    stopping.join()
    after.start()
    assert len([answer.result(WAIT_S) for answer in asked]) == 6
    log = engine.execute(Replay()).events
    assert sorted(event.txn_id for event in log) == sorted(commit.txn_id for commit in commits)
    after.stop()


def test_a_follower_does_not_notice_that_the_daemon_was_drained(connect: Connect, engine: Engine) -> None:
    """G7: who waits for a commit is sent to the next daemon; it is not told that its time is over."""
    daemon = Daemon(engine)
    daemon.start()
    remote = connect(daemon.target, connect_timeout=WAIT_S)
    waiting = remote.submit(Replay(from_ts=1, wait_s=WAIT_S))
    eventually(lambda: engine.execute(Status()).followers == 1)
    for _ in range(4):
        daemon.stop()
        daemon.start()
        eventually(lambda: waiting.done() or engine.execute(Status()).followers == 1)
    put(remote)
    assert [event.commit_ts for event in waiting.result(WAIT_S).events] == [1]
    daemon.stop()


# Time.


@pytest.mark.parametrize("seconds", [0, -1, 3601, float("nan"), "5", True, None])
def test_times_are_checked(seconds: float) -> None:
    with pytest.raises(InvalidArgumentError, match="connect_timeout must be"):
        RemoteEngine("127.0.0.1:1", connect_timeout=seconds)
    with pytest.raises(InvalidArgumentError, match="timeout must be"):
        RemoteEngine("127.0.0.1:1", timeout=seconds)


def test_a_read_that_is_not_answered_ends_in_time(connect: Connect, engine: Engine) -> None:
    slow = HeldEngine(engine)
    with serving(slow) as target:
        remote = connect(target, timeout=0.2)
        with within(0.2, at_least=0.2), pytest.raises(DeadlineExceededError, match="ScanPrefix"):
            remote.execute(Scan("default", "planner"))
        with within(0.1), pytest.raises(DeadlineExceededError):
            remote.with_timeout(0.1).execute(Scan("default", "planner"))
        slow.let_go()


def test_a_commit_that_is_being_written_when_its_time_ends_is_unknown_and_can_be_repeated(
    connect: Connect, store: GatedStore, gated: LocalEngine
) -> None:
    with serving(gated) as target:
        remote = connect(target)
        commit = transaction(write(), timeout_s=0.3)
        assert remote.execute(Health()) == "ok"
        store.shut(Call.WRITE)
        with within(0.3), pytest.raises(OutcomeUnknownError) as unknown:
            remote.execute(commit)
        store.lift(Call.WRITE)
        assert unknown.value.txn_id == commit.txn_id
        assert remote.execute(replace(commit, timeout_s=WAIT_S)).commit_ts == 1
        assert remote.execute(LookupTxn(commit.txn_id)).commit_ts == 1


def test_a_commit_that_is_not_begun_in_time_is_not_applied(
    connect: Connect, store: GatedStore, gated: LocalEngine
) -> None:
    with serving(gated) as target:
        remote = connect(target)
        commits = [transaction(write(), timeout_s=seconds) for seconds in (0.1, 0.5)]
        with held(store, gated):
            # When the time of the second one is over, that of the first is over for the daemon, too.
            for commit in commits:
                with pytest.raises((OutcomeUnknownError, DeadlineExceededError)):
                    remote.execute(commit)
        eventually(lambda: remote.execute(Status()).queued_commits == 0)
        assert remote.execute(LookupTxn(commits[0].txn_id)).outcome == "absent"


def test_a_far_daemon_is_reached(connect: Connect, engine: Engine) -> None:
    """A handshake across the world takes longer than one on this machine."""
    with serving(engine) as target, Proxy(target) as proxy:
        proxy.inject(Fault("latency", seconds=0.15))
        remote = connect(proxy.url, connect_timeout=WAIT_S)
        with within(3):
            assert remote.execute(Health()) == "ok"
        assert proxy.taken == 1


# Too much.


@pytest.mark.slow
def test_what_waits_for_a_connection_is_bounded(connect: Connect) -> None:
    remote = connect(free_target(), connect_timeout=WAIT_S)
    request = Get(name())
    asked = [remote.submit(request) for _ in range(10_000)]
    with pytest.raises(OverloadedError, match="nothing was sent") as refused:
        remote.submit(request).result(0)
    assert refused.value.retry_after > 0
    assert refused.value.reason == "queue_full"
    for future in asked:
        future.cancel()


def test_large_calls_that_wait_are_bounded_by_their_bytes(connect: Connect) -> None:
    remote = connect(free_target(), connect_timeout=WAIT_S)
    commit = transaction(write("k", b"x" * 15 * 1024 * 1024), write("l", b"x" * 15 * 1024 * 1024))
    asked = [remote.submit(commit) for _ in range(4)]
    with pytest.raises(OverloadedError, match="bytes"):
        remote.submit(commit).result(0)
    assert all(future.cancel() for future in asked)


def test_a_thousand_calls_at_once_are_all_answered(connect: Connect, engine: Engine) -> None:
    with serving(engine) as target:
        remote = connect(target)
        asked = [remote.submit(Get(name())) for _ in range(1000)]
        assert {future.result(WAIT_S).read_ts for future in asked} == {0}


# Closing.


def test_close_lets_a_commit_finish_that_is_being_written(
    connect: Connect, store: GatedStore, gated: LocalEngine
) -> None:
    with serving(gated) as target:
        remote = connect(target)
        assert remote.execute(Health()) == "ok"
        store.shut(Call.WRITE)
        committing = remote.submit(transaction(write()))
        store.await_arrival(Call.WRITE)
        closing = threading.Thread(target=remote.close)
        closing.start()
        eventually(lambda: "closed" in repr(remote))
        store.lift(Call.WRITE)
        assert committing.result(WAIT_S).commit_ts == 1
        closing.join(WAIT_S)


def test_close_ends_what_waits_for_commits_to_come(connect: Connect, engine: Engine) -> None:
    with serving(engine) as target:
        remote = connect(target)
        following = remote.submit(Replay(from_ts=1, wait_s=600.0))
        eventually(lambda: engine.execute(Status()).followers == 1)
        with within(1):
            remote.close()
        with pytest.raises(EngineError, match="closed"):
            following.result(0)
        eventually(lambda: engine.execute(Status()).followers == 0)


def test_close_ends_what_waits_for_a_connection(connect: Connect) -> None:
    remote = connect(free_target(), connect_timeout=0.2)
    asked = remote.submit(Health())
    commit = remote.submit(transaction(write()))
    with within(0.2):
        remote.close()
    for future in (asked, commit):
        with pytest.raises((EngineError, ConnectionError)):
            future.result(0)


def test_a_closed_handle_refuses_and_can_be_closed_again(connect: Connect, engine: Engine) -> None:
    with serving(engine) as target:
        remote = connect(target)
        assert remote.execute(Health()) == "ok"
        remote.close()
        remote.close()
        with pytest.raises(EngineError, match="closed"):
            remote.execute(Health())
        with pytest.raises(EngineError, match="closed"):
            remote.submit(Health()).result(0)


def test_close_leaves_no_thread_and_no_connection(connect: Connect, engine: Engine) -> None:
    with serving(engine) as target, Proxy(target) as proxy:
        remote = connect(proxy.url)
        for number in range(50):
            put(remote, f"k{number}")
        assert proxy.connections == 1
        remote.close()
        eventually(lambda: proxy.connections == 0)
    eventually(lambda: not threads_of_clients())


# Many at once.


def test_many_threads_share_one_connection(connect: Connect, engine: Engine) -> None:
    with serving(engine) as target, Proxy(target) as proxy, ThreadPoolExecutor(16) as threads:
        remote = connect(proxy.url)
        reached = list(threads.map(lambda number: put(remote, f"k{number}"), range(200)))
        assert sorted(reached) == list(range(1, 201))
        assert proxy.connections == 1
