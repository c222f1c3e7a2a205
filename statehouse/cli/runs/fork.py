"""``run fork``: a new run from a point of a recorded one."""

from __future__ import annotations

import json
import sys
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.runs.cells import shortened
from statehouse.cli.runs.code import ASSIGNMENT, loaded, program_runs, show_error
from statehouse.cli.runs.naming import run_meant
from statehouse.cli.show import Output, json_text, note, printable
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse.debug.forks.forking import Answer, Forked, Question

__all__ = ["fork"]


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--step", required=True, metavar="STEP", help="The step it begins at; its body runs.")
@click.option("--exec", "program", required=True, metavar="MODULE:FUNCTION", help="The program.")
@click.option(
    "--effects",
    type=click.Choice(["recorded", "stub", "live", "ask"]),
    default="recorded",
    help="What of the steps from there on that no record answers: refuse them, take what is recorded all the "
    "same, run them, or ask. Default: recorded.",
)
@click.option(
    "--set-state",
    type=ASSIGNMENT,
    multiple=True,
    metavar="KEY=JSON",
    help="What a key holds at the beginning.",
)
@click.option(
    "--set-output", type=ASSIGNMENT, multiple=True, metavar="STEP=JSON", help="A step's result, not run."
)
@click.option("--as", "fork_id", metavar="ID", help="The id of the fork; one that was cut off goes on.")
@click.pass_obj
def fork(
    settings: Settings,
    *,
    run_id: str,
    step: str,
    program: str,
    effects: Any,
    set_state: tuple[tuple[str, Any], ...],
    set_output: tuple[tuple[str, Any], ...],
    fork_id: str | None,
) -> None:
    """Run a new run from a step of a recorded one.

    The fork has the parent's input and the state that the step saw, and writes beside it: nothing of the
    parent changes. Steps that the parent had called before are taken from its records. Exits with 1 when the
    program fails, or never calls the step, or one that is given a result.
    """
    from statehouse.cli.opening import writing
    from statehouse.debug.forks import forking

    if effects == "ask" and not sys.stdin.isatty():
        raise Refusal("--effects ask wants a terminal to ask at; say recorded, stub or live", Exit.USAGE)
    function = loaded(program)
    with writing(settings) as sh, program_runs():
        found = forking.fork(
            sh,
            run_meant(sh, run_id),
            function,
            step=step,
            effects=effects,
            set_state=dict(set_state),
            set_output=dict(set_output),
            fork_id=fork_id,
            ask=_ask,
            every_handle=True,
        )
    output = Output(settings)
    if settings.json:
        output.document(_document(found))
    else:
        _show(output, found)
    if found.error is not None or not found.is_reached or found.unused:
        raise click.exceptions.Exit(Exit.FINDINGS)


def _ask(question: Question) -> Answer:
    from statehouse.debug.forks.forking import Answer

    click.echo(f"\nno record answers {printable(question.path)}: {question.why}", err=True)
    click.echo(f"  called with {printable(json_text(dict(question.arguments)))}", err=True)
    choices = ["run", "output", "stop"] if question.record is None else ["run", "take", "output", "stop"]
    chosen = click.prompt("  run its body, or", type=click.Choice(choices), err=True)
    if chosen == "stop":
        raise KeyboardInterrupt
    if chosen != "output":
        return Answer("run" if chosen == "run" else "take")
    while True:
        try:
            return Answer("output", json.loads(click.prompt("  its result, as JSON", err=True)))
        except ValueError:
            click.echo("  that is not JSON", err=True)


def _show(output: Output, found: Forked) -> None:
    output.styled(
        _word(found),
        f"  run {printable(found.run_id)}",
        (f"  from {printable(found.parent.run_id)} as of commit_ts {found.at}", "dim"),
    )
    output.styled(
        ("  taken  ", "dim"),
        printable(", ".join(found.taken)) or "none",
        ("  from the parent's records", "dim"),
    )
    output.styled(("  ran    ", "dim"), printable(", ".join(found.ran)) or "none")
    if found.error is not None:
        show_error(found.error)
    elif found.value is not None:
        output.styled(("  result ", "dim"), shortened(_json(found.value), max(24, output.width - 9)))
    if not found.is_reached:
        note(f"the program ended without calling {found.step}, the step that this is a fork at")
    if found.unused:
        note(f"given a result, and not called: {', '.join(found.unused)}")
    note(f"compare them: statehousectl run diff {quote(found.parent.run_id)} {quote(found.run_id)}")


def _word(found: Forked) -> tuple[str, str]:
    if found.error is not None:
        return "failed", "bold red"
    return ("forked", "bold green") if found.is_reached else ("not reached", "bold red")


def _document(found: Forked) -> dict[str, Any]:
    return {
        "run_id": found.run_id,
        "of_run_id": found.parent.run_id,
        "at": found.at,
        "taken": list(found.taken),
        "ran": list(found.ran),
        "reached": found.is_reached,
        "unused": list(found.unused),
        "result": _json(found.value),
        "error": None if found.error is None else f"{type(found.error).__name__}: {found.error}",
    }


def _json(value: Any) -> Any:
    """A result as JSON; one that is none, as text."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return repr(value)[:1000]
    return value
