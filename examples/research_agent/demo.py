"""The agent is asked, killed half-way with SIGKILL, and asked again: what was finished is not done twice.

Then two agents at once use one daemon, and their replay is followed live (`together`); and an agent of
LangGraph keeps its thread in a daemon, is killed, goes on, and is shown (`examples.langgraph.demo`). Last,
one of two agents goes wrong, and its span leads to why, and to a mend (`examples.debugging.demo`).

    python examples/research_agent/demo.py    (or: make demo)

Everything that is told is also checked; the exit code is 1 if any of it does not hold.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
if not __package__:
    # Run as a file, whose folder Python then searches instead of the repository.
    sys.path[0] = str(ROOT)

from examples.debugging import demo as debugging  # noqa: E402 - the path is needed first
from examples.langgraph import demo as langgraph  # noqa: E402
from examples.research_agent import together  # noqa: E402
from examples.research_agent.__main__ import AGENT_ID  # noqa: E402
from examples.research_agent.notebook import Notebook  # noqa: E402
from examples.research_agent.run_log import RunLog  # noqa: E402
from examples.research_agent.stage import (  # noqa: E402
    PATIENCE_SECONDS,
    Stage,
    StoryError,
    executed,
    heading,
    require,
)
from examples.research_agent.story import note_lines, replay_lines, wrapped  # noqa: E402
from statehouse import Statehouse  # noqa: E402

QUESTION: Final = "How do I parse an ISO date and add 3 days?"
RUN_ID: Final = "demo"
_STEP: Final = re.compile(r"@[0-9]+ +step ")
_PACE_SECONDS: Final = 0.3
_TOGETHER: Final = (
    "How many seconds are in 3 weeks?",
    "What is the difference between bisect_left and bisect_right?",
)
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Tells the story; gives the exit code."""
    parser = argparse.ArgumentParser(
        description="The research agent: asked, killed, resumed, replayed; then two of them at one daemon; "
        "then an agent of LangGraph; then one that went wrong."
    )
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--kill-after", type=int, default=5, metavar="STEP", help="(default: %(default)s)")
    parser.add_argument(
        "--directory", type=Path, help="an empty or new one, which is kept; else a temporary one"
    )
    parser.add_argument(
        "--together", nargs=2, default=_TOGETHER, metavar="QUESTION", help="what two agents are asked at once"
    )
    parser.add_argument(
        "--pace",
        type=float,
        default=_PACE_SECONDS,
        metavar="SECONDS",
        help="how long those wait after a step",
    )
    options = parser.parse_args(arguments)
    try:
        with _stage(options.directory) as stage:
            _tell(stage, options.question, options.kill_after)
            together.tell(stage, options.together, options.pace)
            langgraph.tell(stage, options.pace)
            debugging.tell(stage)
    except StoryError as error:
        print(f"\nThis went wrong: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; nothing that was started goes on.", file=sys.stderr)
        return _INTERRUPTED
    return 0


@contextmanager
def _stage(directory: Path | None) -> Iterator[Stage]:
    if directory is None:
        # On Windows a process that was just killed may still hold a file.
        with tempfile.TemporaryDirectory(prefix="statehouse-demo-", ignore_cleanup_errors=True) as temporary:
            yield Stage(Path(temporary))
        return
    if directory.exists() and any(directory.iterdir()):
        raise StoryError(f"{directory} is not empty; the story begins with nothing")
    directory.mkdir(parents=True, exist_ok=True)
    yield Stage(directory.resolve())


def _tell(stage: Stage, question: str, kill_after: int) -> None:
    heading(f"1. An agent is asked: {question}")
    print("(its first search reads the documentation of the whole standard library: some seconds)")
    killed_after = _ask_and_kill(stage, question, kill_after)
    print(f"    -> kill -9 after step {killed_after}")

    heading("2. It is asked to go on, in a new process")
    finished = _finished_steps(stage)
    require(
        finished >= killed_after, f"step {killed_after} was acknowledged, but {finished} are in the store"
    )
    done_before = _executed(stage)
    _go_on(stage)
    _check_ledger(stage, finished, done_before)

    with Statehouse(stage.url) as sh:
        heading("3. The replay: what every commit of the run did")
        events = list(sh.find_events(run_id=RUN_ID))
        print("\n".join(replay_lines(events)))
        require(len(events) == max(_executed(stage)), "the run has other commits than steps")
        require(len({event.origin.trace_id for event in events}) == 1, "the run has more than one trace id")
        _show_notebook(sh, at=events[killed_after - 1].commit_ts)
        heading("5. The answer")
        run = RunLog(sh.agent(AGENT_ID), RUN_ID).load()
        if run is None or run.answer is None:
            raise StoryError("there is no answer")
        print(wrapped(run.answer["text"]))


def _ask_and_kill(stage: Stage, question: str, kill_after: int) -> int:
    """Kills the agent as soon as it says that a step is committed; gives the last step it said so of."""
    steps = 0
    with stage.ask(question, run_id=RUN_ID, url=stage.url, pace=_PACE_SECONDS, ledger=stage.ledger) as agent:
        assert agent.stdout is not None
        for line in agent.stdout:
            print(f"    {line}", end="", flush=True)
            steps += _STEP.match(line) is not None
            if steps == kill_after:
                agent.kill()
                break
        code = agent.wait(PATIENCE_SECONDS)
    require(steps == kill_after, f"it ended after {steps} steps, before it could be killed")
    require(code != 0, "it was not killed, but ended by itself")
    return steps


def _go_on(stage: Stage) -> None:
    with stage.ask(run_id=RUN_ID, url=stage.url, pace=0.0, ledger=stage.ledger) as agent:
        assert agent.stdout is not None
        told = False
        for line in agent.stdout:
            # After the last step it prints the answer and the replay, which come below.
            told = told or not line.strip()
            if not told:
                print(f"    {line}", end="", flush=True)
        code = agent.wait(PATIENCE_SECONDS)
    require(code == 0, f"it ended with exit code {code}")


def _executed(stage: Stage) -> list[int]:
    return [step for _, step in executed(stage.ledger)]


def _finished_steps(stage: Stage) -> int:
    with Statehouse(stage.url) as sh:
        run = RunLog(sh.agent(AGENT_ID), RUN_ID).load()
    return 0 if run is None else len(run.steps)


def _check_ledger(stage: Stage, finished: int, done_before: Sequence[int]) -> None:
    all_steps = _executed(stage)
    resumed = all_steps[len(done_before) :]
    require(bool(resumed), "nothing was left to do after the kill")
    require(min(resumed) == finished + 1, f"it went on with step {min(resumed)}, not {finished + 1}")
    repeated = [step for step in resumed if step <= finished]
    require(not repeated, f"finished steps were executed again: {repeated}")
    require(sorted(set(all_steps)) == list(range(1, max(all_steps) + 1)), "steps are missing")
    print(
        f"    -> the ledger, a file outside the store: {finished} steps were finished before the kill;\n"
        f"       after it {resumed[0]} to {resumed[-1]} were executed, and none of the finished ones again"
    )


def _show_notebook(sh: Statehouse, *, at: int) -> None:
    notebook = Notebook(sh.agent(AGENT_ID))
    now, then = list(notebook.notes()), list(notebook.notes(at=at))
    heading(f"4. As of: the notebook when the agent was killed (@{at}), and now")
    for title, notes in ((f"@{at}", then), ("now", now)):
        print(f"{title}: {len(notes)} note{'s' * (len(notes) != 1)}")
        print("\n".join(f"    {line}" for line in note_lines(notes)))
    require(now[: len(then)] == then and len(then) < len(now), "the notebook did not grow as it was told")


if __name__ == "__main__":
    # What was started is ended with the demo, however that is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
