"""Runs ``statehousectl``: in this process where that shows the same, else in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from statehouse import Origin, Payload, Statehouse
from statehouse.cli.app import app

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def document(self) -> Any:
        """The one JSON document it printed."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[Any]:
        """The JSON lines it printed."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


def environment(url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STATEHOUSE_")}
    return {**kept, "STATEHOUSE_URL": url}


def ran_in_process(*args: str, url: str, stdin: bytes | None = None) -> Ran:
    result = CliRunner(env={"STATEHOUSE_URL": url}).invoke(
        app, list(args), input=stdin, prog_name="statehousectl"
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.stderr
    return Ran(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)


def fill(directory: Path) -> None:
    """Makes a store whose every commit_ts the tests know by heart."""
    with Statehouse(directory) as sh:
        planner = sh.agent("planner")
        origin = Origin(TRACE, SPAN, "planner", "r-42", "plan", {"model": "x"})
        with planner.transaction(origin=origin, txn_id="first") as tx:
            tx.write("goal", "make tea")
            tx.write("plan", {"steps": ["boil", "brew"], "done": 0})
        with planner.transaction(origin=Origin(run_id="r-42", step="act")) as tx:
            tx.write("plan", {"steps": ["boil", "brew", "pour"], "done": 1})
            tx.write("image", bytes(range(200)))
        planner.write("draft", [1, 2, 3])
        planner.delete("draft")
        planner.write("packed", Payload("application/msgpack", b"\x82\xa1a\x01"))
        sh.write("x", 1, agent_id="other", namespace="team-b")


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store that no test writes to: six commits, two namespaces."""
    directory = tmp_path_factory.mktemp("filled") / "store"
    fill(directory)
    return f"file:{directory}"


@pytest.fixture
def look(filled: str) -> Run:
    """Runs a command on the filled store; it must not write."""

    def run(*args: str, url: str = filled) -> Ran:
        return ran_in_process(*args, url=url)

    return run


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the store of a test is to be."""
    return tmp_path / "store"


@pytest.fixture
def run(directory: Path) -> Run:
    """Runs a command on the test's own store."""

    def run(*args: str, stdin: bytes | None = None) -> Ran:
        return ran_in_process(*args, url=f"file:{directory}", stdin=stdin)

    return run


@pytest.fixture
def spawn(directory: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a command in a process of its own, on the test's own store."""

    def spawn(*args: str, **facts: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "statehouse", *args],
            env=environment(f"file:{directory}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **facts,
        )

    return spawn
