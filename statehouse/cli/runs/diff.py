"""``run diff``: two runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.diffing import LINE_STYLES, SIGNS, Change, change_lines
from statehouse.cli.runs.cells import STATUS_STYLES, key_text
from statehouse.cli.runs.documents import gaps_json, name_json, note_gaps, step_json
from statehouse.cli.runs.listing import run_json
from statehouse.cli.runs.naming import run_meant
from statehouse.cli.show import Output, one_line, printable, shown_value
from statehouse.programs.exits import Exit
from statehouse.protocol.values import decode

if TYPE_CHECKING:
    from statehouse.debug.inspecting.comparing import Detail, Difference, Left, Pair
    from statehouse.extend import Entry, Payload
    from statehouse.steps.record import RunRecord

__all__ = ["diff"]

_ALIKE_SHOWN: Final = 3
_VERBS: Final = {
    "path": "is called",
    "input": "was given",
    "reads": "read",
    "status": "ended",
    "error": "failed with",
    "output": "gave back",
    "writes": "wrote",
}


@click.command(cls=Command)
@click.argument("left", metavar="RUN")
@click.argument("right", metavar="RUN")
@click.pass_obj
def diff(settings: Settings, *, left: str, right: str) -> None:
    """Compare two runs: steps, first divergence, final state.

    Steps are paired by their paths, then by name. - is what only the first run has, + what only the second
    has, ~ what differs. The time and chance that runs record do not count.

    Without a terminal: lines of step (sign, path in either run, what differs), first (path, what differs)
    and state (sign, key, value in either run), separated by tabs, of what differs only. Exits with 1 when
    something does, and with 0 when nothing does.
    """
    from statehouse.cli.opening import reading
    from statehouse.debug.inspecting import comparing

    output = Output(settings)
    with reading(settings) as reader:
        left, right = run_meant(reader.sh, left), run_meant(reader.sh, right)
        found = comparing.diff(reader.sh, left, right)
    if settings.json:
        output.document(_document(found))
    elif output.terminal:
        _show(output, found)
    else:
        _write(output, found)
    note_gaps(found.gaps)
    if not found.alike:
        raise click.exceptions.Exit(Exit.FINDINGS)


def _show(output: Output, found: Difference) -> None:
    _show_run(output, "-", found.left)
    _show_run(output, "+", found.right)
    output.styled("")
    _show_pairs(output, found.pairs)
    first = found.first
    output.styled("")
    if first is None:
        output.styled(("no step differs", "green"))
    else:
        output.styled(
            ("first divergence: ", "bold"), (printable(first.step.path), "bold yellow"), f"  {_what(first)}"
        )
        for detail in first.details:
            _show_detail(output, detail)
    if found.state:
        output.styled("")
        output.styled(("state that they left", "bold"))
    for each in found.state:
        _show_state(output, found, each)
    if found.more:
        output.styled((f"… and {found.more:,} more keys that were not compared", "dim"))
    if not found.state:
        output.styled(("they left the same state", "green"))


def _show_run(output: Output, sign: str, run: RunRecord) -> None:
    fork = ""
    if run.fork is not None:
        fork = f"  fork of {run.fork.get('run_id')} before {run.fork.get('step')}"
    output.styled(
        (f"{sign} ", LINE_STYLES[sign]),
        (printable(run.run_id), "bold"),
        "  ",
        (run.status, STATUS_STYLES.get(run.status, "")),
        (f"  by {printable(run.agent_id)}", "cyan"),
        (printable(fork), "magenta"),
    )


def _show_pairs(output: Output, pairs: Sequence[Pair]) -> None:
    """The steps; of many that are alike in a row, the first and the last."""
    alike: list[Pair] = []
    for pair in [*pairs, None]:
        if pair is not None and not pair.differs:
            alike.append(pair)
            continue
        hidden = len(alike) - 2 * _ALIKE_SHOWN
        for number, each in enumerate(alike):
            if hidden <= 1 or number < _ALIKE_SHOWN or number >= len(alike) - _ALIKE_SHOWN:
                _show_pair(output, each)
            elif number == _ALIKE_SHOWN:
                output.styled((f"  … {hidden:,} more that are alike", "dim"))
        alike = []
        if pair is not None:
            _show_pair(output, pair)


def _show_pair(output: Output, pair: Pair) -> None:
    sign, style = _sign(pair)
    taken = any(step is not None and step.taken is not None for step in (pair.left, pair.right))
    notes = ", ".join(filter(None, ["taken over" if taken else "", _what(pair)]))
    name = printable(pair.step.path)
    if pair.left is not None and pair.right is not None and pair.left.path != pair.right.path:
        name = f"{name} = {printable(pair.right.path)}"
    plain = "" if pair.differs else "dim"
    output.styled(
        (f"{sign} ", style), (name, plain if sign == " " else style), (f"  {notes}" if notes else "", "dim")
    )


def _sign(pair: Pair) -> tuple[str, str]:
    if not pair.differs:
        return " ", ""
    if pair.left is None:
        return "+", "green"
    return ("-", "red") if pair.right is None else ("~", "yellow")


def _what(pair: Pair) -> str:
    if pair.is_chance:
        return "other, as time and chance are" if pair.details else ""
    if pair.left is None or pair.right is None:
        return f"only {'the second' if pair.left is None else 'the first'} run has it"
    return ", ".join("moved" if aspect == "path" else aspect for aspect in pair.aspects)


def _show_detail(output: Output, detail: Detail) -> None:
    name = f" {printable(detail.name)}" if detail.name else ""
    only = {"left": "  only the first did", "right": "  only the second did", None: ""}[detail.only]
    output.styled(f"  {_VERBS[detail.aspect]}{name}", (only, "dim"))
    if detail.aspect in ("path", "status", "error"):
        sides = (("-", detail.left), ("+", detail.right))
        lines = [f"{sign} {printable(decode(side))}" for sign, side in sides if side is not None]
    else:
        lines = list(change_lines(Change(_entry(detail.left), _entry(detail.right)), output.width - 6))
    for line in lines:
        output.styled("    ", (line, LINE_STYLES.get(line[:1], "")))


def _entry(payload: Payload | None) -> Entry | None:
    from statehouse.extend import Entry, RecordKey

    # What is drawn is the value alone.
    return None if payload is None else Entry(RecordKey("-", "-", "-"), payload, 1, 1, "write")


def _show_state(output: Output, found: Difference, each: Left) -> None:
    change = _change(each)
    sign = SIGNS[change.kind]
    name = key_text(each.name, found.left.namespace, found.left.agent_id)
    output.styled((f"{sign} {name}", f"bold {LINE_STYLES[sign]}"))
    for line in change_lines(change, output.width - 6):
        output.styled("    ", (line, LINE_STYLES.get(line[:1], "")))


def _change(each: Left) -> Change:
    sides = [entry if entry.exists else None for entry in (each.left, each.right)]
    return Change(*sides)


def _write(output: Output, found: Difference) -> None:
    def row(*cells: str) -> None:
        output.line("\t".join(map(printable, cells)))

    for pair in found.pairs:
        if pair.differs:
            paths = ["" if step is None else step.path for step in (pair.left, pair.right)]
            row("step", _sign(pair)[0], *paths, ",".join(pair.aspects))
    if (first := found.first) is not None:
        row("first", first.step.path, ",".join(first.aspects))
    for each in found.state:
        values = [
            "" if entry.payload is None else one_line(entry.payload, output.width)
            for entry in (each.left, each.right)
        ]
        row("state", SIGNS[_change(each).kind], str(each.name), *values)


def _document(found: Difference) -> dict[str, Any]:
    first = found.first
    return {
        "alike": found.alike,
        "left": run_json(found.left),
        "right": run_json(found.right),
        "first_divergence": None if first is None else _pair_json(first),
        "steps": [_pair_json(pair) for pair in found.pairs],
        "state": [
            {**name_json(each.name), "left": _side_json(each.left), "right": _side_json(each.right)}
            for each in found.state
        ],
        "more_keys": found.more,
        "gaps": gaps_json(found.gaps),
    }


def _pair_json(pair: Pair) -> dict[str, Any]:
    return {
        "path": pair.step.path,
        "differs": pair.differs,
        "aspects": list(pair.aspects),
        "left": None if pair.left is None else step_json(pair.left),
        "right": None if pair.right is None else step_json(pair.right),
        "details": [
            {
                "aspect": detail.aspect,
                "name": detail.name,
                "only": detail.only,
                "left": shown_value(detail.left) or None,
                "right": shown_value(detail.right) or None,
            }
            for detail in pair.details
        ],
    }


def _side_json(entry: Entry) -> dict[str, Any] | None:
    if not entry.exists:
        return None
    return {"version": entry.version, "commit_ts": entry.commit_ts, **shown_value(entry.payload)}
