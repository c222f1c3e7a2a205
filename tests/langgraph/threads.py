"""Threads whose every step the tests know."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

CALL: Any = {"name": "add", "args": {"a": 1, "b": 2}, "id": "c1", "type": "tool_call"}


class Conversation(MessagesState):
    """Messages, and how many steps there were."""

    steps: int


def conversation(saver: BaseCheckpointSaver[Any] | None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A model that calls a tool, a subgraph that counts, and a question to a person."""

    def model(state: Conversation) -> dict[str, Any]:
        return {"messages": [AIMessage("let me add", id="m2", tool_calls=[CALL])], "steps": 1}

    def tool(state: Conversation) -> dict[str, Any]:
        return {"messages": [ToolMessage("3", id="m3", tool_call_id="c1", name="add")]}

    def count(state: Conversation) -> dict[str, Any]:
        return {"steps": state["steps"] + 1}

    def ask(state: Conversation) -> dict[str, Any]:
        return {"messages": [HumanMessage(interrupt({"question": "is it right?"}), id="m4")]}

    inner: StateGraph[Conversation] = StateGraph(Conversation)
    inner.add_node("count", count)
    inner.add_edge(START, "count")
    graph: StateGraph[Conversation] = StateGraph(Conversation)
    graph.add_node("model", model)
    graph.add_node("tool", tool)
    graph.add_node("review", inner.compile(checkpointer=True))
    graph.add_node("ask", ask)
    for one, next_ in (
        (START, "model"),
        ("model", "tool"),
        ("tool", "review"),
        ("review", "ask"),
        ("ask", END),
    ):
        graph.add_edge(one, next_)
    return graph.compile(checkpointer=saver)


def config(thread_id: str) -> RunnableConfig:
    """The config of a thread."""
    return {"configurable": {"thread_id": thread_id}}


def talk(saver: BaseCheckpointSaver[Any], thread_id: str) -> None:
    """Runs the conversation up to its question."""
    start = {"messages": [HumanMessage("add 1 and 2", id="m1")], "steps": 0}
    conversation(saver).invoke(start, config(thread_id))


class Log(TypedDict):
    """A log that a DeltaChannel keeps."""

    log: Annotated[
        list[str], DeltaChannel(lambda state, writes: [*(state or []), *(x for w in writes for x in w)])
    ]
    count: int


def logging_graph(saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A loop that appends to a DeltaChannel."""

    def step(state: Log) -> dict[str, Any]:
        return {"log": [f"line {state['count']}"], "count": state["count"] + 1}

    graph = StateGraph(Log)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["count"] < 3 else END)
    return graph.compile(checkpointer=saver)
