"""Time travel: a thread goes back to an earlier checkpoint and takes another way, and both ways stay.

    python -m examples.langgraph.time_travel --store memory:

A trip is planned: where to, how, what it costs. Then somebody asks what it would have been by train.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from statehouse_langgraph import StatehouseSaver

PRICES: Final = {"plane": 240, "train": 130}
Graph = CompiledStateGraph[Any, Any, Any, Any]


def joined(before: list[str], new: list[str]) -> list[str]:
    """Gives the notes with new ones behind them."""
    return [*before, *new]


class Trip(TypedDict, total=False):
    """What the graph works on."""

    place: str
    by: str
    cost: int
    notes: Annotated[list[str], joined]


def build(saver: BaseCheckpointSaver[Any]) -> Graph:
    """Gives the graph."""

    def choose(state: Trip) -> Trip:
        return {"by": "plane", "notes": [f"to {state['place']} by plane"]}

    def price(state: Trip) -> Trip:
        return {"cost": PRICES[state["by"]], "notes": [f"that is {PRICES[state['by']]}"]}

    graph = StateGraph(Trip)
    graph.add_node("choose", choose)
    graph.add_node("price", price)
    graph.add_edge(START, "choose")
    graph.add_edge("choose", "price")
    return graph.compile(checkpointer=saver)


@dataclass(frozen=True, slots=True)
class Travelled:
    """What came of it: the first way, the other one, and the commits of their newest checkpoints."""

    first: dict[str, Any]
    other: dict[str, Any]
    first_commit: int
    other_commit: int


def travel(saver: StatehouseSaver, thread_id: str) -> Travelled:
    """Plans a trip, goes back to before its price was known, and plans it by train."""
    graph = build(saver)
    config: RunnableConfig = {"configurable": {"thread_id": thread_id}}
    first = graph.invoke({"place": "Lisbon", "notes": []}, config, durability="sync")
    first_commit = saver.commit_ts(config)
    before = next(state for state in graph.get_state_history(config) if state.next == ("price",))
    # As if `choose` had said so; what comes after it is done anew.
    fork = graph.update_state(before.config, {"by": "train", "notes": ["no, by train"]}, as_node="choose")
    other = graph.invoke(None, fork, durability="sync")
    other_commit = saver.commit_ts(config)
    assert first_commit is not None
    assert other_commit is not None
    return Travelled(first, other, first_commit, other_commit)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="Goes back, and takes another way.")
    parser.add_argument("--thread", default="trip")
    parser.add_argument("--store", default="memory:", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    with StatehouseSaver.from_conn_string(options.store) as saver:
        done = travel(saver, options.thread)
    print(f"@{done.first_commit}: {'; '.join(done.first['notes'])}")
    print(f"@{done.other_commit}: {'; '.join(done.other['notes'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
