"""From a reference to the runs and steps that it leads to.

The log knows the origin of every commit: a commit that was made inside a step leads to the step, whichever
span it was made in. Everything is found by index, so it takes as long among a million commits as among a
thousand; of a trace or a run that made more than a page of commits the first page is looked at, and the rest
can be iterated over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from statehouse.debug.inspecting.entries import entries_of
from statehouse.debug.inspecting.naming import namespaces_of, step_named
from statehouse.debug.inspecting.references import SCHEME, Reading, ReferenceKind, readings, step_readings
from statehouse.debug.overlay.layers import FORKS
from statehouse.errors import NotFoundError
from statehouse.extend import (
    Entry,
    EventPage,
    FindEvents,
    Flow,
    RecordKey,
    Replay,
    Status,
    StoreStatus,
    run,
)
from statehouse.protocol.replies import Event, Operation
from statehouse.steps import keys
from statehouse.steps.reading import read_run
from statehouse.steps.record import RunRecord, StepRecord, run_from_entry, step_from_entry
from statehouse.tracing.attributes import state_ref

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

_RUNS: Final = keys.runs_namespace("")
_RUNS_SOUGHT_MAX: Final = 20

StepName = tuple[str, str]
"""A run id and the path of a step."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a reference leads to.

    Attributes:
        reference: The reference.
        kind: What it was taken for.
        what: That in words.
        runs: The runs that it leads to.
        steps: The steps, in the order of their commits. For a commit: as its step was recorded by it.
        unrecorded: Steps that made a commit and have no record: they are running, or were ended.
        events: The events, or the first page of them.
        following: What asks for the events after these; None when these are all.
        store_id: The store.
        epoch: Its epoch.
    """

    reference: str
    kind: ReferenceKind
    what: str
    runs: tuple[RunRecord, ...]
    steps: tuple[StepRecord, ...]
    unrecorded: tuple[StepName, ...]
    events: tuple[Event, ...]
    following: FindEvents | Replay | None = None
    store_id: str = ""
    epoch: int = 0

    def run_of(self, step: StepRecord) -> RunRecord | None:
        """The run of one of the steps."""
        return next((each for each in self.runs if each.run_id == step.run_id), None)

    def state_ref(self, step: StepRecord, commit_ts: int) -> str:
        """Names the state of a step's namespace as of a commit: ``sh://store/epoch/namespace@ts``."""
        record = self.run_of(step)
        if record is None or not self.store_id:
            return ""
        return state_ref(self.store_id, self.epoch, record.namespace, commit_ts)


def find(sh: Statehouse | StatehouseAsync, reference: str) -> Finding | None:
    """Gives what a reference leads to; None when it is nothing here.

    Args:
        sh: Where to look. The whole store is searched.
        reference: A commit_ts, the id of a transaction, trace, span or run, ``run#step``, a traceparent, or
            ``sh://store/epoch/namespace@ts``.

    Raises:
        InvalidArgumentError: It is malformed.
        LimitExceededError: It is longer than any reference.
        StoreChangedError: It names another store, or history that was replaced.
        CompactedError: It names a commit that was compacted.
        StatehouseError: As a read does.
    """
    return run(sh, _find(sh.namespace, reference.strip()))


def events_of(sh: Statehouse | StatehouseAsync, finding: Finding) -> Iterator[Event]:
    """Iterates over all events of a finding, asking for further pages as they are needed.

    Raises:
        StatehouseError: As a read does.
    """
    yield from finding.events
    following = finding.following
    while following is not None:
        page = sh.connection.engine.execute(following)
        yield from page.events
        following = None if page.done or not page.events else following.after(page)


def step_of(event: Event) -> StepName | None:
    """Gives the step that made a commit; None for a commit of no step."""
    for operation in event.operations:
        if _is_step(operation):
            return operation.agent_id, operation.key.removeprefix(keys.STEP)
    origin = event.origin
    return (origin.run_id, origin.step) if origin.run_id and origin.step else None


def _find(namespace: str, reference: str) -> Flow[Finding | None]:
    status: StoreStatus | None = None
    if reference.startswith(SCHEME):
        # Only here: to say how a store is, all of it may have to be looked at.
        status = yield Status()
    for reading in readings(reference, status):
        page: EventPage = yield reading.request
        if page.events and _is_in(page.events[0], reading.namespace):
            return (yield from _found(namespace, reference, reading, page))
    for run_id, path in step_readings(reference):
        found = yield from _find_step(namespace, reference, run_id, path)
        if found is not None:
            return found
    return None


def _found(namespace: str, reference: str, reading: Reading, page: EventPage) -> Flow[Finding]:
    runs, steps, unrecorded = yield from _Seen(namespace, page.events).resolve()
    around = [step for step in steps if step.parent_span_id == reading.around]
    if reading.around and around:
        runs = [each for each in runs if any(step.run_id == each.run_id for step in around)]
        steps, unrecorded = around, []
    return Finding(
        reference,
        reading.kind,
        _said(reading, around),
        tuple(runs),
        tuple(steps),
        tuple(unrecorded),
        page.events,
        None if page.done else reading.request.after(page),
        page.store_id,
        page.epoch,
    )


def _said(reading: Reading, around: Sequence[StepRecord]) -> str:
    if not reading.around or not around:
        return reading.what
    return reading.what.replace("made no commit", f"is around {', '.join(step.path for step in around[:3])}")


def _is_in(event: Event, namespace: str | None) -> bool:
    """Whether a commit changed a namespace, or recorded a step of it."""
    if namespace is None:
        return True
    return any(operation.namespace in (namespace, namespace + _RUNS) for operation in event.operations)


def _find_step(namespace: str, reference: str, run_id: str, path: str) -> Flow[Finding | None]:
    for where in dict.fromkeys([namespace, *(yield from namespaces_of(run_id))]):
        try:
            record = yield from read_run(where, run_id)
        except NotFoundError:
            continue
        step = yield from step_named(record, path)
        page: EventPage = yield Replay(None, None, step.commit_ts, step.commit_ts, limit=1)
        what = f"step {step.path} of run {run_id}"
        ids = (page.store_id, page.epoch)
        return Finding(reference, "step", what, (record,), (step,), (), page.events, None, *ids)
    return None


class _Seen:
    """The runs and steps of some events.

    Args:
        namespace: Where runs are looked for that the events themselves do not place.
        events: The events.
    """

    def __init__(self, namespace: str, events: Sequence[Event]) -> None:
        self._steps: dict[StepName, StepRecord] = {}
        self._pending: dict[StepName, None] = {}
        self._places: dict[str, dict[str, None]] = {}
        for event in events:
            self._take(namespace, event)

    def _take(self, namespace: str, event: Event) -> None:
        for operation in event.operations:
            if not operation.namespace.endswith(_RUNS):
                continue
            self._place(operation.agent_id, operation.namespace)
            if _is_step(operation) and operation.payload is not None:
                record = step_from_entry(_entry(event, operation))
                self._steps[record.run_id, record.path] = record
        origin = event.origin
        if not origin.run_id:
            return
        for operation in event.operations:
            if not keys.is_of_runs(operation.namespace):
                self._place(origin.run_id, operation.namespace.removesuffix(FORKS))
        self._place(origin.run_id, namespace)
        if origin.step:
            self._pending[origin.run_id, origin.step] = None

    def _place(self, run_id: str, namespace: str) -> None:
        self._places.setdefault(run_id, {})[namespace.removesuffix(_RUNS)] = None

    def resolve(self) -> Flow[tuple[list[RunRecord], list[StepRecord], list[StepName]]]:
        """Gives the records of the runs and of the steps, and the steps without a record."""
        runs = yield from self._runs()
        pending = [name for name in self._pending if name not in self._steps]
        where = {each.run_id: each.namespace for each in runs}
        names = [
            RecordKey(keys.runs_namespace(where[run_id]), run_id, keys.STEP + path)
            for run_id, path in pending
            if run_id in where
        ]
        for entry in (yield from entries_of(names)):
            if entry.payload is not None:
                record = step_from_entry(entry)
                self._steps[record.run_id, record.path] = record
        unrecorded = [name for name in pending if name not in self._steps]
        steps = sorted(self._steps.values(), key=lambda record: record.commit_ts)
        return runs, steps, [name for name in unrecorded if name[0] in where]

    def _runs(self) -> Flow[list[RunRecord]]:
        names = [keys.run_key(where, run_id) for run_id, places in self._places.items() for where in places]
        found = {
            entry.key.agent_id: run_from_entry(entry)
            for entry in (yield from entries_of(names))
            if entry.payload is not None
        }
        missing = [run_id for run_id in self._places if run_id not in found]
        for run_id in missing[:_RUNS_SOUGHT_MAX]:
            for where in (yield from namespaces_of(run_id)):
                found[run_id] = yield from read_run(where, run_id)
        return [found[run_id] for run_id in self._places if run_id in found]


def _is_step(operation: Operation) -> bool:
    return operation.namespace.endswith(_RUNS) and operation.key.startswith(keys.STEP)


def _entry(event: Event, operation: Operation) -> Entry:
    name = RecordKey(operation.namespace, operation.agent_id, operation.key)
    return Entry(name, operation.payload, operation.version, event.commit_ts, operation.kind)
