"""The agent is asked, killed half-way with SIGKILL, and asked again: what was finished is not done twice.

    python examples/research_agent/demo.py    (or: make demo)

Everything that is told is also checked; the exit code is 1 if any of it does not hold.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
if not __package__:
    # Run as a file, whose folder Python then searches instead of the repository.
    sys.path[0] = str(ROOT)

from examples.research_agent.__main__ import AGENT_ID  # noqa: E402 - the path is needed first
from examples.research_agent.notebook import Notebook  # noqa: E402
from examples.research_agent.run_log import RunLog  # noqa: E402
from examples.research_agent.story import note_lines, replay_lines, wrapped  # noqa: E402
from statehouse import Statehouse  # noqa: E402

QUESTION: Final = "How do I parse an ISO date and add 3 days?"
RUN_ID: Final = "demo"
_STEP: Final = re.compile(r"@[0-9]+ +step ")
_PACE_SECONDS: Final = 0.3
_PATIENCE_SECONDS: Final = 120


class StoryError(Exception):
    """Something that the demo tells did not happen."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is: the store, the ledger of executed steps, and what was read of the library."""

    directory: Path

    @property
    def url(self) -> str:
        """The store."""
        return f"file:{self.directory / 'store'}"

    @property
    def ledger(self) -> Path:
        """The file of executed steps."""
        return self.directory / "executed.txt"

    def executed(self) -> list[int]:
        """Gives the number of each step that was executed, in order, as the agents wrote it down outside."""
        return [int(line.split()[1]) for line in self.ledger.read_text().splitlines()]

    def ask(self, *question: str, pace: float = _PACE_SECONDS) -> subprocess.Popen[str]:
        """Starts the agent in a process of its own."""
        command = [sys.executable, "-m", "examples.research_agent", "ask", *question, "--run", RUN_ID]
        command += ["--store", self.url, "--ledger", str(self.ledger)]
        command += ["--cache", str(self.directory / "library"), "--pace", str(pace)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this very program


def main(arguments: Sequence[str] | None = None) -> int:
    """Tells the story; gives the exit code."""
    parser = argparse.ArgumentParser(description="The research agent: asked, killed, resumed, replayed.")
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--kill-after", type=int, default=5, metavar="STEP", help="(default: %(default)s)")
    parser.add_argument(
        "--directory", type=Path, help="an empty or new one, which is kept; else a temporary one"
    )
    options = parser.parse_args(arguments)
    try:
        with _stage(options.directory) as stage:
            _tell(stage, options.question, options.kill_after)
    except StoryError as error:
        print(f"\nThis went wrong: {error}", file=sys.stderr)
        return 1
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
    _heading(f"1. An agent is asked: {question}")
    print("(its first search reads the documentation of the whole standard library: some seconds)")
    killed_after = _ask_and_kill(stage, question, kill_after)
    print(f"    -> kill -9 after step {killed_after}")

    _heading("2. It is asked to go on, in a new process")
    finished = _finished_steps(stage)
    _require(
        finished >= killed_after, f"step {killed_after} was acknowledged, but {finished} are in the store"
    )
    done_before = stage.executed()
    _go_on(stage)
    _check_ledger(stage, finished, done_before)

    with Statehouse(stage.url) as sh:
        _heading("3. The replay: what every commit of the run did")
        events = list(sh.find_events(run_id=RUN_ID))
        print("\n".join(replay_lines(events)))
        _require(len(events) == max(stage.executed()), "the run has other commits than steps")
        _require(len({event.origin.trace_id for event in events}) == 1, "the run has more than one trace id")
        _show_notebook(sh, at=events[killed_after - 1].commit_ts)
        _heading("5. The answer")
        run = RunLog(sh.agent(AGENT_ID), RUN_ID).load()
        if run is None or run.answer is None:
            raise StoryError("there is no answer")
        print(wrapped(run.answer["text"]))


def _ask_and_kill(stage: Stage, question: str, kill_after: int) -> int:
    """Kills the agent as soon as it says that a step is committed; gives the last step it said so of."""
    steps = 0
    with stage.ask(question) as agent:
        assert agent.stdout is not None
        try:
            for line in agent.stdout:
                print(f"    {line}", end="", flush=True)
                steps += _STEP.match(line) is not None
                if steps == kill_after:
                    agent.kill()
                    break
        finally:
            agent.kill()
        code = agent.wait(_PATIENCE_SECONDS)
    _require(steps == kill_after, f"it ended after {steps} steps, before it could be killed")
    _require(code != 0, "it was not killed, but ended by itself")
    return steps


def _go_on(stage: Stage) -> None:
    with stage.ask(pace=0.0) as agent:
        assert agent.stdout is not None
        told = False
        for line in agent.stdout:
            # After the last step it prints the answer and the replay, which come below.
            told = told or not line.strip()
            if not told:
                print(f"    {line}", end="", flush=True)
        code = agent.wait(_PATIENCE_SECONDS)
    _require(code == 0, f"it ended with exit code {code}")


def _finished_steps(stage: Stage) -> int:
    with Statehouse(stage.url) as sh:
        run = RunLog(sh.agent(AGENT_ID), RUN_ID).load()
    return 0 if run is None else len(run.steps)


def _check_ledger(stage: Stage, finished: int, done_before: Sequence[int]) -> None:
    executed = stage.executed()
    resumed = executed[len(done_before) :]
    _require(bool(resumed), "nothing was left to do after the kill")
    _require(min(resumed) == finished + 1, f"it went on with step {min(resumed)}, not {finished + 1}")
    repeated = [step for step in resumed if step <= finished]
    _require(not repeated, f"finished steps were executed again: {repeated}")
    _require(sorted(set(executed)) == list(range(1, max(executed) + 1)), "steps are missing")
    print(
        f"    -> the ledger, a file outside the store: {finished} steps were finished before the kill;\n"
        f"       after it {resumed[0]} to {resumed[-1]} were executed, and none of the finished ones again"
    )


def _show_notebook(sh: Statehouse, *, at: int) -> None:
    notebook = Notebook(sh.agent(AGENT_ID))
    now, then = list(notebook.notes()), list(notebook.notes(at=at))
    _heading(f"4. As of: the notebook when the agent was killed (@{at}), and now")
    for title, notes in ((f"@{at}", then), ("now", now)):
        print(f"{title}: {len(notes)} note{'s' * (len(notes) != 1)}")
        print("\n".join(f"    {line}" for line in note_lines(notes)))
    _require(now[: len(then)] == then and len(then) < len(now), "the notebook did not grow as it was told")


def _heading(text: str) -> None:
    print(f"\n{text}\n", flush=True)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StoryError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
