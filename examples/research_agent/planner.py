"""Planners decide what an agent does next. This one follows rules; `model` has the other.

A planner is asked for one decision at a time and sees the run as it is recorded. It remembers nothing itself,
so one in a new process goes on where the killed one stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from examples.research_agent.answers import compose, computed, finding
from examples.research_agent.questions import goals_of
from examples.research_agent.ranking import code_names
from examples.research_agent.runs import Call, Decision, Goal, Run, Step

RULES: Final = "rules"


class Planner(Protocol):
    """What decides."""

    def plan(self, question: str) -> tuple[tuple[Goal, ...], str]:
        """Gives what has to be found out, and who decided that."""
        ...

    def next(self, run: Run) -> Decision:
        """Gives the next call; the tool ``answer`` ends the run."""
        ...


class RulePlanner:
    """Plans by rules: for each goal recall, else search, read the best, and keep what it says; then answer.

    It is a pure function of the run.
    """

    def plan(self, question: str) -> tuple[tuple[Goal, ...], str]:
        """Gives the parts of the question."""
        return goals_of(question), RULES

    def next(self, run: Run) -> Decision:
        """Gives the first call that is not done yet."""
        for number, goal in enumerate(run.goals):
            for call in self._calls(run, number, goal):
                if not _is_done(run, call):
                    return Decision(call, RULES)
        return Decision(Call("answer", compose(run)), RULES)

    def _calls(self, run: Run, number: int, goal: Goal) -> Iterator[Call]:
        """Gives the calls a goal needs, in order, as far as they can be known from what is done."""
        if goal.kind == "compute":
            yield from self._computation(run, number, goal)
            return
        if goal.kind == "modules":
            yield Call("modules", {"about": goal.names[0]}, number)
            return
        yield Call("recall", {"about": goal.text}, number)
        if any(step.result.get("notes") for step in run.of_goal(number, "recall")):
            return
        for search in _searches(run, number, goal):
            yield search
            searched = _done(run, search)
            hits = searched.result.get("hits") if searched else None
            if not hits:
                continue
            read = Call("source" if goal.kind == "source" else "read", {"name": hits[0]["name"]}, number)
            yield read
            done = _done(run, read)
            if done and "error" not in done.result:
                source = done.result["name"]
                yield Call(
                    "note", {"about": goal.text, "text": finding(goal, done), "source": source}, number
                )

    def _computation(self, run: Run, number: int, goal: Goal) -> Iterator[Call]:
        calculate = Call("calculate", {"expression": goal.expression}, number)
        yield calculate
        if done := _done(run, calculate):
            yield Call("note", {"about": goal.text, "text": computed(done)}, number)


def _searches(run: Run, number: int, goal: Goal) -> Iterator[Call]:
    match goal.kind:
        case "names" | "source":
            for name in goal.names:
                # Words such as list and open are names here, whatever they mean elsewhere.
                yield Call("search", {"query": name if code_names(name) else f"`{name}`"}, number)
        case "member":
            within = _container(run, number)
            yield Call(
                "search", {"query": f"{goal.names[0]}()"} | ({"within": within} if within else {}), number
            )
        case "module":
            yield Call("search", {"query": goal.text, "modules_only": "yes"}, number)
        case _:
            near = _module(run, number)
            yield Call("search", {"query": goal.text} | ({"near": near} if near else {}), number)


def _last_read(run: Run, before: int) -> tuple[str, bool] | None:
    """Gives the name that an earlier goal ended at, and whether it contains others."""
    for number in range(before - 1, -1, -1):
        for step in reversed(run.of_goal(number)):
            if step.call.tool == "read" and "error" not in step.result:
                return step.result["name"], step.result["kind"] in ("module", "class")
            if step.call.tool == "recall" and step.result.get("notes"):
                source = step.result["notes"][-1]["source"]
                return source, run.goals[number].kind == "module"
    return None


def _container(run: Run, number: int) -> str:
    read = _last_read(run, number)
    if read is None:
        return ""
    name, contains = read
    return name if contains else name.rpartition(".")[0]


def _module(run: Run, number: int) -> str:
    read = _last_read(run, number)
    return "" if read is None else read[0].partition(".")[0]


def _done(run: Run, call: Call) -> Step | None:
    for step in run.of_goal(call.goal, call.tool):
        if step.call.arguments == call.arguments:
            return step
    return None


def _is_done(run: Run, call: Call) -> bool:
    return _done(run, call) is not None
