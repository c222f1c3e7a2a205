"""A run as a waterfall: its steps as a tree, and when each of them ran.

The tree follows the paths. A step commits when it ends, after those inside it; one that is not recorded and
has steps inside it that are, is running, or was ended by what ended the run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from statehouse.client.connection import HandleClosedError
from statehouse.client.pages import WAIT_S, ScanPages
from statehouse.debug.inspecting.entries import newest_ts
from statehouse.debug.inspecting.gaps import Gap, Gaps
from statehouse.debug.inspecting.naming import run_named
from statehouse.debug.inspecting.recorded import steps_of
from statehouse.debug.inspecting.touched import written_by
from statehouse.extend import Entry, Flow, RecordKey, Replay, ask, decode, run
from statehouse.protocol.replies import Event
from statehouse.steps import keys
from statehouse.steps.reading import read_run
from statehouse.steps.record import RunRecord, StepRecord, run_from_entry, step_from_entry

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

# Of all the time in which something ran; and never what is short anyway.
_LONG_GAP: Final = 4.0
_LONG_GAP_US: Final = 1_000_000
_SHOWN_GAP: Final = 0.05


@dataclass(frozen=True, slots=True)
class Bar:
    """A step of a run.

    Attributes:
        path: Which.
        depth: How many steps are around it.
        step: Its record; None if there is none: it is running, or was ended with the run.
        started_at_us: When its last attempt began, as far as that is known; microseconds since 1970.
        ended_at_us: When it ended; None for one without a record.
        writes: The keys that its commit changed, each ``write`` or ``delete``.
        intended: Whether it is an at_most_once step that began, and of which nobody knows how it ended.
    """

    path: str
    depth: int
    step: StepRecord | None
    started_at_us: int
    ended_at_us: int | None
    writes: Mapping[RecordKey, str] = field(default_factory=dict)
    intended: bool = False

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def is_taken(self) -> bool:
        """Whether a fork has it from its parent: then it ran when the parent did."""
        return self.step is not None and self.step.taken is not None


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A run and its steps.

    Attributes:
        run: The run.
        bars: Its steps: each before those inside it, and those in the order in which they began.
        as_of: The commit_ts that this is as of.
        gaps: What cannot be told any more.
    """

    run: RunRecord
    bars: tuple[Bar, ...]
    as_of: int
    gaps: tuple[Gap, ...] = ()

    @property
    def span_us(self) -> tuple[int, int]:
        """From when to when: the run, and whatever of its steps lies outside; not what a fork took over."""
        ran = [bar for bar in self.bars if not bar.is_taken and bar.started_at_us]
        started = min([self.run.started_at_us, *(bar.started_at_us for bar in ran)])
        ends = [bar.ended_at_us or bar.started_at_us for bar in ran]
        return started, max([self.run.ended_at_us, started, *ends])


class Scale:
    """Where a time lies between the beginning and the end of a waterfall, as 0.0 to 1.0.

    What nothing ran in, such as the days that a person took to answer, is cut short: else everything else
    would be too small to see.

    Args:
        waterfall: Of which run.
    """

    def __init__(self, waterfall: Waterfall) -> None:
        started, ended = waterfall.span_us
        leaves = _leaves(waterfall.bars)
        busy = _melted([(bar.started_at_us, bar.ended_at_us or bar.started_at_us) for bar in leaves])
        active = max(1, sum(stop - start for start, stop in busy))
        self._times, self._places = [started], [0.0]
        self.cuts: list[float] = []
        for start, stop in [(started, started), *busy, (ended, ended)]:
            idle = max(0, start - self._times[-1])
            if busy and idle > max(_LONG_GAP * active, _LONG_GAP_US):
                shown = active * _SHOWN_GAP
                self.cuts.append(self._places[-1] + shown / 2)
            else:
                shown = float(idle)
            self._add(start, shown)
            self._add(stop, stop - start)
        self._whole = max(self._places[-1], 1.0)
        self.cuts = [cut / self._whole for cut in self.cuts]

    def _add(self, time_us: int, room: float) -> None:
        if time_us > self._times[-1]:
            self._times.append(time_us)
            self._places.append(self._places[-1] + room)

    def at(self, time_us: int) -> float:
        """Gives where a time lies."""
        after = bisect_left(self._times, time_us)
        if after == 0:
            return 0.0
        if after == len(self._times):
            return 1.0
        start, stop = self._times[after - 1], self._times[after]
        left, right = self._places[after - 1], self._places[after]
        return (left + (time_us - start) / (stop - start) * (right - left)) / self._whole


def show(sh: Statehouse | StatehouseAsync, run_id: str, *, namespace: str | None = None) -> Waterfall:
    """Gives a run and its steps, as they are now.

    Args:
        sh: Where it is recorded.
        run_id: The run.
        namespace: The namespace of its state; None for the handle's.

    Raises:
        NotFoundError: There is no such run; the message says where there is one, if anywhere.
        StatehouseError: As a read does.
    """
    return run(sh, _show(sh.namespace if namespace is None else namespace, run_id))


def follow(sh: Statehouse | StatehouseAsync, waterfall: Waterfall) -> Iterator[Bar | RunRecord]:
    """Goes on with a run: gives each step as it is committed, and the record of the run when it changes.

    It ends with the run, at once if that has ended already. A worker that was killed leaves its run running:
    then it waits for whoever resumes it.

    Args:
        sh: Where it is recorded.
        waterfall: What is known already.

    Raises:
        StatehouseError: As a replay does.
    """
    record = waterfall.run
    if record.status != "running":
        return
    where = keys.runs_namespace(record.namespace)
    request = Replay(where, record.run_id, waterfall.as_of + 1, wait_s=WAIT_S)
    while True:
        try:
            page = run(sh, ask(request))
        except HandleClosedError:
            return
        for entry in (each for event in page.events for each in _entries(event)):
            if entry.key.key == keys.RUN:
                changed = run_from_entry(entry)
                yield changed
                if changed.status != "running":
                    return
            elif entry.key.key.startswith(keys.STEP):
                yield run(sh, _bar(record, step_from_entry(entry), Gaps()))
        request = request.after(page)


def _entries(event: Event) -> Iterator[Entry]:
    for operation in event.operations:
        if operation.payload is not None:
            name = RecordKey(operation.namespace, operation.agent_id, operation.key)
            yield Entry(name, operation.payload, operation.version, event.commit_ts, operation.kind)


def _show(namespace: str, run_id: str) -> Flow[Waterfall]:
    record = yield from run_named(namespace, run_id)
    at = yield from newest_ts(record.key)
    if at != record.commit_ts:
        # What it says of itself as of the same commit as its steps.
        record = yield from read_run(record.namespace, run_id, at)
    gaps = Gaps()
    bars: dict[str, Bar] = {}
    for step in (yield from steps_of(record, gaps, at)):
        bars[step.path] = yield from _bar(record, step, gaps)
    for path, began_us in (yield from _intents(record, at)).items():
        if path not in bars:
            bars[path] = Bar(path, path.count("/"), None, began_us, None, intended=True)
    for path in list(bars):
        _add_around(bars, path)
    return Waterfall(record, tuple(_in_order(bars)), at, gaps.found)


def _bar(record: RunRecord, step: StepRecord, gaps: Gaps) -> Flow[Bar]:
    writes = yield from written_by(record, step, gaps)
    return Bar(step.path, step.path.count("/"), step, step.started_at_us, step.ended_at_us, writes)


def _intents(record: RunRecord, at: int) -> Flow[dict[str, int]]:
    """The at_most_once steps that began, and when."""
    place = (keys.runs_namespace(record.namespace), record.run_id, keys.INTENT)
    found: dict[str, int] = {}
    for entry in (yield from ScanPages(*place, reverse=False, limit=None, at=at).rows()):
        intent = {} if entry.payload is None else decode(entry.payload)
        found[entry.key.key.removeprefix(keys.INTENT)] = int(intent.get("began_us", 0))
    return found


def _add_around(bars: dict[str, Bar], path: str) -> None:
    """Adds the steps around one that have no record."""
    began_us = bars[path].started_at_us
    while path := path.rpartition("/")[0]:
        known = bars.get(path)
        if known is not None and (known.step is not None or known.started_at_us <= began_us):
            return
        bars[path] = Bar(path, path.count("/"), None, began_us, None)


def _in_order(bars: Mapping[str, Bar]) -> Iterator[Bar]:
    below: dict[str, list[Bar]] = {}
    for bar in bars.values():
        below.setdefault(bar.path.rpartition("/")[0], []).append(bar)
    for each in below.values():
        each.sort(key=_began, reverse=True)
    waiting = below.get("", [])
    while waiting:
        bar = waiting.pop()
        yield bar
        waiting += below.get(bar.path, [])


def _began(bar: Bar) -> tuple[int, int, str]:
    return bar.started_at_us, 0 if bar.step is None else bar.step.commit_ts, bar.path


def _leaves(bars: Sequence[Bar]) -> list[Bar]:
    """The steps without steps in them; those of ours that wait for a signal do nothing meanwhile."""
    around = {bar.path.rpartition("/")[0] for bar in bars}
    return [
        bar
        for bar in bars
        if bar.path not in around
        and not bar.is_taken
        and (bar.step is None or bar.step.kind != "wait")
        and bar.started_at_us
    ]


def _melted(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    melted: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if melted and start <= melted[-1][1]:
            melted[-1] = (melted[-1][0], max(stop, melted[-1][1]))
        else:
            melted.append((start, max(start, stop)))
    return melted
