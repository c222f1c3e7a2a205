"""A tool-calling agent that may be killed at any moment, and goes on in another process.

It counts the lines of files: it lists them, counts each with a tool call of its own, adds the numbers up, and
answers. Its thread is in Statehouse, so a tool that has finished is never called again.

    python -m examples.langgraph.tool_agent ask "examples/langgraph/*.py" --store file:./threads
    python -m examples.langgraph.tool_agent go-on --store file:./threads
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.base import BaseCheckpointSaver

from examples.langgraph.scripted import ScriptedModel, call
from examples.research_agent.calculator import calculate as compute
from statehouse_langgraph import StatehouseSaver

ROOT: Final = Path(__file__).resolve().parent.parent.parent
Hook = Callable[[str], object]


def tools(before: Hook, after: Hook) -> list[BaseTool]:
    """Gives the tools, which tell what they are about to do and what they have done."""

    @tool
    def list_files(pattern: str) -> list[str]:
        """Lists the files of the repository whose paths match a pattern."""
        before(f"list_files {pattern}")
        found = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern) if path.is_file())
        after(f"list_files {pattern}")
        return found

    @tool
    def count_lines(path: str) -> int:
        """Counts the lines of a file of the repository."""
        before(f"count_lines {path}")
        if ROOT not in (ROOT / path).resolve().parents:
            raise ValueError(f"{path} is not in the repository")
        found = len((ROOT / path).read_text().splitlines())
        after(f"count_lines {path}")
        return found

    @tool
    def calculate(expression: str) -> str:
        """Computes arithmetic."""
        before(f"calculate {expression}")
        found = str(compute(expression))
        after(f"calculate {expression}")
        return found

    return [list_files, count_lines, calculate]


def script(messages: Sequence[BaseMessage]) -> AIMessage:
    """Decides what to do next from what was said and done so far."""
    pattern = next(message.text for message in messages if isinstance(message, HumanMessage))
    results = {message.name: message for message in messages if isinstance(message, ToolMessage)}
    if "list_files" not in results:
        return AIMessage(
            "I look which files there are.", tool_calls=[call("list_files", "list", pattern=pattern)]
        )
    files: list[str] = json.loads(results["list_files"].text)
    if "count_lines" not in results:
        calls = [call("count_lines", f"count-{number}", path=path) for number, path in enumerate(files)]
        return AIMessage(f"I count the lines of {len(files)} files.", tool_calls=calls)
    counts = [
        message.text
        for message in messages
        if isinstance(message, ToolMessage) and message.name == "count_lines"
    ]
    if "calculate" not in results:
        return AIMessage(
            "I add them up.", tool_calls=[call("calculate", "sum", expression=" + ".join(counts) or "0")]
        )
    return AIMessage(f"{len(files)} files match {pattern}; they have {results['calculate'].text} lines.")


def said_nothing(_: str) -> None:
    """What hooks do when nobody listens."""


def run(
    saver: BaseCheckpointSaver[Any],
    thread_id: str,
    pattern: str | None = None,
    *,
    before: Hook = said_nothing,
    after: Hook = said_nothing,
) -> Iterator[BaseMessage]:
    """Asks the agent, or lets it go on, and gives each message as it comes.

    Args:
        saver: Keeps the thread.
        thread_id: The thread.
        pattern: What files to count; None to go on.
        before: Is told of each tool call.
        after: Is told when it is done.
    """
    agent = create_agent(ScriptedModel(script=script), tools(before, after), checkpointer=saver)
    # Results are stored by the same threads that tools run in: enough for all, or results wait for tools.
    config: Any = {"configurable": {"thread_id": thread_id}, "max_concurrency": 64}
    start: Any = None if pattern is None else {"messages": [HumanMessage(pattern)]}
    # "sync": a step is on disk before the next one begins.
    for update in agent.stream(start, config, stream_mode="updates", durability="sync"):
        # Results that were stored before the process was killed come again, marked so.
        if "__metadata__" not in update:
            for changed in update.values():
                yield from changed["messages"]


def told(message: BaseMessage) -> str:
    """Gives a message in one line."""
    if isinstance(message, ToolMessage):
        return f"{message.name}: {message.text}"
    asked = getattr(message, "tool_calls", [])
    return f"model: {message.text}" + (f"  [{len(asked)} tool calls]" if asked else "")


def write_ledger(path: Path, line: str) -> None:
    """Appends a line to a file outside the store, on disk before it returns."""
    with path.open("a") as ledger:
        ledger.write(line + "\n")
        ledger.flush()
        os.fsync(ledger.fileno())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="Counts lines; may be killed, and goes on.")
    parser.add_argument("what", choices=["ask", "go-on"])
    parser.add_argument("pattern", nargs="?", default="examples/langgraph/*.py")
    parser.add_argument("--thread", default="lines")
    parser.add_argument("--store", default="file:./threads", help="(default: %(default)s)")
    parser.add_argument("--ledger", type=Path, help="a file to note each finished tool call in")
    parser.add_argument("--pace", type=float, default=0.0, metavar="SECONDS", help="how long a tool takes")
    options = parser.parse_args(arguments)

    begun: list[str] = []

    def before(what: str) -> None:
        # Tools of one step run at the same time; like this they end one after the other.
        begun.append(what)
        time.sleep(options.pace * len(begun))

    def after(done: str) -> None:
        if options.ledger is not None:
            write_ledger(options.ledger, done)

    with StatehouseSaver.from_conn_string(options.store) as saver:
        pattern = options.pattern if options.what == "ask" else None
        for message in run(saver, options.thread, pattern, before=before, after=after):
            print(told(message), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
