"""Runs and their steps as they are recorded, for tools: which runs there are, what one did, what a value
was.
"""

from __future__ import annotations

from typing import Any, Final

from statehouse.errors import NotFoundError
from statehouse.extend import Flow, Get, GetMany, Page, Read, Scan
from statehouse.steps import keys
from statehouse.steps.record import RunRecord, StepRecord, run_from_entry, step_from_entry
from statehouse.steps.shared import SharedValues, Slot

_ROWS_AT_ONCE: Final = 1000


def read_run(namespace: str, run_id: str, at: int | None = None) -> Flow[RunRecord]:
    """Reads the record of a run.

    Raises (in the flow):
        NotFoundError: There is none.
    """
    reply: Read = yield Get(keys.run_key(namespace, run_id), at)
    if not reply.entry.exists:
        raise NotFoundError(f"there is no run {run_id} in the namespace {namespace}", run_id=run_id)
    return run_from_entry(reply.entry)


def list_runs(
    namespace: str, *, agent_id: str | None = None, limit: int = 100, at: int | None = None
) -> Flow[list[RunRecord]]:
    """Lists runs, the newest first.

    Args:
        namespace: The namespace of their state.
        agent_id: Only those of one agent; None for all.
        limit: How many at most.
        at: As of which commit_ts; None for now.
    """
    found: list[RunRecord] = []
    cursor: str | None = None
    index, agent = keys.index_namespace(namespace), keys.index_agent(agent_id)
    while len(found) < limit:
        page: Page = yield Scan(
            index,
            agent,
            at=at if cursor is None else None,
            reverse=True,
            keys_only=True,
            limit=min(_ROWS_AT_ONCE, limit - len(found)),
            cursor=cursor,
        )
        names = [keys.run_key(namespace, keys.indexed_run_id(entry.key.key)) for entry in page.entries]
        while names:
            records: Page = yield GetMany(tuple(names), page.read_ts)
            found += [run_from_entry(entry) for entry in records.entries if entry.exists]
            del names[: len(records.entries)]
        cursor = page.cursor
        if cursor is None:
            break
    return found


def read_steps(namespace: str, run_id: str, at: int | None = None) -> Flow[list[StepRecord]]:
    """Reads the records of the steps of a run, in the order of their commits."""
    found: list[StepRecord] = []
    cursor: str | None = None
    while True:
        page: Page = yield Scan(
            keys.runs_namespace(namespace),
            run_id,
            keys.STEP,
            at=at if cursor is None else None,
            limit=_ROWS_AT_ONCE,
            cursor=cursor,
        )
        found += [step_from_entry(entry) for entry in page.entries]
        cursor = page.cursor
        if cursor is None:
            return sorted(found, key=lambda record: record.commit_ts)


def read_slot(namespace: str, run_id: str, slot: Slot | None) -> Flow[Any]:
    """Gives the JSON that a slot of a record holds or refers to; None for no slot.

    Raises (in the flow):
        NotFoundError: What it refers to is gone.
    """
    if slot is None:
        return None
    return (yield from SharedValues(keys.runs_namespace(namespace), run_id).read(slot))
