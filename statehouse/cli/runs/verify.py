"""``run verify``: whether the program goes the recorded way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.runs.code import divergence_json, lines_of, loaded, note_changed, program_runs, show_error
from statehouse.cli.runs.naming import run_meant
from statehouse.cli.show import Output, note, printable
from statehouse.programs.exits import Exit

if TYPE_CHECKING:
    from statehouse.debug.rerunning.verifying import Bodies, Verification

__all__ = ["verify"]


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.argument("program", metavar="MODULE:FUNCTION")
@click.option(
    "--bodies",
    default="pure",
    metavar="WHICH",
    help='Whose bodies run again: pure (steps with effect="none"), none, all, or names or paths of steps, '
    "separated by commas. Default: pure.",
)
@click.pass_obj
def verify(settings: Settings, *, run_id: str, program: str, bodies: str) -> None:
    """Run a program through a recorded run, and find what differs.

    Each step is answered from its record: its body does not run, and nothing is written to the store. The
    function takes the run, or enters `with sh.run(...)` itself. Exits with 1 at a divergence, which is
    printed. What the program prints goes to stderr.
    """
    from statehouse.cli.opening import reading
    from statehouse.debug.rerunning import verifying

    function = loaded(program)
    which: Bodies = bodies if bodies in ("none", "pure", "all") else bodies.split(",")
    with reading(settings) as reader, program_runs():
        run_id = run_meant(reader.sh, run_id)
        found = verifying.verify(reader.sh, run_id, function, bodies=which, every_handle=True)
    output = Output(settings)
    if settings.json:
        output.document(_document(found))
    else:
        _show(output, found)
    if found.divergence is not None:
        raise click.exceptions.Exit(Exit.FINDINGS)


def _show(output: Output, found: Verification) -> None:
    run = found.run
    again = f", {found.reran} ran again" if found.reran else ""
    steps = "step" if found.answered == 1 else "steps"
    facts = f"{found.answered} {steps} answered from records{again}"
    if found.divergence is None:
        output.styled(
            ("verified", "bold green"),
            f"  run {printable(run.run_id)} of {printable(run.agent_id)}  ",
            (facts, "dim"),
        )
        if not found.is_complete:
            note(f"the run is {run.status}: what it has recorded was gone through, and it goes on from there")
    else:
        where = found.divergence.path or "the end"
        output.styled(
            ("diverged", "bold red"),
            f"  run {printable(run.run_id)} of {printable(run.agent_id)}, at ",
            (printable(where), "bold"),
            (f"  {found.divergence.kind}; {facts}", "dim"),
        )
        output.line(lines_of(found.divergence.message))
    if found.error is not None and (found.divergence is not None or run.status != "failed"):
        show_error(found.error)
    note_changed(found.changed)


def _document(found: Verification) -> dict[str, Any]:
    return {
        "run_id": found.run.run_id,
        "agent_id": found.run.agent_id,
        "clean": found.is_clean,
        "complete": found.is_complete,
        "answered": found.answered,
        "reran": found.reran,
        "changed": list(found.changed),
        "divergence": divergence_json(found.divergence),
        "error": None if found.error is None else f"{type(found.error).__name__}: {found.error}",
    }
