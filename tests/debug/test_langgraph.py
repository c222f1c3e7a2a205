"""A run around a graph of LangGraph runs again with its checkpointer on the overlay."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from statehouse import Statehouse, current_step, step
from statehouse.debug import debug, fork, verify
from statehouse_langgraph import StatehouseSaver


class Number(TypedDict):
    """What the graph works on."""

    number: int


class Program:
    """A graph whose nodes are steps."""

    def __init__(self, sh: Statehouse, factor: int = 2) -> None:
        self.sh = sh
        self.factor = factor
        self.bodies: list[str] = []

    @step
    def add(self, number: int) -> int:
        """Counts how often it was called."""
        self.bodies.append("add")
        state = current_step().state
        state["calls"] = int(state.get("calls", 0)) + 1
        return number + 1

    @step
    def multiply(self, number: int) -> int:
        """Multiplies by what it was told."""
        self.bodies.append("multiply")
        return number * self.factor

    def main(self, run: Any) -> Any:
        """Runs the graph on a thread."""
        graph: Any = StateGraph(Number)
        graph.add_node("add", lambda state: {"number": self.add(state["number"])})
        graph.add_node("multiply", lambda state: {"number": self.multiply(state["number"])})
        graph.add_edge(START, "add")
        graph.add_edge("add", "multiply")
        graph.add_edge("multiply", END)
        compiled = graph.compile(checkpointer=StatehouseSaver(self.sh))
        return compiled.invoke({"number": run.input}, {"configurable": {"thread_id": "t-1"}})


@pytest.fixture
def program(sh: Statehouse) -> Program:
    """The program, with the run r-1 recorded."""
    made = Program(sh)
    with sh.run("r-1", agent_id="a", input=1) as run:
        assert made.main(run) == {"number": 4}
    made.bodies.clear()
    return made


def checkpoints(sh: Statehouse) -> list[str]:
    return [
        key for key in sh.agent("t-1", namespace="langgraph").list_keys("") if key.startswith("checkpoint/")
    ]


def test_its_checkpoints_are_made_on_the_overlay(program: Program) -> None:
    sh = program.sh
    before, kept = sh.status().commit_ts, checkpoints(sh)
    for bodies in ("none", "all"):
        found = verify(sh, "r-1", program.main, bodies=bodies, every_handle=True)
        assert (found.is_clean, found.value) == (True, {"number": 4})
    assert debug(sh, "r-1", program.main, step="multiply", every_handle=True).divergence is None
    assert (sh.status().commit_ts, checkpoints(sh)) == (before, kept)


def test_a_fork_has_checkpoints_of_its_own(program: Program) -> None:
    sh, kept = program.sh, checkpoints(program.sh)
    other = Program(sh, factor=10)
    forked = fork(sh, "r-1", other.main, step="multiply", effects="live", every_handle=True)
    assert (forked.error, forked.value) == (None, {"number": 20})
    assert other.bodies == ["multiply"]
    assert checkpoints(sh) == kept
    assert sh.agent(f"{forked.run_id}/t-1", namespace="langgraph.forks").list_keys("checkpoint/")
