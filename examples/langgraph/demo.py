"""A part of the demo: an agent of LangGraph whose thread a daemon keeps, killed and going on.

make demo
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Final

from examples.research_agent.stage import (
    PATIENCE_SECONDS,
    ROOT,
    Stage,
    StoryError,
    heading,
    require,
    started,
    without_settings,
)
from examples.research_agent.together import daemon, stop
from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver

PATTERN: Final = "examples/langgraph/*.py"
THREAD: Final = "lines"
_KILLED_AFTER: Final = 3
_WIDTH: Final = 118
_COUNTED: Final = re.compile(r"count_lines: \d+")


def tell(stage: Stage, pace: float) -> None:
    """Tells it.

    Args:
        stage: Where.
        pace: How long each tool takes, in seconds.

    Raises:
        StoryError: It did not happen as it is told.
    """
    heading("11. LangGraph: an agent whose checkpointer is Statehouse, at a daemon, in a process of its own")
    with daemon(stage, stage.directory / "threads") as (served, url):
        _ask_and_kill(stage, url, pace)
        step, finished = _finished(url)
        heading("12. It is asked to go on, in a new process")
        _go_on(stage, url, finished)
        heading("13. The step in which it was killed, replayed: each result of a tool is a commit of its own")
        # The checkpoint of the model's request, a result for each file, the next checkpoint.
        events = len(list(ROOT.glob(PATTERN))) + 2
        from_here = ("--from", str(step), "--limit", str(events))
        _show(url, "statehousectl", "-n", "langgraph", "replay", THREAD, *from_here)
        heading("14. What it learned after it had listed the files")
        _show(url, "statehouse-langgraph", "diff", THREAD, "step:2", "latest")
        _check(url)
        stop(served)


def _agent(stage: Stage, url: str, what: str, pace: float) -> list[str]:
    command = [sys.executable, "-m", "examples.langgraph.tool_agent", what, PATTERN]
    return [
        *command,
        "--thread",
        THREAD,
        "--store",
        url,
        "--ledger",
        str(_ledger(stage)),
        "--pace",
        str(pace),
    ]


def _ask_and_kill(stage: Stage, url: str, pace: float) -> None:
    counted = 0
    with started(_agent(stage, url, "ask", pace)) as agent:
        assert agent.stdout is not None
        for line in agent.stdout:
            print(f"    {line[:_WIDTH].rstrip()}", flush=True)
            counted += _COUNTED.match(line) is not None
            if counted == _KILLED_AFTER:
                agent.kill()
                break
        agent.wait(PATIENCE_SECONDS)
    require(counted == _KILLED_AFTER, f"it counted {counted} files, before it could be killed")
    print(f"    -> kill -9 after {counted} files were counted; the others belong to the same step")


def _finished(url: str) -> tuple[int, set[str]]:
    """The commit_ts of the step under way, and its tool calls whose results are in the store."""
    with StatehouseSaver.from_conn_string(url) as saver:
        commit_ts = saver.commit_ts({"configurable": {"thread_id": THREAD}})
        found = saver.get_tuple({"configurable": {"thread_id": THREAD}})
        if found is None or commit_ts is None:
            raise StoryError("there is no thread")
        written = [value for _, channel, value in found.pending_writes or () if channel == "messages"]
        asked = found.checkpoint["channel_values"]["messages"][-1].tool_calls
    done = {message.tool_call_id for value in written for message in value}
    # As the ledger names them.
    return commit_ts, {f"count_lines {call['args']['path']}" for call in asked if call["id"] in done}


def _go_on(stage: Stage, url: str, finished: set[str]) -> None:
    with started(_agent(stage, url, "go-on", 0.0)) as agent:
        assert agent.stdout is not None
        for line in agent.stdout:
            print(f"    {line[:_WIDTH].rstrip()}", flush=True)
        require(agent.wait(PATIENCE_SECONDS) == 0, "it did not come to its end")
    calls = Counter(_ledger(stage).read_text().splitlines())
    # The last one was told before its commit was answered, perhaps.
    require(len(finished) >= _KILLED_AFTER - 1, f"only {len(finished)} results were in the store")
    repeated = [each for each in finished if calls[each] != 1]
    require(not repeated, f"tools whose results were stored were called again: {repeated}")
    print(
        f"    -> the ledger, outside the store: {len(finished)} results were stored when it was killed,\n"
        "       and none of these tools was called again"
    )


def _check(url: str) -> None:
    lines = sum(len(path.read_text().splitlines()) for path in ROOT.glob(PATTERN))
    with Statehouse(url) as sh:
        found = StatehouseSaver(sh).get_tuple({"configurable": {"thread_id": THREAD}})
    answer = "" if found is None else found.checkpoint["channel_values"]["messages"][-1].text
    require(f"they have {lines} lines" in answer, f"the files have {lines} lines, and it answered: {answer}")
    print(f"\n    -> right: {answer}")


def _show(url: str, *command: str) -> None:
    print(f"    $ {' '.join(command)}")
    module = {"statehousectl": "statehouse", "statehouse-langgraph": "statehouse_langgraph"}[command[0]]
    done = subprocess.run(  # noqa: S603 - programs of this repository
        [sys.executable, "-m", module, *command[1:]],
        cwd=ROOT,
        env={**without_settings(), "STATEHOUSE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        print(textwrap.fill(line, _WIDTH, initial_indent="    ", subsequent_indent="          "))
    # diff says with 1 that there is something to show.
    require(done.returncode in (0, 1), f"{command[0]} exited with {done.returncode}: {done.stderr.strip()}")


def _ledger(stage: Stage) -> Path:
    return stage.directory / "called.txt"
