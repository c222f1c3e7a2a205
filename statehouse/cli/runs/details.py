"""Everything about one step, for ``run show --step``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from statehouse.cli.diffing import LINE_STYLES, SIGNS, Change, change_lines
from statehouse.cli.reading import shown_json_time
from statehouse.cli.runs.cells import key_text, saw_text, step_title
from statehouse.cli.runs.documents import gaps_json, name_json, note_gaps, step_json
from statehouse.cli.runs.listing import shown_duration
from statehouse.cli.show import Output, json_text, printable, shown_value
from statehouse.cli.times import shown_time

if TYPE_CHECKING:
    from statehouse import Statehouse
    from statehouse.debug.inspecting.details import StepDetails, Written
    from statehouse.extend import Entry

__all__ = ["show_step"]

_LINES_SHOWN = 40
_CHARACTERS_SHOWN = 4000
_KEYS_SHOWN = 50


def show_step(output: Output, sh: Statehouse, run_id: str, path: str) -> None:
    """Writes everything about one step."""
    from statehouse.debug.inspecting import details

    found = details.show_step(sh, run_id, path)
    if output.json:
        output.document(_document(found))
        return
    _facts(output, found)
    if output.terminal:
        output.styled("")
    for name, value in found.input.items():
        _value(output, f"given {name}", value)
    if found.step.error is not None:
        _failure(output, found)
    else:
        _value(output, "gave back", found.output)
    for kind, value in found.step.helpers:
        _value(output, f"{kind}()", value)
    _reads(output, found)
    for written in found.written:
        _written(output, found, written)
    note_gaps(found.gaps)


def _facts(output: Output, found: StepDetails) -> None:
    step, run = found.step, found.run
    output.styled(*step_title(step, run))
    took = f"{shown_time(step.started_at)}, took {shown_duration(step.duration_us)}"
    conflicts = f"{step.conflicts} conflict{'' if step.conflicts == 1 else 's'}"
    taken = "" if step.taken is None else f"{step.taken.get('run_id')} @{step.taken.get('commit_ts')}"
    rows = [
        ("began", took),
        ("attempt", f"{step.attempt}, {conflicts}, {step.effect.replace('_', ' ')}"),
        ("saw", f"{saw_text(step)}  {_ref(found, step.saw_ts)}"),
        ("made", f"commit_ts {step.commit_ts}  {_ref(found, step.commit_ts)}"),
        ("taken over", taken),
        ("function", step.function),
        ("source", step.source_hash),
        ("code", step.code_version),
        ("trace", f"{step.trace_id}  span {step.span_id}" if step.trace_id else ""),
        ("key", step.idempotency_key),
    ]
    for name, text in rows:
        if text:
            output.styled((f"  {name:11}", "dim"), printable(text))


def _ref(found: StepDetails, commit_ts: int) -> str:
    from statehouse.tracing.attributes import state_ref

    return state_ref(found.store_id, found.epoch, found.run.namespace, commit_ts) if found.store_id else ""


def _value(output: Output, what: str, value: Any) -> None:
    text = json_text(value)
    before = f"{printable(what)} = " if what.startswith("given") else f"{printable(what)}  "
    if len(before) + len(text) <= output.width or not output.terminal:
        output.styled((before, "bold"), text)
        return
    output.styled((before.rstrip(), "bold"))
    if len(text) > _CHARACTERS_SHOWN:
        more = len(text) - _CHARACTERS_SHOWN
        output.styled(
            f"  {text[:_CHARACTERS_SHOWN]}…", (f"  {more:,} more characters; --json prints them", "dim")
        )
        return
    output.json_value(value, indent=2, lines_max=_LINES_SHOWN)


def _failure(output: Output, found: StepDetails) -> None:
    error = found.step.error or {}
    output.styled(
        ("failed with ", "bold"), (printable(f"{error.get('type')}: {error.get('message')}"), "red")
    )
    for line in str(error.get("traceback", "")).rstrip().split("\n"):
        output.styled(("  " + printable(line), "dim"))


def _reads(output: Output, found: StepDetails) -> None:
    run, reads = found.run, found.touched.reads
    if not reads and not found.touched.ranges:
        return
    shown = [
        f"{key_text(name, run.namespace, run.agent_id)} {f'v{version}' if version else 'absent'}"
        for name, version in list(reads.items())[:_KEYS_SHOWN]
    ]
    shown += [f"{printable(f'{span.agent_id}/{span.prefix}')}*" for span in found.touched.ranges]
    more = len(reads) - _KEYS_SHOWN
    text = ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
    output.styled(("read  ", "bold"), text)


def _written(output: Output, found: StepDetails, written: Written) -> None:
    before, after = (_existing(entry) for entry in (written.before, written.after))
    name = key_text(written.name, found.run.namespace, found.run.agent_id)
    change = Change(before, after)
    if before is None and after is None:
        output.styled(("wrote  ", "bold"), (name, "bold"))
        return
    if before and after and before.version == after.version:
        output.styled(
            ("wrote  ", "bold"), (name, "bold"), ("  in the run that it was taken over from", "dim")
        )
        return
    sign = SIGNS[change.kind]
    versions = f"  version {before.version} to {after.version}" if before and after else ""
    lines = list(change_lines(change, output.width - 6))
    inline = f" {lines.pop()[1:]}" if len(lines) == 1 else ""
    output.styled(
        ("wrote  ", "bold"), (f"{sign} {name}", f"bold {LINE_STYLES[sign]}"), (versions, "dim"), inline
    )
    for line in lines:
        output.styled("    ", (line, LINE_STYLES.get(line[:1], "")))


def _existing(entry: Entry | None) -> Entry | None:
    return entry if entry is not None and entry.exists else None


def _document(found: StepDetails) -> dict[str, Any]:
    step = found.step
    return {
        **step_json(step),
        "agent_id": found.run.agent_id,
        "namespace": found.run.namespace,
        "started_at": shown_json_time(step.started_at),
        "source_hash": step.source_hash,
        "input_hash": step.input_hash,
        "idempotency_key": step.idempotency_key,
        "parent_span_id": step.parent_span_id,
        "state_before": _ref(found, step.saw_ts),
        "state_after": _ref(found, step.commit_ts),
        "input": dict(found.input),
        "output": found.output,
        "error": None if step.error is None else dict(step.error),
        "helpers": json.loads(json.dumps(step.helpers)),
        "reads": [{**name_json(name), "version": version} for name, version in found.touched.reads.items()],
        "writes": [
            {**name_json(each.name), "before": _side(each.before), "after": _side(each.after)}
            for each in found.written
        ],
        "gaps": gaps_json(found.gaps),
    }


def _side(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None or not entry.exists:
        return None
    return {"version": entry.version, "commit_ts": entry.commit_ts, **shown_value(entry.payload)}
