"""Steps that act on the world at most once: an intent is committed before the body runs.

::

    no intent, no record    commit the intent, run, commit the record
    a record                answered from it
    an intent, no record    the body began, and nobody knows how it ended: `if_unknown` decides
                            ask     StepError with status "unknown", each time, until `run.resolve` says
                            fail    recorded as failed: the program gets that, now and whenever it runs again
                            retry   run again, at the risk of a second effect

A worker that is still at work has an intent and no record too: to another one its step is as unknown as after
a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from statehouse.errors import StepError
from statehouse.extend import Delete, Get, Precondition, Read, RecordKey, Write, commit, encode
from statehouse.steps import keys
from statehouse.steps.clock import now_us
from statehouse.steps.driving import StepFlow
from statehouse.steps.failures import UNKNOWN
from statehouse.steps.record import FORMAT, StepRecord

if TYPE_CHECKING:
    from statehouse.steps.calls import StepCall


def intent_key(call: StepCall) -> RecordKey:
    """Names the intent of a step."""
    return RecordKey(call.run.records, call.run.run_id, keys.INTENT + call.identity.path)


def intend(call: StepCall, replaced: StepRecord | None) -> StepFlow[StepError | None]:
    """Commits the intent of a step before it runs.

    Args:
        call: The step.
        replaced: Its record, if it was decided to run it again.

    Returns:
        None: it may run. Else what is to be raised, since it began earlier and nobody knows how it ended.

    Raises (in the flow):
        PreconditionFailedError: Another worker has begun or recorded it meanwhile.
        StatehouseError: As a commit does.
    """
    name = intent_key(call)
    policy = call.definition.options.if_unknown
    read: Read = yield Get(name)
    if read.entry.exists and replaced is None and policy != "retry":
        return _unknown(call, UNKNOWN if policy == "ask" else "failed")
    intent = {
        "v": FORMAT,
        "input_hash": call.taken.hash,
        "name": call.identity.name,
        "ordinal": call.identity.ordinal,
        "function": call.definition.function,
        "began_us": now_us(),
    }
    record = RecordKey(call.run.records, call.run.run_id, keys.STEP + call.identity.path)
    yield from commit(
        call.run.connection,
        [Write(name, encode(intent))],
        preconditions=[
            Precondition(name, read.entry.version if read.entry.exists else 0),
            Precondition(record, 0 if replaced is None else replaced.version),
        ],
        origin=call.run.origin_of(call),
    )
    return None


def forget(namespace: str, run_id: str, path: str) -> list[Delete]:
    """Gives the operations after which a step has never begun."""
    return [Delete(RecordKey(namespace, run_id, prefix + path)) for prefix in (keys.INTENT, keys.STEP)]


def _unknown(call: StepCall, status: str) -> StepError:
    path, run_id = call.identity.path, call.run.run_id
    return StepError(
        f"the step {path} of run {run_id} began once, and nothing says how it ended: it may have had its "
        f"effect. Find out from whoever it called (its idempotency key is {call.idempotency_key}), then "
        f"say so in the resumed run: run.resolve({path!r}, output=...) or run.resolve({path!r}, "
        "retry=True). if_unknown= decides without asking",
        path=path,
        run_id=run_id,
        status=status,
    )
