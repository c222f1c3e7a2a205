"""Removing parts of threads: old checkpoints, or those of single runs; what stays keeps its state.

* P1. A checkpoint whose ancestors go keeps what its DeltaChannels had from them, in a `FoldRecord`: the value
  they begin with, and the writes since. No reducer has to be known for that.
* P2. A value goes when no checkpoint that stays has its version.
* P3. All checkpoints that go, go in one commit; their values and writes with them or, if these are too many,
  in further ones (R1): at no moment does a checkpoint miss a value it names.
* P4. What is more than one commit takes even so goes in steps that are prunes of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse import ConflictError, PreconditionFailedError
from statehouse.extend import Delete, Flow, Get, KeyRange, RecordKey, Write, WriteOperation, ask
from statehouse_langgraph.saver import standing
from statehouse_langgraph.saver.backing import ATTEMPTS_MAX, OPERATIONS_MAX, Backing, Plan, apply, read_mark
from statehouse_langgraph.saver.choosing import Choice, Removed, newest
from statehouse_langgraph.saver.history import Walk
from statehouse_langgraph.saver.keys import ThreadKeys, ordered
from statehouse_langgraph.saver.reading import scanned
from statehouse_langgraph.saver.records import CheckpointRecord, FoldRecord, LeftoverRecord, Mark, Place
from statehouse_langgraph.saver.removing import busy, delete, finish
from statehouse_langgraph.saver.rows import ThreadRows, read_rows

_LEFTOVERS_AT_ONCE: Final = 5_000
_LEFTOVERS_MAX: Final = 100_000
"""Their keys have to fit into one commit."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune removed, or would remove.

    Attributes:
        thread_id: The thread.
        checkpoints: How many checkpoints went.
        kept: How many stayed.
        values: How many channel values went.
        writes: How many tasks' writes went.
    """

    thread_id: str
    checkpoints: int
    kept: int
    values: int
    writes: int

    def and_then(self, more: Pruned) -> Pruned:
        """Both together, one after the other."""
        return Pruned(
            self.thread_id,
            self.checkpoints + more.checkpoints,
            more.kept,
            self.values + more.values,
            self.writes + more.writes,
        )


def remove(
    backing: Backing,
    place: Place,
    serde: SerializerProtocol,
    choose: Choice,
    *,
    runs: Collection[str] = (),
    dry_run: bool = False,
) -> Flow[Pruned]:
    """Removes the checkpoints that are chosen, and what only they needed.

    Args:
        backing: The saver's.
        place: The thread.
        serde: Decodes checkpoints.
        choose: What goes.
        runs: Also what these runs wrote at checkpoints that stay, and their rows in the indexes.
        dry_run: Only say what would go.

    Raises (in the flow):
        StatehouseError: As a commit does.
    """
    keys = backing.keys(place.agent_id)
    report = Pruned(place.agent_id, 0, 0, 0, 0)
    at_most: int | None = None
    attempts = 0
    while attempts < ATTEMPTS_MAX:
        mark, version = yield from read_mark(backing, keys)
        if mark.pending:
            yield from finish(backing, keys, mark, version)
            attempts += 1
            continue
        removal = yield from _planned(backing, place, mark, serde, choose, runs=runs, at_most=at_most)
        if not dry_run and removal.is_too_large:
            # P4
            at_most = removal.report.checkpoints // 2
            continue
        if not dry_run and removal.operations:
            try:
                yield from _carried_out(backing, place, mark, version, removal)
            except (PreconditionFailedError, ConflictError):
                # R2
                attempts += 1
                continue
        report = report.and_then(removal.report)
        if removal.is_last:
            return report
        attempts = 0
    raise busy(place.agent_id)


@dataclass(slots=True)
class _Removal:
    """What a prune does, in one commit or, with what is left over, in several.

    Attributes:
        report: What goes.
        at: What the rows were read as of.
        floor: The greatest id that goes, as it is in keys.
        operations: What has to be in one commit (P3).
        leftovers: What nobody finds any more after that.
        is_last: Whether all that was chosen is in it.
    """

    report: Pruned
    at: int
    floor: str
    operations: list[WriteOperation] = field(default_factory=list)
    leftovers: list[RecordKey] = field(default_factory=list)
    is_last: bool = True

    @property
    def is_too_large(self) -> bool:
        """Whether it must be done in steps (P4)."""
        rows = len(self.leftovers) // _LEFTOVERS_AT_ONCE + 1
        too_large = len(self.operations) + rows > OPERATIONS_MAX or len(self.leftovers) > _LEFTOVERS_MAX
        return too_large and self.report.checkpoints > 1


@dataclass(frozen=True, slots=True)
class Pruning:
    """A way to prune, for one thread after another.

    Attributes:
        backing: The saver's.
        serde: Decodes checkpoints.
        count: How many checkpoints of each namespace stay; 0 for none.
        older_than: Only what was made before this time, in seconds since 1970; None for whenever.
        force: Also checkpoints at which an answer is waited for.
        dry_run: Only say what would go.
    """

    backing: Backing
    serde: SerializerProtocol
    count: int
    older_than: float | None
    force: bool
    dry_run: bool

    def __call__(self, thread_id: str) -> Flow[Pruned]:
        """Prunes a thread."""
        place = Place.of({"configurable": {"thread_id": thread_id}})
        if self.count == 0 and self.older_than is None and not self.dry_run:
            checkpoints = yield from delete(self.backing, place)
            return Pruned(place.agent_id, checkpoints, 0, 0, 0)
        # Who deletes a thread whole deletes its questions, too.
        forced = self.force or self.count == 0
        choose = newest(self.count, older_than=self.older_than, forced=forced)
        return (yield from remove(self.backing, place, self.serde, choose, dry_run=self.dry_run))


def _planned(
    backing: Backing,
    place: Place,
    mark: Mark,
    serde: SerializerProtocol,
    choose: Choice,
    *,
    runs: Collection[str],
    at_most: int | None,
) -> Flow[_Removal]:
    keys = backing.keys(place.agent_id)
    # All of it as of one commit_ts, the one that values are listed at.
    values, at = yield from _values(keys)
    rows = yield from read_rows(keys, mark, serde, at)
    chosen = choose(rows)
    # Calls of subgraphs before the root's checkpoints, by which they are found.
    removed: Removed = dict(islice(sorted(chosen.items(), key=lambda each: each[0][0] == ""), at_most))
    stale = [
        task
        for tasks in rows.writes.values()
        for task in tasks
        if (task.ns, task.checkpoint_id) in removed or (task.run_id and task.run_id in runs)
    ]
    touched = {(task.ns, task.checkpoint_id) for task in stale} | set(removed)
    folds = yield from _folds(rows, removed, touched, values, serde)
    operations: list[WriteOperation] = [Write(key, fold.payload()) for key, fold in folds.items()]
    operations.extend(Delete(keys.checkpoint(*place_of)) for place_of in removed)
    gone = _unneeded(rows, removed, values)
    leftovers = [keys.fold(*place_of) for place_of in removed if place_of in rows.folds]
    leftovers.extend(keys.writes(task.ns, task.checkpoint_id, task.task_id) for task in stale)
    leftovers.extend(gone)
    if len(removed) == len(chosen):
        for run_id in runs:
            operations += Delete(keys.run(run_id)), Delete(keys.run_index(run_id))
    total = sum(map(len, rows.checkpoints.values()))
    report = Pruned(place.agent_id, len(removed), total - len(removed), len(gone), len(stale))
    floor = max((ordered(checkpoint_id) for _, checkpoint_id in removed), default="")
    return _Removal(report, at, floor, operations, leftovers, len(removed) == len(chosen))


def _unneeded(rows: ThreadRows, removed: Removed, values: Collection[RecordKey]) -> list[RecordKey]:
    """The values that only checkpoints name which go (P2)."""
    named: dict[bool, set[RecordKey]] = {True: set(), False: set()}
    for records in rows.checkpoints.values():
        for record in records:
            named[(record.ns, record.id) in removed].update(
                rows.keys.value(record.ns, channel, version)
                for channel, version in rows.versions(record).items()
            )
    return [key for key in values if key in named[True] and key not in named[False]]


def _values(keys: ThreadKeys) -> Flow[tuple[set[RecordKey], int]]:
    first = yield from ask(Get(keys.thread()))
    entries = yield from scanned(keys, "value/", at=first.read_ts, keys_only=True)
    return {entry.key for entry in entries}, first.read_ts


def _folds(
    rows: ThreadRows,
    removed: Removed,
    touched: Collection[tuple[str, str]],
    values: Collection[RecordKey],
    serde: SerializerProtocol,
) -> Flow[dict[RecordKey, FoldRecord]]:
    """What each checkpoint that loses ancestors, or their writes, keeps of them (P1)."""
    folds: dict[RecordKey, FoldRecord] = {}
    kept = [
        each for records in rows.checkpoints.values() for each in records if (each.ns, each.id) not in removed
    ]
    channels: dict[str, Sequence[str]] = {}
    for record in kept:
        parent = rows.parent(record)
        if parent is None or (record.ns, standing.of_whom(parent) or parent) not in touched:
            continue
        stored = {
            channel
            for channel, version in rows.versions(record).items()
            if channel in record.nones or rows.keys.value(record.ns, channel, version) in values
        }
        if record.ns not in channels:
            channels[record.ns] = rows.channels(record.ns)
        empty = [channel for channel in channels[record.ns] if channel not in stored]
        walk = Walk(rows.keys, record.ns, serde, rows.at)
        found = yield from walk.gather(parent, empty, rows.folds.get((record.ns, record.id)))
        folds[rows.keys.fold(record.ns, record.id)] = FoldRecord(
            _surviving(rows, record, removed),
            {
                channel: history.folded()
                for channel, history in found.items()
                if history.writes or history.seed is not None
            },
        )
    return folds


def _surviving(rows: ThreadRows, record: CheckpointRecord, removed: Removed) -> str | None:
    """The nearest ancestor that stays."""
    parent = rows.parent(record)
    passed: set[str] = set()
    while parent is not None and (gone := removed.get((record.ns, parent))) is not None:
        if parent in passed:
            # One that was stored with its own config is its own ancestor.
            return None
        passed.add(parent)
        parent = rows.parent(gone)
    stands_for = None if parent is None else standing.of_whom(parent)
    return None if stands_for is not None and (record.ns, stands_for) in removed else parent


def _carried_out(backing: Backing, place: Place, mark: Mark, version: int, removal: _Removal) -> Flow[None]:
    keys = backing.keys(place.agent_id)
    ranges = tuple(
        KeyRange(keys.namespace, keys.agent_id, prefix, keys_only=True)
        for prefix in ("checkpoint/", "writes/", "fold/")
    )
    operations, leftovers = list(removal.operations), removal.leftovers
    at_once = len(operations) + len(leftovers) <= OPERATIONS_MAX
    if at_once:
        operations.extend(map(Delete, leftovers))
    else:
        for number, start in enumerate(range(0, len(leftovers), _LEFTOVERS_AT_ONCE)):
            listed = LeftoverRecord(tuple(key.key for key in leftovers[start : start + _LEFTOVERS_AT_ONCE]))
            operations.append(Write(keys.leftover(number), listed.payload()))
    # A mark that is written again refuses every write that began before (B1).
    new = replace(mark, floor=max(mark.floor, removal.floor), removals=mark.removals + 1, pending=not at_once)
    plan = Plan(operations, read_ts=removal.at, ranges=ranges, mark=new, active=False)
    yield from apply(backing, place, mark, version, plan)
    backing.known.forget(place.agent_id)
    if new.pending:
        yield from finish(backing, keys, new, version + 1)
