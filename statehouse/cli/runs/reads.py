"""``run reads``: what a step had read, and which of it was stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.runs.cells import author_text, held_text, key_text, step_title
from statehouse.cli.runs.documents import gaps_json, held_json, name_json, note_gaps, step_json
from statehouse.cli.runs.naming import run_meant
from statehouse.cli.show import Output, printable

if TYPE_CHECKING:
    from statehouse.debug.inspecting.held import Held
    from statehouse.debug.inspecting.staleness import KeyRead, RangeRead, Reads, StaleRead

__all__ = ["reads"]


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.argument("step", metavar="STEP")
@click.pass_obj
def reads(settings: Settings, *, run_id: str, step: str) -> None:
    """Show what a step had read, and what of that was stale.

    Stale is what an earlier step of the run had read, and somebody else had changed before this step saw the
    state: what this step was given may come from it. STEP is a path such as plan#1/search#3; its end will do.

    Without a terminal: what (read, changed, since, stale, newer, appeared), key, step that read it, version,
    commit_ts, run, step and agent that wrote it, value, separated by tabs.
    """
    from statehouse.cli.opening import reading
    from statehouse.debug.inspecting import staleness

    output = Output(settings)
    with reading(settings) as reader:
        found = staleness.reads(reader.sh, run_meant(reader.sh, run_id), step)
    if settings.json:
        output.document(_document(found))
        return
    if output.terminal:
        _show(output, found)
    else:
        _write(output, found)
    note_gaps(found.gaps)


def _show(output: Output, found: Reads) -> None:
    step, run = found.step, found.run
    output.styled(*step_title(step, run))
    saw = f"saw the state as of commit_ts {found.saw_ts}"
    if step.read_ts is None:
        saw = f"read nothing itself; the state was that of commit_ts {found.saw_ts}"
    output.styled((f"{saw}; committed as {step.commit_ts}", "dim"))
    if found.keys:
        output.styled("")
        output.styled(("It read", "bold"))
        for read in found.keys:
            _show_read(output, found, read)
        if found.more:
            output.styled((f"  … and {found.more:,} more keys", "dim"))
    for span in found.ranges:
        _show_range(output, found, span)
    output.styled("")
    if not found.stale:
        output.styled(("Nothing that earlier steps had read was stale.", "green"))
        return
    output.styled(
        ("STALE", "bold red"), ": read by earlier steps, and changed before this step saw the state"
    )
    for stale in found.stale:
        _show_stale(output, found, stale)


def _show_read(output: Output, found: Reads, read: KeyRead) -> None:
    output.styled(f"  {key_text(read.name, found.run.namespace, found.run.agent_id)}")
    rows = [("read", read.seen, "")]
    if read.by_commit is not None:
        rows.append(("changed by its commit", read.by_commit, "bold red"))
    if read.since is not None:
        author = read.since.author
        own = author is not None and author.commit_ts == found.step.commit_ts
        rows.append(("this step made it" if own else "since then", read.since, "dim"))
    _show_held(output, found, rows)


def _show_range(output: Output, found: Reads, span: RangeRead) -> None:
    where = f"{span.range.namespace}/{span.range.agent_id}/{span.range.prefix}*"
    output.styled("")
    output.styled(
        ("It scanned ", "bold"), printable(where), ("  keys only" if span.range.keys_only else "", "dim")
    )
    for name in span.appeared:
        shown = key_text(name, found.run.namespace, found.run.agent_id)
        output.styled((f"  {shown} appeared before its commit", "bold red"))
    if not span.whole:
        output.styled(("  only its first thousand keys were looked at", "dim"))


def _show_stale(output: Output, found: Reads, stale: StaleRead) -> None:
    readers = ", ".join(step.path for step in stale.readers[-3:])
    more = f"{len(stale.readers) - 3} others, " if len(stale.readers) > 3 else ""
    output.styled(("  " + key_text(stale.name, found.run.namespace, found.run.agent_id), "bold red"))
    rows = [
        (f"{more}{printable(readers)} read", stale.seen, ""),
        ("it had become", stale.newer, "bold yellow"),
    ]
    _show_held(output, found, rows)
    author = stale.newer.author
    if author is not None and author.origin.trace_id:
        output.styled((f"      trace {author.origin.trace_id}  span {author.origin.span_id}", "dim"))
    if stale.reread:
        text = "this step read that itself; what it was given may still come from the older value"
        output.styled((f"      {text}", "dim"))


def _show_held(output: Output, found: Reads, rows: list[tuple[str, Held, str]]) -> None:
    """What it was, its version, its value, and who wrote it: on a line of its own where it gets narrow."""
    labels = max(len(what) for what, _, _ in rows)
    versions = max(len(_version(held)) for _, held, _ in rows)
    room = output.width - labels - versions - 8
    authors = [author_text(held.author, found.run.run_id) for _, held, _ in rows]
    values = [held_text(held, max(24, room)) for _, held, _ in rows]
    width = max(map(len, values))
    narrow = width + max(map(len, authors)) + 2 > room
    for (what, held, style), value, author in zip(rows, values, authors, strict=True):
        before = f"    {what:{labels}}  {_version(held):{versions}}  "
        if narrow:
            output.styled(before, (value, style))
            output.styled((f"    {'':{labels}}  {author}", "cyan"))
        else:
            output.styled(before, (f"{value:{width}}", style), (f"  {author}", "cyan"))


def _version(held: Held) -> str:
    return f"version {held.version}" if held.version else "absent"


def _write(output: Output, found: Reads) -> None:
    def row(what: str, name: str, reader: str, held: Held | None) -> None:
        origin = None if held is None or held.author is None else held.author.origin
        who = ("", "", "") if origin is None else (origin.run_id, origin.step, origin.agent_id)
        facts = ("", "") if held is None else (str(held.version), str(held.commit_ts))
        value = "" if held is None else held_text(held, output.width)
        output.line("\t".join(map(printable, (what, name, reader, *facts, *who, value))))

    for read in found.keys:
        name = str(read.name)
        row("read", name, found.step.path, read.seen)
        if read.by_commit is not None:
            row("changed", name, "", read.by_commit)
        if read.since is not None:
            row("since", name, "", read.since)
    for span in found.ranges:
        for new in span.appeared:
            row("appeared", str(new), "", None)
    for stale in found.stale:
        row("stale", str(stale.name), stale.readers[-1].path, stale.seen)
        row("newer", str(stale.name), "", stale.newer)


def _document(found: Reads) -> dict[str, Any]:
    return {
        "step": step_json(found.step),
        "agent_id": found.run.agent_id,
        "saw_ts": found.saw_ts,
        "now_ts": found.now_ts,
        "keys": [
            {
                **name_json(read.name),
                "seen": held_json(read.seen),
                "changed_by_commit": held_json(read.by_commit),
                "since": held_json(read.since),
            }
            for read in found.keys
        ],
        "ranges": [
            {
                "namespace": span.range.namespace,
                "agent_id": span.range.agent_id,
                "prefix": span.range.prefix,
                "keys_only": span.range.keys_only,
                "appeared": [name.key for name in span.appeared],
                "whole": span.whole,
            }
            for span in found.ranges
        ],
        "stale": [
            {
                **name_json(stale.name),
                "seen": held_json(stale.seen),
                "read_by": [step.path for step in stale.readers],
                "newer": held_json(stale.newer),
                "reread": stale.reread,
            }
            for stale in found.stale
        ],
        "more": found.more,
        "gaps": gaps_json(found.gaps),
    }
