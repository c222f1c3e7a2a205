"""Everything about one step: what it was given, gave back, read and wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statehouse.debug.inspecting.gaps import Gap, Gaps
from statehouse.debug.inspecting.naming import run_named, step_named
from statehouse.debug.inspecting.places import place_of
from statehouse.debug.inspecting.touched import Touched, given_to, touched
from statehouse.extend import Entry, EventPage, Flow, RecordKey, Replay, run
from statehouse.steps.reading import read_slot
from statehouse.steps.record import RunRecord, StepRecord

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

_KEYS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Written:
    """A key that a step's commit changed.

    Attributes:
        name: The key.
        before: What it held right before; None if nobody knows any more.
        after: What the commit made it; None likewise.
    """

    name: RecordKey
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True, slots=True)
class StepDetails:
    """Everything about one step.

    Attributes:
        run: Its run.
        step: Its record.
        input: What it was called with, by the names of the parameters.
        output: What it returned; None also for a failed one.
        touched: The keys that it read and wrote.
        written: Those that it wrote, a thousand at most, with their values.
        store_id: The store; empty where its commit cannot be read any more.
        epoch: Its epoch.
        gaps: What cannot be told any more.
    """

    run: RunRecord
    step: StepRecord
    input: Mapping[str, Any]
    output: Any
    touched: Touched
    written: tuple[Written, ...]
    store_id: str
    epoch: int
    gaps: tuple[Gap, ...] = ()


def show_step(
    sh: Statehouse | StatehouseAsync, run_id: str, step: str, *, namespace: str | None = None
) -> StepDetails:
    """Gives everything about one step.

    Args:
        sh: Where the run is recorded.
        run_id: The run.
        step: The path of the step; its end will do where that is clear: ``search#3``.
        namespace: The namespace of the run's state; None for the handle's.

    Raises:
        NotFoundError: No such run or step; the message says which there are.
        StatehouseError: As a read does.
    """
    return run(sh, _details(sh.namespace if namespace is None else namespace, run_id, step))


def _details(namespace: str, run_id: str, path: str) -> Flow[StepDetails]:
    gaps = Gaps()
    record = yield from run_named(namespace, run_id)
    step = yield from step_named(record, path)
    known = yield from gaps.around(f"commit {step.commit_ts}", _ids(step.commit_ts))
    store_id, epoch = ("", 0) if known is None else known
    given = yield from given_to(record, step, gaps)
    slot = read_slot(record.namespace, record.run_id, step.output)
    output = yield from gaps.around(f"the result of {step.path}", slot)
    keys = yield from touched(record, step, gaps)
    written = yield from _written(record, step, keys, gaps)
    return StepDetails(record, step, given, output, keys, written, store_id, epoch, gaps.found)


def _ids(commit_ts: int) -> Flow[tuple[str, int]]:
    """Which store and epoch a commit is in."""
    page: EventPage = yield Replay(None, None, commit_ts, commit_ts, limit=1, payloads=False)
    return page.store_id, page.epoch


def _written(record: RunRecord, step: StepRecord, keys: Touched, gaps: Gaps) -> Flow[tuple[Written, ...]]:
    names = list(keys.writes)[:_KEYS_MAX]
    if not names:
        return ()
    place = yield from place_of(record)
    sides: list[Mapping[RecordKey, Entry]] = []
    for at in (step.commit_ts - 1, step.commit_ts):
        found = yield from gaps.around(f"the state as of commit_ts {at}", place.entries(names, at))
        sides.append({} if found is None else found)
    before, after = sides
    return tuple([Written(name, before.get(name), after.get(name)) for name in names])
