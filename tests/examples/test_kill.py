"""Killed with SIGKILL at any moment, the agent goes on without doing a finished step again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.research_agent.agent import ResearchAgent
from examples.research_agent.library import Library
from examples.research_agent.notebook import Notebook
from examples.research_agent.planner import RulePlanner
from examples.research_agent.run_log import RunLog
from examples.research_agent.runs import Run
from examples.research_agent.toolbox import Toolbox
from statehouse import Statehouse

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")

ROOT = Path(__file__).resolve().parent.parent.parent
SHORT = "How many seconds are in 3 weeks?"
SHORT_STEPS = 4
LONG = "How do I parse an ISO date and add 3 days?"
LONG_STEPS = 10
MOMENTS = ("begun", "done", "committed")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is kept, and where what was executed is noted."""

    directory: Path
    cache: Path

    @property
    def url(self) -> str:
        return f"file:{self.directory / 'store'}"

    def run(self, question: str, moment: str = "never", step: int = 0) -> int:
        """Runs the agent in a process of its own; gives its exit code."""
        module = [sys.executable, "-m", "tests.examples.dying_agent"]
        where = [self.url, str(self.directory / "ledger"), str(self.cache)]
        return subprocess.run(
            [*module, *where, question, moment, str(step)], cwd=ROOT, check=False
        ).returncode

    def ledger(self) -> list[tuple[str, int]]:
        lines = (self.directory / "ledger").read_text().splitlines()
        return [(what, int(number)) for what, number in map(str.split, lines)]


@pytest.fixture
def place(tmp_path: Path, library_cache: Path) -> Place:
    return Place(tmp_path, library_cache)


def uninterrupted(question: str, cache: Path) -> Run:
    with Statehouse("memory:") as sh:
        agent = sh.agent("researcher")
        tools = Toolbox(lambda: Library.open(cache), Notebook(agent))
        return ResearchAgent(RunLog(agent, "r"), tools, RulePlanner()).run(question)


def check(place: Place, question: str, *, in_flight: int | None) -> None:
    """Checks a resumed run against the ledger and against a run that nobody killed."""
    ledger = place.ledger()
    for position, (what, step) in enumerate(ledger):
        if what == "committed":
            assert ("begun", step) not in ledger[position:], f"step {step} was finished, and begun again"
    begun = [step for what, step in ledger if what == "begun"]
    expected = uninterrupted(question, place.cache)
    numbers = [step.number for step in expected.steps]
    assert sorted(begun) == sorted([*numbers, *([in_flight] if in_flight else [])])
    with Statehouse(place.url) as sh:
        run = RunLog(sh.agent("researcher"), "r").load()
        events = list(sh.find_events(run_id="r"))
        notes = list(Notebook(sh.agent("researcher")).notes())
    assert run is not None
    assert (run.steps, run.answer) == (expected.steps, expected.answer)
    assert [event.origin.step for event in events] == [step.label for step in expected.steps]
    assert len(notes) == sum(step.call.tool == "note" for step in expected.steps)


def kill_and_resume(place: Place, question: str, moment: str, step: int) -> None:
    assert place.run(question, moment, step) == -signal.SIGKILL
    assert place.run(question) == 0
    check(place, question, in_flight=None if moment == "committed" else step)


@pytest.mark.parametrize("step", range(1, SHORT_STEPS + 1))
def test_killed_after_a_step_it_goes_on_with_the_next(place: Place, step: int) -> None:
    kill_and_resume(place, SHORT, "committed", step)


def test_killed_before_a_commit_it_does_only_that_step_again(place: Place) -> None:
    kill_and_resume(place, SHORT, "done", 3)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", range(1, LONG_STEPS + 1))
def test_killed_at_any_moment_of_any_step_it_goes_on(place: Place, moment: str, step: int) -> None:
    if moment == "done" and step in (1, LONG_STEPS):
        # To plan and to answer are no tools: there is nothing between deciding and committing.
        moment = "begun"
    kill_and_resume(place, LONG, moment, step)


@pytest.mark.slow
def test_killed_at_every_step_of_one_run_it_still_finishes(place: Place) -> None:
    for step in range(1, LONG_STEPS + 1):
        assert place.run(LONG, "committed", step) == -signal.SIGKILL
    assert place.run(LONG) == 0
    check(place, LONG, in_flight=None)


def test_killed_before_anything_is_committed_nothing_is_there(place: Place) -> None:
    assert place.run(SHORT, "begun", 1) == -signal.SIGKILL
    with Statehouse(place.url) as sh:
        assert RunLog(sh.agent("researcher"), "r").load() is None
        assert list(sh.replay()) == []
