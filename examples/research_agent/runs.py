"""What a run is made of: frozen values, and their JSON as it is stored."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

GoalKind = Literal["compute", "names", "member", "source", "modules", "module", "find"]


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing that has to be found out.

    Attributes:
        text: The part of the question it comes from.
        kind: ``compute`` an expression; read ``names``; read a ``member`` of what the goal before found; read
            the ``source`` of names; list ``modules``; ``find`` a ``module``, or anything. names: The names it
            is about, as the question writes them. expression: What to compute.
    """

    text: str
    kind: GoalKind
    names: tuple[str, ...] = ()
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and what it is called with.

    Attributes:
        tool: Its name.
        arguments: Text by name.
        goal: The number of the goal that it serves, from 0; -1 for the run as a whole.
    """

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    goal: int = -1


@dataclass(frozen=True, slots=True)
class Decision:
    """What a planner wants done next, and who decided it: ``rules`` or ``model``, and why not the model."""

    call: Call
    by: str


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step: what was decided and what came of it.

    Attributes:
        number: 1, 2, 3 …
        call: The call. The first step's tool is ``plan`` and the last one's is ``answer``.
        result: What the tool gave; ``{"error": …}`` when it could not.
        by: Who decided it.
    """

    number: int
    call: Call
    result: dict[str, Any]
    by: str

    @property
    def label(self) -> str:
        """Its name among the steps of the run."""
        return f"{self.number:02}-{self.call.tool}"

    def to_json(self) -> dict[str, Any]:
        """Gives it as it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Step:
        """Gives it from what was stored."""
        return cls(stored["number"], Call(**stored["call"]), stored["result"], stored["by"])


@dataclass(frozen=True, slots=True)
class Run:
    """A run so far.

    Attributes:
        run_id: Its id.
        question: What was asked.
        trace_id: 32 hexadecimal digits; every commit of the run carries them.
        goals: The plan.
        steps: What is finished, in order, the plan first.
    """

    run_id: str
    question: str
    trace_id: str
    goals: tuple[Goal, ...]
    steps: tuple[Step, ...]

    @property
    def answer(self) -> dict[str, Any] | None:
        """The answer (``text`` and ``citations``), when there is one."""
        last = self.steps[-1] if self.steps else None
        return last.result if last is not None and last.call.tool == "answer" else None

    def of_goal(self, goal: int, tool: str | None = None) -> list[Step]:
        """Gives the steps that served a goal, or those of one tool."""
        return [
            step for step in self.steps if step.call.goal == goal and (tool is None or step.call.tool == tool)
        ]

    def read_names(self) -> set[str]:
        """Gives the names of everything that was read in this run, or recalled from the notebook."""
        names: set[str] = set()
        for step in self.steps:
            if step.call.tool in ("read", "source") and "error" not in step.result:
                names.add(step.result["name"])
            elif step.call.tool == "recall":
                names.update(note["source"] for note in step.result.get("notes", ()) if note["source"])
        return names


@dataclass(frozen=True, slots=True)
class Note:
    """Something found out, kept in the notebook for this run and later ones.

    Attributes:
        about: The part of a question it answers.
        text: What was found out.
        source: The documented name it comes from; empty for a computation.
    """

    about: str
    text: str
    source: str


def goal_from_json(stored: dict[str, Any]) -> Goal:
    """Gives a goal from what was stored."""
    return Goal(**{**stored, "names": tuple(stored["names"])})
