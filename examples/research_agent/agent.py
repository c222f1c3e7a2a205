"""The agent: plan, then one step after the other, each committed before the next begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from examples.research_agent.planner import Planner, RulePlanner
from examples.research_agent.run_log import RunLog
from examples.research_agent.runs import Call, Decision, Run, Step
from examples.research_agent.toolbox import Outcome, ToolError, Tools

STEPS_MAX: Final = 60
QUESTION_CHARS_MAX: Final = 2_000


class QuestionChangedError(ValueError):
    """A run was asked to go on with another question than the one it began with."""


def _ignore(*_: object) -> None:
    return


class ResearchAgent:
    """Answers questions, and goes on after a kill where it was.

    Args:
        log: Where the run is recorded.
        tools: What it can do.
        planner: What decides.
        before_step: Called with the number and the call before a step is done.
        after_step: Called with the step and its commit_ts when it is committed.
    """

    def __init__(
        self,
        log: RunLog,
        tools: Tools,
        planner: Planner,
        *,
        before_step: Callable[[int, Call], object] = _ignore,
        after_step: Callable[[Step, int], object] = _ignore,
    ) -> None:
        self._log = log
        self._tools = tools
        self._planner = planner
        self._before_step = before_step
        self._after_step = after_step

    def run(self, question: str = "") -> Run:
        """Gives the finished run, doing only those of its steps that are not committed yet.

        Args:
            question: The question; may be left out to go on with a run that has one.

        Raises:
            QuestionChangedError: The run began with another question.
            ValueError: There is no question, or it is too long.
            StatehouseError: A step could not be committed.
        """
        run = self._log.load()
        if run is None:
            run = self._plan(question)
        elif question and question != run.question:
            raise QuestionChangedError(
                f"run {run.run_id} is about another question, {run.question!r}; give this one its own run id"
            )
        while run.answer is None:
            run = self._step(run)
        return run

    def _plan(self, question: str) -> Run:
        if not question.strip() or len(question) > QUESTION_CHARS_MAX:
            raise ValueError(f"a question has 1 to {QUESTION_CHARS_MAX} characters, not {len(question)}")
        call = Call("plan", {"question": question})
        self._before_step(1, call)
        goals, by = self._planner.plan(question)
        step = Step(1, call, {"goals": [goal.text for goal in goals]}, by)
        run, commit_ts = self._log.begin(question, goals, step)
        self._after_step(step, commit_ts)
        return run

    def _step(self, run: Run) -> Run:
        number = len(run.steps) + 1
        decision = self._decide(run)
        self._before_step(number, decision.call)
        outcome = self._do(decision.call)
        step = Step(number, _recorded(decision.call), outcome.result, decision.by)
        run, commit_ts = self._log.append(run, step, outcome.note)
        self._after_step(step, commit_ts)
        return run

    def _decide(self, run: Run) -> Decision:
        if len(run.steps) < STEPS_MAX:
            return self._planner.next(run)
        # A model that goes round in circles must not do so for ever: the rules finish what is left of the
        # plan.
        decision = RulePlanner().next(run)
        return Decision(decision.call, f"{decision.by} (the planner took {STEPS_MAX} steps)")

    def _do(self, call: Call) -> Outcome:
        if call.tool == "answer":
            return Outcome(call.arguments)
        try:
            return self._tools.call(call.tool, call.arguments)
        except ToolError as error:
            # What a tool could not do is a result too: the planner sees it and does something else.
            return Outcome({"error": str(error)})


def _recorded(call: Call) -> Call:
    """Gives the call without what its result repeats."""
    arguments: dict[str, Any] = {} if call.tool == "answer" else call.arguments
    return Call(call.tool, arguments, call.goal)
