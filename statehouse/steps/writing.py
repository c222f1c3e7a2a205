"""The record of a step, and what it refers to, as operations of the transaction that will commit it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from statehouse.extend import Payload, RecordKey, TransactionLogic
from statehouse.steps.clock import now_us
from statehouse.steps.failures import to_record
from statehouse.steps.record import StepRecord, StepStatus, step_payload
from statehouse.steps.shared import Slot, json_payload

if TYPE_CHECKING:
    from statehouse.steps.attempts import Attempts
    from statehouse.steps.body import Step
    from statehouse.steps.calls import StepCall
    from statehouse.steps.results import Output

Slots = list[tuple[Slot, Payload]]


def stage_record(
    call: StepCall,
    step: Step,
    logic: TransactionLogic,
    attempts: Attempts,
    status: StepStatus,
    *,
    output: Output | None,
    error: Exception | None,
    if_version: int,
) -> Slots:
    """Stages the record of an attempt, and gives the slots to take in when it is committed.

    Args:
        call: The step.
        step: The attempt that ended it.
        logic: The transaction: the attempt's own, or another one where its state changes are not applied.
        attempts: How many there were.
        status: How it ended.
        output: Its result; None for a failed one.
        error: What it raised; None for others.
        if_version: The version of the record that is replaced; 0 for none.

    Raises:
        LimitExceededError: The record, or the transaction with it, is too large.
    """
    slots: Slots = []
    reads, writes = _touched(call, step, logic, slots)
    values, definition, identity, origin = call.taken.values, call.definition, call.identity, logic.origin
    record = StepRecord(
        run_id=call.run.run_id,
        path=identity.path,
        name=identity.name,
        ordinal=identity.ordinal,
        status=status,
        input={
            name: _slot(call, logic, slots, payload, values[name])
            for name, payload in call.taken.payloads.items()
        },
        kind=definition.kind,
        attempt=attempts.number,
        conflicts=attempts.conflicts,
        function=definition.function,
        source_hash=definition.source_hash,
        code_version=call.run.code_version,
        input_hash=call.taken.hash,
        output=None if output is None else _slot(call, logic, slots, output.payload, output.value),
        error=None if error is None else to_record(error),
        read_ts=step.logic.read_ts,
        reads=reads,
        writes=writes,
        trace_id=origin.trace_id,
        span_id=origin.span_id,
        parent_span_id=call.parent_span_id,
        started_at_us=attempts.began_us,
        ended_at_us=now_us(),
        duration_us=attempts.duration_us(),
        idempotency_key=step.idempotency_key,
        effect=definition.options.effect,
        helpers=tuple(step.helpers),
    )
    write_record(logic, record, namespace=call.run.records, if_version=if_version)
    return slots


def write_record(logic: TransactionLogic, record: StepRecord, *, namespace: str, if_version: int) -> None:
    """Stages a record that is complete.

    Raises:
        LimitExceededError: It, or the transaction with it, is too large.
    """
    logic.write(
        record.key,
        step_payload(record),
        agent_id=record.run_id,
        namespace=namespace,
        if_version=if_version,
        if_commit_ts=None,
        extends=None,
    )


def _slot(call: StepCall, logic: TransactionLogic, slots: Slots, payload: Payload, value: Any) -> Slot:
    found = call.run.shared.stage(logic, payload, value)
    slots.append((found, payload))
    return found


def _touched(
    call: StepCall, step: Step, logic: TransactionLogic, slots: Slots
) -> tuple[Slot | None, Slot | None]:
    """What the attempt read, and what it writes, if its state changes are applied."""
    footprint = step.footprint
    reads: Slot | None = None
    writes: Slot | None = None
    if footprint.reads or footprint.ranges:
        read: dict[str, Any] = {"keys": _by_agent({**footprint.scanned, **footprint.reads})}
        if footprint.ranges:
            read["ranges"] = [
                [span.namespace, span.agent_id, span.prefix, span.keys_only] for span in footprint.ranges
            ]
        reads = _slot(call, logic, slots, json_payload(read), read)
    if footprint.writes and logic is step.logic:
        written = _by_agent(footprint.writes)
        writes = _slot(call, logic, slots, json_payload(written), written)
    return reads, writes


def names_in(groups: Iterable[tuple[str, str, Mapping[str, Any]]]) -> dict[RecordKey, Any]:
    """Gives the keys of a record's `reads` and `writes`, each with its version, or what was done to it."""
    return {
        RecordKey(namespace, agent_id, key): fact
        for namespace, agent_id, facts in groups
        for key, fact in facts.items()
    }


def _by_agent(touched: Mapping[RecordKey, int] | Mapping[RecordKey, str]) -> list[list[Any]]:
    """``[[namespace, agent, {key: version or kind}], …]``: agents are few, keys may be many."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    pairs: Iterable[tuple[RecordKey, Any]] = touched.items()
    for name, fact in pairs:
        groups.setdefault((name.namespace, name.agent_id), {})[name.key] = fact
    return [[namespace, agent_id, facts] for (namespace, agent_id), facts in groups.items()]
