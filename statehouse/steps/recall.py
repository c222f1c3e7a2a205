"""A step that is recorded already: whether this call is the same one, and what its record gives.

::

    record          the same input                 another input
    executed        its result                     on_mismatch: error (the default), rerun, reuse
    failed          its failure; it runs again     likewise
                    if that ended the run
    conflicted      StepConflictError              likewise

Inside a step that has read state another input is no mistake: the state has changed, and with it what the
step asks of its children. They run again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from statehouse.errors import StepConflictError, StepMismatchError
from statehouse.steps import failures
from statehouse.steps.driving import StepFlow
from statehouse.steps.record import StepRecord
from statehouse.steps.warning import warn
from statehouse.steps.writing import names_in

if TYPE_CHECKING:
    from statehouse.steps.calls import StepCall

_COLUMN_CHARACTERS_MAX: Final = 60
_ABSENT: Final = "(not given)"


class Recalled(NamedTuple):
    """What a record gives.

    Attributes:
        again: Run the step again, and replace its record.
        value: What the caller gets, when not.
    """

    again: bool
    value: Any = None


AGAIN: Final = Recalled(again=True)


def recall(call: StepCall, record: StepRecord) -> StepFlow[Recalled]:
    """Says what a record means for a call.

    Raises (in the flow):
        StepMismatchError: It is the record of another call.
        StepConflictError: Its state changes were not applied.
        Exception: What it failed with.
    """
    if not (yield from same_input(call, record)):
        match _policy(call):
            case "rerun":
                return AGAIN
            case "error":
                raise (yield from mismatch(call, record))
    if (
        record.source_hash
        and call.definition.source_hash
        and record.source_hash != call.definition.source_hash
    ):
        _warn_of_source(call, record)
    if record.status == "failed" and _is_run_again(call, record):
        return AGAIN
    yield from _take_over_writes(call, record)
    outcome = call.outcome
    outcome.status, outcome.attempt, outcome.read_ts = "recorded", record.attempt, record.read_ts
    if record.status == "failed":
        error = failures.from_record(record.path, dict(record.error or {}), call.definition.options.errors)
        call.run.failed(error, record.path)
        raise error
    output = yield from call.run.shared.read(record.output or {})
    value = call.definition.results.give(output)
    if record.status == "conflicted":
        raise StepConflictError(
            f"the step {record.path} ran once, at commit_ts {record.commit_ts}, and its state changes were "
            "not applied: what it had read had changed. Its result is on this error",
            path=record.path,
            result=value,
            commit_ts=record.commit_ts,
        )
    return Recalled(again=False, value=value)


def _is_run_again(call: StepCall, record: StepRecord) -> bool:
    options = call.definition.options
    if options.effect == "at_most_once" and options.if_unknown != "retry":
        return False
    # A parent that tries again wants more than the failure that it tries again for.
    return record.path in call.run.retry or (call.parent is not None and call.parent.repeated)


def _policy(call: StepCall) -> str:
    options = call.definition.options
    policy = options.on_mismatch or call.run.on_mismatch
    around = call.parent
    if policy == "error" and options.effect != "at_most_once" and around is not None:
        footprint = around.footprint
        if footprint.reads or footprint.ranges:
            return "rerun"
    return policy


def _take_over_writes(call: StepCall, record: StepRecord) -> StepFlow[None]:
    if call.parent is None or record.writes is None:
        return
    groups = yield from call.run.shared.read(record.writes)
    call.parent.footprint.answered(record.path, names_in(groups))


def same_input(call: StepCall, record: StepRecord) -> StepFlow[bool]:
    """Whether a call has the arguments of a record; their bytes may differ, since objects have no order."""
    if record.input_hash == call.taken.hash:
        return True
    if set(record.input) != set(call.taken.values):
        return False
    for name, slot in record.input.items():
        recorded = yield from call.run.shared.read(slot)
        if recorded != call.taken.values[name]:
            return False
    return True


def mismatch(call: StepCall, record: StepRecord) -> StepFlow[StepMismatchError]:
    """Gives the error that shows the arguments of a call and of a record side by side."""
    recorded: dict[str, Any] = {}
    for name, slot in record.input.items():
        recorded[name] = yield from call.run.shared.read(slot)
    now = dict(call.taken.values)
    rows = [("argument", "recorded", "now")]
    rows += [
        (name, *_differing(recorded.get(name, _ABSENT), now.get(name, _ABSENT)))
        for name in dict.fromkeys([*recorded, *now])
        if recorded.get(name, _ABSENT) != now.get(name, _ABSENT)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = "\n".join(
        "    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return StepMismatchError(
        f"the step {record.path} is called with other arguments than the run {record.run_id} recorded at "
        f"commit_ts {record.commit_ts}:\n{table}\nThe program, or what it depends on, has changed. "
        'on_mismatch="rerun" runs the step again, "reuse" takes the recorded result all the same; a new '
        "run_id begins a run of its own",
        path=record.path,
        recorded=recorded,
        now=now,
        commit_ts=record.commit_ts,
    )


def _differing(recorded: Any, now: Any) -> tuple[str, str]:
    """Two values, short, from shortly before where they begin to differ."""
    left, right = (_text(each) for each in (recorded, now))
    same = next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), 0)
    begin = (
        max(0, same - _COLUMN_CHARACTERS_MAX // 3)
        if max(len(left), len(right)) > _COLUMN_CHARACTERS_MAX
        else 0
    )
    return _cut(left, begin), _cut(right, begin)


def _text(value: Any) -> str:
    return value if value is _ABSENT else json.dumps(value, ensure_ascii=False)


def _cut(text: str, begin: int) -> str:
    shown = text[begin : begin + _COLUMN_CHARACTERS_MAX]
    return ("…" if begin else "") + shown + ("…" if begin + _COLUMN_CHARACTERS_MAX < len(text) else "")


def _warn_of_source(call: StepCall, record: StepRecord) -> None:
    if call.run.warn_once(f"source {record.function}"):
        warn(
            f"{record.function} has changed since the run {record.run_id} recorded {record.path}; what is "
            "recorded stays as it is"
        )
