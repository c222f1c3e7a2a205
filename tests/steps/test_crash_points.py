"""A program is cut off at each of its commits, before and after it is applied, and then resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statehouse import Statehouse, current_step, step
from statehouse.debug import runs
from statehouse.extend import Commit, Engine, Request
from statehouse.extend import run as run_flow
from statehouse.steps.reading import read_steps
from statehouse.testing.reference import ReferenceEngine
from tests.steps.colours import Killed

R = TypeVar("R")


class Cutting:
    """Cuts its caller off at one commit, as if it had been killed: before the commit is applied, or after."""

    def __init__(self, inner: Engine, at: int | None = None, *, applied: bool = False) -> None:
        self.inner = inner
        self.commits = 0
        self._at = at
        self._applied = applied

    def execute(self, request: Request[R]) -> R:
        """Answers, until it is time."""
        cut = isinstance(request, Commit) and self._counted() == self._at
        if cut and not self._applied:
            raise Killed
        reply = self.inner.execute(request)
        if cut:
            raise Killed
        return reply

    def _counted(self) -> int:
        self.commits += 1
        return self.commits

    def submit(self, request: Request[R]) -> Future[R]:
        """Is not asked: this is the blocking colour."""
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to close."""


class Agent:
    """A program of a few steps of every kind, which counts how often each body ran."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()

    @step
    def add(self, number: int) -> int:
        self.ran[current_step().path] += 1
        state = current_step().state
        state["sum"] = state.get("sum", 0) + number
        return int(state["sum"])

    @step
    def leaf(self, number: int) -> int:
        self.ran[current_step().path] += 1
        state = current_step().state
        state["leaves"] = state.get("leaves", 0) + 1
        return number

    @step
    def outer(self, number: int) -> int:
        self.ran[current_step().path] += 1
        current_step().state["outer"] = number
        return int(self.leaf(number)) + int(self.leaf(number + 1))

    @step(effect="at_most_once", if_unknown="retry")
    def pay(self, number: int) -> int:
        self.ran[current_step().path] += 1
        state = current_step().state
        state["paid"] = state.get("paid", 0) + number
        return int(state["paid"])

    @step
    def fail(self) -> None:
        self.ran[current_step().path] += 1
        current_step().state["never"] = 1
        raise ValueError("no tea")

    def work(self, sh: Statehouse, plan: list[int]) -> list[Any]:
        """Does what it is told; gives what its steps gave."""
        given: list[Any] = []
        with sh.run("r-1", agent_id="a", input=plan) as run:
            for number in plan:
                match number % 5:
                    case 0:
                        given.append(self.add(number))
                    case 1:
                        given.append(self.outer(number))
                    case 2:
                        given.append(self.pay(number))
                    case 3:
                        try:
                            self.fail()
                        except ValueError as error:
                            given.append(str(error))
                    case _:
                        given.append(run.random())
        return given


def state_of(engine: Engine) -> dict[str, Any]:
    with Statehouse.from_engine(engine) as sh:
        return {record.key: record.value for record in sh.scan_prefix(agent_id="a")}


def cut_off_at(plan: list[int], at: int, *, applied: bool) -> None:
    whole = ReferenceEngine()
    with Statehouse.from_engine(whole) as sh:
        Agent().work(sh, plan)
    engine, agent = ReferenceEngine(), Agent()
    with pytest.raises(Killed), Statehouse.from_engine(Cutting(engine, at, applied=applied)) as sh:
        agent.work(sh, plan)
    before = _steps(engine)
    ran_before = agent.ran.copy()
    with Statehouse.from_engine(engine) as sh:
        given = agent.work(sh, plan)
        assert agent.work(sh, plan) == given
        assert [run.run_id for run in runs(sh)] == ["r-1"]
    assert state_of(engine) == state_of(whole)
    assert _steps(engine).keys() == _steps(whole).keys()
    # What was recorded stays as it was, and did not run again.
    assert {path: _steps(engine)[path] for path in before} == before
    assert [path for path in before if agent.ran[path] != ran_before[path]] == []
    assert max(agent.ran.values(), default=0) <= 2


def _steps(engine: Engine) -> dict[str, int]:
    with Statehouse.from_engine(engine) as sh:
        return {record.path: record.commit_ts for record in run_flow(sh, read_steps("default", "r-1"))}


def commits_of(work: Callable[[Statehouse], object]) -> int:
    counting = Cutting(ReferenceEngine())
    with Statehouse.from_engine(counting) as sh:
        work(sh)
    return counting.commits


PLAN = [0, 1, 2, 3, 4, 5, 6, 7]
COMMITS = commits_of(lambda sh: Agent().work(sh, PLAN))


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, COMMITS + 1))
def test_cut_off_at_any_commit_a_run_comes_to_the_same_end(at: int, applied: bool) -> None:
    cut_off_at(PLAN, at, applied=applied)


@settings(max_examples=10)
@given(plan=st.lists(st.integers(0, 99), min_size=1, max_size=8), data=st.data())
def test_any_program_cut_off_anywhere_comes_to_the_same_end(plan: list[int], data: st.DataObject) -> None:
    commits = commits_of(lambda sh: Agent().work(sh, plan))
    at = data.draw(st.integers(1, commits), label="commit")
    cut_off_at(plan, at, applied=data.draw(st.booleans(), label="applied"))
