"""The steps of a run, also where the record of one was erased: that hides none of the others."""

from __future__ import annotations

from statehouse.client.pages import ScanPages
from statehouse.debug.inspecting.entries import entries_of
from statehouse.debug.inspecting.gaps import Gap, Gaps
from statehouse.errors import ErasedError
from statehouse.extend import Flow, RecordKey
from statehouse.steps import keys
from statehouse.steps.reading import read_steps
from statehouse.steps.record import RunRecord, StepRecord, step_from_entry


def steps_of(record: RunRecord, gaps: Gaps, at: int | None = None) -> Flow[list[StepRecord]]:
    """Gives the records of the steps of a run, in the order of their commits.

    Args:
        record: The run.
        gaps: Where the ones that were erased are noted.
        at: As of which commit_ts; None for now.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    try:
        return (yield from read_steps(record.namespace, record.run_id, at))
    except ErasedError:
        place = (keys.runs_namespace(record.namespace), record.run_id)
        pages = ScanPages(*place, keys.STEP, reverse=False, limit=None, at=at, keys_only=True)
        names = [RecordKey(*place, key) for key in (yield from pages.keys())]
    found: list[StepRecord] = []
    for entry in (yield from entries_of(names, at)):
        if entry.payload is not None:
            found.append(step_from_entry(entry))
        elif entry.kind == "erased":
            gaps.note(Gap(f"the record of {entry.key.key.removeprefix(keys.STEP)}", "erased"))
    return sorted(found, key=lambda step: step.commit_ts)
