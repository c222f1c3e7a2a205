"""The state that a step saw, without what the steps inside it had made of it.

A step commits after those inside it, and what it saw may hold what they wrote. When it runs again they run
again too, and must not find that they have run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from statehouse.extend import Delete, Entry, Get, Page, RecordKey, Scan, Write, WriteOperation
from statehouse.steps import keys
from statehouse.steps.record import StepRecord, step_from_entry
from statehouse.steps.shared import SharedValues

if TYPE_CHECKING:
    from statehouse.extend import Engine, Flow

_ROWS: Final = 1000


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
    records = keys.runs_namespace(namespace)
    shared = SharedValues(records, step.run_id)
    commits, names = set[int](), dict[RecordKey, None]()
    cursor: str | None = None
    while True:
        page: Page = yield Scan(records, step.run_id, f"{keys.STEP}{step.path}/", limit=_ROWS, cursor=cursor)
        for record in map(step_from_entry, page.entries):
            if record.commit_ts <= at and record.writes is not None:
                commits.add(record.commit_ts)
                for where, agent_id, written in (yield from shared.read(record.writes)):
                    names |= {RecordKey(where, agent_id, key): None for key in written}
        cursor = page.cursor
        if cursor is None:
            break
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
