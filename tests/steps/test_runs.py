"""Runs: how they begin, are resumed and end, what they record for themselves, and the signals they wait
for.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from statehouse import (
    DeadlineExceededError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    Statehouse,
    StepError,
    StepMismatchError,
    StepWarning,
    current_step,
    step,
)
from statehouse.debug import runs
from statehouse.extend import run as run_flow
from statehouse.steps.reading import read_run, read_slot, read_steps
from statehouse.steps.record import RunRecord
from tests.steps.colours import Colour, Killed
from tests.steps.conftest import Worker


def record_of(sh: Statehouse, run_id: str = "r-1") -> RunRecord:
    return run_flow(sh, read_run("default", run_id))


def test_a_run_says_how_it_is(worker: Worker, colour: Colour) -> None:
    sh = worker()
    with colour.run(sh, name="brewing", code_version="v7"):
        record = record_of(sh)
        assert (record.status, record.agent_id, record.name, record.code_version, record.ended_at) == (
            "running",
            "a",
            "brewing",
            "v7",
            None,
        )
    record = record_of(sh)
    assert (record.status, record.error) == ("finished", None)
    assert record.ended_at is not None
    assert record.ended_at >= record.started_at


@pytest.mark.parametrize("error,status", [(ValueError("no tea"), "failed"), (Killed(), "interrupted")])
def test_a_run_that_an_error_leaves_says_so(
    sh: Statehouse, colour: Colour, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)), colour.run(sh):
        raise error
    assert record_of(sh).status == status


def test_a_failed_run_names_the_steps_that_its_failure_came_from(sh: Statehouse, colour: Colour) -> None:
    def fail() -> None:
        raise ValueError("no tea")

    inner = colour.step(fail)

    def around() -> None:
        try:
            inner()
        except ValueError as error:
            raise RuntimeError("no breakfast") from error

    caught, outer = colour.step(fail, name="caught"), colour.step(around)

    def program() -> None:
        try:
            caught()
        except ValueError:
            outer()

    with pytest.raises(RuntimeError), colour.run(sh):
        program()
    # What was caught is the context of what was not: all three are tried again.
    assert set(record_of(sh).retry) == {"around#1", "around#1/fail#1", "caught#1"}
    assert record_of(sh).error is not None


def test_a_run_that_is_finished_is_left_as_it_is(worker: Worker, colour: Colour) -> None:
    sh = worker()
    with colour.run(sh):
        pass
    before = record_of(sh)
    with colour.run(worker()):
        pass
    with pytest.raises(ValueError, match="late"), colour.run(worker()):
        raise ValueError("late")
    assert record_of(sh) == before


def test_resumes_are_counted(worker: Worker, colour: Colour) -> None:
    for _ in range(3):
        with pytest.raises(Killed), colour.run(worker()):
            raise Killed
    assert record_of(worker()).resumes == 2


def test_a_run_is_of_one_agent(worker: Worker, colour: Colour) -> None:
    with colour.run(worker()):
        pass
    with (
        pytest.raises(StepMismatchError, match="is of the agent 'a', not 'b'"),
        colour.run(worker(), agent_id="b"),
    ):
        pass
    with colour.run(worker(), agent_id=None) as run:
        assert run.agent_id == "a"


def test_a_run_that_is_not_there_needs_an_agent(sh: Statehouse, colour: Colour) -> None:
    with pytest.raises(InvalidArgumentError, match="there is no run r-1"), colour.run(sh, agent_id=None):
        pass


def test_a_run_keeps_what_it_was_given(worker: Worker, colour: Colour) -> None:
    given = {"question": "why", "long": "x" * 20_000}
    with colour.run(worker(), input=given) as run:
        assert run.input == given
    with colour.run(worker()) as run:
        assert (run.input, run.resumed) == (given, True)
    with pytest.raises(StepMismatchError, match="was given"), colour.run(worker(), input={"question": "how"}):
        pass


def test_runs_without_an_id_get_one_each(sh: Statehouse) -> None:
    ids = []
    for _ in range(2):
        with sh.run(agent_id="a") as run:
            ids.append(run.run_id)
    assert len(set(ids)) == 2
    assert all(each.startswith("run-") for each in ids)


def test_runs_are_listed_newest_first(sh: Statehouse, colour: Colour) -> None:
    for number in range(5):
        with colour.run(sh, f"r-{number}", agent_id="even" if number % 2 == 0 else "odd"):
            pass

    def ids(**options: Any) -> list[str]:
        return [each.run_id for each in runs(sh, **options)]

    assert ids() == ["r-4", "r-3", "r-2", "r-1", "r-0"]
    assert ids(agent_id="odd") == ["r-3", "r-1"]
    assert ids(limit=2) == ["r-4", "r-3"]
    assert list(runs(sh, namespace="elsewhere")) == []


def test_runs_of_one_namespace_know_nothing_of_anothers(sh: Statehouse, colour: Colour) -> None:
    ran: list[str] = []

    def work() -> None:
        ran.append(current_step().run_id)
        current_step().state["x"] = len(ran)

    for namespace in ("left", "right"):
        with colour.run(sh, namespace=namespace):
            colour.step(work)()
    assert len(ran) == 2
    assert sh.get_state("x", agent_id="a", namespace="right").value == 2


def test_steps_are_read_in_the_order_of_their_commits(sh: Statehouse, colour: Colour) -> None:
    with colour.run(sh):
        for number in range(12):
            colour.step(lambda number: number, name="work")(number)
    records = run_flow(sh, read_steps("default", "r-1"))
    assert [run_flow(sh, read_slot("default", "r-1", each.output)) for each in records] == list(range(12))


def test_time_and_chance_are_recorded_for_the_run(worker: Worker, colour: Colour) -> None:
    found = []
    for _ in range(2):
        with colour.run(worker()) as run:
            found.append([run.now(), run.random(), run.uuid(), run.now()])
    assert found[0] == found[1]
    assert found[0][0] < found[0][3]


def test_time_and_chance_are_recorded_with_a_step(sh: Statehouse, colour: Colour) -> None:
    def work() -> list[str]:
        running = current_step()
        return [running.now().isoformat(), str(running.uuid()), str(running.random())]

    with colour.run(sh) as run:
        given = colour.step(work)()
        (record,) = run.steps()
    assert [kind for kind, _ in record.helpers] == ["now", "uuid", "random"]
    assert [str(value) for _, value in record.helpers] == given


def test_a_signal_reaches_the_run_that_waits_for_it(worker: Worker, colour: Colour) -> None:
    outside = worker()
    with colour.run(worker()) as run:
        waiting = threading.Event()

        def approve() -> None:
            waiting.wait(10)
            outside.signal("r-1", "approval", {"by": "Ada"})

        person = threading.Thread(target=approve)
        person.start()
        waiting.set()
        assert run.wait_for("approval") == {"by": "Ada"}
        person.join()


def test_signals_come_in_order_and_only_once(worker: Worker, colour: Colour) -> None:
    with colour.run(worker()) as run:
        run.signal("go", 1)
        worker().signal("r-1", "go", 2)
        run.signal("stop", "now")
        assert [run.wait_for("go"), run.wait_for("stop"), run.wait_for("go")] == [1, "now", 2]
    with colour.run(worker()) as run:
        assert [run.wait_for("go"), run.wait_for("go"), run.wait_for("stop")] == [1, 2, "now"]


def test_a_signal_that_does_not_come_is_recorded_too(worker: Worker, colour: Colour) -> None:
    with colour.run(worker()) as run, pytest.raises(DeadlineExceededError, match="no signal 'go'"):
        run.wait_for("go", timeout=0.01)
    worker().signal("r-1", "go", 1)
    with colour.run(worker()) as run, pytest.raises(DeadlineExceededError):
        run.wait_for("go", timeout=0.01)


def test_a_signal_needs_a_run(sh: Statehouse) -> None:
    with pytest.raises(NotFoundError, match="there is no run r-404"):
        sh.signal("r-404", "go")


def test_many_senders_of_one_signal_are_all_heard(worker: Worker) -> None:
    sh = worker()
    with sh.run("r-1", agent_id="a") as run:
        senders = [threading.Thread(target=sh.signal, args=("r-1", "go", number)) for number in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert sorted(run.wait_for("go") for _ in senders) == list(range(8))


def test_outside_a_run_a_step_is_a_plain_function_and_says_so_once() -> None:
    @step
    def double(number: int) -> int:
        return 2 * number

    with pytest.warns(StepWarning, match="outside a run") as warned:
        assert [double(1), double(2)] == [2, 4]
    assert [each.filename for each in warned] == [__file__]


def test_a_strict_step_does_not_run_outside_a_run() -> None:
    @step(strict=True)
    def double(number: int) -> int:
        raise AssertionError("it does not run")

    with pytest.raises(StepError, match="outside a run"):
        double(1)


def test_there_is_no_current_step_outside_of_steps(memory: Statehouse) -> None:
    with pytest.raises(StepError, match="outside a run"):
        current_step()
    with memory.run("r-1", agent_id="a"), pytest.raises(StepError, match="outside its steps"):
        current_step()


def test_a_run_takes_steps_only_while_it_is_entered(memory: Statehouse) -> None:
    run = memory.run("r-1", agent_id="a")
    with pytest.raises(StepError, match="has not begun"):
        run.now()
    with run:
        pass
    with pytest.raises(StepError, match="has ended"):
        run.now()
    with pytest.raises(StepError, match="was entered already"), run:
        pass


def test_leaving_a_run_gives_back_the_one_around_it(memory: Statehouse) -> None:
    @step
    def where() -> str:
        return current_step().run_id

    with memory.run("outer", agent_id="a"):
        with memory.run("inner", agent_id="a"):
            assert where() == "inner"
        assert where() == "outer"


def test_recorded_steps_that_nobody_called_are_told_of(memory: Statehouse) -> None:
    @step
    def work(number: int) -> int:
        return number

    with memory.run("r-1", agent_id="a"):
        _ = [work(number) for number in range(3)]
    with pytest.warns(StepWarning, match="ended without calling work#2, work#3") as warned, memory.run("r-1"):
        work(0)
    assert [each.filename for each in warned] == [__file__]


def test_a_changed_source_is_told_of_once(memory: Statehouse) -> None:
    def make(text: str) -> Any:
        if text == "old":

            @step(name="work")
            def old() -> str:
                return "old"

            return old

        @step(name="work")
        def new() -> str:
            return "new"

        return new

    with memory.run("r-1", agent_id="a"):
        _ = [make("old")(), make("old")()]
    with pytest.warns(StepWarning, match="has changed since") as warned, memory.run("r-1"):
        assert [make("new")(), make("new")()] == ["old", "old"]
    assert [each.filename for each in warned] == [__file__]


@pytest.mark.parametrize(
    "options",
    [
        {"run_id": ""},
        {"run_id": "a\nb"},
        {"run_id": "x" * 257},
        {"namespace": "x" * 128},
        {"agent_id": "x" * 256},
        {"name": "x" * 257},
        {"on_mismatch": "perhaps"},
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    memory: Statehouse, options: dict[str, Any]
) -> None:
    with pytest.raises((InvalidArgumentError, LimitExceededError)):
        memory.run(**{"agent_id": "a", **options})
    assert memory.status().commit_ts == 0


def test_a_cancelled_run_is_interrupted_and_goes_on(memory: Statehouse) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        @step
        async def slow() -> str:
            begun.set()
            await asyncio.Event().wait()
            return "never"

        async def program() -> None:
            async with memory.aio.run("r-1", agent_id="a"):
                await slow()

        task = asyncio.create_task(program())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert record_of(memory).status == "interrupted"
    assert run_flow(memory, read_steps("default", "r-1")) == []
