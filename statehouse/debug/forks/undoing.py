"""The state that a step saw, without what the steps inside it had made of it.

A step commits after those inside it, and what it saw may hold what they wrote. When it runs again they run
again too, and must not find that they have run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statehouse.extend import Delete, Entry, Get, RecordKey, Write, WriteOperation
from statehouse.steps import keys
from statehouse.steps.reading import read_steps
from statehouse.steps.record import StepRecord
from statehouse.steps.shared import SharedValues
from statehouse.steps.writing import names_in

if TYPE_CHECKING:
    from statehouse.extend import Engine, Flow


def undone(view: Engine, namespace: str, step: StepRecord, at: int) -> Flow[list[WriteOperation]]:
    """Gives the operations that take back what the steps inside a step had written by a commit_ts.

    Args:
        view: The state of the run.
        namespace: Its namespace.
        step: The step.
        at: The commit_ts.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    shared = SharedValues(keys.runs_namespace(namespace), step.run_id)
    commits, names = set[int](), dict[RecordKey, Any]()
    for record in (yield from read_steps(namespace, step.run_id, inside=step.path)):
        if record.commit_ts <= at and record.writes is not None:
            commits.add(record.commit_ts)
            names |= names_in((yield from shared.read(record.writes)))
    operations: list[WriteOperation] = []
    for name in names:
        entry = view.execute(Get(name, at)).entry
        if entry.commit_ts in commits:
            before = _before(view, entry, commits)
            operations.append(Delete(name) if before.payload is None else Write(name, before.payload))
    return operations


def _before(view: Engine, entry: Entry, commits: set[int]) -> Entry:
    """What a key held before commits that follow each other."""
    while entry.commit_ts in commits:
        entry = view.execute(Get(entry.key, entry.commit_ts - 1)).entry
    return entry
