"""``run show``: a run as a waterfall, or everything about one of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.runs.cells import slot_text
from statehouse.cli.runs.documents import gaps_json, name_json, note_gaps, step_json
from statehouse.cli.runs.listing import run_json
from statehouse.cli.runs.naming import run_meant
from statehouse.cli.show import Output, note, printable
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse import Statehouse
    from statehouse.debug.inspecting.waterfall import Bar, Waterfall
    from statehouse.steps.record import RunRecord

__all__ = ["show"]


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--step", metavar="STEP", help="Everything about one step; the end of its path will do.")
@click.option("--follow", "-f", is_flag=True, help="Go on with steps as they are committed, until it ends.")
@click.option("--values", is_flag=True, help="What each step was given and gave back, at length.")
@click.pass_obj
def show(settings: Settings, *, run_id: str, step: str | None, follow: bool, values: bool) -> None:
    """Show a run as a waterfall, or one of its steps.

    A line a step: how it ended, when it ran, how long, the commit_ts of the state that it saw and of the one
    that it made; what it was given, what it gave back, which keys it wrote.

    Without a terminal: path, status, attempt, conflicts, microseconds since the run began, microseconds that
    it took, read_ts, commit_ts, input, output or error, keys written, separated by tabs.
    """
    from statehouse.cli.opening import reading
    from statehouse.cli.runs.details import show_step
    from statehouse.debug.inspecting import waterfall

    if step is not None and (follow or values):
        raise Refusal(
            "--step shows everything about one step; it goes with neither --follow nor --values", Exit.USAGE
        )
    output = Output(settings)
    if follow:
        _follow(settings, output, run_id, values=values)
        return
    with reading(settings) as reader:
        run_id = run_meant(reader.sh, run_id)
        if step is not None:
            show_step(output, reader.sh, run_id, step)
            return
        found = waterfall.show(reader.sh, run_id)
        if settings.json:
            output.document(_document(reader.sh, found, values=values))
            return
    _write(output, found, values=values)
    note_gaps(found.gaps)


def _write(output: Output, found: Waterfall, *, values: bool) -> None:
    from statehouse.cli.runs.waterfall import Drawing, show_run
    from statehouse.debug.inspecting.waterfall import Scale

    drawing: Drawing | None = None
    if output.terminal:
        show_run(output, found.run)
        output.styled("")
        drawing = Drawing(output, found, Scale(found))
        if not found.bars:
            note("no steps yet" if found.run.status == "running" else "no steps")
    for bar in found.bars:
        _write_bar(output, found, bar, drawing, values=values)


def _follow(settings: Settings, output: Output, run_id: str, *, values: bool) -> None:
    """Writes the steps that are committed, and goes on until the run ends."""
    from statehouse.cli.opening import reading
    from statehouse.cli.runs.waterfall import Drawing, show_run
    from statehouse.debug.inspecting.waterfall import Bar, follow, show

    with reading(settings) as reader:
        found = show(reader.sh, run_meant(reader.sh, run_id))
        drawing: Drawing | None = None
        if output.terminal:
            show_run(output, found.run)
            output.styled("")
            drawing = Drawing(output, found, None)
        ended = [] if found.run.status == "running" else [found.run]
        for news in chain(_committed(found.bars), ended, follow(reader.sh, found)):
            if isinstance(news, Bar):
                _write_bar(output, found, news, drawing, values=values)
            elif news.status != "running":
                _write_end(output, news, was_told=found.run.status == news.status)
                return
            output.flush()


def _committed(bars: Sequence[Bar]) -> list[Bar]:
    """The steps that are recorded, in the order of their commits."""
    found = [(bar.step.commit_ts, bar) for bar in bars if bar.step is not None]
    return [bar for _, bar in sorted(found, key=itemgetter(0))]


def _write_end(output: Output, run: RunRecord, *, was_told: bool) -> None:
    from statehouse.cli.runs.waterfall import show_run

    if output.json:
        output.record(run_json(run))
    elif output.terminal and not was_told:
        output.styled("")
        show_run(output, run)


def _write_bar(output: Output, found: Waterfall, bar: Bar, drawing: Any, *, values: bool) -> None:
    if drawing is not None:
        drawing.line(bar, values=values)
    elif output.json:
        output.record(_bar_json(bar, {}))
    else:
        _write_plain(output, found, bar)


def _write_plain(output: Output, found: Waterfall, bar: Bar) -> None:
    step = bar.step
    if step is None:
        since = str(bar.started_at_us - found.run.started_at_us)
        output.line("\t".join([printable(bar.path), "running", "", "", since, *[""] * 6]))
        return
    given = " ".join(f"{name}={slot_text(slot, output.width)}" for name, slot in step.input.items())
    result = slot_text(step.output, output.width)
    if step.error is not None:
        result = " ".join(f"{step.error.get('type')}: {step.error.get('message')}".split())
    cells = [
        bar.path,
        step.status,
        str(step.attempt),
        str(step.conflicts),
        str(step.started_at_us - found.run.started_at_us),
        str(step.duration_us),
        "" if step.read_ts is None else str(step.read_ts),
        str(step.commit_ts),
        given[: output.width],
        result[: output.width],
        " ".join(map(str, bar.writes)),
    ]
    output.line("\t".join(map(printable, cells)))


def _document(sh: Statehouse, found: Waterfall, *, values: bool) -> dict[str, Any]:
    from statehouse.debug.inspecting.gaps import Gaps
    from statehouse.debug.inspecting.touched import given_to
    from statehouse.extend import run
    from statehouse.steps.reading import read_slot

    gaps = Gaps()
    steps = []
    for bar in found.bars:
        facts: dict[str, Any] = {}
        if values and bar.step is not None:
            facts["input"] = run(sh, given_to(found.run, bar.step, gaps))
            slot = read_slot(found.run.namespace, found.run.run_id, bar.step.output)
            facts["output"] = run(sh, gaps.around(f"the result of {bar.path}", slot))
        steps.append(_bar_json(bar, facts))
    return {
        **run_json(found.run),
        "as_of": found.as_of,
        "steps": steps,
        "gaps": gaps_json([*found.gaps, *gaps.found]),
    }


def _bar_json(bar: Bar, facts: dict[str, Any]) -> dict[str, Any]:
    if bar.step is None:
        return {"path": bar.path, "status": "running", "intended": bar.intended}
    step = bar.step
    given = {name: slot.get("json", slot) for name, slot in step.input.items()}
    output = None if step.output is None else step.output.get("json", step.output)
    return {
        **step_json(step),
        "input": given,
        "output": output,
        "error": None if step.error is None else dict(step.error),
        "writes": [{**name_json(name), "kind": kind} for name, kind in bar.writes.items()],
        **facts,
    }
