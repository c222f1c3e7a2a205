"""A world whose runs are exported: two agents, an index of parts, and what others write meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from statehouse import Statehouse, current_step, debug, step
from statehouse.extend import RecordKey

BIG = "x" * 20_000


@step
def plan(goal: str) -> int:
    """Reads what is there and what is not, and a range; writes what it saw."""
    state = current_step().state
    seen = state.get("seen", [])
    state.get("never")
    parts = [record.key for record in state.records("part/")]
    state["seen"] = [*seen, goal, *parts]
    return len(seen)


@step
def tell(text: str) -> str:
    """Writes to another agent, and returns much."""
    current_step().state.agent("other")["told"] = text
    return BIG


@step
def meddle(value: str) -> None:
    """Changes what the other run reads, and something else in the same commit."""
    state = current_step().state.agent("planner")
    state.get("seen", [])
    state["seen"] = [value]
    state["unread"] = value


def main(run: object) -> None:
    """What the run does."""
    del run
    plan("tea")
    tell("kettle")
    plan("milk")


def fill(sh: Statehouse) -> None:
    """Two runs in one store: ``r-0`` of somebody else, and then ``r-1``."""
    planner = sh.agent("planner")
    for key, value in (("seen", ["old"]), ("part/a", 1), ("part/b", 2), ("secret", "s"), ("seen", ["older"])):
        planner.write(key, value)
    planner.delete("part/a")
    with sh.run(agent_id="meddler", run_id="r-0"):
        meddle("meddled")
    with sh.run(agent_id="planner", run_id="r-1", name="tea", input={"for": 2}) as run:
        main(run)
    planner.write("seen", ["after"])
    sh.write("told", "after", agent_id="other")


def names(sh: Statehouse) -> list[RecordKey]:
    """Every key that a store ever had."""
    found = {
        RecordKey(operation.namespace, operation.agent_id, operation.key): None
        for event in sh.replay(whole_store=True)
        for operation in event.operations
    }
    return list(found)


def exported(sh: Statehouse, path: Path, run_id: str = "r-1", **options: Any) -> Statehouse:
    """A run, exported and opened."""
    debug.export(sh, run_id, path, **options)
    return debug.open(path)
