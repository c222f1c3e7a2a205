"""``diff``: what changed of an agent between two points of its history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.reading import entries, pinned
from statehouse.cli.show import Output, full_text, is_legible, note, one_line, printable, shown_value
from statehouse.cli.times import POINT
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse.protocol.replies import Entry

__all__ = ["LINE_STYLES", "SIGNS", "Change", "change_lines", "changes", "diff"]

_LINES_MAX: Final = 2000
_CONTEXT: Final = 2
SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
LINE_STYLES: Final = {"+": "green", "-": "red", "~": "yellow", "…": "dim"}


class Change(NamedTuple):
    """One key that is not the same at both points; None where it has no value."""

    before: Entry | None
    after: Entry | None

    @property
    def key(self) -> str:
        """Which key."""
        entry = self.after or self.before
        assert entry is not None, "a change is at least on one side"
        return entry.key.key

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        """What happened to it."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


def changes(before: Iterator[Entry], after: Iterator[Entry]) -> Iterator[Change]:
    """Gives what differs between two scans in key order; a value that was written again is no difference."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.key < new.key):
            yield Change(old, None)
            old = next(before, None)
        elif old is None or new.key < old.key:
            yield Change(None, new)
            new = next(after, None)
        else:
            if old.version != new.version and (old.payload, old.kind) != (new.payload, new.kind):
                yield Change(old, new)
            old, new = next(before, None), next(after, None)


@click.command(cls=Command)
@click.argument("agent")
@click.option(
    "--at", "from_", type=POINT, required=True, help="The earlier point: a commit_ts, a time or an age."
)
@click.option("--to", type=POINT, help="The later point. Default: now.")
@click.pass_obj
def diff(settings: Settings, *, agent: str, from_: int | datetime, to: int | datetime | None) -> None:
    """Show what changed of an agent between two points.

    Exits with 1 when something differs, with 0 when nothing does, and with 3 when there is no such agent.
    """
    from statehouse.cli.absent import missing_agent
    from statehouse.cli.opening import reading

    output = Output(settings)
    with reading(settings) as reader:
        sh = reader.sh
        from_ts, to_ts = pinned(sh, from_) or 0, pinned(sh, to) or 0
        if from_ts > to_ts:
            note(f"--at {from_ts} is after --to {to_ts}, so this reads backwards")
        found = changes(entries(sh, agent, at=from_ts), entries(sh, agent, at=to_ts))
        first = next(found, None)
        if first is None and (missing := missing_agent(sh, agent)):
            raise Refusal(missing, Exit.NOT_FOUND)
        found = chain([] if first is None else [first], found)
        if settings.json:
            count = _write_json(output, found, sh.namespace, agent, from_ts, to_ts)
        else:
            count = _write(output, found, f"{sh.namespace}/{agent}", from_ts, to_ts)
    if count:
        raise click.exceptions.Exit(Exit.FINDINGS)


def _write_json(
    output: Output, found: Iterator[Change], namespace: str, agent: str, from_ts: int, to_ts: int
) -> int:
    rows = [
        {
            "key": change.key,
            "change": change.kind,
            "before": _side(change.before),
            "after": _side(change.after),
        }
        for change in found
    ]
    output.document(
        {"namespace": namespace, "agent_id": agent, "from_ts": from_ts, "to_ts": to_ts, "changes": rows}
    )
    return len(rows)


def _side(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {"version": entry.version, "commit_ts": entry.commit_ts, **shown_value(entry.payload)}


def _write(output: Output, found: Iterator[Change], where: str, from_ts: int, to_ts: int) -> int:
    counts = dict.fromkeys(SIGNS, 0)
    if output.terminal:
        output.styled((printable(where), "bold"), (f"  commit_ts {from_ts} to {to_ts}", "dim"))
    for change in found:
        counts[change.kind] += 1
        sign = SIGNS[change.kind]
        output.styled(
            (f"{sign} {printable(change.key)}", f"bold {LINE_STYLES[sign]}"), (_versions(change), "dim")
        )
        for line in change_lines(change, output.width - 6):
            output.styled("    ", (line, LINE_STYLES.get(line[:1], "")))
    total = sum(counts.values())
    if output.terminal:
        shown = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        output.styled((shown or "no difference", "dim"))
    return total


def _versions(change: Change) -> str:
    before, after = change.before, change.after
    if before is not None and after is not None:
        return f"  version {before.version} to {after.version}  @{after.commit_ts}"
    entry = before or after
    return "" if entry is None else f"  version {entry.version}  @{entry.commit_ts}"


def change_lines(change: Change, width: int) -> Iterator[str]:
    """Gives the change of a value, line by line, each with its sign."""
    before, after = change
    if before is not None and after is not None:
        old, new = _text(before), _text(after)
        if max(len(old), len(new)) > 1 and max(len(old), len(new)) <= _LINES_MAX:
            yield from _unified(old, new)
            return
    for sign, entry in (("-", before), ("+", after)):
        if entry is not None:
            yield f"{sign} {_one_line(entry, max(width, 20))}"


def _unified(old: list[str], new: list[str]) -> Iterator[str]:
    from difflib import unified_diff

    for number, line in enumerate(unified_diff(old, new, n=_CONTEXT, lineterm="")):
        # The first two lines name files, and the third begins a hunk, whose numbers say nothing about JSON.
        if number > 2:
            yield "…" if line.startswith("@@") else f"{line[:1]} {line[1:]}"


def _text(entry: Entry) -> list[str]:
    """A value line by line; what is not JSON is one line, since a diff of bytes helps nobody."""
    if entry.payload is None or not is_legible(entry.payload):
        return [""]
    return full_text(entry.payload).split("\n")


def _one_line(entry: Entry, width: int) -> str:
    return "(erased)" if entry.payload is None else one_line(entry.payload, width)
