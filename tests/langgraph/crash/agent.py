"""A process that runs a graph on a saver, from wherever it stopped, and keeps a ledger outside the store.

``python -m tests.langgraph.crash.agent URL LEDGER`` writes one byte to standard output per reply of the
saver, so that whoever kills it can choose a moment.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
)
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.crash.ledger import Ledger

STEPS: Final = 8
NODES: Final = ("a", "b")
CONFIG: Final[RunnableConfig] = {"configurable": {"thread_id": "t"}}


class State(TypedDict):
    """What was done, twice over: in a list, and in a DeltaChannel."""

    done: Annotated[list[str], operator.add]
    log: Annotated[list[str], DeltaChannel(lambda state, writes: sum(writes, list(state or ())))]
    step: int


class Telling(StatehouseSaver):
    """A saver that writes down what it was told was stored."""

    ledger: Ledger

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        given = super().put(config, checkpoint, metadata, new_versions)
        self._told("put", checkpoint=checkpoint["id"], channels=sorted(checkpoint["channel_values"]))
        return given

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        super().put_writes(config, writes, task_id, task_path)
        ordinary = [channel for channel, _ in writes if channel not in WRITES_IDX_MAP]
        checkpoint_id = config["configurable"]["checkpoint_id"]
        self._told("writes", checkpoint=checkpoint_id, task=task_id, channels=ordinary)

    def _told(self, kind: str, **row: Any) -> None:
        self.ledger.write(kind=kind, **row)
        sys.stdout.write(".")
        sys.stdout.flush()


def graph_of(saver: StatehouseSaver, ledger: Ledger | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A loop in which two nodes work side by side."""

    def work(name: str) -> Any:
        def node(state: State, config: RunnableConfig) -> dict[str, Any]:
            line = f"{state['step']} {name}"
            if ledger is not None:
                task_id = config["metadata"]["langgraph_checkpoint_ns"].rsplit(":", 1)[1]
                ledger.write(kind="ran", task=task_id, line=line)
            return {"done": [line], "log": [line]}

        return node

    graph = StateGraph(State)
    graph.add_node("next", lambda state: {"step": state["step"] + 1})
    for name in NODES:
        graph.add_node(name, work(name))
        graph.add_edge(name, "join")
    graph.add_node("join", lambda state: {})
    graph.add_edge(START, "next")
    graph.add_conditional_edges("next", lambda _: list(NODES), list(NODES))
    graph.add_conditional_edges("join", lambda state: "next" if state["step"] < STEPS else END, ["next", END])
    return graph.compile(checkpointer=saver)


def main(url: str, path: str) -> None:
    """Runs the graph to its end."""
    ledger = Ledger(Path(path))
    with Statehouse(url) as handle:
        saver = Telling(handle)
        saver.ledger = ledger
        graph = graph_of(saver, ledger)
        begun = graph.get_state(CONFIG).created_at is not None
        graph.invoke(None if begun else {"done": [], "log": [], "step": 0}, CONFIG, durability="sync")
    ledger.write(kind="done")


if __name__ == "__main__":
    main(*sys.argv[1:])
