"""The client in Node, which shares nothing with us but the contract, against a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from statehouse import Payload, Statehouse
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving

ROOT = Path(__file__).parents[2]
EXAMPLE = "examples/node"
CONTRACT = "proto/statehouse/v1"

STORY = """\
The daemon is version {version}, and says "ok".
Staged 4 values; they became commit 1.
  plan, version 1 @1: {{"done":false,"goal":"make tea","steps":["boil water","brew"]}}
Committed bytes: commit 2.
  the same again: commit 2, a repeat, applied once
  ledger: {{"cents":9007199254740993}}
Refused with CONFLICT: commit 3 changed plan. Reading it again.
  plan @4: {{"done":true,"goal":"make coffee","steps":["grind","brew"]}}
Notes, two a page:
  note/1: water is in the tap; note/2: tea is in the tin
  note/3: milk is out
As of commit 1:
  the goal was to make tea, and the ledger had 0 versions
What happened:
  @1 plan v1, note/1 v1, note/2 v1, note/3 v1
  @2 ledger v1, picture v1
  @3 plan v2
  @4 plan v3
Followed: @5 KIND_DELETE note/3
"""


def with_node(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that runs the program."""
    marked: Callable[..., None] = pytest.mark.slow(pytest.mark.needs("node", "npm")(test))
    return marked


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a checkout has it, with what its lock says installed."""
    checkout = tmp_path_factory.mktemp("checkout")
    without = shutil.ignore_patterns("node_modules")
    for part in (EXAMPLE, CONTRACT):
        shutil.copytree(ROOT / part, checkout / part, ignore=without)
    installed = subprocess.run(
        ["npm", "ci", "--silent"], cwd=checkout / EXAMPLE, capture_output=True, text=True, check=False
    )
    assert installed.returncode == 0, installed.stderr
    return checkout / EXAMPLE


@pytest.fixture
def told() -> Iterator[tuple[Statehouse, str]]:
    """A handle on a store, and the URL of the daemon that has it."""
    engine = open_engine(MemoryStore())
    with serving(engine) as url, Statehouse.from_engine(engine) as sh:
        yield sh, url
    engine.close()


def run(program: Path, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", "story.js", "node-agent"],
        cwd=program,
        env={**os.environ, "STATEHOUSE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@with_node
def test_the_program_does_what_it_says(program: Path, told: tuple[Statehouse, str]) -> None:
    sh, url = told
    done = run(program, url)
    assert (done.stdout, done.stderr, done.returncode) == (STORY.format(version=sh.version().version), "", 0)


@with_node
def test_what_the_program_wrote_is_in_the_store_byte_for_byte(
    program: Path, told: tuple[Statehouse, str]
) -> None:
    sh, url = told
    run(program, url)
    agent = sh.agent("node-agent")
    assert agent.get_state("ledger").value == {"cents": 2**53 + 1}
    assert agent.get_state("picture").value == Payload("image/png", b"\x89PNG\r\n\x1a\n")
    assert agent.get_state_at_version("plan", 1).value == {
        "done": False,
        "goal": "make tea",
        "steps": ["boil water", "brew"],
    }
    assert agent.list_keys() == ["ledger", "note/1", "note/2", "picture", "plan"]


@with_node
def test_the_commit_that_was_sent_twice_is_one_event_with_its_origin(
    program: Path, told: tuple[Statehouse, str]
) -> None:
    sh, url = told
    run(program, url)
    [event] = sh.find_events(run_id="node-story")
    assert (event.origin.agent_id, event.origin.step) == ("node-agent", "ledger")
    assert [operation.key for operation in event.operations] == ["ledger", "picture"]


@with_node
def test_the_program_can_be_run_again_on_the_same_store(program: Path, told: tuple[Statehouse, str]) -> None:
    _, url = told
    run(program, url)
    again = run(program, url)
    assert (again.stderr, again.returncode) == ("", 0)
    assert "Followed: @10 KIND_DELETE note/3" in again.stdout


@with_node
def test_without_a_daemon_the_program_says_so(program: Path, tmp_path: Path) -> None:
    done = run(program, f"unix:{tmp_path}/nobody")
    assert done.returncode == 1
    assert done.stderr.startswith("CONNECTION: ")


def test_the_lock_names_no_registry_and_has_a_hash_of_everything() -> None:
    packages = json.loads((ROOT / EXAMPLE / "package-lock.json").read_text())["packages"]
    installed = {name: package for name, package in packages.items() if name}
    assert installed
    assert [name for name, package in installed.items() if "resolved" in package] == []
    assert [name for name, package in installed.items() if "integrity" not in package] == []
