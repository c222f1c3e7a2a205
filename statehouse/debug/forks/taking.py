"""Steps of a fork that are answered from its parent's records, or with a result that somebody gave.

Either way the fork records the step as its own, with what it wrote: a fork that is looked into, resumed or
forked again needs nothing of its parent's records.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from statehouse.client.blocking import run as run_flow
from statehouse.errors import ConflictError, PreconditionFailedError
from statehouse.extend import Entry, Get, KeyRange, RecordKey, Scan, TransactionLogic
from statehouse.steps.calls import StepCall
from statehouse.steps.clock import now_us
from statehouse.steps.driving import StepFlow
from statehouse.steps.identity import idempotency_key
from statehouse.steps.performing import transaction_of
from statehouse.steps.recall import recall
from statehouse.steps.record import StepRecord
from statehouse.steps.shared import Slot, json_payload
from statehouse.steps.writing import Slots, names_in, write_record

if TYPE_CHECKING:
    from statehouse.debug.forks.forking import ForkLogic
    from statehouse.extend import Engine

_ROWS: Final = 1000


def take(call: StepCall, record: StepRecord) -> StepFlow[Any]:
    """Records a step as its parent did, and gives what that gave.

    Raises (in the flow):
        Exception: What the step raised.
        StatehouseError: As a commit does.
    """
    run = _fork(call)
    logic = transaction_of(call)
    # What came before the fork's point is in the state that it began with, unless that was undone.
    is_new = record.commit_ts > run.plan.at or run.is_inside(record.path)
    if record.status == "executed" and is_new:
        for name, entry in (yield from _writes(run, record)):
            _stage(logic, name, entry)
    slots: Slots = []
    given: dict[str, Slot] = {}
    for argument, slot in record.input.items():
        given[argument] = yield from _copied(run, logic, slots, slot)
    copied = replace(
        record,
        run_id=run.run_id,
        input=given,
        output=(yield from _copied(run, logic, slots, record.output)),
        reads=(yield from _copied(run, logic, slots, record.reads)),
        writes=(yield from _copied(run, logic, slots, record.writes)),
        trace_id=logic.origin.trace_id,
        span_id=logic.origin.span_id,
        parent_span_id=call.parent_span_id,
        taken={"run_id": record.run_id, "commit_ts": record.commit_ts},
    )
    yield from _commit(call, logic, copied, slots)
    return (yield from recall(call, replace(copied, input_hash=call.taken.hash))).value


def stub(call: StepCall, output: Any) -> StepFlow[Any]:
    """Records a step with a result that somebody gave, and no state changes; gives that result.

    Raises (in the flow):
        InvalidArgumentError: It is not what the step's annotation says.
        StatehouseError: As a commit does.
    """
    run = _fork(call)
    given = call.definition.results.give(output)
    logic = transaction_of(call)
    slots: Slots = []

    def slot_of(value: Any) -> Slot:
        payload = json_payload(value)
        slots.append((run.shared.stage(logic, payload, value), payload))
        return slots[-1][0]

    now = now_us()
    record = StepRecord(
        run_id=run.run_id,
        path=call.identity.path,
        name=call.identity.name,
        ordinal=call.identity.ordinal,
        status="executed",
        input={name: slot_of(value) for name, value in call.taken.values.items()},
        kind=call.definition.kind,
        function=call.definition.function,
        source_hash=call.definition.source_hash,
        code_version=run.code_version,
        input_hash=call.taken.hash,
        output=slot_of(output),
        trace_id=logic.origin.trace_id,
        span_id=logic.origin.span_id,
        parent_span_id=call.parent_span_id,
        started_at_us=now,
        ended_at_us=now,
        idempotency_key=idempotency_key(run.records, run.run_id, call.identity.path, call.taken.hash),
        effect=call.definition.options.effect,
        taken={"run_id": "", "commit_ts": 0},
    )
    yield from _commit(call, logic, record, slots)
    call.outcome.status = "recorded"
    return given


def took_the_same(run: ForkLogic, record: StepRecord) -> bool:
    """Whether what a step of the parent had read holds the same in the fork now.

    Raises:
        StatehouseError: As a read does.
    """
    if record.reads is None:
        return True
    read = run_flow(run.connection, run.parents_values.read(record.reads))
    at = record.saw_ts
    for name in names_in(read["keys"]):
        then = run.view.execute(Get(name, at)).entry
        if then.payload != run.overlay.execute(Get(name)).entry.payload:
            return False
    spans = [KeyRange(*each[:3]) for each in read.get("ranges", ())]
    return all(_keys(run.view, span, at) == _keys(run.overlay, span, None) for span in spans)


def _keys(engine: Engine, span: KeyRange, at: int | None) -> list[str]:
    """The keys of a range; their values were read one by one.

    Of the engine itself: a connection to it would be one more handle, which a session has see the overlay.
    """
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = engine.execute(
            Scan(
                span.namespace,
                span.agent_id,
                span.prefix,
                at if cursor is None else None,
                keys_only=True,
                limit=_ROWS,
                cursor=cursor,
            )
        )
        found += [entry.key.key for entry in page.entries]
        cursor = page.cursor
        if cursor is None:
            return found


def _fork(call: StepCall) -> ForkLogic:
    run: Any = call.run
    fork: ForkLogic = run
    return fork


def _writes(run: ForkLogic, record: StepRecord) -> StepFlow[Iterable[tuple[RecordKey, Entry]]]:
    """What a step of the parent wrote, as it wrote it."""
    if record.writes is None:
        return []
    groups = yield from run.parents_values.read(record.writes)
    return [(name, run.view.execute(Get(name, record.commit_ts)).entry) for name in names_in(groups)]


def _stage(logic: TransactionLogic, name: RecordKey, entry: Entry) -> None:
    place: dict[str, Any] = {"agent_id": name.agent_id, "namespace": name.namespace}
    if entry.payload is None:
        logic.delete(name.key, **place, if_version=None, if_commit_ts=None)
    else:
        logic.write(name.key, entry.payload, **place, if_version=None, if_commit_ts=None, extends=None)


def _copied(run: ForkLogic, logic: TransactionLogic, slots: Slots, slot: Slot | None) -> StepFlow[Any]:
    """A slot of the parent's as one of the fork's."""
    if slot is None or "ref" not in slot:
        return slot
    value = yield from run.parents_values.read(slot)
    payload = json_payload(value)
    slots.append((run.shared.stage(logic, payload, value), payload))
    return slots[-1][0]


def _commit(call: StepCall, logic: TransactionLogic, record: StepRecord, slots: Slots) -> StepFlow[None]:
    write_record(logic, record, namespace=call.run.records, if_version=0)
    try:
        yield from logic.commit()
    except (PreconditionFailedError, ConflictError):
        # Another process goes on with the same fork, and was first: its record counts, and is the same.
        return
    call.run.recorded(call, slots)
