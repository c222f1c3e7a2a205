"""Removing parts of threads: old checkpoints, or those of single runs; what stays keeps its state.

* P1. A checkpoint whose ancestors go keeps what its DeltaChannels had from them, in a `FoldRecord`: the value
  they begin with, and the writes since. No reducer has to be known for that.
* P2. A value goes when no checkpoint that stays has its version.
* P3. Checkpoints go first, values after them (R1): at no moment does one miss a value it names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import INTERRUPT

from statehouse import ConflictError, PreconditionFailedError
from statehouse.extend import Delete, Flow, Get, KeyRange, RecordKey, Write, WriteOperation, ask
from statehouse_langgraph.saver import keys as names
from statehouse_langgraph.saver.backing import ATTEMPTS_MAX, OPERATIONS_MAX, Backing, Plan, apply, read_mark
from statehouse_langgraph.saver.history import Walk
from statehouse_langgraph.saver.keys import ThreadKeys
from statehouse_langgraph.saver.reading import scanned
from statehouse_langgraph.saver.records import CheckpointRecord, FoldRecord, Mark, Place, WritesRecord
from statehouse_langgraph.saver.removing import busy, delete, finish

_CALL: Final = ":"
"""In a namespace's last segment: it is that of one call of a subgraph, by the id of the task that made it."""


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


@dataclass(frozen=True, slots=True)
class ThreadRows:
    """All of a thread but its values.

    Attributes:
        keys: The names of its rows.
        at: The commit_ts that it was read as of.
        checkpoints: Its checkpoints, by namespace, oldest first.
        writes: What tasks wrote, by namespace and checkpoint.
        folds: What pruned histories left, by namespace and checkpoint.
        decode: Gives a serialized checkpoint or metadata back.
    """

    keys: ThreadKeys
    at: int
    checkpoints: Mapping[str, Sequence[CheckpointRecord]]
    writes: Mapping[tuple[str, str], Sequence[WritesRecord]]
    folds: Mapping[tuple[str, str], FoldRecord]
    decode: Callable[[Any], Any]

    def metadata(self, record: CheckpointRecord) -> Mapping[str, Any]:
        """A checkpoint's metadata."""
        found: Mapping[str, Any] = self.decode(record.metadata)
        return found

    def versions(self, record: CheckpointRecord) -> Mapping[str, Any]:
        """The versions of a checkpoint's channels."""
        found: Mapping[str, Any] = self.decode(record.checkpoint).get("channel_versions") or {}
        return found

    def parent(self, record: CheckpointRecord) -> str | None:
        """The parent that a checkpoint still has."""
        fold = self.folds.get((record.ns, record.id))
        return record.parent if fold is None else fold.parent

    def channels(self, ns: str) -> Sequence[str]:
        """The channels of a namespace that anything was ever written to, but LangGraph's own."""
        found = {
            each.channel: None
            for (of, _), tasks in self.writes.items()
            if of == ns
            for task in tasks
            for each in task.writes
            if not each.channel.startswith("__")
        }
        for record in self.checkpoints[ns]:
            found.update(dict.fromkeys(self.versions(record)))
            fold = self.folds.get((ns, record.id))
            found.update(dict.fromkeys(() if fold is None else fold.channels))
        return tuple(found)

    def waiting(self, ns: str) -> set[str]:
        """The checkpoints of a namespace at which an answer is waited for: nothing went on from there."""
        parents = {self.parent(record) for record in self.checkpoints[ns]}
        return {
            record.id
            for record in self.checkpoints[ns]
            if record.id not in parents
            and any(
                each.channel == INTERRUPT
                for task in self.writes.get((ns, record.id), ())
                for each in task.writes
            )
        }


Removed = dict[tuple[str, str], CheckpointRecord]
"""The checkpoints that go, by namespace and id."""

Choice = Callable[[ThreadRows], Removed]


def read_rows(keys: ThreadKeys, mark: Mark, serde: SerializerProtocol, at: int) -> Flow[ThreadRows]:
    """Reads all of a thread but its values."""
    checkpoints: dict[str, list[CheckpointRecord]] = {}
    for entry in (yield from scanned(keys, names.checkpoints_prefix(), at=at)):
        if entry.payload is not None:
            record = CheckpointRecord.of(entry.payload)
            if record.generation == mark.generation:
                checkpoints.setdefault(record.ns, []).append(record)
    writes: dict[tuple[str, str], list[WritesRecord]] = {}
    for entry in (yield from scanned(keys, "writes/", at=at)):
        if entry.payload is not None:
            task = WritesRecord.of(entry.payload)
            writes.setdefault((task.ns, task.checkpoint_id), []).append(task)
    by_key = {
        keys.fold(each.ns, each.id): (each.ns, each.id) for rows in checkpoints.values() for each in rows
    }
    folds = {
        by_key[entry.key]: FoldRecord.of(entry.payload)
        for entry in (yield from scanned(keys, "fold/", at=at))
        if entry.payload is not None and entry.key in by_key
    }
    for rows in checkpoints.values():
        rows.sort(key=lambda each: each.id)
    return ThreadRows(keys, at, checkpoints, writes, folds, serde.loads_typed)


def newest(count: int, *, older_than: float | None = None, forced: bool = False) -> Choice:
    """Chooses all but the newest checkpoints of each namespace.

    Args:
        count: How many of each namespace stay.
        older_than: Only what was made before this time, in seconds since 1970; None for whenever.
        forced: Also checkpoints at which somebody is asked something and has not answered.
    """

    def choose(rows: ThreadRows) -> Removed:
        removed: Removed = {}
        for ns, records in rows.checkpoints.items():
            asked = set() if forced else rows.waiting(ns)
            for record in records[: max(0, len(records) - count)]:
                young = older_than is not None and not _made_before(rows, record, older_than)
                if not young and record.id not in asked:
                    removed[ns, record.id] = record
        _with_calls(rows, removed)
        return removed

    return choose


def of_runs(run_ids: Collection[str]) -> Choice:
    """Chooses the checkpoints that these runs made."""

    def choose(rows: ThreadRows) -> Removed:
        return {
            (ns, record.id): record
            for ns, records in rows.checkpoints.items()
            for record in records
            if record.run_id in run_ids
        }

    return choose


def _made_before(rows: ThreadRows, record: CheckpointRecord, seconds: float) -> bool:
    try:
        made = datetime.fromisoformat(rows.decode(record.checkpoint)["ts"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return False
    return made < seconds


def _with_calls(rows: ThreadRows, removed: Removed) -> None:
    """The namespaces of subgraph calls go with the checkpoint of the root graph that made the call."""
    roots = {checkpoint_id for ns, checkpoint_id in removed if ns == ""}
    for ns, records in rows.checkpoints.items():
        if _CALL not in ns.rsplit("|", 1)[-1]:
            continue
        for record in records:
            if (rows.metadata(record).get("parents") or {}).get("") in roots:
                removed[ns, record.id] = record


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
        runs: Also what these runs wrote at checkpoints that stay.
        dry_run: Only say what would go.

    Raises (in the flow):
        StatehouseError: As a commit does.
    """
    keys = backing.keys(place.agent_id)
    for _ in range(ATTEMPTS_MAX):
        mark, version = yield from read_mark(backing, keys)
        if mark.pending:
            yield from finish(backing, keys, mark, version)
            continue
        removal = yield from _planned(backing, place, mark, serde, choose, runs)
        if dry_run or not removal.operations:
            return removal.report
        try:
            yield from _carried_out(backing, place, mark, version, removal)
        except (PreconditionFailedError, ConflictError):
            # R2
            continue
        return removal.report
    raise busy(place.agent_id)


@dataclass(slots=True)
class _Removal:
    report: Pruned
    at: int
    floor: str
    operations: list[WriteOperation] = field(default_factory=list)


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
    runs: Collection[str],
) -> Flow[_Removal]:
    keys = backing.keys(place.agent_id)
    # All of it as of one commit_ts, the one that values are listed at.
    values, at = yield from _values(keys)
    rows = yield from read_rows(keys, mark, serde, at)
    removed = choose(rows)
    total = sum(map(len, rows.checkpoints.values()))
    stale = [
        task
        for tasks in rows.writes.values()
        for task in tasks
        if (task.ns, task.checkpoint_id) in removed or (task.run_id and task.run_id in runs)
    ]
    kept = [
        each for records in rows.checkpoints.values() for each in records if (each.ns, each.id) not in removed
    ]
    touched = {(task.ns, task.checkpoint_id) for task in stale} | set(removed)
    folds = yield from _folds(rows, kept, removed, touched, values, serde)
    needed = {
        keys.value(record.ns, channel, version)
        for record in kept
        for channel, version in rows.versions(record).items()
    }
    # Values that no checkpoint here names may be those of a checkpoint whose put is on its way.
    named = {
        keys.value(record.ns, channel, version)
        for record in removed.values()
        for channel, version in rows.versions(record).items()
    }
    gone = [key for key in values if key in named and key not in needed]
    operations: list[WriteOperation] = [Write(key, fold.payload()) for key, fold in folds.items()]
    operations.extend(Delete(keys.checkpoint(*place_of)) for place_of in removed)
    operations.extend(Delete(keys.fold(*place_of)) for place_of in removed if place_of in rows.folds)
    operations.extend(Delete(keys.writes(task.ns, task.checkpoint_id, task.task_id)) for task in stale)
    operations.extend(map(Delete, gone))
    report = Pruned(place.agent_id, len(removed), total - len(removed), len(gone), len(stale))
    floor = max((checkpoint_id for _, checkpoint_id in removed), default="")
    return _Removal(report, at, floor, operations if removed or stale else [])


def _values(keys: ThreadKeys) -> Flow[tuple[set[RecordKey], int]]:
    first = yield from ask(Get(keys.thread()))
    entries = yield from scanned(keys, "value/", at=first.read_ts, keys_only=True)
    return {entry.key for entry in entries}, first.read_ts


def _folds(
    rows: ThreadRows,
    kept: Sequence[CheckpointRecord],
    removed: Removed,
    touched: Collection[tuple[str, str]],
    values: Collection[RecordKey],
    serde: SerializerProtocol,
) -> Flow[dict[RecordKey, FoldRecord]]:
    """What each checkpoint that loses ancestors, or their writes, keeps of them (P1)."""
    folds: dict[RecordKey, FoldRecord] = {}
    channels: dict[str, Sequence[str]] = {}
    for record in kept:
        parent = rows.parent(record)
        if parent is None or (record.ns, parent) not in touched:
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
    while parent is not None and (gone := removed.get((record.ns, parent))) is not None:
        parent = rows.parent(gone)
    return parent


def _carried_out(backing: Backing, place: Place, mark: Mark, version: int, removal: _Removal) -> Flow[None]:
    keys = backing.keys(place.agent_id)
    new = replace(mark, floor=max(mark.floor, removal.floor))
    ranges = tuple(
        KeyRange(keys.namespace, keys.agent_id, prefix, keys_only=True)
        for prefix in ("checkpoint/", "writes/", "fold/")
    )
    for start in range(0, len(removal.operations), OPERATIONS_MAX):
        batch = removal.operations[start : start + OPERATIONS_MAX]
        if start:
            # P3: what is left to remove is nobody's any more.
            mark, version = yield from read_mark(backing, keys)
            plan = Plan(batch, active=False)
        else:
            # A mark that is written again refuses every write that began before (B1).
            plan = Plan(batch, read_ts=removal.at, ranges=ranges, mark=new, active=False)
        yield from apply(backing, place, mark, version, plan)
    backing.known.forget(place.agent_id)
