"""A graph with a memory of every kind, and runs of it: what LangGraph itself asks of a saver.

The log is a DeltaChannel, which stores its value at every third update only; the notes are an ordinary list.
A loop appends to both, a subgraph has a log of its own, and a question is asked where the log says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot, interrupt

Durability = Literal["sync", "async", "exit"]


def _extended(state: list[str] | None, writes: Sequence[list[str]]) -> list[str]:
    return [*(state or []), *(line for write in writes for line in write)]


def _appended(state: list[str], more: list[str]) -> list[str]:
    return [*state, *more]


class State(TypedDict):
    """What the graph remembers."""

    log: Annotated[list[str], DeltaChannel(_extended, snapshot_frequency=3)]
    notes: Annotated[list[str], _appended]
    left: int
    asks: bool


class Inner(TypedDict):
    """What the subgraph remembers."""

    log: Annotated[list[str], DeltaChannel(_extended, snapshot_frequency=4)]


def graph_of(saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph on a saver."""

    def step(state: State) -> dict[str, Any]:
        line = f"step {state['left']} of {len(state.get('log') or ())}"
        return {"log": [line], "notes": [line], "left": state["left"] - 1}

    def remember(state: State) -> dict[str, Any]:
        found = inner.invoke({"log": [f"saw {len(state['notes'])}"]})
        return {"notes": [f"inner {len(found['log'])}"]}

    def ask(state: State) -> dict[str, Any]:
        return {"log": [f"answer {interrupt('well?')}"], "asks": False}

    inner_graph = StateGraph(Inner)
    inner_graph.add_node("see", lambda state: {"log": [f"had {len(state['log'])}"]})
    inner_graph.add_edge(START, "see")
    inner = inner_graph.compile(checkpointer=True)
    graph = StateGraph(State)
    graph.add_node("step", step)
    graph.add_node("remember", remember)
    graph.add_node("ask", ask)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["left"] > 0 else "remember")
    graph.add_conditional_edges("remember", lambda state: "ask" if state["asks"] else END)
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=saver)


@dataclass(frozen=True, slots=True)
class Run:
    """A run with new input.

    Attributes:
        steps: How many steps.
        asks: Whether a question follows.
        durability: When LangGraph stores what it has.
    """

    steps: int
    asks: bool
    durability: Durability


@dataclass(frozen=True, slots=True)
class Resume:
    """An answer to the question, if one is asked."""

    durability: Durability


@dataclass(frozen=True, slots=True)
class Again:
    """A run from a checkpoint in the past, which makes a fork."""

    back: int


@dataclass(frozen=True, slots=True)
class UpdateState:
    """A line that a person puts into the log."""


@dataclass(frozen=True, slots=True)
class PruneGraph:
    """All but the newest checkpoints of each namespace go; of ours only."""

    keep_last: int


@dataclass(frozen=True, slots=True)
class CopyGraph:
    """The conversation goes on in a copy of the thread; in ours only."""


Move = Run | Resume | Again | UpdateState | PruneGraph | CopyGraph


def moves() -> st.SearchStrategy[list[Move]]:
    """Conversations."""
    durability = st.sampled_from(("sync", "async", "exit"))
    runs = st.builds(Run, steps=st.integers(1, 4), asks=st.booleans(), durability=durability)
    others: tuple[st.SearchStrategy[Move], ...] = (
        st.builds(Resume, durability=durability),
        st.builds(Again, back=st.integers(0, 8)),
        st.just(UpdateState()),
        st.builds(PruneGraph, keep_last=st.integers(1, 4)),
        st.just(CopyGraph()),
    )
    return st.lists(st.one_of(runs, *others), min_size=3, max_size=16)


class Conversation:
    """A conversation with the graph on one saver.

    Args:
        saver: The saver.
    """

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        self.saver = saver
        self.thread_id = "t"
        self._graph = graph_of(saver)
        self._copies = 0

    @property
    def config(self) -> RunnableConfig:
        """The thread."""
        return {"configurable": {"thread_id": self.thread_id}}

    def state(self) -> StateSnapshot:
        """What it is at."""
        return self._graph.get_state(self.config)

    def history(self) -> list[StateSnapshot]:
        """All states, newest first."""
        return list(self._graph.get_state_history(self.config))

    def play(self, move: Move) -> None:
        """Plays a move."""
        state = self.state()
        match move:
            case Run(steps, asks, durability):
                start = {"log": ["begin"], "notes": ["begin"], "left": steps, "asks": asks}
                self._graph.invoke(start, self.config, durability=durability)
            case Resume(durability):
                if state.interrupts:
                    self._graph.invoke(Command(resume="yes"), self.config, durability=durability)
            case Again(back):
                history = self.history()
                if back < len(history):
                    self._graph.invoke(None, history[back].config, durability="sync")
            case UpdateState():
                if state.created_at is not None and not state.interrupts:
                    self._graph.update_state(self.config, {"log": ["a person"]}, as_node="ask")
            case _:
                pass

    def copy(self) -> None:
        """Goes on in a copy."""
        self._copies += 1
        target = f"copy {self._copies}"
        self.saver.copy_thread(self.thread_id, target)
        self.thread_id = target
