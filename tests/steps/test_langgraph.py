"""Steps and LangGraph: a node that is a step, and a step that calls a graph."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from statehouse import Statehouse, current_step, step
from statehouse_langgraph import StatehouseSaver


class Chat(TypedDict):
    """The state of the graphs."""

    messages: Annotated[list[AnyMessage], add_messages]
    turns: Annotated[int, operator.add]


class Update(TypedDict, total=False):
    """What a node gives."""

    messages: list[AnyMessage]
    turns: int


ASKED: dict[str, Any] = {"messages": [HumanMessage("why", id="q")], "turns": 0}


def chain(saver: StatehouseSaver, **nodes: Any) -> Any:
    graph = StateGraph(Chat)
    before = START
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    graph.add_edge(before, END)
    return graph.compile(checkpointer=saver)


def thread(number: int) -> RunnableConfig:
    return {"configurable": {"thread_id": f"t-{number}"}}


def test_a_node_that_is_a_step_runs_once_a_run(memory: Statehouse) -> None:
    ran: list[str] = []

    @step(ignore=["config"])
    def model(state: Chat, config: RunnableConfig) -> Update:
        ran.append(config["configurable"]["thread_id"])
        calls = current_step().state
        calls["count"] = calls.get("count", 0) + 1
        return {"messages": [AIMessage("so", id="a")], "turns": 1}

    graph = chain(StatehouseSaver(memory), model=model)
    found = []
    for number in range(2):
        # Another thread of the graph, the same run: the framework's ids are none of the step's name.
        with memory.run("r-1", agent_id="a"):
            found.append(graph.invoke(ASKED, thread(number)))
    assert ran == ["t-0"]
    assert found[0] == found[1]
    assert [type(each) for each in found[1]["messages"]] == [HumanMessage, AIMessage]
    assert memory.get_state("count", agent_id="a").value == 1


def test_checkpoints_and_steps_of_a_run_are_found_together(memory: Statehouse) -> None:
    @step
    def model(state: Chat) -> Update:
        return {"turns": 1}

    graph = chain(StatehouseSaver(memory), model=model)
    with memory.run("r-1", agent_id="a"):
        graph.invoke(ASKED, thread(1))
    found = {each.namespace for event in memory.find_events(run_id="r-1") for each in event.operations}
    assert {"langgraph", "default.runs"} <= found


def test_an_async_node_that_is_a_step_is_awaited(memory: Statehouse) -> None:
    ran: list[int] = []

    @step
    async def tool(state: Chat) -> Update:
        ran.append(state["turns"])
        return {"turns": 10}

    async def main() -> list[int]:
        graph = chain(StatehouseSaver(memory.aio), first=tool, second=tool)
        found = []
        for number in range(2):
            async with memory.aio.run("r-1", agent_id="a"):
                found.append((await graph.ainvoke(ASKED, thread(number)))["turns"])
        return found

    assert asyncio.run(main()) == [20, 20]
    assert ran == [0, 10]


def test_a_step_that_calls_a_graph_has_its_nodes_as_children(memory: Statehouse) -> None:
    @step
    def model(state: Chat) -> Update:
        return {"turns": 1}

    graph = chain(StatehouseSaver(memory), model=model)

    @step
    def ask(question: str) -> int:
        return int(graph.invoke({"messages": [HumanMessage(question)], "turns": 0}, thread(1))["turns"])

    for _ in range(2):
        with memory.run("r-1", agent_id="a") as run:
            assert ask("why") == 1
            assert [each.path for each in run.steps()] == ["ask#1/model#1", "ask#1"]
