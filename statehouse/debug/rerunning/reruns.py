"""The body of a recorded step, run again on the state that it saw, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from statehouse.client.blocking import run as run_flow
from statehouse.client.connection import Connection
from statehouse.debug.overlay.connections import overlay_connection
from statehouse.debug.overlay.engine import OverlayEngine
from statehouse.debug.overlay.layers import MemoryLayer
from statehouse.debug.rerunning.divergence import DivergenceKind
from statehouse.extend import Entry, Get, RecordKey, decode
from statehouse.steps import failures
from statehouse.steps.body import Step
from statehouse.steps.calls import StepCall
from statehouse.steps.driving import Call, StepFlow
from statehouse.steps.nesting import Footprint
from statehouse.steps.performing import transaction_of
from statehouse.steps.record import StepRecord
from statehouse.steps.writing import names_in

if TYPE_CHECKING:
    from statehouse.debug.rerunning.replaying import ReplayLogic, Wrap


class Change(NamedTuple):
    """What became of a key that a step wrote.

    Attributes:
        before: What it held; None for nothing.
        recorded: What the recorded step made of it.
        now: What the step makes of it now.
    """

    before: Any
    recorded: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Rerun:
    """A body that ran again.

    Attributes:
        record: The step as it is recorded.
        at: The commit_ts that it saw the state as of.
        output: What it returned now, as JSON; None when it raised.
        error: What it raised now.
        reads: The keys that it read now, with their versions.
        changes: The keys that it wrote, then or now.
        given: What it gave its caller.
    """

    record: StepRecord
    at: int
    output: Any = None
    error: Exception | None = None
    reads: Mapping[RecordKey, int] = field(default_factory=dict)
    changes: Mapping[RecordKey, Change] = field(default_factory=dict)
    given: Any = None


class Difference(NamedTuple):
    """How a rerun differs from its record."""

    kind: DivergenceKind
    message: str
    recorded: Any
    now: Any


def rerun(run: ReplayLogic, call: StepCall, record: StepRecord, wrap: Wrap | None) -> StepFlow[Rerun]:
    """Runs the body of a step as it ran; its writes go to an overlay that nobody else sees.

    Raises (in the flow):
        Stopped: A step inside it went another way.
        BaseException: What ends a program.
    """
    at = record.saw_ts
    overlay = OverlayEngine(run.view, at, MemoryLayer(at))
    connection = overlay_connection(overlay, run.over)
    try:
        step = _step(run, call, record, connection)
        output, error = None, None
        try:
            result = yield from _body(call, step, wrap)
            step.ended = True
            output = call.definition.results.take(result)
        except Exception as raised:  # noqa: BLE001 - it is the body's, and is looked at
            error = raised
        else:
            # Its own engine: the driver of the run's flow would ask the run's.
            run_flow(connection, step.logic.commit())
        changes = yield from _changes(run, overlay, step, record, at, applied=error is None)
        return Rerun(
            record,
            at,
            None if output is None else output.value,
            error,
            dict(step.footprint.reads),
            changes,
            None if output is None else output.given,
        )
    finally:
        connection.close()


def _step(run: ReplayLogic, call: StepCall, record: StepRecord, connection: Connection) -> Step:
    around = call.parent
    return Step(
        run,
        call.identity,
        transaction_of(call, connection),
        Footprint(record.path, None if around is None else around.footprint, run.lock),
        attempt=record.attempt,
        repeated=False,
        idempotency_key=record.idempotency_key,
        is_async=call.is_async,
    )


def _body(call: StepCall, step: Step, wrap: Wrap | None) -> StepFlow[Any]:
    """The body, without its timeout: whoever looks at it takes longer than a machine."""
    flow = call.body(step)
    try:
        asked = next(flow)
        while True:
            if isinstance(asked, Call):
                asked = replace(asked, timeout=None)
                asked = asked if wrap is None else wrap(call, step, asked)
            try:
                reply = yield asked
            except BaseException as error:  # noqa: BLE001 - the body decides
                asked = flow.throw(error)
            else:
                asked = flow.send(reply)
    except StopIteration as done:
        return done.value


def _changes(
    run: ReplayLogic, overlay: OverlayEngine, step: Step, record: StepRecord, at: int, *, applied: bool
) -> StepFlow[dict[RecordKey, Change]]:
    then: set[RecordKey] = set()
    if record.writes is not None:
        groups = yield from run.shared.read(record.writes)
        then = set(names_in(groups))
    now = set(step.footprint.writes) if applied else set()
    changes: dict[RecordKey, Change] = {}
    for name in sorted(then | now):
        before = _value(run.view.execute(Get(name, at)).entry)
        recorded = _value(run.view.execute(Get(name, record.commit_ts)).entry) if name in then else before
        changes[name] = Change(before, recorded, _value(overlay.execute(Get(name)).entry))
    return changes


def _value(entry: Entry) -> Any:
    return None if entry.payload is None else decode(entry.payload)


def compared(run: ReplayLogic, done: Rerun) -> StepFlow[Difference | None]:
    """Gives how a rerun differs from its record; None when it does not."""
    record, path = done.record, done.record.path
    if record.status == "failed" or done.error is not None:
        was, now = dict(record.error or {}), failures.to_record(done.error) if done.error else {}
        if was.get("type") == now.get("type") and was.get("message") == now.get("message"):
            return None
        output = (yield from run.shared.read(record.output)) if record.output is not None else done.output
        return Difference(
            "failure",
            f"the step {path} {_ended(was, output)}, and now it {_ended(now, output)}",
            was or None,
            now or None,
        )
    recorded = yield from run.shared.read(record.output or {})
    if recorded != done.output:
        return Difference(
            "output",
            f"the step {path} returned {recorded!r:.200}, and now it returns {done.output!r:.200}",
            recorded,
            done.output,
        )
    if record.status == "conflicted":
        # Its writes were not applied.
        return None
    for name, change in done.changes.items():
        if change.recorded != change.now:
            return Difference(
                "writes",
                f"the step {path} wrote {change.recorded!r:.200} to {name}, and now it writes "
                f"{change.now!r:.200}",
                change.recorded,
                change.now,
            )
    return None


def _ended(error: Mapping[str, Any], output: Any) -> str:
    return f"raised {error['type']}: {error.get('message', '')}" if error else f"returned {output!r:.200}"
