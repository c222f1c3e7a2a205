"""What a step has read and written, out of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from statehouse.debug.inspecting.gaps import Gaps
from statehouse.extend import Flow, KeyRange, RecordKey
from statehouse.steps.reading import read_slot
from statehouse.steps.record import RunRecord, StepRecord
from statehouse.steps.writing import names_in


@dataclass(frozen=True, slots=True)
class Touched:
    """The keys of a step.

    Attributes:
        reads: The keys that it read, with their versions; 0 for what was absent.
        ranges: The ranges that it scanned.
        writes: The keys that its commit changed, each ``write`` or ``delete``.
    """

    reads: Mapping[RecordKey, int] = field(default_factory=dict)
    ranges: tuple[KeyRange, ...] = ()
    writes: Mapping[RecordKey, str] = field(default_factory=dict)


def touched(run: RunRecord, step: StepRecord, gaps: Gaps) -> Flow[Touched]:
    """Gives what a step has read and written.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    return Touched(*(yield from read_by(run, step, gaps)), (yield from written_by(run, step, gaps)))


def read_by(
    run: RunRecord, step: StepRecord, gaps: Gaps
) -> Flow[tuple[dict[RecordKey, int], tuple[KeyRange, ...]]]:
    """Gives the keys that a step has read, with their versions, and the ranges.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    slot = read_slot(run.namespace, run.run_id, step.reads)
    read: Any = yield from gaps.around(f"what {step.path} had read", slot)
    if not read:
        return {}, ()
    ranges = [
        KeyRange(namespace, agent_id, prefix, keys_only=bool(keys_only))
        for namespace, agent_id, prefix, keys_only in read.get("ranges", ())
    ]
    return names_in(read.get("keys", ())), tuple(ranges)


def written_by(run: RunRecord, step: StepRecord, gaps: Gaps) -> Flow[dict[RecordKey, str]]:
    """Gives the keys that the commit of a step changed.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    slot = read_slot(run.namespace, run.run_id, step.writes)
    return names_in((yield from gaps.around(f"what {step.path} wrote", slot)) or ())


def given_to(run: RunRecord, step: StepRecord, gaps: Gaps) -> Flow[dict[str, Any]]:
    """Gives the arguments of a step, as JSON.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    found: dict[str, Any] = {}
    for name, slot in step.input.items():
        what = f"the argument {name} of {step.path}"
        found[name] = yield from gaps.around(what, read_slot(run.namespace, run.run_id, slot))
    return found
