"""``run debug``: one step again, as it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.runs.cells import key_text, shortened
from statehouse.cli.runs.code import divergence_json, lines_of, loaded, note_changed, program_runs, show_error
from statehouse.cli.runs.naming import run_meant
from statehouse.cli.show import Output, note, printable
from statehouse.programs.exits import Exit

if TYPE_CHECKING:
    from statehouse.debug.rerunning.debugging import Debugged
    from statehouse.debug.rerunning.reruns import Rerun

__all__ = ["debug"]

_ABSENT = "(nothing)"


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.argument("program", metavar="MODULE:FUNCTION")
@click.option("--step", required=True, metavar="STEP", help="The step, such as plan#1; its end will do.")
@click.option("--pdb", is_flag=True, help="Stop at the first line of the step's function, in pdb.")
@click.pass_obj
def debug(settings: Settings, *, run_id: str, program: str, step: str, pdb: bool) -> None:
    """Run one step of a run again, as it ran.

    It has its arguments, the state that it saw, its time and its chance. The program is run up to the step,
    all others being answered from their records. What the step writes goes to an overlay, and is shown beside
    what was recorded. Exits with 1 when that differs.
    """
    from statehouse.cli.opening import reading
    from statehouse.debug.rerunning import debugging

    function = loaded(program)
    # Whoever talks to pdb sees what the program prints among its answers.
    with reading(settings) as reader, program_runs(aside=settings.json or not pdb):
        run_id = run_meant(reader.sh, run_id)
        found = debugging.debug(reader.sh, run_id, function, step=step, pdb=pdb, every_handle=True)
    output = Output(settings)
    if settings.json:
        output.document(_document(found))
    else:
        _show(output, found)
    if found.divergence is not None or (found.rerun is None and not found.was_left):
        raise click.exceptions.Exit(Exit.FINDINGS)


def _show(output: Output, found: Debugged) -> None:
    note_changed(found.changed)
    if found.rerun is None:
        if found.divergence is not None:
            output.styled(("diverged", "bold red"), " before the step")
            output.line(lines_of(found.divergence.message))
        elif found.was_left:
            note("left the debugger; nothing was written")
        else:
            note(f"the program ended without calling {found.step.path}")
        return
    rerun, step = found.rerun, found.step
    same = found.divergence is None
    output.styled(
        ("reproduced", "bold green") if same else ("differs", "bold red"),
        f"  {printable(step.path)} of run {printable(found.run.run_id)}",
        (f"  on the state as of commit_ts {rerun.at}", "dim"),
    )
    if rerun.error is not None:
        show_error(rerun.error)
    else:
        output.styled(("  returns  ", "dim"), shortened(rerun.output, max(24, output.width - 11)))
    for name, change in rerun.changes.items():
        shown = key_text(name, found.run.namespace, found.run.agent_id)
        output.styled(
            ("  writes   ", "dim"), f"{shown}  {_value(change.before)} → ", (_value(change.now), "bold")
        )
        if change.now != change.recorded:
            output.styled(("  recorded ", "dim"), f"{shown}  {_value(change.recorded)}")
    if found.divergence is not None:
        output.styled("")
        output.line(lines_of(found.divergence.message))


def _value(value: Any) -> str:
    return _ABSENT if value is None else shortened(value, 60)


def _document(found: Debugged) -> dict[str, Any]:
    return {
        "run_id": found.run.run_id,
        "step": found.step.path,
        "reproduced": found.rerun is not None and found.divergence is None,
        "left": found.was_left,
        "changed": list(found.changed),
        "divergence": divergence_json(found.divergence),
        "rerun": None if found.rerun is None else _rerun(found.rerun),
    }


def _rerun(rerun: Rerun) -> dict[str, Any]:
    return {
        "at": rerun.at,
        "output": rerun.output,
        "error": None if rerun.error is None else f"{type(rerun.error).__name__}: {rerun.error}",
        "reads": [
            {"namespace": name.namespace, "agent_id": name.agent_id, "key": name.key, "version": version}
            for name, version in rerun.reads.items()
        ],
        "writes": [
            {
                "namespace": name.namespace,
                "agent_id": name.agent_id,
                "key": name.key,
                "before": change.before,
                "recorded": change.recorded,
                "now": change.now,
            }
            for name, change in rerun.changes.items()
        ],
    }
