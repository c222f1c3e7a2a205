"""Long-term memory: what is learned in one conversation is found in another, by what it means.

    python -m examples.langgraph.long_term_memory --store file:./threads

The first thread tells the assistant things; the second, of the same person, asks. Notes are kept per person
in a `StatehouseStore` and found by semantic search; the threads are in the same Statehouse.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver, StatehouseStore

Embed = Callable[[Sequence[str]], list[list[float]]]
Graph = CompiledStateGraph[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Who:
    """Who is talking; given with each run."""

    user_id: str


def answer(state: MessagesState, runtime: Runtime[Who]) -> dict[str, Any]:
    """Keeps what it is told; answers a question with the note that is nearest to it."""
    store = runtime.store
    assert store is not None
    notes = ("notes", runtime.context.user_id)
    said = state["messages"][-1].text
    if not said.endswith("?"):
        store.put(notes, str(uuid.uuid4()), {"text": said})
        return {"messages": [AIMessage("I will remember that.")]}
    found = store.search(notes, query=said, limit=1)
    return {"messages": [AIMessage(f"You told me: {found[0].value['text']}" if found else "I do not know.")]}


def build(sh: Statehouse, embed: Embed, dims: int) -> Graph:
    """Gives the graph, its threads and its memory in one store.

    Args:
        sh: The store.
        embed: Makes vectors of texts.
        dims: How many numbers a vector has.
    """
    graph = StateGraph(MessagesState, context_schema=Who)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    memory = StatehouseStore(sh, index={"dims": dims, "embed": embed, "fields": ["text"]})
    return graph.compile(checkpointer=StatehouseSaver(sh), store=memory)


def say(graph: Graph, text: str, *, thread_id: str, user_id: str) -> str:
    """Says something in a thread, and gives the answer."""
    config: RunnableConfig = {"configurable": {"thread_id": thread_id}}
    done = graph.invoke({"messages": [HumanMessage(text)]}, config, context=Who(user_id))
    return str(done["messages"][-1].text)


TOLD = (
    "I am allergic to peanuts",
    "On weekends I hike in the mountains",
    "My favourite programming language is Python",
)
ASKED = (
    "Which food should I avoid?",
    "Where do I go for a walk?",
    "Which language do I like to write code in?",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code."""
    from examples.langgraph.embedding import DIMS, embed  # noqa: PLC0415 - the model is only needed here

    parser = argparse.ArgumentParser(description="Remembers across conversations.")
    parser.add_argument("--store", default="memory:", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    with Statehouse(options.store) as sh:
        graph = build(sh, embed, DIMS)
        for text in TOLD:
            say(graph, text, thread_id="monday", user_id="ann")
        for text in ASKED:
            print(f"{text}  {say(graph, text, thread_id='tuesday', user_id='ann')}")
        print(say(graph, ASKED[0], thread_id="wednesday", user_id="ben"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
