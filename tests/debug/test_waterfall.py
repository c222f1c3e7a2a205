"""`debug.show`, `follow` and `runs`: a run as it is, and as it goes on."""

from __future__ import annotations

import contextlib
import threading

import pytest

from statehouse import InvalidArgumentError, NotFoundError, RunRecord, Statehouse, StepRecord, debug, step
from statehouse.debug.inspecting.waterfall import Bar, Scale, Waterfall
from tests.debug.purchases import buy, buy_stale, plan, refuse, search


def bar(path: str, began: int, ended: int | None, *, taken: bool = False) -> Bar:
    record = StepRecord(
        "r", path, path, 1, "executed", {}, started_at_us=began, taken={"run_id": "p"} if taken else None
    )
    return Bar(path, path.count("/"), record, began, ended)


def waterfall(*bars: Bar, ended: int) -> Waterfall:
    return Waterfall(RunRecord("r", "n", "a", started_at_us=0, ended_at_us=ended), bars, 1)


def test_a_run_is_a_tree_of_its_steps_in_the_order_of_their_calls(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="a", code_version="abc"):
        search("first")
        plan(["tea", "milk"])
    found = debug.show(sh, "r-1")
    assert [(each.path, each.depth) for each in found.bars] == [
        ("search#1", 0),
        ("plan#1", 0),
        ("plan#1/search#1", 1),
        ("plan#1/search#2", 1),
    ]
    assert (found.run.status, found.run.code_version) == ("finished", "abc")
    assert all(each.step is not None for each in found.bars)


def test_a_bar_names_the_keys_that_its_step_wrote(sh: Statehouse) -> None:
    buy(sh)
    [_, order] = debug.show(sh, "r-42").bars
    assert {str(name): kind for name, kind in order.writes.items()} == {"default/buyer/order": "write"}


def test_a_step_that_runs_is_around_those_inside_it(sh: Statehouse) -> None:
    seen = []

    @step
    def outer() -> None:
        search("tea")
        seen.append(debug.show(sh, "r-1"))

    with sh.run("r-1", agent_id="a"):
        outer()
    [found] = seen
    assert [(each.path, each.step is None) for each in found.bars] == [
        ("outer#1", True),
        ("outer#1/search#1", False),
    ]


def test_a_step_of_which_nobody_knows_how_it_ended_is_shown(sh: Statehouse) -> None:
    class Killed(BaseException):
        pass

    @step(effect="at_most_once")
    def send() -> None:
        raise Killed

    with contextlib.suppress(Killed), sh.run("r-1", agent_id="a"):
        send()
    [found] = debug.show(sh, "r-1").bars
    assert (found.path, found.step, found.intended) == ("send#1", None, True)
    assert found.started_at_us > 0


def test_a_run_that_is_not_there_is_not_found(sh: Statehouse) -> None:
    with pytest.raises(NotFoundError, match="no run r-1"):
        debug.show(sh, "r-1")


def test_following_gives_each_step_until_the_run_ends(sh: Statehouse) -> None:
    begun, looked = threading.Event(), threading.Event()

    def work() -> None:
        with contextlib.suppress(ValueError), sh.run("r-1", agent_id="a"):
            search("tea")
            begun.set()
            looked.wait(30)
            search("milk")
            refuse("enough")

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(30)
    found = debug.show(sh, "r-1")
    looked.set()
    news = list(debug.follow(sh, found))
    worker.join()
    assert [each.path for each in found.bars] == ["search#1"]
    assert [each.path if isinstance(each, Bar) else each.status for each in news] == [
        "search#2",
        "refuse#1",
        "failed",
    ]


def test_following_a_run_that_has_ended_ends_at_once(sh: Statehouse) -> None:
    buy(sh)
    assert list(debug.follow(sh, debug.show(sh, "r-42"))) == []


def test_the_other_colour_of_a_handle_will_do(sh: Statehouse) -> None:
    buy_stale(sh)
    aio = sh.aio
    assert [each.path for each in debug.show(aio, "r-42").bars] == ["quote#1", "order#1"]
    assert [each.run_id for each in debug.runs(aio, limit=1)] == ["r-42-noon"]
    assert len(debug.reads(aio, "r-42", "order").stale) == 1
    assert debug.diff(aio, "r-42", "r-42").alike
    assert debug.blame(aio, "order", agent_id="buyer").step is not None
    found = debug.find(aio, "r-42#order")
    assert found is not None
    assert len(list(debug.events_of(aio, found))) == 1


def test_runs_are_listed_the_newest_first(sh: Statehouse) -> None:
    for number in range(3):
        with contextlib.suppress(ValueError), sh.run(f"r-{number}", agent_id=f"agent-{number % 2}"):
            if number == 1:
                refuse("no")
    assert [each.run_id for each in debug.runs(sh)] == ["r-2", "r-1", "r-0"]
    assert [each.run_id for each in debug.runs(sh, agent_id="agent-0", limit=1)] == ["r-2"]
    assert [each.run_id for each in debug.runs(sh, status="failed")] == ["r-1"]
    with pytest.raises(InvalidArgumentError, match="running, finished, failed"):
        debug.runs(sh, status="lost")  # type: ignore[arg-type] # which is the point


def test_a_rare_status_is_found_behind_many_others() -> None:
    with Statehouse("memory:") as sh:
        with contextlib.suppress(ValueError), sh.run("r-bad", agent_id="a"):
            refuse("no")
        for number in range(210):
            with sh.run(f"r-{number}", agent_id="a"):
                pass
        assert [each.run_id for each in debug.runs(sh, status="failed", limit=1)] == ["r-bad"]


def test_a_scale_is_linear_where_something_runs() -> None:
    scale = Scale(waterfall(bar("a", 0, 25), bar("b", 25, 100), ended=100))
    assert [scale.at(time) for time in (0, 25, 50, 100)] == [0.0, 0.25, 0.5, 1.0]
    assert scale.cuts == []


def test_days_in_which_nothing_ran_are_cut_short() -> None:
    day = 86_400_000_000
    scale = Scale(waterfall(bar("a", 1, 1000), bar("b", day, day + 1000), ended=day + 1000))
    assert scale.at(1000) > 0.4
    assert scale.at(day) < 0.6
    assert len(scale.cuts) == 1
    assert 0.4 < scale.cuts[0] < 0.6


def test_what_a_fork_took_over_is_not_on_its_scale() -> None:
    found = waterfall(bar("a", -(10**9), -(10**9) + 5, taken=True), bar("b", 0, 10), ended=10)
    assert found.span_us == (0, 10)
    assert Scale(found).at(5) == 0.5
