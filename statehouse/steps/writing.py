"""The record of a step as operations of its own transaction: slots, shared values, the record itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from statehouse.extend import Payload, RecordKey, TransactionLogic
from statehouse.steps import keys
from statehouse.steps.record import StepRecord, step_to_json
from statehouse.steps.shared import Slot, json_payload

if TYPE_CHECKING:
    from statehouse.steps.body import Step
    from statehouse.steps.calls import StepCall
    from statehouse.steps.results import Output

Slots = list[tuple[Slot, Payload]]


def write_record(
    call: StepCall,
    step: Step,
    logic: TransactionLogic,
    record: StepRecord,
    output: Output | None,
    *,
    if_version: int,
) -> Slots:
    """Stages the record of a step in a transaction; gives the slots to take in when it is committed.

    Args:
        call: The step.
        step: The attempt that ended it.
        logic: The transaction: the attempt's own, or another one where its state changes are not applied.
        record: What is recorded, but for input, output, reads and writes.
        output: Its result; None for a failed one.
        if_version: The version of the record that is replaced; 0 for none.

    Raises:
        LimitExceededError: The record, or the transaction with it, is too large.
    """
    slots: Slots = []

    def slot(payload: Payload, value: Any) -> Slot:
        found = call.run.shared.stage(logic, payload, value)
        slots.append((found, payload))
        return found

    footprint = step.footprint
    reads_slot: Slot | None = None
    writes_slot: Slot | None = None
    if footprint.reads or footprint.ranges:
        reads: dict[str, Any] = {"keys": _by_agent({**footprint.scanned, **footprint.reads})}
        if footprint.ranges:
            reads["ranges"] = [
                [span.namespace, span.agent_id, span.prefix, span.keys_only] for span in footprint.ranges
            ]
        reads_slot = slot(json_payload(reads), reads)
    if footprint.writes and logic is step.logic:
        writes = _by_agent(footprint.writes)
        writes_slot = slot(json_payload(writes), writes)
    record = replace(
        record,
        input={name: slot(payload, call.taken.values[name]) for name, payload in call.taken.payloads.items()},
        output=None if output is None else slot(output.payload, output.value),
        reads=reads_slot,
        writes=writes_slot,
    )
    logic.write(
        keys.STEP + record.path,
        step_to_json(record),
        agent_id=call.run.run_id,
        namespace=call.run.records,
        if_version=if_version,
        if_commit_ts=None,
        extends=None,
    )
    return slots


def _by_agent(touched: Mapping[RecordKey, int] | Mapping[RecordKey, str]) -> list[list[Any]]:
    """``[[namespace, agent, {key: version or kind}], …]``: agents are few, keys may be many."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    pairs: Iterable[tuple[RecordKey, Any]] = touched.items()
    for name, fact in pairs:
        groups.setdefault((name.namespace, name.agent_id), {})[name.key] = fact
    return [[namespace, agent_id, facts] for (namespace, agent_id), facts in groups.items()]
