"""``run list``: which runs there are."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import COUNT, Command, Settings
from statehouse.cli.reading import shown_json_time
from statehouse.cli.runs.cells import is_plain
from statehouse.cli.show import Column, Output, note
from statehouse.cli.times import shown_time

if TYPE_CHECKING:
    from statehouse.steps.record import RunRecord

__all__ = ["listing", "run_json", "shown_duration"]

_ROWS_MAX = 100
_STATUSES = ("running", "finished", "failed", "interrupted")


@click.command("list", cls=Command)
@click.option("--agent", "agent_id", metavar="AGENT", help="Only the runs of one agent.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs that ended so, or run.")
@click.option("--limit", type=COUNT, help="Stop after N rows. Default: 100.")
@click.pass_obj
def listing(settings: Settings, *, agent_id: str | None, status: str | None, limit: int | None) -> None:
    """List runs, the newest first.

    Without a terminal: run, agent, status, time, duration, commit_ts, name, separated by tabs.
    """
    from statehouse.cli.opening import reading
    from statehouse.debug.inspecting.listing import runs

    output = Output(settings)
    columns = (
        Column("RUN", "bold"),
        Column("AGENT"),
        Column("STATUS"),
        Column("BEGAN (UTC)", "dim"),
        Column("TOOK", right=True),
        Column("COMMIT", right=True),
        Column("NAME", wide=True),
    )
    with reading(settings) as reader:
        found = runs(reader.sh, agent_id=agent_id, status=status, limit=limit)  # type: ignore[arg-type] # click.Choice
        count = output.rows(columns, islice(found, _ROWS_MAX if limit is None else limit), _cells, run_json)
        # With a status the next one may be far: that there is one is not looked for.
        if limit is None and count == _ROWS_MAX and (status or next(found, None) is not None):
            note(f"stopped after {count} runs, and there {'may be' if status else 'are'} more; see --limit")
        if not count and output.terminal:
            note(f"no such runs in namespace {reader.sh.namespace!r}")


def _cells(run: RunRecord) -> list[str]:
    status = run.status if run.fork is None else f"{run.status}, fork"
    took = shown_duration(run.ended_at_us - run.started_at_us) if run.ended_at_us else ""
    return [run.run_id, run.agent_id, status, shown_time(run.started_at), took, str(run.commit_ts), run.name]


def shown_duration(microseconds: int) -> str:
    """Gives a duration in a few characters: ``12 µs``, ``3.4 ms``, ``1.25 s``, ``2 m 05 s``, ``3 h 20 m``."""
    if microseconds < 1000:
        return f"{max(microseconds, 0)} {'us' if is_plain() else 'µs'}"
    if microseconds < 1_000_000:
        return f"{microseconds / 1000:.3g} ms" if microseconds < 999_500 else "1 s"
    seconds = microseconds / 1_000_000
    # What would be rounded to a minute is one.
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def run_json(run: RunRecord) -> dict[str, Any]:
    """Gives the record of a run as JSON output has it; what is not set is left out."""
    found: dict[str, Any] = {
        "run_id": run.run_id,
        "namespace": run.namespace,
        "agent_id": run.agent_id,
        "name": run.name,
        "status": run.status,
        "started_at": shown_json_time(run.started_at),
        "ended_at": None if run.ended_at is None else shown_json_time(run.ended_at),
        "resumes": run.resumes,
        "code_version": run.code_version,
        "error": None if run.error is None else dict(run.error),
        "trace_id": run.trace_id,
        "span_id": run.span_id,
        "parent_run_id": run.parent_run_id,
        "parent_step": run.parent_step,
        "fork": None if run.fork is None else dict(run.fork),
        "commit_ts": run.commit_ts,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}
