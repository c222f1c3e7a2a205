"""What the record of a step refers to, as operations of the transaction that will commit it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from statehouse.extend import Payload, RecordKey, TransactionLogic
from statehouse.steps.shared import Slot, json_payload

if TYPE_CHECKING:
    from statehouse.steps.body import Step
    from statehouse.steps.calls import StepCall
    from statehouse.steps.results import Output

Slots = list[tuple[Slot, Payload]]


class Staged(NamedTuple):
    """What a record refers to, staged in the transaction that will commit it.

    Attributes:
        input: The arguments, each as a slot.
        output: The result; None for a failed step.
        reads: What the attempt read; None for nothing.
        writes: What it writes; None for nothing, and where its state changes are not applied.
        slots: All of these, to be taken in when they are committed.
    """

    input: dict[str, Slot]
    output: Slot | None
    reads: Slot | None
    writes: Slot | None
    slots: Slots


def stage_values(call: StepCall, step: Step, logic: TransactionLogic, output: Output | None) -> Staged:
    """Stages the values that the record of an attempt refers to.

    Args:
        call: The step.
        step: The attempt that ended it.
        logic: The transaction: the attempt's own, or another one where its state changes are not applied.
        output: Its result; None for a failed one.

    Raises:
        LimitExceededError: The transaction would be too large.
    """
    slots: Slots = []

    def slot(payload: Payload, value: Any) -> Slot:
        found = call.run.shared.stage(logic, payload, value)
        slots.append((found, payload))
        return found

    values, footprint = call.taken.values, step.footprint
    reads: Slot | None = None
    writes: Slot | None = None
    if footprint.reads or footprint.ranges:
        read: dict[str, Any] = {"keys": _by_agent({**footprint.scanned, **footprint.reads})}
        if footprint.ranges:
            read["ranges"] = [
                [span.namespace, span.agent_id, span.prefix, span.keys_only] for span in footprint.ranges
            ]
        reads = slot(json_payload(read), read)
    if footprint.writes and logic is step.logic:
        written = _by_agent(footprint.writes)
        writes = slot(json_payload(written), written)
    return Staged(
        input={name: slot(payload, values[name]) for name, payload in call.taken.payloads.items()},
        output=None if output is None else slot(output.payload, output.value),
        reads=reads,
        writes=writes,
        slots=slots,
    )


def _by_agent(touched: Mapping[RecordKey, int] | Mapping[RecordKey, str]) -> list[list[Any]]:
    """``[[namespace, agent, {key: version or kind}], …]``: agents are few, keys may be many."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    pairs: Iterable[tuple[RecordKey, Any]] = touched.items()
    for name, fact in pairs:
        groups.setdefault((name.namespace, name.agent_id), {})[name.key] = fact
    return [[namespace, agent_id, facts] for (namespace, agent_id), facts in groups.items()]
