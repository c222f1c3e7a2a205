"""Runs and their steps as they are recorded, for tools: what one did, what a value was."""

from __future__ import annotations

from typing import Any

from statehouse.client.pages import ScanPages
from statehouse.errors import NotFoundError
from statehouse.extend import Flow, Get, Read
from statehouse.steps import keys
from statehouse.steps.record import RunRecord, StepRecord, run_from_entry, step_from_entry
from statehouse.steps.shared import SharedValues, Slot


def read_run(namespace: str, run_id: str, at: int | None = None) -> Flow[RunRecord]:
    """Reads the record of a run.

    Raises (in the flow):
        NotFoundError: There is none.
    """
    reply: Read = yield Get(keys.run_key(namespace, run_id), at)
    if not reply.entry.exists:
        raise NotFoundError(f"there is no run {run_id} in the namespace {namespace}", run_id=run_id)
    return run_from_entry(reply.entry)


def read_steps(
    namespace: str, run_id: str, at: int | None = None, *, inside: str = ""
) -> Flow[list[StepRecord]]:
    """Reads the records of the steps of a run, in the order of their commits; of those inside a step only."""
    prefix = f"{keys.STEP}{inside}/" if inside else keys.STEP
    pages = ScanPages(keys.runs_namespace(namespace), run_id, prefix, reverse=False, limit=None, at=at)
    return sorted(map(step_from_entry, (yield from pages.rows())), key=lambda record: record.commit_ts)


def read_slot(namespace: str, run_id: str, slot: Slot | None) -> Flow[Any]:
    """Gives the JSON that a slot of a record holds or refers to; None for no slot.

    Raises (in the flow):
        NotFoundError: What it refers to is gone.
    """
    if slot is None:
        return None
    return (yield from SharedValues(keys.runs_namespace(namespace), run_id).read(slot))
