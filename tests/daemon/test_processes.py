"""Daemons as operators meet them: real processes, real signals, real sockets."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from statehouse import Statehouse
from statehouse.engine.marks import newest_mark
from statehouse.errors import OutcomeUnknownError, RefusingWritesError
from statehouse.protocol.limits import MIB
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import Commit, Get, Replay, Status, Version, Write
from statehouse.protocol.values import BYTES, Payload
from statehouse.rpc.calling.engine import RemoteEngine
from statehouse.storage.marks import read_marks
from tests.daemon.processes import COMMAND, TIMEOUT_S, Daemon, cut, daemon, environment, refused, stopped

KEY = RecordKey("default", "a", "k")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?P<level>\w+) +(?P<area>\w+) +(?P<rest>.*)")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory whose name is short enough for a socket, from where tests run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def client(target: str) -> Iterator[RemoteEngine]:
    engine = RemoteEngine(target)
    try:
        yield engine
    finally:
        engine.close()


def write(target: str, value: bytes = b"x") -> int:
    with client(target) as engine:
        return engine.execute(Commit(uuid.uuid4().hex, (Write(KEY, Payload(BYTES, value)),))).commit_ts


def read(target: str) -> bytes:
    with client(target) as engine:
        payload = engine.execute(Get(KEY)).entry.payload
    assert payload is not None
    return payload.data


def said(running: Daemon) -> list[tuple[str, str, str]]:
    """The level, the area and the rest of each line of the log."""
    lines = [LINE.fullmatch(line) for line in running.log]
    assert None not in lines, running.log
    return [(line["level"], line["area"], line["rest"]) for line in lines if line]


def mark_state(directory: Path) -> str:
    mark = newest_mark(read_marks(directory / "marks"))
    assert mark is not None
    return mark.state


def test_a_daemon_serves_a_directory_until_it_is_asked_to_end(directory: Path, log: Path) -> None:
    with daemon(log, "--data-dir", str(directory)) as running:
        assert running.home == f"file:{directory}"
        assert write(running.target, b"kept") == 1
        assert mark_state(directory) == "sync"
        assert running.end(signal.SIGTERM) == 0
        lines = said(running)
    assert mark_state(directory) == "clean"
    assert not (directory / "holder").exists()
    assert [line[:2] for line in lines] == [("INFO", "daemon")] * 5
    opened, ready, asked, closed, ended = [line[2] for line in lines]
    facts = (
        rf"store=[0-9a-f]{{32}} at=file:{directory} epoch=1 format=1 commit_ts=0 durability=sync took_ms=\d+"
    )
    assert re.fullmatch(f"opened the store  {facts}", opened)
    assert ready.startswith(f"ready  on={running.target} version=")
    assert ready.endswith(f" pid={running.process.pid}")
    assert asked == "SIGTERM: finishing the calls that run  within_s=10"
    assert closed == "closed the store  commit_ts=1"
    assert re.fullmatch(r"stopped  after_s=[\d.]+", ended)
    with Statehouse(directory) as sh:
        assert sh.get_state("k", agent_id="a").value == b"kept"


def test_ctrl_c_ends_a_daemon_whose_log_is_json(log: Path) -> None:
    with daemon(log, "--memory", "--log-format", "json", "--replays-max", "7") as running:
        assert running.home == "memory:"
        assert running.end(signal.SIGINT) == 0
        records = [json.loads(line) for line in running.log]
    assert [record["message"] for record in records] == [
        "opened the store",
        "limits that are not the default ones",
        "ready",
        "SIGINT: finishing the calls that run",
        "closed the store",
        "stopped",
    ]
    assert {record["level"] for record in records} == {"info"}
    assert {record["logger"] for record in records} == {"statehouse.daemon"}
    assert records[0]["durability"] == "none"
    assert records[1]["replays_max"] == 7
    assert records[2]["on"] == [running.target]


def test_health_and_version_are_those_of_this_build(log: Path) -> None:
    from statehouse import __version__

    with daemon(log, "--memory") as running, grpc.insecure_channel(running.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "statehouse.v1.StatehouseService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), wait_for_ready=True)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with client(running.target) as engine:
            assert engine.execute(Version()).version == __version__


def test_a_second_daemon_on_a_directory_says_who_has_it_and_harms_nobody(directory: Path, log: Path) -> None:
    with daemon(log, "--data-dir", str(directory)) as running:
        held = (
            rf"statehoused: the store in '{directory}' is held by process {running.process.pid} "
            rf"\(.*statehouse\.daemon --data-dir {directory} .*, since \S+\)\. "
            r"A store is one process's at a time: stop that one, or use the store through it if it is a "
            r"daemon, or give another --data-dir\n"
        )
        for listen in ("127.0.0.1:0", running.target):
            code, text = refused("--data-dir", str(directory), "--listen", listen)
            assert code == 5
            assert re.fullmatch(held, text), text
        assert write(running.target) == 1
        assert running.end(signal.SIGTERM) == 0


def test_a_second_daemon_on_a_port_is_refused_and_makes_no_store(directory: Path, log: Path) -> None:
    with daemon(log, "--memory") as running:
        code, text = refused("--data-dir", str(directory), "--listen", running.target)
        assert code == 5
        assert text.startswith(f"statehoused: {running.target} is in use by another process; ")
    assert not directory.exists()


def test_an_embedded_program_that_has_the_directory_is_named(directory: Path) -> None:
    with Statehouse(directory):
        code, text = refused("--data-dir", str(directory), "--listen", "127.0.0.1:0")
    assert code == 5
    assert f"is held by process {os.getpid()} (" in text


def test_a_killed_daemon_leaves_everything_that_it_answered(directory: Path, log: Path) -> None:
    with daemon(log, "--data-dir", str(directory)) as running:
        for number in range(1, 11):
            assert write(running.target, b"%d" % number) == number
        assert running.end(signal.SIGKILL) == -signal.SIGKILL
    assert mark_state(directory) == "sync"
    with daemon(log, "--data-dir", str(directory)) as running:
        assert read(running.target) == b"10"
        assert " commit_ts=10 " in running.log[0]
        assert running.end(signal.SIGTERM) == 0


def test_a_second_signal_ends_it_at_once_and_loses_nothing(directory: Path, log: Path) -> None:
    with daemon(log, "--data-dir", str(directory)) as running:
        assert write(running.target, b"kept") == 1
        # Both are there when it looks; which it takes for the first is the system's choice, by threads.
        stopped(running.process.pid)
        code = running.end(signal.SIGTERM, signal.SIGINT, signal.SIGCONT)
        first, second = ("SIGINT", "SIGTERM") if code == 128 + signal.SIGTERM else ("SIGTERM", "SIGINT")
        assert code == 128 + signal.Signals[second]
        assert said(running)[-1] == (
            "WARNING",
            "daemon",
            f"{second} after {first}: ended at once; nothing that was answered is lost",
        )
    with Statehouse(directory) as sh:
        assert sh.get_state("k", agent_id="a").value == b"kept"


ASKED_AGAIN = """
    import asyncio, signal
    from statehouse.daemon.signals import Signals
    async def main():
        now = [0.0]
        with Signals(lambda: print("ends", flush=True), clock=lambda: now[0]) as signals:
            for now[0] in (0.0, 0.1, 0.9):
                signal.raise_signal(signal.SIGTERM)
            await signals.wait()
            print("asked", flush=True)
            now[0] = 1.1
            signal.raise_signal(signal.SIGTERM)
    asyncio.run(main())
"""


def test_the_same_signal_again_within_a_second_is_the_first_one_told_twice() -> None:
    # As `timeout` does, which signals its child, and then its group.
    command = [sys.executable, "-c", textwrap.dedent(ASKED_AGAIN)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "asked\nends\n")


@contextmanager
def opening(directory: Path, log: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A daemon in the middle of opening a store: it reads a pipe, which is open for writing here."""
    directory.mkdir()
    os.mkfifo(directory / "marks")
    command = [*COMMAND, "--data-dir", str(directory), "--listen", "127.0.0.1:0"]
    with (
        log.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        try:
            # Returns when the daemon has opened it too; then the name is free for a file.
            pipe = os.open(directory / "marks", os.O_WRONLY)
            (directory / "marks").unlink()
            yield process, pipe
        finally:
            process.kill()


def test_a_signal_while_the_store_is_opened_closes_it_and_serves_nothing(directory: Path, log: Path) -> None:
    with opening(directory, log) as (process, pipe):
        process.send_signal(signal.SIGTERM)
        os.close(pipe)
        out, _ = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out) == (0, "")
    lines = [line.split(" daemon   ")[1].split("  ")[0] for line in log.read_text().splitlines()]
    assert lines == ["opened the store", "closed the store", "stopped"]
    assert mark_state(directory) == "clean"


def test_a_second_signal_while_the_store_is_opened_ends_it_at_once(directory: Path, log: Path) -> None:
    with opening(directory, log) as (process, pipe):
        stopped(process.pid)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            process.send_signal(number)
        # Whichever came second.
        assert process.wait(TIMEOUT_S) in {128 + signal.SIGTERM, 128 + signal.SIGINT}
        os.close(pipe)


def test_a_hangup_does_nothing_and_is_logged(log: Path) -> None:
    with daemon(log, "--memory") as running:
        # Handled in the order of their numbers, SIGHUP being the first.
        stopped(running.process.pid)
        assert running.end(signal.SIGHUP, signal.SIGTERM, signal.SIGCONT) == 0
        assert ("WARNING", "daemon") in [
            line[:2] for line in said(running) if line[2].startswith("SIGHUP does")
        ]


def test_who_follows_does_not_hold_up_the_end(directory: Path, log: Path) -> None:
    with daemon(log, "--data-dir", str(directory)) as running, client(running.target) as engine:
        waiting = engine.submit(Replay(from_ts=1, wait_s=600.0))
        assert engine.execute(Status()).commit_ts == 0
        assert running.end(signal.SIGTERM) == 0
        waiting.cancel()


def test_a_socket_is_for_its_user_and_goes_with_the_daemon(near: Path, log: Path) -> None:
    with daemon(log, "--memory", "--listen", "unix:sock", "--listen", "127.0.0.1:0") as running:
        assert running.on[0] == "unix:sock"
        assert stat.S_IMODE((near / "sock").stat().st_mode) == 0o600
        assert [write("unix:sock"), write(running.on[1])] == [1, 2]
        code, text = refused("--memory", "--listen", "unix:sock")
        assert code == 5
        assert text.startswith("statehoused: unix:sock is in use by another process; ")
        assert write("unix:sock") == 3
        assert running.end(signal.SIGTERM) == 0
    assert not (near / "sock").exists()


def test_a_socket_that_a_killed_daemon_left_is_taken_over(near: Path, log: Path) -> None:
    with daemon(log, "--memory", "--listen", "unix:sock") as running:
        running.end(signal.SIGKILL)
    assert (near / "sock").is_socket()
    with daemon(log, "--memory", "--listen", "unix:sock") as running:
        assert write("unix:sock") == 1
        assert running.end(signal.SIGTERM) == 0
    assert not (near / "sock").exists()


@pytest.mark.slow
def test_lost_commits_are_gone_on_without_when_that_is_accepted(directory: Path, log: Path) -> None:
    cut(directory, commits=2)
    with daemon(log, "--data-dir", str(directory), "--accept-data-loss") as running:
        lines = said(running)
        with client(running.target) as engine:
            status = engine.execute(Status())
        assert (status.epoch, status.commit_ts) == (2, 1)
        assert running.end(signal.SIGTERM) == 0
    assert lines[0] == (
        "WARNING",
        "daemon",
        "accept_data_loss is on, which is for one start: leave it out of the next one",
    )
    assert lines[1] == ("WARNING", "engine", "statehouse begins epoch 2 at commit_ts 2: 2 commits lost")
    with daemon(log, "--data-dir", str(directory)) as running:
        assert " epoch=2 " in running.log[0]


def test_insecure_is_warned_of_and_so_is_a_variable_that_sets_nothing(log: Path) -> None:
    env = environment(STATEHOUSE_DATADIR="x", STATEHOUSE_MEMORY="1", STATEHOUSE_LOG="warning")
    with daemon(log, "--listen", "0.0.0.0:0", "--insecure", env=env) as running:
        assert re.fullmatch(r"0\.0\.0\.0:[1-9]\d*", running.target)
        assert running.end(signal.SIGTERM) == 0
        assert said(running) == [
            (
                "WARNING",
                "daemon",
                "the variable STATEHOUSE_DATADIR sets nothing; did you mean STATEHOUSE_DATA_DIR?",
            ),
            (
                "WARNING",
                "daemon",
                f"insecure is on: whoever can reach these addresses can read and write  on={running.target}",
            ),
        ]


def test_debugging_shows_calls_and_the_storage(directory: Path, log: Path) -> None:
    with daemon(log, "--data-dir", str(directory), "--log", "error,storage=debug,rpc=debug") as running:
        write(running.target)
        assert running.end(signal.SIGTERM) == 0
        areas = [line[1] for line in said(running)]
    assert areas[0] == areas[-1] == "storage"
    assert set(areas) == {"storage", "rpc"}


def test_a_service_manager_is_told_when_it_is_ready_and_when_it_ends(near: Path, log: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("notify")
        manager.settimeout(TIMEOUT_S)
        with daemon(log, "--memory", env=environment(NOTIFY_SOCKET=str(near / "notify"))) as running:
            assert manager.recv(1000) == f"READY=1\nSTATUS=serving memory: on {running.target}".encode()
            assert running.end(signal.SIGTERM) == 0
        assert manager.recv(1000) == b"STOPPING=1\nSTATUS=finishing the calls that run"


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-"])
def test_a_daemon_without_standard_streams_serves(closed: str, near: Path, log: Path) -> None:
    """What it would print must not end up in what it opens next, which may be a file of the store."""
    script = f'exec "$@" {closed}'
    args = ["--data-dir", "store", "--listen", "unix:sock", "--log", "debug"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("notify")
        manager.settimeout(TIMEOUT_S)
        env = environment(NOTIFY_SOCKET=str(near / "notify"))
        with (
            log.open("w") as out,
            subprocess.Popen(
                ["sh", "-c", script, "sh", *COMMAND, *args],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            ) as process,
        ):
            try:
                assert manager.recv(1000).startswith(b"READY=1")
                assert write("unix:sock", b"kept") == 1
                process.send_signal(signal.SIGTERM)
                assert process.wait(TIMEOUT_S) == 0
            finally:
                process.kill()
    with Statehouse(near / "store") as sh:
        assert sh.get_state("k", agent_id="a").value == b"kept"
        assert sh.check().problems == ()


@pytest.mark.parametrize("reader", ["goes away", pytest.param("does not read", marks=pytest.mark.slow)])
def test_a_daemon_serves_whatever_its_reader_does(reader: str, directory: Path) -> None:
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    with suppress(BlockingIOError):
        while reader == "does not read":
            os.write(ours, b"." * 65536)
    os.set_blocking(ours, True)
    with subprocess.Popen(
        [*COMMAND, "--data-dir", str(directory), "--listen", "127.0.0.1:0", "--log", "debug"],
        stdout=subprocess.PIPE,
        stderr=ours,
        text=True,
    ) as process:
        try:
            os.close(ours)
            assert process.stdout is not None
            target = process.stdout.readline().split(" ready on ")[1].split(" ")[0]
            if reader == "goes away":
                os.close(theirs)
            assert [write(target) for _ in range(3)] == [1, 2, 3]
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_S) == 0
        finally:
            process.kill()
    if reader == "does not read":
        os.close(theirs)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of files are met in other ways elsewhere")
def test_a_store_that_takes_no_more_writes_is_read_and_everybody_is_told(near: Path, log: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("notify")
        manager.settimeout(TIMEOUT_S)
        env = environment(NOTIFY_SOCKET=str(near / "notify"))
        with daemon(log, "--data-dir", "store", env=env, preexec_fn=limit) as running:
            assert manager.recv(1000).startswith(b"READY=1")
            assert write(running.target, b"kept") == 1
            with pytest.raises(OutcomeUnknownError):
                write(running.target, b"x" * 2 * MIB)
            with pytest.raises(RefusingWritesError):
                write(running.target, b"small")
            assert manager.recv(1000).startswith(
                b"STATUS=refuses writes until it is restarted: a write failed"
            )
            assert read(running.target) == b"kept"
            with client(running.target) as engine:
                assert engine.execute(Status()).state == "refusing_writes"
            assert running.end(signal.SIGTERM) == 0
            errors = [line for line in said(running) if line[0] == "ERROR"]
    assert [line[1] for line in errors] == ["engine", "daemon"]
    assert errors[1][2].startswith("the store takes no more writes, while reads are answered: restart ")
    with daemon(log, "--data-dir", "store") as running:
        assert read(running.target) == b"kept"
        assert write(running.target, b"x" * 2 * MIB) in (2, 3)
        assert running.end(signal.SIGTERM) == 0
