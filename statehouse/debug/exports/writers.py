"""Who else wrote what an export holds: the records of their runs and steps."""

from __future__ import annotations

from typing import Any

from statehouse.debug.exports.format import name_of
from statehouse.debug.overlay.layers import FORKS
from statehouse.errors import CompactedError, ErasedError, InvalidArgumentError
from statehouse.extend import Flow, Get, Read, RecordKey, ask
from statehouse.protocol.replies import Event
from statehouse.steps import keys
from statehouse.steps.record import step_from_entry
from statehouse.steps.shared import Slot


def records_of(event: Event, namespace: str) -> Flow[list[RecordKey]]:
    """Gives the records of the run and the step that made a commit, and of what that step had read.

    Also where a run's record would be looked for and is not: that it is not there is to be known, too.

    Args:
        event: The commit.
        namespace: The namespace of the run that is exported.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    run_id = event.origin.run_id
    namespaces = {namespace: None, **dict.fromkeys(state_namespaces(event))}
    found = [keys.run_key(each, run_id) for each in namespaces]
    step = _step_of(event)
    if step is None:
        return found
    found += [step, step._replace(key=keys.RUN)]
    try:
        reply: Read = yield from ask(Get(step, event.commit_ts))
        record = step_from_entry(reply.entry)
    except (ErasedError, CompactedError, InvalidArgumentError):
        return found
    refs = map(_ref, (record.reads, record.writes))
    return found + [step._replace(key=keys.VALUE + ref) for ref in refs if ref]


def state_namespaces(event: Event) -> list[str]:
    """Gives the namespaces that a commit changed state in, a fork's under the names that it has for them."""
    return [
        operation.namespace.removesuffix(FORKS)
        for operation in event.operations
        if not keys.is_of_runs(operation.namespace)
    ]


def _step_of(event: Event) -> RecordKey | None:
    """The record of the step that made a commit: it is in the same commit."""
    run_id, key = event.origin.run_id, keys.STEP + event.origin.step
    return next(
        (
            name_of(each)
            for each in event.operations
            if (each.agent_id, each.key) == (run_id, key) and each.namespace.endswith(keys.runs_namespace(""))
        ),
        None,
    )


def _ref(slot: Slot | None) -> Any:
    return None if slot is None else slot.get("ref")
