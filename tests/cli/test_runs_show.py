"""``run list`` and ``run show``: what they print without a terminal, on one, and as JSON."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from statehouse import RunRecord, Statehouse, StepRecord
from statehouse.cli.command import Settings
from statehouse.cli.runs.listing import shown_duration
from statehouse.cli.runs.waterfall import Drawing, show_run
from statehouse.cli.show import Output
from statehouse.debug.inspecting.waterfall import Bar, Scale, Waterfall
from statehouse.extend import RecordKey
from tests.cli.screens import on_screen, plain, shown
from tests.debug.purchases import search

Run = Callable[..., Any]
SECOND = 1_000_000
BEGAN = 1_795_664_832 * SECOND


def step(path: str, began: float, took: float, **facts: Any) -> StepRecord:
    name = path.rpartition("/")[2].partition("#")[0]
    started = BEGAN + int(began * SECOND)
    times = {
        "started_at_us": started,
        "ended_at_us": started + int(took * SECOND),
        "duration_us": int(took * SECOND),
    }
    return StepRecord("r-42", path, name, 1, **{"status": "executed", "input": {}, **times, **facts})


def bar(record: StepRecord, *writes: RecordKey) -> Bar:
    depth = record.path.count("/")
    kinds = dict.fromkeys(writes, "write")
    return Bar(record.path, depth, record, record.started_at_us, record.ended_at_us, kinds)


def waterfall() -> Waterfall:
    """A run of a hundred seconds."""
    run = RunRecord(
        "r-42",
        "default",
        "buyer",
        name="shopping",
        status="failed",
        started_at_us=BEGAN,
        ended_at_us=BEGAN + 100 * SECOND,
        resumes=1,
        code_version="abc",
        error={"type": "ValueError", "message": "too dear"},
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        span_id="00f067aa0ba902b7",
        fork={"run_id": "r-41", "step": "order#1", "at": 7},
    )
    price = {"what": {"json": "tea"}, "price": {"json": 10}}
    bars = (
        bar(step("plan#1", 0, 50, output={"json": ["tea"]}, read_ts=2, commit_ts=5, attempt=2, conflicts=1)),
        bar(step("plan#1/search#1", 0, 25, output={"ref": "00", "bytes": 2048}, commit_ts=4)),
        bar(
            step(
                "order#1",
                50,
                50,
                input=price,
                status="failed",
                error=dict(run.error or {}),
                read_ts=5,
                commit_ts=6,
            ),
            RecordKey("default", "buyer", "order"),
            RecordKey("default", "market", "tea"),
        ),
        Bar("send#1", 0, None, BEGAN + 99 * SECOND, None, intended=True),
    )
    return Waterfall(run, bars, 7)


def drawn(columns: int, *, values: bool = False) -> list[str]:
    found = waterfall()
    with on_screen(columns) as written:
        drawing = Drawing(Output(Settings()), found, Scale(found))
        for each in found.bars:
            drawing.line(each, values=values)
        return plain(written)


def test_a_waterfall_fits_a_narrow_terminal() -> None:
    assert drawn(80) == [
        "✓ plan#1        ────────────                  50 s  2→5  attempt 2, 1 conflict",
        '    () → ["tea"]',
        "✓   search#1    ██████                        25 s   →4",
        "      () → <2.0 KiB>",
        "✗ order#1                   █████████████     50 s  5→6  failed",
        '    (what="tea", price=10) → ValueError: too dear  ~order ~market/tea',
        "… send#1                                █                began, and nobody knows how it ended",
    ]


def test_a_wide_terminal_has_a_line_a_step() -> None:
    lines = drawn(160)
    assert [line.split()[1] for line in lines] == ["plan#1", "search#1", "order#1", "send#1"]
    assert lines[2].endswith('(what="tea", price=10) → ValueError: too dear  ~order ~market/tea')


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 140, 200])
def test_bars_are_to_scale(columns: int) -> None:
    bars = [line.count("─") + line.count("█") for line in drawn(columns) if line[:1] in "✓✗"]
    assert abs(bars[0] - 2 * bars[1]) <= 1
    assert abs(bars[0] - bars[2]) <= 1


@pytest.mark.parametrize("columns", [80, 120, 160])
def test_no_line_of_a_step_is_wider_than_the_terminal(columns: int) -> None:
    assert max(map(len, drawn(columns)[:-1])) <= columns


def test_the_header_says_whose_run_it_is_and_where_it_comes_from() -> None:
    with on_screen(80) as written:
        show_run(Output(Settings()), waterfall().run)
        lines = plain(written)
    assert lines == [
        "r-42  shopping  failed  by buyer  in default",
        "began 2026-11-26 03:47:12.000, took 1 m 40 s, resumed once, code abc",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736  span 00f067aa0ba902b7",
        "fork of r-41 before order#1, from the state as of commit_ts 7",
        "ValueError: too dear",
    ]


def test_values_are_shown_at_length() -> None:
    lines = drawn(80, values=True)
    assert lines[5:9] == [
        '    what = "tea"',
        "    price = 10",
        "    ValueError: too dear",
        "    ~order ~market/tea",
    ]


@pytest.mark.parametrize(
    "microseconds, text",
    [
        (0, "0 µs"),
        (-5, "0 µs"),
        (999, "999 µs"),
        (1000, "1 ms"),
        (999_499, "999 ms"),
        (999_500, "1 s"),
        (59_940_000, "59.9 s"),
        (59_999_999, "1 m 00 s"),
        (3_599_600_000, "1 h 00 m"),
        (172_800_000_000, "2 d 0 h"),
    ],
)
def test_durations_are_for_people(microseconds: int, text: str) -> None:
    assert shown_duration(microseconds) == text


def test_list_has_the_newest_run_first(inspect: Run) -> None:
    rows = [line.split("\t") for line in inspect("run", "list").out.splitlines()]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("r-deep", "planner", "finished"),
        ("r-deeper", "planner", "finished"),
        ("r-bad", "buyer", "failed"),
        ("r-42-noon", "market", "finished"),
        ("r-42", "buyer", "finished"),
        ("r-42-morning", "market", "finished"),
    ]


def test_list_is_of_an_agent_of_a_status_and_limited(inspect: Run) -> None:
    assert [row["run_id"] for row in inspect("run", "list", "--agent", "buyer", "--json").rows] == [
        "r-bad",
        "r-42",
    ]
    assert [row["run_id"] for row in inspect("run", "list", "--status", "failed", "--json").rows] == ["r-bad"]
    assert [row["run_id"] for row in inspect("run", "list", "--limit", "1", "--json").rows] == ["r-deep"]
    assert inspect("run", "list", "--status", "lost").code == 2


def test_a_list_that_stops_says_so_unless_that_was_asked_for(run: Run, directory: Path) -> None:
    with Statehouse(directory) as sh:
        for number in range(101):
            with sh.run(f"r-{number}", agent_id="buyer"):
                pass
    ran = run("run", "list")
    assert (len(ran.out.splitlines()), ran.err) == (
        100,
        "statehousectl: stopped after 100 runs, and there are more; see --limit\n",
    )
    assert "there may be more" in run("run", "list", "--status", "finished").err
    for args in (("--limit", "100"), ("--limit", "101"), ("--agent", "nobody")):
        assert run("run", "list", *args).err == ""


def test_the_beginning_of_an_id_means_its_run_where_it_is_one(run: Run, directory: Path) -> None:
    with Statehouse(directory) as sh:
        for run_id in ("run-b87d396a", "run-b87d396a11", "run-b87dffff"):
            with sh.run(run_id, agent_id="buyer"):
                pass
    meant = {
        given: run("run", "show", given, "--json") for given in ("run-b87df", "run-b87d396a", "run-b87d")
    }
    assert meant["run-b87df"].document["run_id"] == "run-b87dffff"
    assert meant["run-b87d396a"].document["run_id"] == "run-b87d396a"
    assert meant["run-b87d"].code == 3
    said = "run-b87d could be several runs: run-b87dffff, run-b87d396a11, run-b87d396a\n"
    assert meant["run-b87d"].err.endswith(said)
    assert run("run", "diff", "run-b87df", "run-b87d396a1").code == 0
    for nothing in ("run-b87", "run-b87dfffff"):
        assert f"there is no run {nothing} " in run("run", "show", nothing).err


def test_an_id_that_no_run_can_have_is_said_to_be_one_of_a_run(inspect: Run) -> None:
    for wrong, said in (("", "must not be empty"), ("a\nb", "contains a control character")):
        ran = inspect("run", "show", wrong)
        assert (ran.code, f"the id of a run {said}" in ran.err) == (2, True)


def test_show_is_a_line_a_step_without_a_terminal(inspect: Run) -> None:
    rows = [line.split("\t") for line in inspect("run", "show", "r-42").out.splitlines()]
    assert [[*row[:4], *row[6:]] for row in rows] == [
        ["quote#1", "executed", "1", "0", "4", "5", 'what="tea"', "10", ""],
        [
            "order#1",
            "executed",
            "1",
            "0",
            "",
            "9",
            'what="tea" price=10',
            '"tea for 10"',
            "default/buyer/order",
        ],
    ]


def test_show_json_has_the_run_and_its_steps(inspect: Run) -> None:
    found = inspect("run", "show", "r-42", "--json").document
    assert (found["run_id"], found["agent_id"], found["status"]) == ("r-42", "buyer", "finished")
    quote, order = found["steps"]
    assert (quote["read_ts"], quote["commit_ts"], quote["output"]) == (4, 5, 10)
    assert "read_ts" not in order
    assert order["writes"] == [{"namespace": "default", "agent_id": "buyer", "key": "order", "kind": "write"}]


def test_show_draws_a_run_on_a_terminal(bought: str) -> None:
    lines = shown("run", "show", "r-deep", url=bought)
    assert lines[0] == "r-deep  finished  by planner  in default"
    assert [line.split()[1] for line in lines if line.startswith("✓")] == ["plan#1", "search#1", "search#2"]


def test_a_failure_has_nothing_in_it_that_a_terminal_obeys(inspect: Run, bought: str) -> None:
    assert "\x1b" not in inspect("run", "show", "r-bad").out
    assert any("ValueError: no\\x1b[31m way" in line for line in shown("run", "show", "r-bad", url=bought))


def test_show_step_has_everything_about_it(inspect: Run, bought: str) -> None:
    found = inspect("run", "show", "r-42", "--step", "order", "--json").document
    assert (found["path"], found["input"], found["output"]) == (
        "order#1",
        {"what": "tea", "price": 10},
        "tea for 10",
    )
    [written] = found["writes"]
    assert (written["key"], written["before"], written["after"]["value"]) == (
        "order",
        None,
        {"what": "tea", "price": 10},
    )
    lines = shown("run", "show", "r-42", "--step", "order", url=bought)
    assert lines[0] == "order#1 of run r-42  executed  by buyer"
    assert 'given what = "tea"' in lines
    assert 'wrote  + order  {"what":"tea","price":10}' in lines


def test_show_step_has_the_traceback_of_a_failure(inspect: Run) -> None:
    out = inspect("run", "show", "r-bad", "--step", "refuse#1").out
    assert "failed with ValueError: no" in out
    assert "raise ValueError(why)" in out


@pytest.mark.parametrize("option", ["--follow", "--values"])
def test_show_step_goes_with_no_waterfall(inspect: Run, option: str) -> None:
    assert inspect("run", "show", "r-42", "--step", "order", option).code == 2


def test_a_wrong_run_or_step_exits_with_3_and_says_what_there_is(inspect: Run) -> None:
    assert inspect("run", "show", "r-7").code == 3
    found = inspect("run", "show", "r-deep", "--step", "serch#2")
    assert found.code == 3
    assert "there are: plan#1/search#2, plan#1/search#1, plan#1" in found.err


def test_follow_of_a_run_that_has_ended_is_its_steps(inspect: Run) -> None:
    *steps, run = inspect("run", "show", "r-42", "--follow", "--json").rows
    assert [row["path"] for row in steps] == ["quote#1", "order#1"]
    assert run["status"] == "finished"


@pytest.mark.slow
def test_follow_shows_steps_of_another_process_as_they_are_committed(directory: Path, spawn: Run) -> None:
    with Statehouse(directory) as sh, sh.run("r-1", agent_id="a"):
        search("tea")
        follower = spawn("run", "show", "r-1", "--follow", "--json")
        assert json.loads(follower.stdout.readline())["path"] == "search#1"
        search("milk")
        assert json.loads(follower.stdout.readline())["path"] == "search#2"
    out, _ = follower.communicate(timeout=30)
    assert (json.loads(out)["status"], follower.returncode) == ("finished", 0)


@pytest.mark.slow
def test_follow_ends_although_the_process_that_ran_it_is_gone_at_once(directory: Path, spawn: Run) -> None:
    with Statehouse(directory) as sh, sh.run("r-1", agent_id="a"):
        search("tea")
        follower = spawn("run", "show", "r-1", "--follow", "--json")
        assert json.loads(follower.stdout.readline())["path"] == "search#1"
        search("milk")
    out, _ = follower.communicate(timeout=60)
    step, run = map(json.loads, out.splitlines())
    assert (step["path"], run["status"], follower.returncode) == ("search#2", "finished", 0)


@pytest.mark.slow
def test_follow_ends_with_130_on_ctrl_c(directory: Path, spawn: Run) -> None:
    with Statehouse(directory) as sh, sh.run("r-1", agent_id="a"):
        search("tea")
        follower = spawn("run", "show", "r-1", "--follow")
        assert follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=30)
        assert follower.returncode == 130
