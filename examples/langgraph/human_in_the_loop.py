"""A person in the loop: the agent asks before it does what cannot be undone, and waits, for days if need be.

    python -m examples.langgraph.human_in_the_loop ask --store file:./threads
    python -m examples.langgraph.human_in_the_loop answer approve --store file:./threads

Nothing runs between the two: the question is in the store.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt

from statehouse_langgraph import StatehouseSaver

Publish = Callable[[str], None]
Graph = CompiledStateGraph[Any, Any, Any, Any]


class Letter(TypedDict, total=False):
    """What the graph works on."""

    topic: str
    text: str
    published: bool


def build(saver: BaseCheckpointSaver[Any], publish: Publish) -> Graph:
    """Gives the graph.

    Args:
        saver: Keeps its threads.
        publish: Does what cannot be undone.
    """

    def draft(state: Letter) -> Letter:
        return {"text": f"Dear all, there is news about {state['topic']}."}

    def review(state: Letter) -> Command[Literal["send", "draft_again", "__end__"]]:
        # The first time this ends here; with an answer it runs again, and `interrupt` gives that.
        answer = interrupt({"question": "Publish this letter?", "text": state["text"]})
        match answer:
            case "approve":
                return Command(goto="send")
            case {"edit": str(text)}:
                return Command(goto="draft_again", update={"text": text})
            case _:
                return Command(goto="__end__", update={"published": False})

    def draft_again(state: Letter) -> Letter:
        return {"text": state["text"].strip()}

    def send(state: Letter) -> Letter:
        publish(state["text"])
        return {"published": True}

    graph = StateGraph(Letter)
    graph.add_node("draft", draft)
    graph.add_node("review", review)
    graph.add_node("draft_again", draft_again)
    graph.add_node("send", send)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "review")
    graph.add_edge("draft_again", "review")
    graph.add_edge("send", END)
    return graph.compile(checkpointer=saver)


def thread(thread_id: str) -> RunnableConfig:
    """Gives the config of a thread."""
    return {"configurable": {"thread_id": thread_id}}


def question(graph: Graph, thread_id: str) -> Any:
    """Gives what somebody is asked in a thread; None for nothing."""
    asked = graph.get_state(thread(thread_id)).interrupts
    return asked[0].value if asked else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="Asks before it publishes.")
    parser.add_argument("what", choices=["ask", "answer"])
    parser.add_argument("answer", nargs="?", default="approve", help="approve, or anything else for no")
    parser.add_argument("--topic", default="tea")
    parser.add_argument("--thread", default="letter")
    parser.add_argument("--store", default="file:./threads", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    with StatehouseSaver.from_conn_string(options.store) as saver:
        graph = build(saver, lambda text: print(f"published: {text}"))
        if options.what == "ask":
            graph.invoke({"topic": options.topic}, thread(options.thread), durability="sync")
            print(question(graph, options.thread)["question"])
            return 0
        if question(graph, options.thread) is None:
            print(f"nothing is asked in thread {options.thread}", file=sys.stderr)
            return 1
        done = graph.invoke(Command(resume=options.answer), thread(options.thread), durability="sync")
        print("done" if done.get("published") else "not published")
    return 0


if __name__ == "__main__":
    sys.exit(main())
