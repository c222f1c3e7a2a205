"""Saying how an at_most_once step ended of which nothing is known; see `effects`."""

from __future__ import annotations

from typing import Any, Final

from statehouse.errors import InvalidArgumentError, NotFoundError, PreconditionFailedError
from statehouse.extend import Flow, Get, Precondition, Read, RecordKey, TransactionLogic, commit, decode
from statehouse.steps import keys
from statehouse.steps.clock import now_us
from statehouse.steps.effects import forget
from statehouse.steps.identity import idempotency_key
from statehouse.steps.record import StepRecord, step_from_entry
from statehouse.steps.runs import RunLogic
from statehouse.steps.shapes import to_json
from statehouse.steps.shared import json_payload
from statehouse.steps.writing import write_record

MISSING: Final[Any] = object()


def resolve(run: RunLogic, path: str, output: Any, retry: bool) -> Flow[None]:
    """Records how a step ended, or that it never began.

    Args:
        run: Its run.
        path: The step.
        output: What it returned; `MISSING` if it is to run again.
        retry: Whether it is to run again.

    Raises (in the flow):
        InvalidArgumentError: Neither or both are given.
        NotFoundError: The step never began, or is not at_most_once.
        PreconditionFailedError: It has ended meanwhile.
    """
    if retry is (output is not MISSING):
        raise InvalidArgumentError(
            "say how the step ended, output=..., or that it is to run again, retry=True"
        )
    intent: Read = yield Get(RecordKey(run.records, run.run_id, keys.INTENT + path))
    if intent.entry.payload is None:
        raise NotFoundError(
            f"the run {run.run_id} has no step {path} that began at most once", run_id=run.run_id, path=path
        )
    read: Read = yield Get(RecordKey(run.records, run.run_id, keys.STEP + path))
    record = step_from_entry(read.entry) if read.entry.exists else None
    if record is not None and record.status != "failed":
        raise PreconditionFailedError(
            f"the step {path} of run {run.run_id} has ended at commit_ts {record.commit_ts}, as "
            f"{record.status}",
            which=Precondition(read.entry.key, 0),
            version=record.version,
            commit_ts=record.commit_ts,
        )
    expected = Precondition(read.entry.key, 0 if record is None else record.version)
    if retry:
        yield from commit(
            run.connection,
            forget(run.records, run.run_id, path),
            preconditions=[expected],
            origin=run.origin(path),
        )
        return
    yield from _record(run, path, decode(intent.entry.payload), output, expected)


def _record(
    run: RunLogic, path: str, intent: dict[str, Any], output: Any, expected: Precondition
) -> Flow[None]:
    logic = TransactionLogic(
        run.connection,
        namespace=run.namespace,
        agent_id=run.agent_id,
        timeout=None,
        origin=run.origin(path),
        txn_id=None,
    )
    value = to_json(output)
    payload = json_payload(value)
    slot = run.shared.stage(logic, payload, value)
    record = StepRecord(
        run_id=run.run_id,
        path=path,
        name=intent["name"],
        ordinal=intent["ordinal"],
        status="executed",
        input={},
        function=intent["function"],
        input_hash=intent["input_hash"],
        output=slot,
        started_at_us=intent["began_us"],
        ended_at_us=now_us(),
        idempotency_key=idempotency_key(run.records, run.run_id, path, intent["input_hash"]),
        effect="at_most_once",
    )
    write_record(logic, record, namespace=run.records, if_version=expected.version or 0)
    yield from logic.commit()
    run.shared.committed([(slot, payload)])
