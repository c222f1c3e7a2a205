"""``blame``: who made a key what it is, and what they had read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import COUNT, Command, Settings
from statehouse.cli.command import at as at_option
from statehouse.cli.runs.cells import author_text, held_text, shortened
from statehouse.cli.runs.documents import gaps_json, held_json, name_json, note_gaps, step_json
from statehouse.cli.show import Output, printable
from statehouse.cli.times import shown_time

if TYPE_CHECKING:
    from statehouse.debug.inspecting.blaming import Blame

__all__ = ["blame"]


@click.command(cls=Command)
@click.argument("agent")
@click.argument("key")
@at_option
@click.option(
    "--depth",
    type=COUNT,
    default=0,
    help="Follow what was read to who wrote that, so many times. Default: 0.",
)
@click.pass_obj
def blame(settings: Settings, *, agent: str, key: str, at: int | datetime | None, depth: int) -> None:
    """Show who made a key what it is: commit, step, trace.

    Also what that step was given and had read, and with --depth who wrote that.

    Without a terminal: depth, key, version, commit_ts, run, step, agent, trace, value, separated by tabs: the
    key, and below it what its step had read. Exits with 3 when the key was never written.
    """
    from statehouse.cli.opening import reading
    from statehouse.debug.inspecting import blaming

    output = Output(settings)
    with reading(settings) as reader:
        found = blaming.blame(reader.sh, key, agent_id=agent, at=at, depth=depth)
    if settings.json:
        output.document({**_document(found), "gaps": gaps_json(found.gaps)})
        return
    if output.terminal:
        _show(output, found, 0)
    else:
        _write(output, found, 0)
    note_gaps(found.gaps)


def _show(output: Output, found: Blame, level: int) -> None:
    indent = "  " * level
    author = found.held.author
    version = f"  version {found.held.version}" if found.held.version else ""
    if not version and found.held.kind is None:
        version = "  absent"
    name = printable(str(found.name))
    value = held_text(found.held, max(24, output.width - len(indent) - len(name) - len(version) - 2))
    output.styled(indent, (name, "bold"), (version, "dim"), f"  {value}")
    if author is None:
        return
    step, run = found.step, found.run
    if step is None or run is None:
        who = author_text(author)
        output.styled(f"{indent}  ", (who, "cyan"), (f"  {shown_time(author.committed_at)}", "dim"))
        if found.repeated:
            output.styled((f"{indent}  (told above)", "dim"))
        _show_trace(output, author.origin.trace_id, author.origin.span_id, indent)
        return
    output.styled(
        f"{indent}  ",
        (f"@{author.commit_ts} ", "cyan"),
        (printable(step.path), "bold cyan"),
        (f" of run {printable(run.run_id)} by {printable(run.agent_id)}", "cyan"),
        f"  {step.status}" if author.commit_ts == step.commit_ts else "  on its way",
        (f"  {shown_time(author.committed_at)}", "dim"),
    )
    _show_trace(output, author.origin.trace_id, author.origin.span_id, indent)
    for argument, given in found.input.items():
        before = f"{indent}  given {printable(argument)} = "
        output.styled(before, shortened(given, max(24, output.width - len(before))))
    if found.reads:
        output.styled(f"{indent}  had read, as of commit_ts {step.read_ts}:")
    for read in found.reads:
        _show(output, read, level + 2)
    if found.more:
        output.styled((f"{indent}    … and {found.more:,} more keys", "dim"))


def _show_trace(output: Output, trace_id: str, span_id: str, indent: str) -> None:
    if trace_id:
        output.styled((f"{indent}  trace {trace_id}  span {span_id}", "dim"))


def _write(output: Output, found: Blame, level: int) -> None:
    held = found.held
    origin = None if held.author is None else held.author.origin
    who = ("",) * 4 if origin is None else (origin.run_id, origin.step, origin.agent_id, origin.trace_id)
    value = held_text(held, output.width)
    cells = (str(level), str(found.name), str(held.version), str(held.commit_ts), *who, value)
    output.line("\t".join(map(printable, cells)))
    for read in found.reads:
        _write(output, read, level + 1)


def _document(found: Blame) -> dict[str, Any]:
    return {
        **name_json(found.name),
        **(held_json(found.held) or {}),
        "step": None if found.step is None else step_json(found.step),
        "input": dict(found.input),
        "reads": [_document(read) for read in found.reads],
        "more_reads": found.more,
        "repeated": found.repeated,
    }
