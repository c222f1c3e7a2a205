"""A program goes through a recorded run again: it is found where it goes another way, and changes nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from statehouse import Statehouse, StatehouseAsync, StepError, current_step, step
from statehouse.debug import Verification, verify
from statehouse.errors import InvalidArgumentError, NotFoundError


class Agent:
    """An agent, and what its bodies did."""

    def __init__(self, sh: Statehouse) -> None:
        self.sh = sh
        self.bodies: list[str] = []

    @step
    def plan(self, goal: str) -> list[str]:
        """Acts on the world, and changes state."""
        self.bodies.append("plan")
        running = current_step()
        running.state["goals"] = [*running.state.get("goals", []), goal]
        return [f"{goal} {number}" for number in range(2)]

    @step(effect="none")
    def count(self, text: str) -> int:
        """Changes state, and nothing else."""
        self.bodies.append("count")
        state = current_step().state
        state["texts"] = [*state.get("texts", []), text]
        return len(state["texts"])

    @step(errors=[KeyError])
    def fail(self, text: str) -> None:
        """Fails."""
        self.bodies.append("fail")
        raise KeyError(text)

    @step
    def outer(self, text: str) -> int:
        """Has a step inside."""
        self.bodies.append("outer")
        return 10 * int(self.count(text))

    def main(self, run: Any) -> int:
        """The program."""
        for task in self.plan(run.input):
            self.count(task)
        with pytest.raises(KeyError):
            self.fail("x")
        return int(self.outer("y"))


@pytest.fixture
def agent(sh: Statehouse) -> Agent:
    """An agent that has made the run r-1."""
    made = Agent(sh)
    with sh.run("r-1", agent_id="planner", input="tea") as run:
        made.main(run)
    made.bodies.clear()
    return made


def of(agent: Agent, program: Any, **options: Any) -> Verification:
    """Verifies r-1, and looks whether that changed the store."""
    before = agent.sh.status().commit_ts
    found = verify(agent.sh, "r-1", program, **options)
    assert agent.sh.status().commit_ts == before
    return found


def test_the_program_that_made_the_run_is_clean(agent: Agent) -> None:
    found = of(agent, agent.main, bodies="none")
    assert (found.is_clean, found.is_complete, found.answered, found.reran) == (True, True, 5, 0)
    assert agent.bodies == []
    assert found.value == 30
    assert found.changed == ()


def test_bodies_of_pure_steps_run_again_on_the_state_that_they_saw(agent: Agent) -> None:
    found = of(agent, agent.main)
    assert (found.is_clean, found.answered, found.reran) == (True, 3, 2)
    assert agent.bodies == ["count", "count"]


def test_all_bodies_run_again_and_their_children_with_them(agent: Agent) -> None:
    found = of(agent, agent.main, bodies="all")
    assert (found.is_clean, found.answered, found.reran) == (True, 0, 6)
    assert agent.bodies == ["plan", "count", "count", "fail", "outer", "count"]


@pytest.mark.parametrize("which", ["outer", "outer#1"])
def test_named_bodies_run_again_with_their_children_answered(agent: Agent, which: str) -> None:
    found = of(agent, agent.main, bodies=[which])
    assert found.is_clean
    assert agent.bodies == ["outer"]


def test_names_of_bodies_that_no_step_of_the_run_has_are_answered_with_those_there_are(agent: Agent) -> None:
    with pytest.raises(NotFoundError, match=r"there is no step cuont in the run r-1; there are: count#1"):
        of(agent, agent.main, bodies=["outer", "cuont"])
    assert agent.bodies == []


def test_another_argument_is_found(agent: Agent) -> None:
    def program(run: Any) -> None:
        for task in agent.plan(run.input):
            agent.count(task.upper())

    divergence = of(agent, program).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.path) == ("input", "count#1")
    assert (divergence.recorded, divergence.now) == ({"text": "tea 0"}, {"text": "TEA 0"})
    assert '"tea 0"   "TEA 0"' in str(divergence)
    assert agent.bodies == []


def test_a_step_that_the_run_did_not_call_is_found(agent: Agent) -> None:
    def program(run: Any) -> None:
        agent.plan(run.input)
        agent.plan("milk")

    divergence = of(agent, program).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.path, divergence.now) == ("unrecorded", "plan#2", {"goal": "milk"})
    assert "count#1" in str(divergence)


def test_a_step_that_is_not_called_any_more_is_found(agent: Agent) -> None:
    divergence = of(agent, lambda run: agent.plan(run.input)).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.path) == ("missing", "count#1")
    assert "and 3 more" in str(divergence)


def test_what_the_program_raised_before_a_recorded_step_is_told(agent: Agent) -> None:
    def program(run: Any) -> None:
        agent.plan(run.input)
        raise ZeroDivisionError("half way")

    found = of(agent, program)
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.path) == ("missing", "count#1")
    assert "the program raised ZeroDivisionError: half way (test_verifying.py:" in str(found.divergence)
    assert str(found.divergence).endswith("before it called it and 3 more")
    assert found.divergence.now["message"] == "half way"
    assert isinstance(found.error, ZeroDivisionError)


def cut_off(sh: Statehouse) -> Agent:
    """Has a run begin, which is cut off behind its first step."""
    agent = Agent(sh)

    def interrupted(run: Any) -> None:
        agent.plan(run.input)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), sh.run("r-1", agent_id="planner", input="tea") as run:
        interrupted(run)
    return agent


def test_a_step_that_a_run_which_was_cut_off_had_called_is_missed_too(sh: Statehouse) -> None:
    cut_off(sh)
    divergence = verify(sh, "r-1", lambda run: None).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.path) == ("missing", "plan#1")


def test_another_ending_is_found(agent: Agent) -> None:
    def program(run: Any) -> None:
        agent.main(run)
        raise ZeroDivisionError("at the end")

    divergence = of(agent, program).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.path) == ("ending", "")
    assert "ended well, and the program now ends by ZeroDivisionError: at the end" in str(divergence)


def test_what_the_program_catches_does_not_hide_a_divergence(agent: Agent) -> None:
    def program(run: Any) -> None:
        with suppress(Exception):
            agent.plan("milk")
        agent.plan(run.input)

    divergence = of(agent, program).divergence
    assert divergence is not None
    assert divergence.kind == "input"


@pytest.mark.parametrize("change, kind", [("output", "output"), ("writes", "writes"), ("raises", "failure")])
def test_a_pure_body_that_does_something_else_is_found(sh: Statehouse, change: str, kind: str) -> None:
    now = ""

    @step(effect="none")
    def note(text: str) -> int:
        if now == "raises":
            raise ValueError(text)
        current_step().state["note"] = text + now if now == "writes" else text
        return 2 if now == "output" else 1

    with sh.run("r-1", agent_id="planner"):
        note("tea")
    now = change
    divergence = verify(sh, "r-1", lambda run: note("tea")).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.path) == (kind, "note#1")


def test_time_and_chance_are_the_recorded_ones(sh: Statehouse) -> None:
    @step(effect="none")
    def chances() -> list[str]:
        running = current_step()
        return [str(each) for each in (running.now(), running.uuid(), running.random())]

    def main(run: Any) -> list[str]:
        return [*chances(), str(run.now()), str(run.uuid()), str(run.random())]

    with sh.run("r-1", agent_id="planner") as run:
        then = main(run)
    found = verify(sh, "r-1", main)
    assert (found.is_clean, found.reran, found.value) == (True, 1, then)


def test_a_failed_run_is_clean_when_it_fails_alike(sh: Statehouse) -> None:
    @step
    def fail() -> None:
        raise ValueError("no tea")

    def main(run: Any) -> None:
        fail()

    with pytest.raises(ValueError, match="no tea"), sh.run("r-1", agent_id="planner") as run:
        main(run)
    assert verify(sh, "r-1", main).is_clean
    divergence = verify(sh, "r-1", lambda run: None).divergence
    assert divergence is not None
    assert divergence.kind == "missing"


def test_a_run_that_was_cut_off_is_verified_as_far_as_it_came(sh: Statehouse) -> None:
    agent = cut_off(sh)
    agent.bodies.clear()
    found = verify(sh, "r-1", agent.main)
    assert (found.is_clean, found.is_complete, found.answered) == (True, False, 1)
    assert agent.bodies == []


def test_async_programs_are_verified_too(sh: Statehouse) -> None:
    @step
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def main(run: Any) -> int:
        return sum(await asyncio.gather(*[double(number) for number in range(3)]))

    async def live(aio: StatehouseAsync) -> None:
        async with aio.run("r-1", agent_id="planner") as run:
            await main(run)

    asyncio.run(live(sh.aio))
    for handle in (sh, sh.aio):
        found = verify(handle, "r-1", main)
        assert (found.is_clean, found.answered, found.value) == (True, 3, 6)


def test_a_program_may_enter_its_run_itself(agent: Agent) -> None:
    def program() -> int:
        with agent.sh.run("r-1", agent_id="planner") as run:
            return agent.main(run)

    assert of(agent, program).is_clean


def test_a_program_that_enters_another_run_is_told(agent: Agent) -> None:
    def program() -> None:
        with agent.sh.run("r-2", agent_id="planner") as run:
            agent.main(run)

    with pytest.raises(StepError, match="enters the run r-2"):
        of(agent, program)


def test_further_runs_of_the_program_stay_on_the_overlay(agent: Agent) -> None:
    def program(run: Any) -> int:
        with agent.sh.run("r-9", agent_id="planner"):
            agent.plan("inner")
        return agent.main(run)

    assert of(agent, program).is_clean
    assert agent.bodies[0] == "plan"
    assert agent.sh.get_state("goals", agent_id="planner").value == ["tea"]


def test_with_every_handle_the_program_sees_what_its_steps_wrote_and_writes_nothing(agent: Agent) -> None:
    seen: list[Any] = []

    def program(run: Any) -> int:
        seen.append(agent.sh.get_state("goals", agent_id="planner", default=None).value)
        tasks = agent.plan(run.input)
        seen.append(agent.sh.get_state("goals", agent_id="planner").value)
        agent.sh.write("seen", len(tasks), agent_id="planner")
        seen.append(agent.sh.get_state("seen", agent_id="planner").value)
        for task in tasks:
            agent.count(task)
        with pytest.raises(KeyError):
            agent.fail("x")
        return int(agent.outer("y"))

    agent.sh.write("goals", ["later"], agent_id="planner")
    assert of(agent, program, every_handle=True).is_clean
    assert seen == [None, ["tea"], 2]
    assert agent.sh.get_state("goals", agent_id="planner").value == ["later"]
    assert agent.sh.get_state("seen", agent_id="planner", default=None).value is None


def test_a_step_that_wrote_very_many_keys_is_seen_by_every_handle(sh: Statehouse) -> None:
    @step
    def fill() -> None:
        # More names than a record has room for.
        current_step().state.update(
            {f"a key with a rather long name {number:04}": number for number in range(400)}
        )

    def main(run: Any) -> int:
        fill()
        return len(sh.agent("planner").list_keys(""))

    with sh.run("r-1", agent_id="planner") as run:
        assert main(run) == 400
    sh.write("later", 1, agent_id="planner")
    found = verify(sh, "r-1", main, every_handle=True)
    assert (found.is_clean, found.value) == (True, 400)


def test_functions_that_have_changed_are_named(sh: Statehouse) -> None:
    def make(version: int) -> Any:
        if version == 1:

            @step
            def work() -> int:
                return 1

        else:

            @step
            def work() -> int:
                return 2

        return work

    with sh.run("r-1", agent_id="planner"):
        make(1)()
    found = verify(sh, "r-1", lambda run: make(2)())
    assert (found.is_clean, found.value) == (True, 1)
    assert [name.rpartition(".")[2] for name in found.changed] == ["work"]


@pytest.mark.parametrize(
    "program, message",
    [
        (lambda one, two: None, "wants one, two: a program takes the run"),
        (lambda: None, "neither took the run nor entered one"),
    ],
)
def test_what_is_no_program_is_told_how_one_looks(agent: Agent, program: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        of(agent, program)


def test_an_async_program_in_a_loop_is_told_to_use_a_thread(agent: Agent) -> None:
    async def program(run: Any) -> None: ...

    async def main() -> None:
        of(agent, program)

    with pytest.raises(InvalidArgumentError, match=r"asyncio\.to_thread"):
        asyncio.run(main())


def test_a_run_that_is_not_there_is_said(sh: Statehouse) -> None:
    with pytest.raises(NotFoundError, match="there is no run nothing"):
        verify(sh, "nothing", lambda run: None)
