"""Who made a key what it is: its commit, the step that made it, and what that step had read.

Followed further, each of those values has a commit and a step of its own. A step reads what was committed
before it, so the commit_ts only falls and the way back ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from statehouse.client.reads import resolve
from statehouse.debug.inspecting.authors import Author, Authors
from statehouse.debug.inspecting.gaps import Gap, Gaps
from statehouse.debug.inspecting.held import Held, held
from statehouse.debug.inspecting.naming import namespaces_of
from statehouse.debug.inspecting.places import place_of
from statehouse.debug.inspecting.touched import given_to, read_by
from statehouse.debug.overlay.layers import FORKS
from statehouse.errors import InvalidArgumentError, NotFoundError
from statehouse.extend import Entry, Flow, Get, History, Page, Read, RecordKey, run
from statehouse.protocol.names import check_record_key
from statehouse.steps import keys
from statehouse.steps.reading import read_run
from statehouse.steps.record import RunRecord, StepRecord, step_from_entry

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

DEPTH_MAX: Final = 100
_READS_MAX: Final = 200
_BLAMES_MAX: Final = 2000


@dataclass(frozen=True, slots=True)
class Blame:
    """Who made a key what it was.

    Attributes:
        name: The key.
        held: What it held, since which commit, and who made that.
        run: The run whose step made the commit; None if no step did.
        step: The step, as that commit recorded it.
        input: What the step was called with.
        reads: What the step had read: each with its commit and author; and if it was followed, with its step
            and what that had read.
        more: How many further keys the step had read: 200 of one step, and 2,000 of all, are looked at.
        repeated: Whether this key in this version is told of elsewhere in the same answer.
        gaps: What cannot be told any more; only on the first.
    """

    name: RecordKey
    held: Held
    run: RunRecord | None = None
    step: StepRecord | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[Blame, ...] = ()
    more: int = 0
    repeated: bool = False
    gaps: tuple[Gap, ...] = ()


def blame(
    sh: Statehouse | StatehouseAsync,
    key: str,
    *,
    agent_id: str,
    at: int | datetime | None = None,
    depth: int = 0,
    namespace: str | None = None,
) -> Blame:
    """Gives who made a key what it is, and what they had read.

    Args:
        sh: Where the key is.
        key: The key.
        agent_id: Whose key.
        at: As of which commit_ts or time; None for now.
        depth: How often what was read is followed to who wrote that, at most 100.
        namespace: The namespace of the key; None for the handle's.

    Raises:
        NotFoundError: The key was never written.
        InvalidArgumentError: A malformed name, `at` in the future, a depth that is too large.
        CompactedError: `at` is before the oldest commit_ts that can be read.
        StatehouseError: As a read does.
    """
    name = RecordKey(sh.namespace if namespace is None else namespace, agent_id, key)
    check_record_key(name)
    if not 0 <= depth <= DEPTH_MAX:
        raise InvalidArgumentError(f"depth={depth}: it is 0 to {DEPTH_MAX}")
    return run(sh, _blame(name, at, depth))


def _blame(name: RecordKey, at: int | datetime | None, depth: int) -> Flow[Blame]:
    at_ts = yield from resolve(at)
    # A history has what was erased and deleted, too.
    page: Page = yield History(name, at_ts, reverse=True, limit=1)
    if not page.entries:
        when = "" if at is None else " by then"
        raise NotFoundError(f"{name} was never written{when}, so nobody made it what it is", key=name)
    following = _Following()
    found = yield from following.follow(name, page.entries[0], depth + 1)
    return replace(found, gaps=following.gaps.found)


class _Following:
    """One answer in the making."""

    def __init__(self) -> None:
        self.gaps = Gaps()
        self._authors = Authors(self.gaps)
        self._told: set[tuple[RecordKey, int]] = set()
        self._left = _BLAMES_MAX
        self._runs: dict[str, RunRecord | None] = {}

    def follow(self, name: RecordKey, entry: Entry, levels: int) -> Flow[Blame]:
        """Gives who wrote an entry; with levels left, what they had read."""
        self._left -= 1
        was = yield from held(entry, self._authors)
        if not levels or was.author is None:
            return Blame(name, was)
        if (name, entry.commit_ts) in self._told:
            return Blame(name, was, repeated=True)
        self._told.add((name, entry.commit_ts))
        record, step = yield from self._step(name, was.author)
        if record is None or step is None:
            return Blame(name, was, record)
        given = yield from given_to(record, step, self.gaps)
        reads, more = yield from self._reads(record, step, levels - 1)
        return Blame(name, was, record, step, given, reads, more)

    def _reads(self, record: RunRecord, step: StepRecord, levels: int) -> Flow[tuple[tuple[Blame, ...], int]]:
        read, _ = yield from read_by(record, step, self.gaps)
        if not read or step.read_ts is None:
            return (), 0
        names = list(read)[:_READS_MAX]
        found: list[Blame] = []
        place = yield from place_of(record)
        what = f"the state as of commit_ts {step.read_ts}"
        entries = yield from self.gaps.around(what, place.entries(names, step.read_ts))
        for name in names:
            if self._left <= 0:
                break
            entry = None if entries is None else entries.get(name)
            if entry is None or not entry.commit_ts:
                found.append(Blame(name, Held(read[name])))
            else:
                found.append((yield from self.follow(name, entry, levels)))
        return tuple(found), len(read) - len(found)

    def _step(self, name: RecordKey, author: Author) -> Flow[tuple[RunRecord | None, StepRecord | None]]:
        """The run and the step that a commit was made in."""
        origin = author.origin
        if not origin.run_id:
            return None, None
        record = yield from self._run(name.namespace.removesuffix(FORKS), origin.run_id)
        if record is None or not origin.step:
            return record, None
        place = RecordKey(keys.runs_namespace(record.namespace), record.run_id, keys.STEP + origin.step)
        # As this commit recorded it: it may have run again. What it committed on its way has no record yet.
        for at in (author.commit_ts, None):
            read: Read | None = yield from self.gaps.around(f"the record of {origin.step}", _get(place, at))
            if read is not None and read.entry.exists:
                return record, step_from_entry(read.entry)
        return record, None

    def _run(self, namespace: str, run_id: str) -> Flow[RunRecord | None]:
        if run_id not in self._runs:
            self._runs[run_id] = None
            for where in [namespace, *(yield from namespaces_of(run_id))]:
                try:
                    self._runs[run_id] = yield from read_run(where, run_id)
                except NotFoundError:
                    continue
                break
        return self._runs[run_id]


def _get(name: RecordKey, at: int | None) -> Flow[Read]:
    read: Read = yield Get(name, at)
    return read
