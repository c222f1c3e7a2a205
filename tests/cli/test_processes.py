"""What only real processes show: who holds the store, signals, pipes, a terminal, the speed of a start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from statehouse import Statehouse
from tests.cli.conftest import environment

Run = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]


def many(directory: Path) -> None:
    """More than a pipe holds."""
    with Statehouse(directory, durability="none") as sh, sh.transaction() as tx:
        for number in range(3000):
            tx.write(f"k{number:05}", "x" * 100, agent_id="a")


def test_a_store_that_is_held_is_read(directory: Path, spawn: Spawn) -> None:
    with Statehouse(directory) as sh:
        sh.write("k", "held", agent_id="a")
        out, err = spawn("get", "a", "k").communicate()
        assert out == b'"held"\n'
        assert f"process {os.getpid()}" in err.decode()


def test_a_store_that_is_held_is_not_written(directory: Path, spawn: Spawn) -> None:
    with Statehouse(directory) as sh:
        sh.write("k", 1, agent_id="a")
        writer = spawn("put", "a", "k", "2")
        _, err = writer.communicate()
        assert writer.returncode == 5
        assert f"held by process {os.getpid()}" in err.decode()
        assert "stop that one first" in err.decode()
        assert "read_only" not in err.decode()
        assert sh.get_state("k", agent_id="a").value == 1


@pytest.mark.parametrize(
    "listen,told",
    [
        (("--listen", "unix:{}"), "write through it: --url unix:{}"),
        (("--listen=unix:{}",), "write through it: --url unix:{}"),
        ((), "write through it: --url with the address that it listens on, localhost:50051 unless"),
    ],
    ids=["listen", "listen=", "environment"],
)
def test_who_writes_to_a_directory_that_a_daemon_holds_is_told_to_go_through_it(
    directory: Path, spawn: Spawn, tmp_path: Path, listen: tuple[str, ...], told: str
) -> None:
    socket = tmp_path / "s"
    daemon = subprocess.Popen(
        [
            *(sys.executable, "-m", "statehouse.daemon", "--data-dir", str(directory)),
            *(word.format(socket) for word in listen),
        ],
        env={**environment(""), "STATEHOUSE_LISTEN": f"unix:{socket}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert daemon.stdout is not None
    daemon.stdout.readline()
    writer = spawn("put", "a", "k", "2")
    _, err = writer.communicate()
    daemon.terminate()
    daemon.communicate()
    assert writer.returncode == 5
    assert f"held by process {daemon.pid}" in err.decode()
    assert told.format(socket) in err.decode()


def test_follow_shows_what_another_process_commits_and_ends_quietly_on_ctrl_c(
    directory: Path, spawn: Spawn
) -> None:
    with Statehouse(directory) as sh:
        sh.write("k", 1, agent_id="a")
        follower = spawn("replay", "a", "--follow", "--json")
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["commit_ts"] == 1
        sh.write("k", 2, agent_id="a")
        assert json.loads(follower.stdout.readline())["commit_ts"] == 2
        follower.send_signal(signal.SIGINT)
        _, err = follower.communicate()
        assert follower.returncode == 130
        assert len(err.decode().splitlines()) == 1, "the note that the store is held, and nothing else"


def test_follow_shows_what_a_process_commits_right_before_it_ends(directory: Path, spawn: Spawn) -> None:
    with Statehouse(directory) as sh:
        sh.write("k", 1, agent_id="a")
        follower = spawn("replay", "a", "--follow", "--json")
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["commit_ts"] == 1
        sh.write("k", 2, agent_id="a")
    assert json.loads(follower.stdout.readline())["commit_ts"] == 2
    follower.send_signal(signal.SIGINT)
    follower.communicate()
    assert follower.returncode == 130


@pytest.mark.parametrize("args", [("scan", "a", "--json"), ("store", "dump", "-o", "-")])
def test_a_pipe_that_is_closed_ends_the_command_quietly(
    directory: Path, spawn: Spawn, args: tuple[str, ...]
) -> None:
    many(directory)
    writer = spawn(*args)
    assert writer.stdout is not None
    assert writer.stderr is not None
    assert writer.stdout.read(10)
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait() == 141
    for pipe in (writer.stdin, writer.stderr):
        assert pipe is not None
        pipe.close()


def on_a_terminal(*args: str, url: str, **variables: str) -> str:
    """What a command writes to a terminal of 80 columns."""
    import pty

    main, other = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "statehouse", *args],
        env={**kept, "STATEHOUSE_URL": url, "TERM": "xterm-256color", "COLUMNS": "80", **variables},
        stdout=other,
        stderr=subprocess.DEVNULL,
    )
    os.close(other)
    parts = []
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    process.wait()
    os.close(main)
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_a_terminal_gets_a_table_with_headings(filled: str) -> None:
    lines = on_a_terminal("scan", "planner", "--no-color", url=filled).splitlines()
    heading = lines[0].replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert heading.split() == ["KEY", "VERSION", "COMMIT", "VALUE"]
    assert len(lines) == 5


def test_a_terminal_gets_colours(filled: str) -> None:
    assert "\x1b[32m" in on_a_terminal("replay", url=filled)


@pytest.mark.parametrize("how", [("--no-color",), ()])
def test_a_terminal_gets_no_colours_when_asked(filled: str, how: tuple[str, ...]) -> None:
    variables = {} if how else {"NO_COLOR": "1"}
    assert "\x1b[3" not in on_a_terminal("replay", *how, url=filled, **variables)


def test_values_of_a_table_fit_the_terminal(directory: Path) -> None:
    with Statehouse(directory) as sh:
        sh.write("key", "value " * 50, agent_id="a")
        sh.write("k", "\u6f22" * 100, agent_id="a")
    lines = on_a_terminal("scan", "a", "--no-color", url=f"file:{directory}").splitlines()
    assert len(lines) == 3


def test_version_needs_neither_store_nor_tables() -> None:
    program = (
        "import sys\n"
        "from statehouse.cli import main\n"
        "sys.argv = ['statehousectl', 'version']\n"
        "try:\n    main()\n"
        "finally:\n    print([name for name in ('rich', 'rocksdict', 'asyncio') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_completion_offers_the_commands() -> None:
    variables = {
        "_STATEHOUSECTL_COMPLETE": "bash_complete",
        "COMP_WORDS": "statehousectl st",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "statehouse"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["plain,state", "plain,store"]
