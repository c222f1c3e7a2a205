"""How the steps of a run are drawn: a tree, and bars to scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from statehouse.cli.runs.cells import STATUS_STYLES, is_plain, key_text, shortened, slot_text
from statehouse.cli.runs.listing import shown_duration
from statehouse.cli.show import Output, printable
from statehouse.cli.times import shown_time

if TYPE_CHECKING:
    from statehouse.debug.inspecting.waterfall import Bar, Scale, Waterfall
    from statehouse.steps.record import RunRecord, StepRecord

__all__ = ["Drawing", "show_run", "sign_of", "stamps", "worded"]

_WIDE: Final = 124
_SIGNS: Final = {
    "executed": ("✓", "+"),
    "failed": ("✗", "x"),
    "conflicted": ("!", "!"),
    "running": ("…", "."),
}
_BLOCKS: Final = ("█", "─", "┊"), ("#", "-", "|")
_KEYS_SHOWN: Final = 4


def sign_of(status: str) -> str:
    """Gives one character for a status."""
    return _SIGNS.get(status, _SIGNS["running"])[is_plain()]


def show_run(output: Output, run: RunRecord) -> None:
    """Writes the header of a run."""
    output.styled(
        (printable(run.run_id), "bold"),
        f"  {printable(run.name)}" if run.name else "",
        "  ",
        (run.status, STATUS_STYLES.get(run.status, "")),
        (f"  by {printable(run.agent_id)}", "cyan"),
        (f"  in {printable(run.namespace)}", "dim"),
    )
    took = f", took {shown_duration(run.ended_at_us - run.started_at_us)}" if run.ended_at_us else ""
    code = f", code {printable(run.code_version)}" if run.code_version else ""
    times = "once" if run.resumes == 1 else f"{run.resumes} times"
    resumed = f", resumed {times}" if run.resumes else ""
    output.styled((f"began {shown_time(run.started_at)}{took}{resumed}{code}", "dim"))
    if run.trace_id:
        output.styled((f"trace {run.trace_id}  span {run.span_id}", "dim"))
    if run.fork is not None:
        where = f" before {run.fork['step']}" if run.fork.get("step") else ""
        text = f"fork of {run.fork.get('run_id')}{where}, from the state as of commit_ts {run.fork.get('at')}"
        output.styled((printable(text), "magenta"))
    if run.parent_run_id:
        around = f"{run.parent_run_id}#{run.parent_step}" if run.parent_step else f"run {run.parent_run_id}"
        output.styled((printable(f"begun by {around}"), "dim"))
    if run.error is not None:
        output.styled((_error_text(run.error, 4 * output.width), "red"))


def stamps(step: StepRecord) -> str:
    """Gives what a step saw and made: ``7→9``; ``→9`` for one that read nothing."""
    read = "" if step.read_ts is None else str(step.read_ts)
    return f"{read}{'->' if is_plain() else '→'}{step.commit_ts}"


def worded(step: StepRecord) -> str:
    """Gives what is not as usual of a step: its status, attempts, conflicts."""
    words: list[str] = [] if step.status == "executed" else [step.status]
    if step.attempt > 1:
        words.append(f"attempt {step.attempt}")
    if step.conflicts:
        words.append(f"{step.conflicts} conflict{'' if step.conflicts == 1 else 's'}")
    if step.taken is not None:
        words.append("taken over")
    return ", ".join(words)


def _error_text(error: object, width: int) -> str:
    facts = error if isinstance(error, dict) else dict(error)  # type: ignore[call-overload] # a mapping
    text = printable(" ".join(f"{facts.get('type', 'error')}: {facts.get('message', '')}".split()))
    return text if len(text) <= width else text[: width - 1] + "…"


class Drawing:
    """The lines of a waterfall, for one terminal.

    Args:
        output: The terminal.
        waterfall: The run.
        scale: Where its times lie; None draws no bars, since nobody knows yet when it ends.
    """

    def __init__(self, output: Output, waterfall: Waterfall, scale: Scale | None) -> None:
        self._output = output
        self._run = waterfall.run
        self._scale = scale
        self._until = waterfall.span_us[1]
        self._parents = {bar.path.rpartition("/")[0] for bar in waterfall.bars}
        bars = waterfall.bars
        width = output.width
        longest = max([len(self._name(bar)) for bar in bars] or [0])
        self._names = min(max(longest, 12), max(20, width // 3))
        steps = [bar.step for bar in bars if bar.step is not None]
        self._stamps = max([len(stamps(step)) for step in steps] or [3])
        self._wide = width >= _WIDE
        left = width - self._names - self._stamps - 2 - 9 - 6
        words = max([len(worded(step)) for step in steps] or [0])
        self._bars = max(10, left // 3 if self._wide else left - min(words + 2 if words else 0, 24))

    def line(self, bar: Bar, *, values: bool = False) -> None:
        """Writes the line, or lines, of a step."""
        step = bar.step
        status = "running" if step is None else step.status
        style = STATUS_STYLES.get(status, "")
        quiet = step is not None and step.kind != "step"
        name = self._name(bar)
        name = name if len(name) <= self._names else name[: self._names - 1] + "…"
        took = "" if step is None else shown_duration(step.duration_us)
        shown = "" if step is None else stamps(step)
        words = self._unrecorded(bar) if step is None else worded(step)
        parts: list[str | tuple[str, str]] = [
            (sign_of(status), style),
            (f" {name:{self._names}}  ", "dim" if quiet else ""),
            *([] if self._scale is None else self._bar(bar, style)),
            (f"{took:>8}  ", ""),
            (f"{shown:>{self._stamps}}", "dim"),
            (f"  {words}" if words else "", style if status != "executed" else "yellow"),
        ]
        used = sum(len(part if isinstance(part, str) else part[0]) for part in parts)
        if step is None:
            self._output.styled(*parts)
            return
        room = self._output.width - used - 2
        if self._wide and not values:
            self._output.styled(*parts, ("  " + self._detail(bar, step, room), "dim"))
            return
        self._output.styled(*parts)
        if values:
            self._values(bar, step)
        elif step.kind == "step" or step.output is not None:
            indent = "    " if self._scale is None else "  " * bar.depth + "    "
            self._output.styled((indent + self._detail(bar, step, self._output.width - len(indent)), "dim"))

    def _name(self, bar: Bar) -> str:
        """Its place in the tree; without bars, steps come as they end, those inside others before these."""
        return printable(bar.path) if self._scale is None else f"{'  ' * bar.depth}{printable(bar.name)}"

    def _unrecorded(self, bar: Bar) -> str:
        if bar.intended:
            return "began, and nobody knows how it ended" if self._run.status != "running" else "began"
        return "running" if self._run.status == "running" else "not recorded"

    def _bar(self, bar: Bar, style: str) -> list[str | tuple[str, str]]:
        assert self._scale is not None, "there is a scale where bars are drawn"
        full, line, cut = _BLOCKS[is_plain()]
        width = self._bars
        if bar.is_taken:
            return [" " * (width + 1)]
        ended = self._until if bar.ended_at_us is None else bar.ended_at_us
        first = min(width - 1, int(self._scale.at(bar.started_at_us) * width))
        last = min(width, max(first + 1, round(self._scale.at(ended) * width)))
        cells = [" "] * width
        for place in self._scale.cuts:
            cells[min(width - 1, int(place * width))] = cut
        waits = bar.step is not None and bar.step.kind == "wait"
        fill = line if bar.path in self._parents or waits else full
        before, after = "".join(cells[:first]), "".join(cells[last:])
        return [(before, "dim"), (fill * (last - first), style), (after, "dim"), " "]

    def _detail(self, bar: Bar, step: StepRecord, room: int) -> str:
        """What it was given, gave back and wrote, in one line."""
        wrote = self._wrote(bar)
        room = max(16, room - len(wrote) - 2 if wrote else room)
        arrow = " -> " if is_plain() else " → "
        given = ", ".join(f"{printable(name)}={slot_text(slot, 40)}" for name, slot in step.input.items())
        # Half of the room each, and what the other one does not need.
        left = room - len(arrow) - 2
        most = max(8, left // 2, left - len(given))
        result = slot_text(step.output, most) if step.error is None else _error_text(step.error, most)
        most = max(8, left - len(result))
        given = given if len(given) <= most else given[: most - 1] + "…"
        text = f"({given}){arrow}{result}" if step.kind == "step" else result
        return f"{text}  {wrote}" if wrote else text

    def _wrote(self, bar: Bar) -> str:
        if not bar.writes:
            return ""
        names = [
            ("-" if kind == "delete" else "~") + key_text(name, self._run.namespace, self._run.agent_id)
            for name, kind in list(bar.writes.items())[:_KEYS_SHOWN]
        ]
        more = len(bar.writes) - _KEYS_SHOWN
        text = " ".join(names) + (f" +{more}" if more > 0 else "")
        most = max(16, self._output.width // 3)
        return text if len(text) <= most else text[: most - 1] + "…"

    def _values(self, bar: Bar, step: StepRecord) -> None:
        indent = 2 * bar.depth + 4
        room = self._output.width - indent
        for name, slot in step.input.items():
            self._value(f"{printable(name)} = ", slot, indent)
        if step.error is not None:
            self._output.styled((" " * indent + _error_text(step.error, 4 * room), "red"))
        elif step.output is not None:
            self._value("-> " if is_plain() else "→ ", step.output, indent)
        if bar.writes:
            self._output.styled((" " * indent + self._wrote(bar), "dim"))

    def _value(self, before: str, slot: dict[str, object], indent: int) -> None:
        room = self._output.width - indent - len(before)
        if "ref" in slot or len(shortened(slot.get("json"), room + 1)) <= room:
            self._output.styled(" " * indent, (before, "dim"), slot_text(slot, room))
            return
        self._output.styled(" " * indent, (before.rstrip(), "dim"))
        self._output.json_value(slot.get("json"), indent=indent + 2, lines_max=20)
