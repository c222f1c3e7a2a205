"""``find``: from a reference to the step, and to the events."""

from __future__ import annotations

import re
from itertools import islice
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.command import limit as limit_option
from statehouse.cli.events import event_json, full_name, write_events
from statehouse.cli.runs.cells import STATUS_STYLES, saw_text
from statehouse.cli.runs.waterfall import sign_of, stamps, worded
from statehouse.cli.show import Output, note, printable
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse import Event
    from statehouse.debug.inspecting.finding import Finding
    from statehouse.steps.record import RunRecord, StepRecord

__all__ = ["find"]

_SPAN: Final = re.compile("[0-9a-fA-F]{16}")
_STEPS_SHOWN: Final = 20
_STEPS_AT_LENGTH: Final = 3


@click.command(cls=Command)
@click.argument("reference", metavar="REF")
@limit_option
@click.pass_obj
def find(settings: Settings, *, reference: str, limit: int | None) -> None:
    """Find what a reference names: its run and step, then its events.

    REF is a commit_ts, the id of a transaction, trace, span or run, RUN#STEP, a traceparent, or
    sh://store/epoch/namespace@ts. What it was is said on stderr.

    Without a terminal: a line a run (run, id, status, agent, namespace, commit_ts) and a line a step (step,
    run, path, status, agent, read_ts, commit_ts, the state before and after), separated by tabs, before the
    events. Exits with 3 when it names nothing here.
    """
    from statehouse.cli.opening import reading
    from statehouse.debug.inspecting import finding

    output = Output(settings)
    with reading(settings) as reader:
        found = finding.find(reader.sh, reference)
        if found is None:
            raise Refusal(_absence(reference), Exit.NOT_FOUND)
        note(f"{found.what}:")
        if not settings.json:
            _write(output, found)
        events = islice(finding.events_of(reader.sh, found), limit)
        write_events(output, events, full_name, document=lambda event: _document(found, event))


def _absence(reference: str) -> str:
    text = f"no commit, transaction, trace, span, run or step here is called {reference!r}"
    if _SPAN.fullmatch(reference):
        text += (
            "; of spans, those are known in which something was committed: its trace id leads to their steps"
        )
    return text


def _write(output: Output, found: Finding) -> None:
    if not found.steps:
        for run in found.runs[:_STEPS_SHOWN]:
            _write_run(output, run)
    elif output.terminal and len(found.steps) > _STEPS_AT_LENGTH:
        _list_steps(output, found)
    else:
        for step in found.steps[:_STEPS_SHOWN]:
            _write_step(output, found, step)
    more = len(found.steps) - _STEPS_SHOWN
    if more > 0:
        note(f"and {more:,} more steps: `run show {quote(found.steps[0].run_id)}` shows them")
    if found.following is not None:
        note(f"of these, the first {len(found.events):,} commits were looked at for steps")
    for run_id, path in found.unrecorded:
        note(f"the step {path} of run {run_id} has no record: it is running, was ended, or was erased")
    if output.terminal and (found.steps or found.runs):
        output.line("")


def _list_steps(output: Output, found: Finding) -> None:
    """Many steps: a line each, below their runs."""
    steps = found.steps[:_STEPS_SHOWN]
    width = max(len(printable(step.path)) for step in steps)
    for run in found.runs:
        own = [step for step in steps if step.run_id == run.run_id]
        if own:
            _write_run(output, run)
        for step in own:
            output.styled(
                (f"  {sign_of(step.status)} ", STATUS_STYLES.get(step.status, "")),
                f"{printable(step.path):{width}}",
                (f"  {stamps(step)}", "dim"),
                (f"  {words}" if (words := worded(step)) else "", "yellow"),
            )


def _write_run(output: Output, run: RunRecord) -> None:
    if not output.terminal:
        cells = ("run", run.run_id, run.status, run.agent_id, run.namespace, str(run.commit_ts))
        output.line("\t".join(map(printable, cells)))
        return
    output.styled(
        "run ",
        (printable(run.run_id), "bold"),
        "  ",
        (run.status, STATUS_STYLES.get(run.status, "")),
        (f"  by {printable(run.agent_id)}", "cyan"),
        (f"  in {printable(run.namespace)}", "dim"),
    )
    output.styled((f"  statehousectl run show {printable(quote(run.run_id))}", "dim"))


def _write_step(output: Output, found: Finding, step: StepRecord) -> None:
    record = found.run_of(step)
    agent = "" if record is None else record.agent_id
    if not output.terminal:
        read_ts = "" if step.read_ts is None else str(step.read_ts)
        refs = (found.state_ref(step, step.saw_ts), found.state_ref(step, step.commit_ts))
        cells = ("step", step.run_id, step.path, step.status, agent, read_ts, str(step.commit_ts), *refs)
        output.line("\t".join(map(printable, cells)))
        return
    output.styled(
        "step ",
        (printable(step.path), "bold"),
        f" of run {printable(step.run_id)}  ",
        (step.status, STATUS_STYLES.get(step.status, "")),
        (f"  by {printable(agent)}" if agent else "", "cyan"),
    )
    saw = saw_text(step)
    width = max(len(saw), len(f"commit_ts {step.commit_ts}"))
    for what, shown, commit_ts in (
        ("saw", saw, step.saw_ts),
        ("made", f"commit_ts {step.commit_ts}", step.commit_ts),
    ):
        output.styled(
            f"  {what:5} ", (f"{shown:{width}}", "bold"), (f"  {found.state_ref(step, commit_ts)}", "dim")
        )
    if step.trace_id:
        output.styled((f"  trace {step.trace_id}  span {step.span_id}", "dim"))
    shown = printable(f"{quote(step.run_id)} --step {_word(step.path)}")
    output.styled((f"  statehousectl run show {shown}", "dim"))


def _word(path: str) -> str:
    """A step's path as a word for the shell, where a # within one means nothing."""
    return path if quote(path.replace("#", ".")) == path.replace("#", ".") and path[0] != "#" else quote(path)


def _document(found: Finding, event: Event) -> dict[str, Any]:
    """An event as `replay` has it, and the step that made it."""
    from statehouse.debug.inspecting.finding import step_of

    name = step_of(event)
    step = next((each for each in found.steps if (each.run_id, each.path) == name), None)
    made = {} if step is None else {"step": _step_json(found, step)}
    return {**event_json(event), **made}


def _step_json(found: Finding, step: StepRecord) -> dict[str, Any]:
    record = found.run_of(step)
    return {
        "run_id": step.run_id,
        "path": step.path,
        "status": step.status,
        "agent_id": None if record is None else record.agent_id,
        "namespace": None if record is None else record.namespace,
        "read_ts": step.read_ts,
        "commit_ts": step.commit_ts,
        "trace_id": step.trace_id,
        "span_id": step.span_id,
        "state_before": found.state_ref(step, step.saw_ts),
        "state_after": found.state_ref(step, step.commit_ts),
    }
