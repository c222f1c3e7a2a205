"""``run verify debug fork``: what a person sees of running a run's code again."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from statehouse import Statehouse

Run = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]

SHOP = """
import statehouse
from statehouse import current_step, step

@step
def quote(item: str) -> int:
    return current_step().state.agent("pricer")[item]

@step
def order(item: str, cents: int) -> int:
    state = current_step().state
    state["orders"] = [*state.get("orders", []), [item, cents]]
    return cents

@step
def tell(cents: int) -> str:
    return f"{cents} cents"

def main(run):
    print("the program speaks")
    cents = quote("tea")
    order("tea", cents)
    return tell(cents)

@step(name="order")
def order_double(item: str, cents: int) -> int:
    return order.function(item, 2 * cents)

def fixed(run):
    cents = quote("tea")
    return tell(order_double("tea", cents))

def other(run):
    return quote("milk")

def early(run):
    raise RuntimeError("nothing works")

def fails(run):
    quote("tea")
    raise RuntimeError("nothing works any more")

def stops(run):
    return quote("tea")

def leaves(run):
    quote("tea")
    raise SystemExit(3)

def itself():
    with statehouse.Statehouse() as sh:
        sh.write("seen", 1, agent_id="buyer")
        with sh.run("r-1", agent_id="buyer") as run:
            return main(run)

def wants(one, two): ...

not_callable = 7
"""
_numbers = itertools.count(1)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module of its own that has the program."""
    name = f"shop_{next(_numbers)}_{os.getpid()}"
    (tmp_path / f"{name}.py").write_text(SHOP)
    (tmp_path / f"{name}_broken.py").write_text("import statehouse\nnothing.works\n")
    (tmp_path / f"{name}_typed.py").write_text("import statehouse\n\ndef main(run:\n")
    (tmp_path / f"{name}_exits.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for loaded in [each for each in sys.modules if each.startswith(name)]:
        del sys.modules[loaded]


@pytest.fixture
def shop(module: str, home: str) -> str:
    """The module, with the run r-1 recorded."""
    program = importlib.import_module(module)
    with Statehouse(home) as sh:
        sh.write("tea", 5, agent_id="pricer")
        with sh.run("r-1", agent_id="buyer") as run:
            program.main(run)
        sh.write("tea", 9, agent_id="pricer")
    return module


def test_a_program_that_goes_the_recorded_way_is_verified(shop: str, anywhere: Run) -> None:
    ran = anywhere("run", "verify", "r-1", f"{shop}:main")
    assert (ran.code, ran.out) == (0, "verified  run r-1 of buyer  3 steps answered from records\n")
    assert ran.err == "the program speaks\n"
    document = anywhere("run", "verify", "r-1", f"{shop}:main", "--json").document
    assert document == {
        "run_id": "r-1",
        "agent_id": "buyer",
        "clean": True,
        "complete": True,
        "answered": 3,
        "reran": 0,
        "changed": [],
        "divergence": None,
        "error": None,
    }


def test_a_program_that_enters_its_run_itself_writes_nothing(shop: str, anywhere: Run, home: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATEHOUSE_URL", home)
        ran = anywhere("run", "verify", "r-1", f"{shop}:itself")
    assert (ran.code, ran.out.split()[0]) == (0, "verified")
    assert anywhere("get", "buyer", "seen").code == 3


def test_the_first_divergence_is_shown_and_said_by_the_exit_code(shop: str, anywhere: Run) -> None:
    ran = anywhere("run", "verify", "r-1", f"{shop}:other")
    assert ran.code == 1
    assert ran.out == (
        "diverged  run r-1 of buyer, at quote#1  input; 0 steps answered from records\n"
        "the step quote#1 is called with other arguments than the run r-1 recorded at commit_ts 3:\n"
        "    argument  recorded  now\n"
        '    item      "tea"     "milk"\n'
    )
    divergence = anywhere("run", "verify", "r-1", f"{shop}:other", "--json").document["divergence"]
    assert (divergence["kind"], divergence["step"], divergence["commit_ts"]) == ("input", "quote#1", 3)
    assert (divergence["recorded"], divergence["now"]) == ({"item": "tea"}, {"item": "milk"})


def test_a_program_that_fails_before_a_recorded_step_is_told_with_what_it_raised(
    shop: str, anywhere: Run
) -> None:
    ran = anywhere("run", "verify", "r-1", f"{shop}:fails")
    said = "raised RuntimeError: nothing works any more ("
    assert (ran.code, said in ran.out, "before it called it" in ran.out) == (1, True, True), ran.out
    assert f"{shop}.py:" in ran.out
    assert ran.err.endswith("RuntimeError: nothing works any more\n")
    document = anywhere("run", "verify", "r-1", f"{shop}:fails", "--json").document
    assert document["error"] == "RuntimeError: nothing works any more"
    assert document["divergence"]["now"]["message"] == "nothing works any more"


def test_a_program_that_lies_in_a_directory_of_our_name_has_its_frames_shown(
    shop: str, anywhere: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "statehouse" / "service"
    place.mkdir(parents=True)
    (place / f"{shop}_there.py").write_text(f"from {shop} import *\n\ndef deep(run):\n    early(run)\n")
    monkeypatch.syspath_prepend(str(place))
    ran = anywhere("run", "debug", "r-1", f"{shop}_there:deep", "--step", "order")
    assert f'{shop}_there.py", line 4, in deep' in ran.err
    assert "sessions.py" not in ran.err


def test_bodies_may_run_again(shop: str, anywhere: Run) -> None:
    ran = anywhere("run", "verify", "r-1", f"{shop}:main", "--bodies", "quote,order#1", "--json")
    assert (ran.document["clean"], ran.document["answered"], ran.document["reran"]) == (True, 1, 2)


def test_a_step_is_reproduced(shop: str, anywhere: Run) -> None:
    ran = anywhere("run", "debug", "r-1", f"{shop}:main", "--step", "order#1")
    assert ran.code == 0
    assert ran.out == (
        "reproduced  order#1 of run r-1  on the state as of commit_ts 3\n"
        "  returns  5\n"
        '  writes   orders  (nothing) → [["tea",5]]\n'
    )
    assert anywhere("run", "debug", "r-1", f"{shop}:main", "--step", "quote").code == 0


def test_a_step_that_does_something_else_is_shown_beside_what_was_recorded(shop: str, anywhere: Run) -> None:
    ran = anywhere("run", "debug", "r-1", f"{shop}:fixed", "--step", "order#1")
    assert ran.code == 1
    assert ran.out.startswith("differs  order#1 of run r-1")
    assert '  writes   orders  (nothing) → [["tea",10]]\n  recorded orders  [["tea",5]]\n' in ran.out
    assert f"changed since the run was recorded: {shop}:order" in ran.err
    document = anywhere("run", "debug", "r-1", f"{shop}:fixed", "--step", "order#1", "--json").document
    assert document["reproduced"] is False
    [write] = document["rerun"]["writes"]
    assert (write["key"], write["recorded"], write["now"]) == ("orders", [["tea", 5]], [["tea", 10]])


def test_a_fork_runs_with_the_fix_beside_the_state(shop: str, anywhere: Run) -> None:
    ran = anywhere(
        "run", "fork", "r-1", "--step", "order", "--exec", f"{shop}:fixed", "--effects", "live", "--as", "f-1"
    )
    assert ran.code == 0
    assert ran.out == (
        "forked  run f-1  from r-1 as of commit_ts 3\n"
        "  taken  quote#1  from the parent's records\n"
        "  ran    order#1, tell#1\n"
        '  result "10 cents"\n'
    )
    assert "statehousectl run diff r-1 f-1" in ran.err
    assert anywhere("get", "buyer", "orders").out == '[["tea",5]]\n'
    assert anywhere("-n", "default.forks", "get", "f-1/buyer", "orders").out == '[["tea",10]]\n'


def test_the_state_that_a_fork_has_is_looked_into(shop: str, anywhere: Run) -> None:
    anywhere(
        "run", "fork", "r-1", "--step", "order", "--exec", f"{shop}:fixed", "--effects", "live", "--as", "f-1"
    )
    of_fork = ("--fork", "f-1")
    assert anywhere("get", "buyer", "orders", *of_fork).out == '[["tea",10]]\n'
    assert anywhere("get", "pricer", "tea", *of_fork).out == "5\n"
    assert anywhere("keys", "buyer", *of_fork).out == "orders\n"
    assert anywhere("scan", "buyer", *of_fork).out.split("\t")[0] == "orders"
    state = anywhere("state", "buyer", *of_fork, "--json").document["state"]
    assert state["orders"]["value"] == [["tea", 10]]
    assert anywhere("get", "buyer", "orders", "--fork", "r-1").out == '[["tea",5]]\n'
    assert anywhere("get", "buyer", "orders", "--fork", "nothing").code == 3


def test_state_and_results_are_given_as_json(shop: str, anywhere: Run) -> None:
    given = ("--set-state", 'orders=[["milk",1]]', "--set-output", 'tell#1="told"')
    ran = anywhere("run", "fork", "r-1", "--step", "order", "--exec", f"{shop}:main", *given, "--json")
    assert ran.document["result"] == "told"
    fork_id = ran.document["run_id"]
    assert (
        anywhere("-n", "default.forks", "get", f"{fork_id}/buyer", "orders").out == '[["milk",1],["tea",5]]\n'
    )


def test_the_name_of_a_step_says_whose_result_is_given(shop: str, anywhere: Run) -> None:
    given = ("--set-output", 'tell="told"')
    ran = anywhere("run", "fork", "r-1", "--step", "order", "--exec", f"{shop}:main", *given, "--json")
    assert (ran.code, ran.document["result"], ran.document["taken"]) == (0, "told", ["quote#1", "tell#1"])


def test_a_fork_that_does_not_call_its_step_says_so(shop: str, anywhere: Run) -> None:
    args = ("run", "fork", "r-1", "--step", "order", "--exec", f"{shop}:stops")
    ran = anywhere(*args)
    assert (ran.code, ran.out.partition("  ")[0]) == (1, "not reached")
    assert "the program ended without calling order#1, the step that this is a fork at" in ran.err
    document = anywhere(*args, "--json").document
    assert (document["reached"], document["error"]) == (False, None)


def test_a_result_for_a_step_that_is_not_called_is_told(shop: str, anywhere: Run) -> None:
    given = ("--set-output", "tell#7=1")
    ran = anywhere("run", "fork", "r-1", "--step", "order", "--exec", f"{shop}:main", *given)
    assert (ran.code, "given a result, and not called: tell#7" in ran.err) == (1, True)


def test_a_fork_that_no_record_answers_says_what_to_do(shop: str, anywhere: Run) -> None:
    ran = anywhere("run", "fork", "r-1", "--step", "order", "--exec", f"{shop}:fixed")
    assert (ran.code, ran.out.split()[0]) == (1, "failed")
    assert "no record answers the step tell#1 (its arguments are others)" in ran.err


def test_an_id_of_a_fork_that_is_taken_is_told_in_words(shop: str, anywhere: Run) -> None:
    again = ("run", "fork", "r-1", "--exec", f"{shop}:main", "--as", "f-1", "--step")
    assert anywhere(*again, "order").code == 0
    ran = anywhere(*again, "tell", "--set-output", "tell=1")
    assert (ran.code, "{" in ran.err) == (4, False)
    assert (
        "the run f-1 is there, and is not this fork: it is a fork of r-1 at order#1; take another" in ran.err
    )


def test_the_runs_to_compare_are_quoted_for_a_shell(shop: str, anywhere: Run) -> None:
    ran = anywhere("run", "fork", "r-1", "--step", "tell", "--exec", f"{shop}:main", "--as", "a fork; of it")
    assert "statehousectl run diff r-1 'a fork; of it'\n" in ran.err


@pytest.mark.parametrize(
    "args, code, message",
    [
        (("verify", "r-1", "shop"), 2, "write MODULE:FUNCTION"),
        (("verify", "r-1", "{shop}:nothing"), 2, "has no 'nothing'"),
        (("verify", "r-1", "{shop}:not_callable"), 2, "is a int, and not a function"),
        (("verify", "r-1", "{shop}:wants"), 2, "wants one, two: a program takes the run"),
        (("verify", "r-1", "no_such_module:main"), 2, "there is no module no_such_module here"),
        (("verify", "r-1", "{shop}_broken:main"), 2, "cannot be imported: NameError: name 'nothing'"),
        (("verify", "r-1", "{shop}_typed:main"), 2, "{shop}_typed.py, line 3)"),
        (("verify", "r-1", "{shop}_exits:main"), 2, "it ends the process by sys.exit(3) ("),
        (("verify", "r-1", "{shop}_exits:main"), 2, "{shop}_exits.py, line 2)"),
        (("verify", "r-1", "{shop}:leaves"), 1, "the program ended the process by sys.exit(3) ("),
        (("verify", "", "{shop}:main"), 2, "the id of a run must not be empty"),
        (("verify", "r-9", "{shop}:main"), 3, "there is no run r-9"),
        (("verify", "r-1", "{shop}:main", "--bodies", "ordr"), 3, "there are: order#1"),
        (("debug", "r-1", "{shop}:main", "--step", "ordr"), 3, "order#1"),
        (
            ("fork", "r-1", "--step", "order", "--exec", "{shop}:main", "--set-output", "nope=1"),
            3,
            "no step nope in the run r-1; there are: ",
        ),
        (("debug", "r-1", "{shop}:main"), 2, "missing option '--step'"),
        (("debug", "r-1", "{shop}:early", "--step", "order"), 1, "RuntimeError: nothing works"),
        (("fork", "r-1", "--step", "order", "--exec", "{shop}:fails"), 1, "nothing works any more"),
        (("fork", "r-1", "--step", "order", "--exec", "{shop}:main", "--effects", "ask"), 2, "a terminal"),
        (("fork", "r-1", "--step", "order", "--exec", "{shop}:main", "--set-state", "x"), 2, "NAME=JSON"),
        (("fork", "r-1", "--step", "order", "--exec", "{shop}:main", "--set-state", "x=y"), 2, "in quotes"),
        (("fork", "r-1", "--step", "order", "--exec", "{shop}:main", "--as", "r-1"), 4, "take another id"),
    ],
)
def test_what_cannot_be_run_is_said_in_words(
    shop: str, anywhere: Run, args: tuple[str, ...], code: int, message: str
) -> None:
    ran = anywhere("run", *[arg.format(shop=shop) for arg in args])
    assert (ran.code, message.format(shop=shop) in ran.err) == (code, True), ran.err


@pytest.mark.slow
def test_pdb_is_talked_to_on_a_terminal(shop: str, home: str, spawn: Spawn) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "statehouse",
            "run",
            "debug",
            "r-1",
            f"{shop}:main",
            "--step",
            "order",
            "--pdb",
        ],
        env={**os.environ, "STATEHOUSE_URL": home},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    os.write(leader, b"p item, cents\nc\n")
    said = b""
    try:
        while chunk := os.read(leader, 65536):
            said += chunk
    except OSError:
        # Linux says so when the other end is closed.
        pass
    os.close(leader)
    assert process.wait(60) == 0
    text = said.decode()
    assert "-> state = current_step().state" in text
    assert "('tea', 5)" in text
    assert "reproduced" in text


@pytest.mark.slow
def test_a_store_that_its_agent_holds_is_verified_meanwhile(
    module: str, directory: Path, spawn: Spawn
) -> None:
    program = importlib.import_module(module)
    with Statehouse(directory) as sh:
        sh.write("tea", 5, agent_id="pricer")
        with sh.run("r-1", agent_id="buyer") as run:
            program.main(run)
        process = spawn("run", "verify", "r-1", f"{module}:main", "--json")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert json.loads(out)["clean"] is True
