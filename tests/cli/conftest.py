"""Runs ``statehousectl``: in this process where that shows the same, else in another; on either home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from statehouse import Origin, Payload, Statehouse
from statehouse.cli.app import app
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.debug.purchases import buy_stale, plan, refuse

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


@contextmanager
def daemon() -> Iterator[str]:
    """Serves an empty store while the block runs, and gives its URL."""
    engine = open_engine(MemoryStore(), durability="none")
    with serving(engine, grace_s=0.0) as url:
        yield url
    engine.close()


def fill(where: Path | str) -> None:
    """Makes a store whose every commit_ts the tests know by heart."""
    with Statehouse(where) as sh:
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


def fill_with_runs(sh: Statehouse) -> None:
    """Makes ``r-42`` with commits 4, 5, 9 and 10, a failed run and one with steps in steps."""
    buy_stale(sh)
    with suppress(ValueError), sh.run("r-bad", agent_id="buyer", name="returns", code_version="abc"):
        refuse("no\x1b[31m way")
    with sh.run("r-deeper", agent_id="planner"):
        plan(["tea", "milk", "sugar"])
    with sh.run("r-deep", agent_id="planner"):
        plan(["tea", "milk"])


@pytest.fixture(scope="session", params=["directory", "daemon"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that no test writes to: six commits, two namespaces; in either home."""
    if request.param == "daemon":
        with daemon() as url:
            fill(url)
            yield url
    else:
        directory = tmp_path_factory.mktemp("filled") / "store"
        fill(directory)
        yield f"file:{directory}"


@pytest.fixture(scope="session", params=["directory", "daemon"])
def bought(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store of runs that no test writes to; in either home. See `tests.debug.purchases`."""
    if request.param == "daemon":
        with daemon() as url:
            with Statehouse(url) as sh:
                fill_with_runs(sh)
            yield url
    else:
        directory = tmp_path_factory.mktemp("bought") / "store"
        with Statehouse(directory) as sh:
            fill_with_runs(sh)
        yield f"file:{directory}"


@pytest.fixture
def inspect(bought: str) -> Run:
    """Runs a command on the store of runs; it must not write."""

    def run(*args: str) -> Ran:
        return ran_in_process(*args, url=bought)

    return run


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


@pytest.fixture(params=["directory", "daemon"])
def home(request: pytest.FixtureRequest, directory: Path) -> Iterator[str]:
    """The URL of the test's own store, which is not there yet or empty; in either home."""
    if request.param == "daemon":
        with daemon() as url:
            yield url
    else:
        yield f"file:{directory}"


@pytest.fixture
def anywhere(home: str) -> Run:
    """Runs a command on the test's own store, in either home."""

    def run(*args: str, stdin: bytes | None = None) -> Ran:
        return ran_in_process(*args, url=home, stdin=stdin)

    return run


@pytest.fixture
def spawn(directory: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a command in a process of its own, on the test's own store in a directory, or another one."""

    def spawn(*args: str, url: str = f"file:{directory}", **facts: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "statehouse", *args],
            env=environment(url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **facts,
        )

    return spawn
