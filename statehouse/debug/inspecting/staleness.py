"""What a step had read, and which of that was no longer so.

A step's own reads are validated by its commit, so an executed step has read nothing that had changed by then.
What nobody validates is what it was *given*: an earlier step of the run has read a key, its result went into
an argument, and meanwhile somebody has changed the key. That is what agents go wrong by, and what `reads`
finds: for every key that an earlier step had read, whether it was still so when this step saw the state.

* S1. A step saw the state as of its read_ts; one that read nothing, as of the commit before its own.
* S2. What the run itself has changed is not stale: it knows.
* S3. Of the reads of one key by several earlier steps the latest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from statehouse.debug.inspecting.authors import Authors
from statehouse.debug.inspecting.entries import newest_ts
from statehouse.debug.inspecting.gaps import Gap, Gaps
from statehouse.debug.inspecting.held import Held, held
from statehouse.debug.inspecting.naming import run_named, step_named
from statehouse.debug.inspecting.places import Place, place_of, version_seen
from statehouse.debug.inspecting.recorded import steps_of
from statehouse.debug.inspecting.touched import read_by
from statehouse.extend import Entry, Flow, KeyRange, RecordKey, run
from statehouse.steps.record import RunRecord, StepRecord

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

KEYS_MAX: Final = 1000
_RANGE_KEYS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class KeyRead:
    """A key that the step has read itself.

    Attributes:
        name: The key.
        seen: What it read.
        by_commit: What the key held right before the step's commit, if that was something else: a failed
            step, or a conflicted one, acted on a value that had changed by then.
        since: What it holds now, if that is something else.
    """

    name: RecordKey
    seen: Held
    by_commit: Held | None = None
    since: Held | None = None


@dataclass(frozen=True, slots=True)
class RangeRead:
    """A range that the step has scanned.

    Attributes:
        range: Which keys.
        appeared: Keys in it that were not there when it was scanned, and were at the step's commit.
        whole: Whether all of it could be looked at; only the first thousand keys are.
    """

    range: KeyRange
    appeared: tuple[RecordKey, ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class StaleRead:
    """A key that earlier steps of the run had read, and that somebody had changed when this step saw the
    state.

    Attributes:
        name: The key.
        seen: What they had read.
        readers: The steps that had read that, the latest last.
        newer: What it held when this step saw the state, and who had changed it.
        reread: Whether this step has read it itself: then it knew the newer value, though what it was given
            may still come from the older one.
    """

    name: RecordKey
    seen: Held
    readers: tuple[StepRecord, ...]
    newer: Held
    reread: bool = False


@dataclass(frozen=True, slots=True)
class Reads:
    """What a step had read.

    Attributes:
        run: The run.
        step: The step.
        saw_ts: The commit_ts of the state that it saw (S1).
        keys: The keys that it read.
        ranges: The ranges that it scanned.
        stale: What earlier steps had read and was no longer so.
        now_ts: What counts as now in `KeyRead.since`.
        more: How many further keys it has read; a thousand are looked at.
        gaps: What cannot be told any more.
    """

    run: RunRecord
    step: StepRecord
    saw_ts: int
    keys: tuple[KeyRead, ...]
    ranges: tuple[RangeRead, ...]
    stale: tuple[StaleRead, ...]
    now_ts: int
    more: int = 0
    gaps: tuple[Gap, ...] = ()


def reads(sh: Statehouse | StatehouseAsync, run_id: str, step: str, *, namespace: str | None = None) -> Reads:
    """Gives what a step had read, and which of that was stale.

    Args:
        sh: Where the run is recorded.
        run_id: The run.
        step: The path of the step; its end will do where that is clear: ``search#3``.
        namespace: The namespace of the run's state; None for the handle's.

    Raises:
        NotFoundError: No such run or step; the message says which there are.
        StatehouseError: As a read does.
    """
    return run(sh, _reads(sh.namespace if namespace is None else namespace, run_id, step))


def _reads(namespace: str, run_id: str, path: str) -> Flow[Reads]:
    record = yield from run_named(namespace, run_id)
    step = yield from step_named(record, path)
    now_ts = yield from newest_ts(record.key)
    looking = _Looking(record, (yield from place_of(record)))
    read, ranges = yield from read_by(record, step, looking.gaps)
    keys = yield from looking.own(step, dict(list(read.items())[:KEYS_MAX]), now_ts)
    scanned = yield from looking.ranges(step, ranges, read)
    stale = yield from looking.carried(step, read)
    return Reads(
        record,
        step,
        step.saw_ts,
        keys,
        scanned,
        stale,
        now_ts,
        max(0, len(read) - KEYS_MAX),
        looking.gaps.found,
    )


class _Looking:
    """One answer in the making."""

    def __init__(self, record: RunRecord, place: Place) -> None:
        self.gaps = Gaps()
        self._run = record
        self._place = place
        self._authors = Authors(self.gaps)
        # S2: what a fork took over from its parent it knows, too.
        self._own = {record.run_id, *([str(record.fork.get("run_id"))] if record.fork else [])}

    def own(self, step: StepRecord, read: Mapping[RecordKey, int], now_ts: int) -> Flow[tuple[KeyRead, ...]]:
        """What the step has read itself."""
        seen = yield from self._entries(read, step.saw_ts)
        by_commit = yield from self._entries(read, step.commit_ts - 1)
        since = yield from self._entries(read, now_ts)
        found = []
        for name, version in read.items():
            changed = yield from self._if_other(by_commit.get(name), version)
            later = yield from self._if_other(since.get(name), version)
            was = yield from self._held(seen.get(name), version)
            found.append(KeyRead(name, was, changed, later))
        return tuple(found)

    def ranges(
        self, step: StepRecord, ranges: Iterable[KeyRange], read: Mapping[RecordKey, int]
    ) -> Flow[tuple[RangeRead, ...]]:
        """What the step has scanned."""
        found = []
        for span in ranges:
            what = f"the keys of {span.agent_id} as of commit_ts {step.commit_ts - 1}"
            looked = self._place.keys_in(span, step.commit_ts - 1, _RANGE_KEYS_MAX)
            there = yield from self.gaps.around(what, looked)
            if there is None:
                found.append(RangeRead(span, (), whole=False))
                continue
            entries, whole = there
            new = [name for name, ts in entries.items() if ts > step.saw_ts and not read.get(name)]
            found.append(RangeRead(span, tuple(new), whole))
        return tuple(found)

    def carried(self, step: StepRecord, read: Mapping[RecordKey, int]) -> Flow[tuple[StaleRead, ...]]:
        """What earlier steps had read, and somebody had changed when this one saw the state."""
        known: dict[RecordKey, int] = {}
        readers: dict[RecordKey, list[StepRecord]] = {}
        for earlier in (yield from self._earlier(step)):
            versions, _ = yield from read_by(self._run, earlier, self.gaps)
            for name, version in versions.items():
                # S3
                if known.get(name) != version:
                    readers[name] = []
                known[name] = version
                readers[name].append(earlier)
        then = yield from self._entries(known, step.saw_ts)
        changed = {
            name: entry
            for name, version in known.items()
            if (entry := then.get(name)) is not None and version_seen(entry) != version
        }
        found: list[StaleRead] = []
        for name, entry in changed.items():
            newer = yield from held(entry, self._authors)
            if newer.author is not None and newer.author.origin.run_id in self._own:
                continue
            last = readers[name][-1]
            was = yield from self._entries([name], last.saw_ts)
            seen = yield from self._held(was.get(name), known[name])
            found.append(StaleRead(name, seen, tuple(readers[name]), newer, name in read))
            if len(found) == KEYS_MAX:
                break
        return tuple(found)

    def _earlier(self, step: StepRecord) -> Flow[list[StepRecord]]:
        """The steps before a step, by what they saw; those around it, too: they commit after it."""
        steps = yield from steps_of(self._run, self.gaps)
        before = [
            each
            for each in steps
            if each.reads is not None
            and each.path != step.path
            and (each.commit_ts < step.commit_ts or step.path.startswith(f"{each.path}/"))
            and each.saw_ts <= step.saw_ts
        ]
        return sorted(before, key=lambda each: (each.saw_ts, each.commit_ts))

    def _entries(self, names: Iterable[RecordKey], at: int) -> Flow[Mapping[RecordKey, Entry]]:
        wanted = list(names)
        if not wanted:
            return {}
        what = f"the state as of commit_ts {at}"
        found = yield from self.gaps.around(what, self._place.entries(wanted, at))
        return {} if found is None else found

    def _held(self, entry: Entry | None, version: int) -> Flow[Held]:
        """What was read; if the state as of then cannot be read any more, only its version."""
        if entry is None or version_seen(entry) != version:
            return Held(version)
        return (yield from held(entry, self._authors))

    def _if_other(self, entry: Entry | None, version: int) -> Flow[Held | None]:
        if entry is None or version_seen(entry) == version:
            return None
        return (yield from held(entry, self._authors))
