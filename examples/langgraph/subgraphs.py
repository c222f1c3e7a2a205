"""Subgraphs: a team of two, each a graph of its own with a memory of its own, in one thread.

    python -m examples.langgraph.subgraphs --store file:./threads
    statehouse-langgraph --url file:./threads tree team

The writer is asked for a text, the critic reads it; the critic remembers across turns what it has read. Each
has a namespace of the thread, and all go with the thread when it is pruned, copied or deleted.
"""

from __future__ import annotations

import argparse
import operator
import sys
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from statehouse_langgraph import StatehouseSaver

Graph = CompiledStateGraph[Any, Any, Any, Any]


class Team(TypedDict, total=False):
    """What both know."""

    request: str
    text: str
    verdict: str


class Critic(TypedDict, total=False):
    """What the critic knows: also what it has read before."""

    text: str
    verdict: str
    read: Annotated[list[str], operator.add]


def writer() -> Graph:
    """Gives the graph that writes; it forgets."""

    def outline(state: Team) -> Team:
        return {"text": f"{state['request']}: "}

    def fill_in(state: Team) -> Team:
        return {"text": f"{state['text']}a text of {len(state['request'])} letters' title"}

    graph = StateGraph(Team)
    graph.add_node("outline", outline)
    graph.add_node("fill_in", fill_in)
    graph.add_edge(START, "outline")
    graph.add_edge("outline", "fill_in")
    return graph.compile()


def critic() -> Graph:
    """Gives the graph that reads; it remembers, in the thread of who calls it."""

    def judge(state: Critic) -> Critic:
        before = len(state.get("read", []))
        return {"verdict": f"the best of {before + 1}", "read": [state["text"]]}

    graph = StateGraph(Critic)
    graph.add_node("judge", judge)
    graph.add_edge(START, "judge")
    return graph.compile(checkpointer=True)


def build(saver: BaseCheckpointSaver[Any]) -> Graph:
    """Gives the graph of the team."""
    graph = StateGraph(Team)
    graph.add_node("writer", writer())
    graph.add_node("critic", critic())
    graph.add_edge(START, "writer")
    graph.add_edge("writer", "critic")
    return graph.compile(checkpointer=saver)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="A writer and a critic.")
    parser.add_argument("requests", nargs="*", default=["tea", "coffee"])
    parser.add_argument("--thread", default="team")
    parser.add_argument("--store", default="memory:", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    config: RunnableConfig = {"configurable": {"thread_id": options.thread}}
    with StatehouseSaver.from_conn_string(options.store) as saver:
        graph = build(saver)
        for request in options.requests:
            done = graph.invoke({"request": request}, config, durability="sync")
            print(f"{done['text']}: {done['verdict']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
