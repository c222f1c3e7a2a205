"""``find``, ``blame``, ``run reads`` and ``run diff``: from a reference, a key, a step, two runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from statehouse import Statehouse, step
from tests.cli.screens import shown
from tests.debug.purchases import SPAN, TRACE, count

Run = Callable[..., Any]


@pytest.mark.parametrize("reference", ["9", "r-42#order#1", "r-42#order"])
def test_find_says_which_step_it_was(inspect: Run, reference: str) -> None:
    ran = inspect("find", reference, "--json")
    [event] = ran.rows
    assert event["commit_ts"] == 9
    step = event["step"]
    assert (step["run_id"], step["path"], step["status"], step["agent_id"]) == (
        "r-42",
        "order#1",
        "executed",
        "buyer",
    )
    assert (step["read_ts"], step["commit_ts"], step["trace_id"]) == (None, 9, TRACE)
    assert step["state_before"].endswith("/default@8")
    assert step["state_after"].endswith("/default@9")


def test_the_reference_that_find_prints_is_one_that_find_takes(inspect: Run) -> None:
    [event] = inspect("find", "9", "--json").rows
    assert inspect("find", event["step"]["state_after"], "--json").rows == [event]


def test_find_has_a_line_a_step_before_the_events_without_a_terminal(inspect: Run) -> None:
    lines = inspect("find", SPAN).out.splitlines()
    steps = [line.split("\t")[:7] for line in lines if line.startswith("step\t")]
    assert steps == [
        ["step", "r-42", "quote#1", "executed", "buyer", "4", "5"],
        ["step", "r-42", "order#1", "executed", "buyer", "", "9"],
    ]
    assert len(lines) == 2 + 4


def test_find_says_on_a_terminal_what_the_step_saw_and_made(bought: str) -> None:
    lines = shown("find", "5", url=bought)
    assert lines[0] == "step quote#1 of run r-42  executed  by buyer"
    assert lines[1].startswith("  saw   read_ts 4    sh://")
    assert lines[2].startswith("  made  commit_ts 5  sh://")
    assert lines[3] == f"  trace {TRACE}  span {SPAN}"


def test_what_find_says_to_type_can_be_typed_whatever_the_names_are(tmp_path: Path) -> None:
    @step(name="buy now")
    def buy() -> None:
        pass

    with Statehouse(tmp_path) as sh, sh.run("a run of $5", agent_id="it's me"):
        buy()
    url = f"file:{tmp_path}"
    typed = next(line for line in shown("find", "a run of $5#buy now", url=url) if "statehousectl" in line)
    words = shlex.split(typed)
    assert words[-3:] == ["a run of $5", "--step", "buy now#1"]
    assert shown(*words[1:], url=url)


def test_find_of_a_span_that_made_no_commit_says_what_leads_further(inspect: Run) -> None:
    found = inspect("find", "f" * 16)
    assert found.code == 3
    assert "its trace id leads to their steps" in found.err


def test_find_lists_many_steps_a_line_each(bought: str) -> None:
    lines = shown("find", "r-deeper", url=bought)
    assert lines[:2] == [
        "run r-deeper  finished  by planner  in default",
        "  statehousectl run show r-deeper",
    ]
    assert [line.split()[1] for line in lines[2:6]] == [
        "plan#1/search#1",
        "plan#1/search#2",
        "plan#1/search#3",
        "plan#1",
    ]


def test_find_of_a_run_without_steps_is_the_run(inspect: Run) -> None:
    assert inspect("find", "4").out.startswith("run\tr-42\tfinished\tbuyer\tdefault\t10\n")


def test_reads_marks_what_was_stale(inspect: Run, bought: str) -> None:
    rows = [line.split("\t") for line in inspect("run", "reads", "r-42", "order").out.splitlines()]
    assert rows == [
        ["stale", "default/market/tea", "quote#1", "1", "2", "r-42-morning", "reprice#1", "market", "10"],
        ["newer", "default/market/tea", "", "2", "7", "r-42-noon", "reprice#1", "market", "25"],
    ]
    assert shown("run", "reads", "r-42", "order", url=bought)[-4:] == [
        "STALE: read by earlier steps, and changed before this step saw the state",
        "  market/tea",
        "    quote#1 read   version 1  10  @2 r-42-morning#reprice#1 by market",
        "    it had become  version 2  25  @7 r-42-noon#reprice#1 by market",
    ]


def test_reads_json_names_who_changed_it(inspect: Run) -> None:
    [stale] = inspect("run", "reads", "r-42", "order", "--json").document["stale"]
    assert (stale["key"], stale["read_by"], stale["seen"]["value"], stale["newer"]["value"]) == (
        "tea",
        ["quote#1"],
        10,
        25,
    )
    author = stale["newer"]["author"]
    assert (author["commit_ts"], author["run_id"], author["step"]) == (7, "r-42-noon", "reprice#1")


def test_reads_says_when_nothing_was_stale(bought: str) -> None:
    lines = shown("run", "reads", "r-42", "quote", url=bought)
    assert "  market/tea" in lines
    assert any(line.startswith("    since then  version 2  25") for line in lines)
    assert lines[-1] == "Nothing that earlier steps had read was stale."


def test_reads_of_a_wrong_step_says_which_there_are(inspect: Run) -> None:
    found = inspect("run", "reads", "r-42", "oder")
    assert (found.code, found.out) == (3, "")
    assert "there are: order#1, quote#1" in found.err


def test_blame_leads_to_the_step_and_what_it_was_given(inspect: Run, bought: str) -> None:
    found = inspect("blame", "buyer", "order", "--json").document
    assert (found["step"]["path"], found["input"], found["author"]["trace_id"]) == (
        "order#1",
        {"what": "tea", "price": 10},
        TRACE,
    )
    lines = shown("blame", "buyer", "order", url=bought)
    assert lines[0] == 'default/buyer/order  version 1  {"what":"tea","price":10}'
    assert lines[1].startswith("  @9 order#1 of run r-42 by buyer  executed  ")
    assert lines[2:] == [f"  trace {TRACE}  span {SPAN}", '  given what = "tea"', "  given price = 10"]


def test_blame_is_separated_by_tabs_without_a_terminal(inspect: Run) -> None:
    out = inspect("blame", "market", "tea", "--at", "5").out
    assert out == "0\tdefault/market/tea\t1\t2\tr-42-morning\treprice#1\tmarket\t\t10\n"


def test_blame_says_of_a_key_that_was_read_as_absent_that_it_was(run: Run, directory: Path) -> None:
    with Statehouse(directory) as sh, sh.run("r-1", agent_id="counter"):
        count(1)
    lines = shown("blame", "counter", "count", url=f"file:{directory}")
    assert lines[-1].split() == ["default/counter/count", "absent"]


def test_blame_of_what_was_never_written_exits_with_3(inspect: Run) -> None:
    assert inspect("blame", "buyer", "nothing").code == 3
    assert inspect("blame", "buyer", "order", "--depth", "101").code == 2


def test_diff_of_a_run_with_itself_is_nothing_and_0(inspect: Run, bought: str) -> None:
    ran = inspect("run", "diff", "r-42", "r-42")
    assert (ran.code, ran.out) == (0, "")
    assert shown("run", "diff", "r-42", "r-42", url=bought)[-2:] == [
        "no step differs",
        "they left the same state",
    ]


def test_diff_prints_what_differs_and_exits_with_1(inspect: Run, bought: str) -> None:
    ran = inspect("run", "diff", "r-42-morning", "r-42-noon")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "step\t~\treprice#1\treprice#1\tinput,writes",
        "first\treprice#1\tinput,writes",
        "state\t~\tdefault/market/tea\t10\t25",
    ]
    lines = shown("run", "diff", "r-42-morning", "r-42-noon", url=bought)
    assert lines[3:11] == [
        "~ reprice#1  input, writes",
        "",
        "first divergence: reprice#1  input, writes",
        "  was given price",
        "    - 10",
        "    + 25",
        "  wrote tea",
        "    - 10",
    ]


def test_diff_json_has_the_first_divergence(inspect: Run) -> None:
    found = inspect("run", "diff", "r-42-morning", "r-42-noon", "--json").document
    assert (found["alike"], found["first_divergence"]["aspects"]) == (False, ["input", "writes"])
    [state] = found["state"]
    assert (state["left"]["value"], state["right"]["value"]) == (10, 25)


def test_diff_of_runs_with_other_steps_says_which_only_one_has(inspect: Run) -> None:
    out = inspect("run", "diff", "r-42", "r-deep").out
    assert "step\t-\tquote#1\t\t\n" in out
    assert "step\t+\t\tplan#1/search#1\t\n" in out
