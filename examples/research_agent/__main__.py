"""The agent at a command line: ``python -m examples.research_agent ask "How do I parse an ISO date?"``."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from examples.research_agent.agent import ResearchAgent
from examples.research_agent.library import Library
from examples.research_agent.model import ModelError, planner_from
from examples.research_agent.notebook import Notebook
from examples.research_agent.run_log import RunLog, runs_of
from examples.research_agent.runs import Call, Step
from examples.research_agent.story import note_lines, replay_lines, step_line, wrapped
from examples.research_agent.toolbox import Toolbox
from statehouse import Statehouse, StatehouseError

AGENT_ID: Final = "researcher"

_FAILED: Final = 1
_USAGE: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what a command line says; gives 0, 1 when it could not be done, 2 when it makes no sense."""
    options = _parser().parse_args(arguments)
    command: Callable[[Statehouse, argparse.Namespace], int] = options.command
    try:
        with Statehouse(options.store) as sh:
            return command(sh, options)
    except StatehouseError as error:
        print(f"research_agent: {error}", file=sys.stderr)
        return _FAILED
    except (ValueError, ModelError) as error:
        print(f"research_agent: {error}", file=sys.stderr)
        return _USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.research_agent",
        description="Answers questions from the documentation inside Python's standard library.",
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--store",
        default="file:./research-data",
        metavar="URL",
        help="where it remembers: file:./directory, or a daemon's host:port (%(default)s)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    ask = commands.add_parser(
        "ask", parents=[shared], help="answer a question, or go on with a run that has one"
    )
    ask.add_argument("question", nargs="?", default="", help="may be left out to go on with --run")
    ask.add_argument("--run", default="", metavar="ID", help="begin this run, or go on with it")
    ask.add_argument(
        "--cache", type=Path, default=_cache(), metavar="DIR", help="what was read of the library"
    )
    ask.add_argument(
        "--ledger", type=Path, metavar="FILE", help="add a line here for each step that is executed"
    )
    ask.add_argument(
        "--pace", type=float, default=0.0, metavar="SECONDS", help="wait so long after each step"
    )
    ask.set_defaults(command=_ask)

    runs = commands.add_parser("runs", parents=[shared], help="list the runs")
    runs.set_defaults(command=_runs)

    show = commands.add_parser("show", parents=[shared], help="replay a run")
    show.add_argument("run", metavar="ID")
    show.set_defaults(command=_show)

    notebook = commands.add_parser("notebook", parents=[shared], help="show what was found out so far")
    notebook.add_argument("--at", type=int, metavar="TS", help="as it was at this commit_ts")
    notebook.set_defaults(command=_notebook)
    return parser


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "statehouse-research-agent"


def _ask(sh: Statehouse, options: argparse.Namespace) -> int:
    agent = sh.agent(AGENT_ID)
    run_id = options.run or f"run-{secrets.token_hex(4)}"
    log = RunLog(agent, run_id)
    tools = Toolbox(lambda: Library.open(options.cache), Notebook(agent))
    planner = planner_from(os.environ, tools.describe())
    before = log.load()
    done = 0 if before is None else len(before.steps)
    if before is not None or options.question:
        print(f"run {run_id}: {'new' if not done else f'going on, {done} steps are done'}", flush=True)

    def ledger(number: int, call: Call) -> None:
        if options.ledger is not None:
            write_ledger(options.ledger, f"{run_id} {number} {call.tool}")

    def report(step: Step, commit_ts: int) -> None:
        print(step_line(step, commit_ts), flush=True)
        time.sleep(options.pace)

    run = ResearchAgent(log, tools, planner, before_step=ledger, after_step=report).run(options.question)
    assert run.answer is not None
    print(f"\n{run.question}\n\n{wrapped(run.answer['text'])}\n")
    print(f"The replay of {run_id}:\n")
    print("\n".join(replay_lines(sh.find_events(run_id=run_id))))
    return 0


def write_ledger(path: Path, line: str) -> None:
    """Adds a line to a file, and returns when it is on the disk."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode() + b"\n")
        os.fsync(file)
    finally:
        os.close(file)


def _runs(sh: Statehouse, options: argparse.Namespace) -> int:
    for run_id, head in runs_of(sh.agent(AGENT_ID)):
        print(f"{run_id}  {head['phase']:<11}  {head['steps']:>2} steps  {head['question']}")
    return 0


def _show(sh: Statehouse, options: argparse.Namespace) -> int:
    run = RunLog(sh.agent(AGENT_ID), options.run).load()
    if run is None:
        print(f"research_agent: there is no run {options.run}; `runs` lists them", file=sys.stderr)
        return _FAILED
    print(f"{run.question}\n")
    print("\n".join(replay_lines(sh.find_events(run_id=run.run_id))))
    if run.answer is not None:
        print(f"\n{wrapped(run.answer['text'])}")
    return 0


def _notebook(sh: Statehouse, options: argparse.Namespace) -> int:
    for line in note_lines(Notebook(sh.agent(AGENT_ID)).notes(at=options.at)):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
