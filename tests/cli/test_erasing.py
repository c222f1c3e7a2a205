"""``store erase``: gone for good, but not by accident."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from statehouse import ErasedError, Statehouse
from tests.cli.conftest import environment

Run = Callable[..., Any]


def filled(url: str) -> None:
    with Statehouse(url) as sh:
        for number in range(3):
            sh.write("person/ann", number, agent_id="planner")
        sh.write("person/ben", 1, agent_id="planner")
        sh.write("goal", 1, agent_id="planner")


def test_keys_are_erased(anywhere: Run, home: str) -> None:
    filled(home)
    ran = anywhere("store", "erase", "planner", "person/ann", "--yes")
    assert (ran.code, ran.out) == (0, "3 versions erased\n")
    assert anywhere("get", "planner", "person/ann").code == 3
    assert anywhere("get", "planner", "person/ben").out == "1\n"
    assert anywhere("store", "check").code == 0


def test_a_prefix_and_a_whole_agent_are_erased(anywhere: Run, home: str) -> None:
    filled(home)
    erased = anywhere("store", "erase", "planner", "--prefix", "person/", "--yes", "--json").document
    assert erased == {"dry_run": False, "versions": 4, "shared_versions": 0, "shared_keys": []}
    assert anywhere("store", "erase", "planner", "--all", "--yes", "--json").document["versions"] == 1


def test_a_dry_run_needs_no_yes_and_changes_nothing(anywhere: Run, home: str) -> None:
    filled(home)
    ran = anywhere("store", "erase", "planner", "--all", "--dry-run")
    assert (ran.code, ran.out) == (0, "5 versions would be erased\n")
    assert anywhere("get", "planner", "goal").out == "1\n"


def test_other_keys_that_would_be_lost_are_named(anywhere: Run, home: str) -> None:
    text = os.urandom(4000).hex()
    with Statehouse(home) as sh:
        agent = sh.agent("planner")
        agent.write("chat", [text])
        with agent.transaction() as tx:
            chat = tx.get_state("chat")
            tx.write("fork", [*chat.value, text[:2000]], extends=chat)
    ran = anywhere("store", "erase", "planner", "fork", "--dry-run")
    assert ran.out == "1 version, and 1 of other keys that share bytes with them (chat) would be erased\n"


MISSPELT = [
    (("planner", "nokey"), "default/planner/nokey was never written; nothing was erased\n"),
    (("planner", "goal", "nokey"), "default/planner/nokey was never written; nothing was erased\n"),
    (
        ("planner", "--prefix", "persons/"),
        "no key of default/planner that begins with 'persons/' was ever written; nothing was erased\n",
    ),
    (("nobody", "--all"), "default/nobody was never written; nothing was erased ("),
]


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
@pytest.mark.parametrize("args,message", MISSPELT, ids=lambda value: " ".join(value)[:30])
def test_a_name_that_was_never_written_is_not_taken_for_one_that_is_gone(
    anywhere: Run, home: str, args: tuple[str, ...], message: str, how: str
) -> None:
    filled(home)
    ran = anywhere("store", "erase", *args, how)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"statehousectl: {message}")
    assert anywhere("get", "planner", "goal").out == "1\n"


@pytest.mark.parametrize("args", [("goal",), ("--prefix", "go"), ("--all",)], ids=" ".join)
@pytest.mark.parametrize("deleted", [False, True])
def test_erasing_again_what_was_erased_is_a_success(
    anywhere: Run, home: str, args: tuple[str, ...], deleted: bool
) -> None:
    with Statehouse(home) as sh:
        sh.write("goal", 1, agent_id="planner")
    if deleted:
        anywhere("delete", "planner", "goal")
    ran = [anywhere("store", "erase", "planner", *args, "--yes") for _ in range(2)]
    assert [(each.code, each.out) for each in ran] == [(0, "1 version erased\n"), (0, "0 versions erased\n")]


def test_where_nobody_can_be_asked_it_is_refused(anywhere: Run, home: str) -> None:
    filled(home)
    ran = anywhere("store", "erase", "planner", "--all", stdin=b"y\n")
    assert ran.code == 2
    assert "--yes" in ran.err
    assert anywhere("get", "planner", "goal").out == "1\n"


@pytest.mark.parametrize(
    "args", [(), ("goal", "--all"), ("--prefix", "x", "--all"), ("--prefix", "")], ids=" ".join
)
def test_what_to_erase_must_be_said(run: Run, args: tuple[str, ...]) -> None:
    assert run("store", "erase", "planner", *args, "--yes").code == 2


@pytest.mark.parametrize("answer,code", [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_it_asks_first(directory: Path, answer: str, code: int) -> None:
    import pty

    filled(f"file:{directory}")
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "statehouse", "store", "erase", "planner", "goal"],
        env=environment(f"file:{directory}"),
        stdin=other,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.write(main, answer.encode())
    _, err = process.communicate(timeout=60)
    os.close(main)
    os.close(other)
    assert process.returncode == code
    assert "default/planner: 1 version" in err.decode()
    with Statehouse(directory) as sh:
        try:
            erased = sh.get_state("goal", agent_id="planner").value != 1
        except ErasedError:
            erased = True
    assert erased == (code == 0)
