"""``store erase``: gone for good, but not by accident."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
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


class Asked:
    """An erase that asks on a terminal."""

    def __init__(self, directory: Path) -> None:
        import pty

        filled(f"file:{directory}")
        self._main, other = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "statehouse", "store", "erase", "planner", "goal"],
            env=environment(f"file:{directory}"),
            stdin=other,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.close(other)

    def wait_for(self, text: bytes) -> None:
        assert self.process.stderr is not None
        said = b""
        while text not in said:
            part = self.process.stderr.read1()  # type: ignore[attr-defined] # it is buffered
            assert part, said
            said += part

    def answer(self, text: str) -> None:
        os.write(self._main, text.encode())

    def interrupt(self) -> None:
        # What comes right before it begins to read is noticed only after that: then it is pressed again.
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)

    def end(self) -> str:
        _, err = self.process.communicate(timeout=60)
        os.close(self._main)
        return str(err.decode())


def is_erased(directory: Path) -> bool:
    with Statehouse(directory) as sh:
        try:
            return bool(sh.get_state("goal", agent_id="planner").value != 1)
        except ErasedError:
            return True


@pytest.mark.parametrize(
    "answer,code", [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 1)], ids=repr
)
def test_on_a_terminal_it_asks_first(directory: Path, answer: str, code: int) -> None:
    asked = Asked(directory)
    asked.answer(answer)
    assert "default/planner: 1 version" in asked.end()
    assert asked.process.returncode == code
    assert is_erased(directory) == (code == 0)


def test_what_is_no_answer_is_asked_again(directory: Path) -> None:
    asked = Asked(directory)
    asked.answer("foo\nn\n")
    err = asked.end()
    assert "statehousectl: answer y to erase, n to leave everything as it is\n" in err
    assert err.count("Erase them for good?") == 2
    assert not is_erased(directory)


def test_ctrl_c_at_the_question_erases_nothing_and_exits_with_130(directory: Path) -> None:
    asked = Asked(directory)
    asked.wait_for(b"[y/N]: ")
    asked.interrupt()
    assert (asked.end(), asked.process.returncode) == ("\n", 130)
    assert not is_erased(directory)
