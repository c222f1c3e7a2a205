"""What is different when the store is a daemon's: who is asked, what is said if nobody answers, and order."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from statehouse import Statehouse, __version__
from statehouse.client import url as urls
from statehouse.engine import open_engine
from statehouse.errors import OverloadedError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Replay, Request
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.cli.conftest import daemon, ran_in_process
from tests.client.engines import RecordingEngine
from tests.rpc.daemons import HeldEngine, free_target, serving_without_pipeline, within

Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = open_engine(MemoryStore(), durability="none")
    yield made
    made.close()


@pytest.fixture
def url() -> Iterator[str]:
    with daemon() as address:
        yield address


def ask(*args: str, url: str = "", stdin: bytes | None = None) -> Any:
    return ran_in_process(*args, url=url, stdin=stdin)


@pytest.mark.parametrize(
    "args",
    [
        ("get", "a", "k"),
        ("put", "a", "k", "1"),
        ("delete", "a", "k"),
        ("replay", "--follow"),
        ("store", "status"),
        ("store", "check"),
        ("store", "dump", "-o", "-"),
        ("health",),
        ("version",),
    ],
    ids=" ".join,
)
def test_when_no_daemon_answers_one_paragraph_names_it_and_the_command_that_starts_one(
    args: tuple[str, ...],
) -> None:
    url = free_target()
    with within(0.05):
        ran = ask(*args, "--connect-timeout", "0.05", url=url)
    assert ran.code == 5
    assert ran.err.startswith(
        f"statehousectl: no daemon answers at {url} (waited 0.05 s). Start one: statehoused "
    )
    assert f"--listen {url}" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.slow
def test_a_person_waits_a_second_for_a_daemon_that_is_not_there() -> None:
    with within(1, at_least=1):
        assert "(waited 1 s)" in ask("health", url=free_target()).err


def test_without_a_url_the_daemon_of_this_machine_is_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert urls.DEFAULT_URL == "localhost:50051"
    monkeypatch.setattr(urls, "DEFAULT_URL", url)
    assert ask("put", "a", "k", '"tea"').code == 0
    assert ask("get", "a", "k").out == '"tea"\n'


def test_when_nobody_said_which_store_and_no_daemon_is_there_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(urls, "DEFAULT_URL", free_target())
    ran = ask("keys", "a", "--connect-timeout", "0.05")
    assert ran.code == 5
    assert "no daemon answers" in ran.err
    assert "neither --url nor STATEHOUSE_URL says which store" in ran.err
    assert ran.err.count("\n") == 1


def test_what_answers_late_is_given_up_in_time(engine: Engine) -> None:
    holding = HeldEngine(engine)
    with serving(holding, grace_s=0.0) as url:
        with within(0.1, at_least=0.1):
            ran = ask("keys", "a", "--timeout", "0.1", url=url)
        assert ran.code == 5
        assert ran.err.count("\n") == 1
        holding.let_go()


def test_something_that_is_no_daemon_is_told_apart() -> None:
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        ran = ask("health", url=f"127.0.0.1:{port}")
        server.stop(None).wait()
    assert ran.code == 5
    assert "no Statehouse daemon" in ran.err


def test_status_shows_what_a_daemon_has(url: str) -> None:
    with Statehouse(url) as sh:
        sh.write("k", 1, agent_id="a")
    found = ask("store", "status", "--json", url=url).document
    assert (found["state"], found["commit_ts"], found["daemon"], found["holder"]) == ("ok", 1, url, None)
    lines = ask("store", "status", url=url).out.splitlines()
    shown = {line[:16].strip(): line[16:].strip() for line in lines}
    assert shown["held by"] == f"the daemon at {url}"
    assert (shown["durability"], shown["followers"]) == ("none", "0")


def test_version_is_of_the_program_and_of_the_daemon_that_is_named(url: str) -> None:
    program, served = ask("version", url=url).out.splitlines()
    assert program.startswith(f"statehousectl {__version__} ")
    assert served.startswith(f"statehoused {__version__} ")
    assert served.endswith(f"at {url}")
    assert ask("version", "--json", url=url).document["daemon"]["version"] == __version__


def test_version_needs_no_daemon_when_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "DEFAULT_URL", free_target())
    ran = ask("version", "--json")
    assert (ran.code, ran.document["daemon"]) == (0, None)


def test_version_is_said_although_the_daemon_does_not_answer() -> None:
    ran = ask("version", "--connect-timeout", "0.05", url=free_target())
    assert (ran.code, ran.out.startswith(f"statehousectl {__version__} ")) == (5, True)


def test_what_a_daemon_must_be_started_with_is_refused_here(url: str) -> None:
    ran = ask("put", "a", "k", "1", "--accept-data-loss", url=url)
    assert ran.code == 2
    assert "statehoused --accept-data-loss" in ran.err


def test_follow_shows_what_others_commit_through_the_daemon_and_ends_quietly_on_ctrl_c(
    url: str, spawn: Spawn
) -> None:
    with Statehouse(url) as sh:
        sh.write("k", 1, agent_id="a")
        follower = spawn("replay", "a", "--follow", "--json", url=url)
        assert follower.stdout is not None
        for number in (1, 2, 3):
            assert json.loads(follower.stdout.readline())["commit_ts"] == number
            if number < 3:
                sh.write("k", 2, agent_id="a")
        follower.send_signal(signal.SIGINT)
        _, err = follower.communicate()
        assert (follower.returncode, err) == (130, b"")


def test_follow_waits_for_a_daemon_that_went_down_and_goes_on_where_it_was(
    engine: Engine, tmp_path: Path, spawn: Spawn
) -> None:
    listen = f"unix:{tmp_path / 's'}"
    with serving(engine, listen=listen, grace_s=0.0) as url, Statehouse(url) as sh:
        sh.write("k", 1, agent_id="a")
        follower = spawn("replay", "--follow", "--json", "--connect-timeout", "0.05", url=url)
        assert follower.stdout is not None
        assert follower.stderr is not None
        assert json.loads(follower.stdout.readline())["commit_ts"] == 1
    said = follower.stderr.readline().decode()
    assert (
        said == f"statehousectl: {url} does not answer any more; this waits until it does (Ctrl-C ends it)\n"
    )
    with serving(engine, listen=listen, grace_s=0.0), Statehouse(url) as sh:
        sh.write("k", 2, agent_id="a")
        assert json.loads(follower.stdout.readline())["commit_ts"] == 2
        follower.send_signal(signal.SIGINT)
        _, err = follower.communicate()
    assert (follower.returncode, err.decode()) == (130, f"statehousectl: {url} answers again\n")


def test_follow_that_cannot_go_on_says_from_where_somebody_can(spawn: Spawn) -> None:
    def fail(request: Request[Any]) -> None:
        if isinstance(request, Replay) and request.from_ts > 1:
            raise OverloadedError("the disk is full")

    engine = RecordingEngine(fail)
    with serving(engine, grace_s=0.0) as url:
        with Statehouse(url) as sh:
            sh.write("k", 1, agent_id="a")
        follower = spawn("replay", "--follow", "--json", "--timeout", "0.1", url=url)
        out, err = follower.communicate()
    assert (follower.returncode, json.loads(out)["commit_ts"]) == (5, 1)
    assert err.decode() == "statehousectl: the disk is full; go on with --from 2\n"


def test_follow_does_not_go_on_in_another_store(engine: Engine, tmp_path: Path, spawn: Spawn) -> None:
    listen = f"unix:{tmp_path / 's'}"
    with serving(engine, listen=listen, grace_s=0.0) as url, Statehouse(url) as sh:
        sh.write("k", 1, agent_id="a")
        follower = spawn("replay", "--follow", "--json", "--connect-timeout", "0.05", url=url)
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["commit_ts"] == 1
    with closing(open_engine(MemoryStore())) as another, serving(another, listen=listen, grace_s=0.0):
        _, err = follower.communicate()
    assert follower.returncode == 4
    assert "--from" not in err.decode()


def test_follow_that_nobody_reads_any_more_ends_quietly(url: str, spawn: Spawn) -> None:
    with Statehouse(url) as sh:
        sh.write("k", 1, agent_id="a")
        follower = spawn("replay", "--follow", "--json", url=url)
        assert follower.stdout is not None
        assert follower.stderr is not None
        assert follower.stdin is not None
        assert follower.stdout.readline()
        follower.stdout.close()
        sh.write("k", 2, agent_id="a")
        assert (follower.stderr.read(), follower.wait()) == (b"", 141)
        follower.stderr.close()
        follower.stdin.close()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A dump in which large values and small ones take turns."""
    with Statehouse(tmp_path / "large", durability="none") as sh:
        for number in range(40):
            value = bytes([number]) * 300_000 if number % 3 == 0 else number
            sh.write(f"k{number % 4}", value, agent_id="a", txn_id=f"t{number}")
        sh.delete("k1", agent_id="a")
        sh.write("k1", 1, agent_id="a")
    target = tmp_path / "dump"
    assert ask("store", "dump", "-o", str(target), url=f"file:{tmp_path / 'large'}").code == 0
    return target


@pytest.mark.parametrize("pipelined", [True, False], ids=["pipeline", "unary"])
def test_commits_that_overtake_each_other_are_loaded_in_their_order(
    engine: Engine, large: Path, tmp_path: Path, pipelined: bool
) -> None:
    with serving(engine, grace_s=0.0) if pipelined else serving_without_pipeline(engine) as url:
        loaded = ask("store", "load", str(large), "--json", url=url)
        assert (loaded.code, loaded.err) == (0, "")
        assert loaded.document == {"events": 42, "present": 0, "commit_ts": 42}
        again = tmp_path / "again"
        assert ask("store", "dump", "-o", str(again), url=url).code == 0
    assert again.read_bytes().splitlines()[1:-1] == large.read_bytes().splitlines()[1:-1]


def test_a_load_beside_somebody_who_writes_is_refused(url: str, large: Path) -> None:
    with Statehouse(url) as sh:
        sh.write("mine", 1, agent_id="b")
    ran = ask("store", "load", str(large), url=url)
    assert ran.code == 4
    assert "other history" in ran.err
