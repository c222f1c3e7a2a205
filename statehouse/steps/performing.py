"""How one call of a step is performed, from its record or by running it. All that decides its fate is here.

::

    CALLED ─ recorded? ── yes ─▶ RECALLED (its result, its failure, a mismatch)   see `recall`
       ▲        │ no
       │        ▼
       │     RUNNING ◀──────────────── again: a failure that may be retried, a conflict
       │        │ returned / raised      ▲
       │        ▼                        │
       │     COMMITTING: state changes, result, record: one commit
       │        │ refused                │ something it read has changed ──┘
       └────────┤ another worker was first: its record counts
                ▼
             RECORDED: executed, failed, conflicted

Invariants:

* P1. A result is given to the caller only after the commit that records it was acknowledged.
* P2. The commit requires that the record is as it was found: absent, or the version that is replaced. Of two
  workers one wins, the other applies nothing and gives the winner's result.
* P3. No lock is held, and no transaction is open on any server, while the body runs.
* P4. What ends a step without being its failure (a cancellation, Ctrl-C, a lost store) records nothing.
* P5. An at_most_once body never runs again after its intent: on a conflict its result is recorded without its
  state changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from statehouse.errors import (
    ConflictError,
    ConnectionError,
    DeadlineExceededError,
    OutcomeUnknownError,
    OverloadedError,
    PreconditionFailedError,
    StatehouseError,
    StepConflictError,
)
from statehouse.extend import TransactionLogic
from statehouse.steps import failures
from statehouse.steps.attempts import Attempts
from statehouse.steps.body import Step
from statehouse.steps.conflicts import changed, given_up
from statehouse.steps.driving import Pause, StepFlow
from statehouse.steps.effects import intend
from statehouse.steps.nesting import Footprint
from statehouse.steps.recall import recall
from statehouse.steps.record import StepRecord, StepStatus
from statehouse.steps.results import Output
from statehouse.steps.writing import stage_record

if TYPE_CHECKING:
    from statehouse.client.connection import Connection
    from statehouse.steps.calls import StepCall

_TRANSIENT: Final = (ConnectionError, OverloadedError, OutcomeUnknownError, DeadlineExceededError)
_COMMIT_DELAY_S: Final = 0.05
_COMMIT_DELAY_S_MAX: Final = 2.0


class _Lost(Exception):
    """Another worker has recorded the step first (P2)."""


def perform(call: StepCall) -> StepFlow[Any]:
    """Gives what a call of a step returns, from its record or by running it.

    Raises (in the flow):
        StepMismatchError, StepConflictError, StepNestingError: See there.
        ConflictError: It conflicted more often than `conflict_retries` allows.
        Exception: What the step raises.
    """
    found = yield from call.run.history.find(call)
    while True:
        if found is not None:
            recalled = yield from recall(call, found)
            if not recalled.again:
                return recalled.value
        try:
            return (yield from _run(call, found))
        except _Lost:
            call.run.history.rival()
            found = yield from call.run.history.read(call.identity.path)


def _run(call: StepCall, replaced: StepRecord | None) -> StepFlow[Any]:
    """Runs a step until one of its attempts is recorded."""
    attempts = Attempts(0 if replaced is None else replaced.attempt)
    options = call.definition.options
    if options.effect == "at_most_once":
        yield from _intend(call, attempts, replaced)
    while True:
        attempts.begin()
        call.outcome.attempt = attempts.number
        step = _begin(call, attempts.number)
        try:
            result = yield from call.body(step)
        except Exception as error:
            step.end()
            if not failures.is_the_steps_own(error):
                raise
            attempts.failures += 1
            if options.may_retry(attempts.failures, error):
                yield Pause(options.delay_s(attempts.failures))
                continue
            yield from _record_failure(call, step, attempts, replaced, error)
            raise
        except BaseException:
            # P4
            step.end()
            raise
        # The body has returned: what it left running in threads and tasks must not slip into the commit.
        step.ended = True
        output = call.definition.results.take(result)
        try:
            step.footprint.commit()
            yield from _record(call, step, step.logic, attempts, replaced, "executed", output=output)
        except ConflictError as error:
            yield from _lost_if_recorded(call, replaced)
            attempts.conflicts += 1
            call.outcome.conflicts = attempts.conflicts
            if options.effect == "at_most_once":
                raise (yield from _record_conflict(call, step, attempts, replaced, output, error)) from error
            if attempts.conflicts > options.conflict_retries:
                raise (yield from given_up(call, attempts, error)) from error
            yield Pause(attempts.conflict_delay_s())
        else:
            return output.given


def _intend(call: StepCall, attempts: Attempts, replaced: StepRecord | None) -> StepFlow[None]:
    """Has an at_most_once step begun, unless it began before."""
    while True:
        try:
            undecided = yield from intend(call, replaced)
        except PreconditionFailedError:
            yield from _lost_if_recorded(call, replaced)
            continue
        break
    if undecided is None:
        return
    call.outcome.status = failures.UNKNOWN
    # Whoever began it may have ended it since we looked.
    yield from _lost_if_recorded(call, replaced)
    if failures.is_the_steps_own(undecided):
        attempts.begin()
        yield from _record_failure(call, _begin(call, attempts.number), attempts, replaced, undecided)
    raise undecided


def _begin(call: StepCall, attempt: int) -> Step:
    run, around = call.run, call.parent
    return Step(
        run,
        call.identity,
        transaction_of(call),
        Footprint(call.identity.path, None if around is None else around.footprint, run.lock),
        attempt=attempt,
        repeated=attempt > 1 or (around is not None and around.repeated),
        idempotency_key=call.idempotency_key,
        is_async=call.is_async,
    )


def transaction_of(call: StepCall, connection: Connection | None = None) -> TransactionLogic:
    """Gives the transaction of an attempt (P3), over the run's connection or another one.

    All of it is in this process until it commits, so it may take as long as a model needs.
    """
    run = call.run
    return TransactionLogic(
        connection or run.connection,
        namespace=run.namespace,
        agent_id=run.agent_id,
        timeout=None,
        origin=run.origin_of(call),
        txn_id=None,
        expires=False,
    )


def _record_failure(
    call: StepCall, step: Step, attempts: Attempts, replaced: StepRecord | None, error: Exception
) -> StepFlow[None]:
    """Records what an attempt saw and what came of it, and none of its state changes."""
    call.run.failed(error, call.identity.path)
    try:
        yield from _record(call, step, transaction_of(call), attempts, replaced, "failed", error=error)
    except _Lost:
        raise
    except StatehouseError as second:
        # What went wrong first is what the program must hear of; the step runs again when the run is resumed.
        error.add_note(f"and that the step {call.identity.path} failed could not be recorded: {second}")


def _record_conflict(
    call: StepCall,
    step: Step,
    attempts: Attempts,
    replaced: StepRecord | None,
    output: Output,
    conflict: ConflictError,
) -> StepFlow[StepConflictError]:
    """Records its result, and none of its state changes (P5)."""
    logic = transaction_of(call)
    yield from _record(call, step, logic, attempts, replaced, "conflicted", output=output)
    path = call.identity.path
    return StepConflictError(
        f"the step {path} ran, and its state changes were not applied: {changed(conflict)} had changed "
        f"meanwhile (commit_ts {conflict.details.get('commit_ts', 0)}). It is at_most_once, so it does not "
        "run again; its result is on this error",
        path=path,
        result=output.given,
        commit_ts=logic.commit_ts,
        keys=conflict.details.get("keys", ()),
    )


def _record(
    call: StepCall,
    step: Step,
    logic: TransactionLogic,
    attempts: Attempts,
    replaced: StepRecord | None,
    status: StepStatus,
    *,
    output: Output | None = None,
    error: Exception | None = None,
) -> StepFlow[None]:
    """Commits the record of an attempt: with its state changes, if the transaction is its own."""
    slots = stage_record(
        call,
        step,
        logic,
        attempts,
        status,
        output=output,
        error=error,
        if_version=0 if replaced is None else replaced.version,
    )
    try:
        yield from _commit_surely(logic)
    except PreconditionFailedError:
        raise _Lost from None
    call.run.recorded(call, slots)
    outcome = call.outcome
    outcome.status, outcome.output, outcome.read_ts = status, output, step.logic.read_ts
    outcome.commit_ts = logic.commit_ts or 0


def _commit_surely(logic: TransactionLogic) -> StepFlow[None]:
    """Commits, and repeats what may be repeated: a result that took a model call is not thrown away for a
    hiccup.
    """
    connection = logic.connection
    deadline = connection.monotonic() + connection.timeout
    delay = _COMMIT_DELAY_S
    while True:
        try:
            yield from logic.commit()
        except _TRANSIENT as error:
            delay = max(delay, float(error.details.get("retry_after", 0.0)))
            if error.details.get("reason") == "disk_full" or connection.monotonic() + delay >= deadline:
                raise
            yield Pause(delay)
            delay = min(_COMMIT_DELAY_S_MAX, delay * 2)
        else:
            return


def _lost_if_recorded(call: StepCall, replaced: StepRecord | None) -> StepFlow[None]:
    """A conflict with the winner's own state changes is no reason to run again (P2)."""
    now = yield from call.run.history.read(call.identity.path)
    if now is not None and (replaced is None or now.version != replaced.version):
        raise _Lost
