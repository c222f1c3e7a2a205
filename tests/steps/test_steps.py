"""What a step is: it runs once, and its state, its result and its record are one commit."""

from __future__ import annotations

from typing import Any

import pytest

from statehouse import (
    ConflictError,
    NotFoundError,
    Origin,
    Statehouse,
    StepConflictError,
    StepError,
    StepMismatchError,
    current_step,
    use_origin,
)
from tests.steps.colours import Colour, Killed
from tests.steps.conftest import Worker


def counting(colour: Colour, **options: Any) -> tuple[Any, list[str]]:
    """A step that notes each time its body runs."""
    ran: list[str] = []

    def note(text: str) -> list[str]:
        ran.append(text)
        state = current_step().state
        state["notes"] = [*state.get("notes", []), text]
        return [*state["notes"]]

    return colour.step(note, **options), ran


def kill() -> None:
    raise Killed


def notes(sh: Statehouse) -> Any:
    return sh.get_state("notes", agent_id="a", default=[]).value


def test_state_result_and_record_are_one_commit(sh: Statehouse, colour: Colour) -> None:
    note, _ = counting(colour)
    with colour.run(sh) as run:
        assert note("tea") == ["tea"]
        (record,) = run.steps()
    (event,) = sh.find_events(commit_ts=record.commit_ts)
    assert [(each.namespace, each.agent_id, each.key) for each in event.operations] == [
        ("default", "a", "notes"),
        ("default.runs", "r-1", "step/note#1"),
    ]


def test_a_resumed_run_runs_no_finished_step(worker: Worker, colour: Colour) -> None:
    note, ran = counting(colour)
    for _ in range(3):
        with colour.run(worker()):
            assert [note("tea"), note("milk")] == [["tea"], ["tea", "milk"]]
    assert (ran, notes(worker())) == (["tea", "milk"], ["tea", "milk"])


def test_a_run_that_broke_off_goes_on_after_its_last_step(worker: Worker, colour: Colour) -> None:
    note, ran = counting(colour)
    with pytest.raises(Killed), colour.run(worker()):
        _ = note("tea"), colour.step(kill)()
    with colour.run(worker()):
        note("tea")
        note("milk")
    assert (ran, notes(worker())) == (["tea", "milk"], ["tea", "milk"])


def test_a_step_sees_the_state_of_its_read_ts(sh: Statehouse, colour: Colour) -> None:
    sh.write("x", 1, agent_id="a")
    sh.write("y", 1, agent_id="a")
    seen: list[tuple[int, int]] = []

    def look() -> None:
        state = current_step().state
        x = state["x"]
        if not seen:
            sh.write("y", 2, agent_id="a")
        seen.append((x, state["y"]))

    with colour.run(sh) as run:
        colour.step(look)()
        (record,) = run.steps()
    # The first attempt saw one commit's state, and conflicted with what came after it.
    assert (seen, record.conflicts, record.attempt) == ([(1, 1), (1, 2)], 1, 2)


def test_a_conflict_runs_the_step_again_and_applies_it_once(sh: Statehouse, colour: Colour) -> None:
    attempts: list[int] = []

    def add() -> int:
        step = current_step()
        total = step.state.get("total", 0)
        attempts.append(step.attempt)
        if len(attempts) < 3:
            sh.write("total", total + 10, agent_id="a")
        step.state["total"] = total + 1
        return int(step.state["total"])

    with colour.run(sh):
        assert colour.step(add)() == 21
    assert (attempts, sh.get_state("total", agent_id="a").value) == ([1, 2, 3], 21)


def test_conflicts_without_end_are_an_error(sh: Statehouse, colour: Colour) -> None:
    def add() -> None:
        state = current_step().state
        total = state.get("total", 0)
        sh.write("total", total + 1, agent_id="a")
        state["total"] = total

    with pytest.raises(ConflictError) as raised, colour.run(sh):
        colour.step(add, conflict_retries=2)()
    assert sh.get_state("total", agent_id="a").value == 3
    assert "ran 3 times, and conflicts with itself: it reads default/a/total" in str(raised.value)
    assert "write by current_step().state" in str(raised.value)
    assert (len(raised.value.keys), raised.value.commit_ts > 0) == (1, True)


def test_a_step_that_others_always_overtake_says_who(sh: Statehouse, colour: Colour) -> None:
    def add() -> None:
        state = current_step().state
        total = state.get("total", 0)
        with use_origin(Origin(run_id="r-other", step="rival#1")):
            sh.write("total", total + 1, agent_id="a")
        state["total"] = total

    said = r"each time default/a/total had changed .* of the step rival#1 of run r-other.*conflict_retries"
    with pytest.raises(ConflictError, match=said), colour.run(sh):
        colour.step(add, conflict_retries=1)()


def test_a_scan_in_a_step_conflicts_with_a_new_key(sh: Statehouse, colour: Colour) -> None:
    sh.write("in/1", "a", agent_id="a")
    attempts: list[list[str]] = []

    def collect() -> list[str]:
        found = current_step().state.keys_with("in/")
        attempts.append(found)
        if len(attempts) == 1:
            sh.write("in/2", "b", agent_id="a")
        return found

    with colour.run(sh):
        assert colour.step(collect)() == ["in/1", "in/2"]


def test_another_input_is_shown_side_by_side(worker: Worker, colour: Colour) -> None:
    note, ran = counting(colour)
    with colour.run(worker()):
        note("tea")
    with pytest.raises(StepMismatchError) as caught, colour.run(worker()):
        note("coffee")
    assert '    argument  recorded  now\n    text      "tea"     "coffee"\n' in str(caught.value)
    assert (caught.value.recorded, caught.value.now) == ({"text": "tea"}, {"text": "coffee"})
    assert ran == ["tea"]


def test_objects_with_other_order_are_the_same_input(worker: Worker, colour: Colour) -> None:
    ran: list[Any] = []

    def keep_it(thing: Any) -> None:
        ran.append(thing)

    keep = colour.step(keep_it)
    with colour.run(worker()):
        keep({"a": 1, "b": 2})
    with colour.run(worker()):
        keep({"b": 2, "a": 1})
    assert ran == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("where", ["step", "run"])
def test_a_mismatch_may_run_again(worker: Worker, colour: Colour, where: str) -> None:
    note, ran = counting(colour, on_mismatch="rerun" if where == "step" else None)
    options = {"on_mismatch": "rerun"} if where == "run" else {}
    for text in ("tea", "coffee", "coffee"):
        with colour.run(worker(), **options):
            note(text)
    assert (ran, notes(worker())) == (["tea", "coffee"], ["tea", "coffee"])


def test_a_mismatch_may_reuse_what_is_recorded(worker: Worker, colour: Colour) -> None:
    note, ran = counting(colour, on_mismatch="reuse")
    for text in ("tea", "coffee"):
        with colour.run(worker()):
            assert note(text) == ["tea"]
    assert ran == ["tea"]


def test_a_failure_applies_nothing_and_is_recorded(sh: Statehouse, colour: Colour) -> None:
    def fail() -> None:
        current_step().state["x"] = 1
        raise ValueError("no tea")

    with colour.run(sh) as run:
        with pytest.raises(ValueError, match="no tea"):
            colour.step(fail)()
        (record,) = run.steps()
    assert record.status == "failed"
    assert record.error is not None
    assert (record.error["type"], record.error["message"]) == ("ValueError", "no tea")
    # From the program's own code on, and not from what called it.
    _, where, *_, last = record.error["traceback"].splitlines()
    assert "test_steps.py" in where or "colours.py" in where
    assert last == "ValueError: no tea"
    with pytest.raises(NotFoundError):
        sh.get_state("x", agent_id="a")


def test_a_failure_that_was_caught_comes_again(worker: Worker, colour: Colour) -> None:
    ran: list[int] = []

    def fail() -> None:
        ran.append(1)
        raise ValueError("no tea")

    failing = colour.step(fail)
    note, noted = counting(colour)
    for _ in range(2):
        with colour.run(worker()):
            with pytest.raises(ValueError, match="no tea"):
                failing()
            note("coffee then")
    assert (ran, noted) == ([1], ["coffee then"])


def test_a_failure_that_ended_the_run_runs_again(worker: Worker, colour: Colour) -> None:
    broken = [True]
    note, noted = counting(colour)

    def brew() -> str:
        if broken:
            raise RuntimeError("no water")
        return "tea"

    step = colour.step(brew)
    with pytest.raises(RuntimeError, match="no water"), colour.run(worker()):
        _ = note("begin"), step()
    broken.clear()
    with colour.run(worker()) as run:
        note("begin")
        assert step() == "tea"
        records = {each.path: each for each in run.steps()}
    assert noted == ["begin"]
    assert (records["brew#1"].status, records["brew#1"].attempt, records["brew#1"].version) == (
        "executed",
        2,
        2,
    )


class NoTea(Exception):
    """A failure of the program's own."""


@pytest.mark.parametrize("declared", [True, False])
def test_a_failure_comes_back_as_itself_only_if_it_is_declared(
    worker: Worker, colour: Colour, declared: bool
) -> None:
    def fail() -> None:
        raise NoTea("none left")

    step = colour.step(fail, errors=[NoTea] if declared else [])
    with colour.run(worker()), pytest.raises(NoTea):
        step()
    with colour.run(worker()), pytest.raises(NoTea if declared else StepError, match="none left"):
        step()


def test_retries_run_again_until_one_succeeds(sh: Statehouse, colour: Colour) -> None:
    attempts: list[str] = []

    def flaky() -> int:
        step = current_step()
        attempts.append(step.idempotency_key)
        if step.attempt < 3:
            raise OSError("busy")
        return step.attempt

    with colour.run(sh) as run:
        assert colour.step(flaky, retries=2, backoff=0)() == 3
        (record,) = run.steps()
    assert (len(attempts), len(set(attempts)), record.attempt) == (3, 1, 3)


def test_a_predicate_says_what_is_tried_again(sh: Statehouse, colour: Colour) -> None:
    attempts: list[int] = []

    def fail() -> None:
        attempts.append(1)
        raise KeyError("x") if len(attempts) > 1 else OSError("busy")

    step = colour.step(fail, retries=5, backoff=0, retry_if=lambda error: isinstance(error, OSError))
    with colour.run(sh), pytest.raises(KeyError):
        step()
    assert len(attempts) == 2


def test_two_workers_that_resume_one_run_make_one_history(worker: Worker, colour: Colour) -> None:
    theirs = worker()

    def name_it(mine: bool) -> str:
        if mine:
            # While this body runs, another worker does the whole run.
            with colour.run(theirs):
                colour.step(name_it, name="name_it", ignore=["mine"])(False)
        state = current_step().state
        state["count"] = state.get("count", 0) + 1
        return "mine" if mine else "theirs"

    with colour.run(worker()) as run:
        assert colour.step(name_it, name="name_it", ignore=["mine"])(True) == "theirs"
        (record,) = run.steps()
    assert (record.version, theirs.get_state("count", agent_id="a").value) == (1, 1)


def test_an_effect_that_may_happen_once_begins_with_an_intent(worker: Worker, colour: Colour) -> None:
    sh = worker()
    intents: list[bool] = []

    def pay() -> str:
        key = f"intent/{current_step().path}"
        intents.append(bool(sh.list_keys(key, agent_id="r-1", namespace="default.runs")))
        return "paid"

    with colour.run(sh):
        assert colour.step(pay, effect="at_most_once")() == "paid"
    assert intents == [True]


def cut_off(worker: Worker, colour: Colour, **options: Any) -> tuple[Any, list[int]]:
    """A step that is at most once, and whose worker was killed while it ran."""
    paid: list[int] = []

    def pay(amount: int) -> str:
        paid.append(amount)
        if len(paid) == 1:
            raise Killed
        return "paid"

    step = colour.step(pay, effect="at_most_once", **options)
    with pytest.raises(Killed), colour.run(worker()):
        step(7)
    return step, paid


def test_a_cut_off_effect_is_asked_about(worker: Worker, colour: Colour) -> None:
    step, paid = cut_off(worker, colour)
    for _ in range(2):
        with pytest.raises(StepError, match="nothing says how it ended") as caught, colour.run(worker()):
            step(7)
        assert caught.value.status == "unknown"
    with colour.run(worker()) as run:
        run.resolve("pay#1", output="paid by hand")
        assert step(7) == "paid by hand"
    assert paid == [7]


def test_a_cut_off_effect_may_be_said_to_have_had_none(worker: Worker, colour: Colour) -> None:
    step, paid = cut_off(worker, colour)
    with colour.run(worker()) as run:
        run.resolve("pay#1", retry=True)
        assert step(7) == "paid"
    assert paid == [7, 7]


def test_a_cut_off_effect_may_fail_for_good(worker: Worker, colour: Colour) -> None:
    step, paid = cut_off(worker, colour, if_unknown="fail")
    for _ in range(2):
        with colour.run(worker()), pytest.raises(StepError, match="nothing says how it ended") as refused:
            step(7)
        assert refused.value.details["status"] == "failed"
    assert paid == [7]


def test_a_cut_off_effect_may_be_tried_again(worker: Worker, colour: Colour) -> None:
    step, paid = cut_off(worker, colour, if_unknown="retry")
    with colour.run(worker()):
        assert step(7) == "paid"
    assert paid == [7, 7]


def test_an_effect_at_most_once_does_not_run_again_on_a_conflict(worker: Worker, colour: Colour) -> None:
    sh = worker()
    paid: list[int] = []

    def pay() -> str:
        state = current_step().state
        balance = state.get("balance", 100)
        paid.append(balance)
        sh.write("balance", 50, agent_id="a")
        state["balance"] = balance - 10
        return "receipt 7"

    step = colour.step(pay, effect="at_most_once")
    for _ in range(2):
        with pytest.raises(StepConflictError) as caught, colour.run(worker()):
            step()
        assert caught.value.result == "receipt 7"
    assert (paid, sh.get_state("balance", agent_id="a").value) == ([100], 50)


def test_what_is_recorded_says_what_was_read_and_written(sh: Statehouse, colour: Colour) -> None:
    sh.write("x", 1, agent_id="a")
    sh.write("x", 2, agent_id="a")
    sh.write("in/1", 0, agent_id="b")

    def work() -> None:
        state = current_step().state
        assert (state["x"], state.get("y")) == (2, None)
        assert [each.key for each in state.agent("b").records("in/")] == ["in/1"]
        state["z"] = 1
        state.discard("x")

    with colour.run(sh) as run:
        colour.step(work)()
        (record,) = run.steps()
    assert record.read_ts == record.commit_ts - 1
    assert record.reads == {
        "json": {
            "keys": [["default", "b", {"in/1": 1}], ["default", "a", {"x": 2, "y": 0}]],
            "ranges": [["default", "b", "in/", False]],
        }
    }
    assert record.writes == {"json": [["default", "a", {"z": "write", "x": "delete"}]]}


def test_a_step_is_found_by_its_run(sh: Statehouse, colour: Colour) -> None:
    note, _ = counting(colour)
    with colour.run(sh) as run:
        note("tea")
        (record,) = run.steps()
    found = [event for event in sh.find_events(run_id="r-1") if event.origin.step == "note#1"]
    assert [(event.commit_ts, event.origin.agent_id) for event in found] == [(record.commit_ts, "a")]


def test_what_a_body_commits_by_itself_says_which_step_it_was(sh: Statehouse, colour: Colour) -> None:
    with colour.run(sh):
        colour.step(lambda: sh.write("log", "x", agent_id="logger"), name="log")()
    (event,) = sh.replay(agent_id="logger")
    assert (event.origin.run_id, event.origin.step) == ("r-1", "log#1")
