"""Reading checkpoints: all of one is read as of one commit_ts; decoding comes after, and reads nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from langgraph.checkpoint.base import CheckpointTuple, writes_sort_key
from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse import Payload
from statehouse.extend import Entry, Flow, GetMany, RecordKey, Scan, ask
from statehouse_langgraph.saver import keys as names
from statehouse_langgraph.saver import standing
from statehouse_langgraph.saver.backing import Backing
from statehouse_langgraph.saver.keys import ThreadKeys
from statehouse_langgraph.saver.known import Base
from statehouse_langgraph.saver.records import (
    NONE,
    CheckpointRecord,
    FoldRecord,
    Mark,
    Place,
    StoredWrite,
    WritesRecord,
)
from statehouse_langgraph.serde import Typed, payload_of, typed_of

KEYS_AT_ONCE: Final = 1_000
SHARED_BYTES_MIN: Final = 1024
"""Smaller values are kept whole; see `grow`."""


Written = tuple[str, StoredWrite]
"""A task's id, and one of its writes."""


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint as it was read, nothing decoded but the checkpoint itself.

    Attributes:
        record: Its record.
        commit_ts: The commit that stored it.
        read_ts: What all of it was read as of.
        generation: That of its thread then: one of another generation was deleted.
        checkpoint: The checkpoint without its values.
        values: What its channels hold, those that hold anything.
        writes: What tasks wrote at it, in the order in which LangGraph applies them.
        fold: What a pruned history left to it; None for none.
    """

    record: CheckpointRecord
    commit_ts: int
    read_ts: int
    generation: int
    checkpoint: Mapping[str, Any]
    values: Mapping[str, Payload]
    writes: tuple[Written, ...]
    fold: FoldRecord | None

    @property
    def size_bytes(self) -> int:
        """How many bytes decoding it has to go through."""
        written = sum(len(each.value[1]) for _, each in self.writes)
        return written + sum(len(value.data) for value in self.values.values())


def decode(
    found: Found,
    place: Place,
    serde: SerializerProtocol,
    *,
    metadata: Mapping[str, Any] | None = None,
    expose_commit_ts: bool = False,
) -> CheckpointTuple:
    """Gives a checkpoint as LangGraph takes it.

    Raises:
        ContentError: Something stored is not what it says it is.
    """
    record = found.record
    described = dict(serde.loads_typed(record.metadata) if metadata is None else metadata)
    if expose_commit_ts:
        described["commit_ts"] = found.commit_ts
    values = {name: loaded(typed_of(value), serde) for name, value in found.values.items()}
    parent = standing.parent_of(record, found.fold, described)
    return CheckpointTuple(
        config=place.config(record.ns, record.id),  # type: ignore[arg-type]  # a TypedDict of LangChain's
        checkpoint={**found.checkpoint, "channel_values": values},  # type: ignore[typeddict-item]
        metadata=described,  # type: ignore[arg-type]
        parent_config=None if parent is None else place.config(record.ns, parent),  # type: ignore[arg-type]
        pending_writes=[(task_id, each.channel, loaded(each.value, serde)) for task_id, each in found.writes],
    )


def loaded(typed: Typed, serde: SerializerProtocol) -> Any:
    """Gives an object back; None is not every serializer's word for None."""
    return None if typed == NONE else serde.loads_typed(typed)


def get(backing: Backing, place: Place, serde: SerializerProtocol) -> Flow[Found | None]:
    """Reads the checkpoint that a config names, or the newest one of its namespace."""
    keys = backing.keys(place.agent_id)
    ns = place.ns or ""
    folded = None if place.checkpoint_id is None else standing.of_whom(place.checkpoint_id)
    if folded is not None:
        return (yield from _standing(keys, ns, folded, serde))
    while True:
        if place.checkpoint_id is None:
            found = yield from _newest(backing, keys, ns)
        else:
            found = yield from _named(backing, keys, ns, place.checkpoint_id)
        if found is None:
            return None
        entry, record, read_ts = found
        whole = yield from load(backing, keys, entry, record, serde, at=read_ts, remember=True)
        if whole.generation == record.generation:
            break
        # The thread was deleted since this saver saw its mark, and not all rows are gone yet.
    if backing.raise_on_concurrent_write:
        again = place.checkpoint_id is None
        if not again:
            newest = yield from _newest(backing, keys, ns)
            again = newest is not None and newest[1].id != record.id
        backing.known.saw_newest(place.agent_id, ns, record.id, read_ts, again=again)
    return whole


def _standing(keys: ThreadKeys, ns: str, checkpoint_id: str, serde: SerializerProtocol) -> Flow[Found | None]:
    read = yield from standing.read(keys, ns, checkpoint_id, serde)
    if read is None:
        return None
    (record, checkpoint, seeds, writes), commit_ts, read_ts = read
    values = {channel: payload_of(seed) for channel, seed in seeds.items()}
    return Found(record, commit_ts, read_ts, record.generation, checkpoint, values, writes, None)


def _named(
    backing: Backing, keys: ThreadKeys, ns: str, checkpoint_id: str
) -> Flow[tuple[Entry, CheckpointRecord, int] | None]:
    page = yield from ask(GetMany((keys.checkpoint(ns, checkpoint_id), keys.thread())))
    entry, mark_entry = page.entries
    mark = saw_mark(backing, keys, mark_entry)
    if entry.payload is None:
        return None
    record = CheckpointRecord.of(entry.payload)
    return (entry, record, page.read_ts) if record.generation == mark.generation else None


def _newest(backing: Backing, keys: ThreadKeys, ns: str) -> Flow[tuple[Entry, CheckpointRecord, int] | None]:
    prefix = names.checkpoints_prefix(ns)
    request = Scan(keys.namespace, keys.agent_id, prefix, reverse=True, limit=1)
    mark: Mark | None = None
    while True:
        page = yield from ask(request)
        if not page.entries:
            if mark is None:
                # A run that begins a thread writes next, and needs the mark for that.
                marks = yield from ask(GetMany((keys.thread(),), at=page.read_ts))
                saw_mark(backing, keys, marks.entries[0])
            return None
        entry = page.entries[0]
        assert entry.payload is not None
        record = CheckpointRecord.of(entry.payload)
        known = backing.known.mark(keys.agent_id)
        if known is not None and not known[0].pending and known[0].generation == record.generation:
            return entry, record, page.read_ts
        if mark is None:
            marks = yield from ask(GetMany((keys.thread(),), at=page.read_ts))
            mark = saw_mark(backing, keys, marks.entries[0])
        if record.generation == mark.generation:
            return entry, record, page.read_ts
        if page.cursor is None:
            return None
        # Left over from a removal that is not finished.
        request = Scan(keys.namespace, keys.agent_id, prefix, reverse=True, limit=1, cursor=page.cursor)


def saw_mark(backing: Backing, keys: ThreadKeys, entry: Entry) -> Mark:
    """Takes in a thread's mark that was read along the way."""
    mark = Mark.of(entry.payload)
    backing.known.saw_mark(keys.agent_id, mark, entry.version if entry.exists else 0)
    return mark


def load(
    backing: Backing,
    keys: ThreadKeys,
    entry: Entry,
    record: CheckpointRecord,
    serde: SerializerProtocol,
    *,
    at: int,
    remember: bool = False,
) -> Flow[Found]:
    """Reads what belongs to a checkpoint.

    Args:
        backing: The saver's.
        keys: The thread's.
        entry: The checkpoint's row.
        record: What it holds.
        serde: Decodes the checkpoint.
        at: The commit_ts to read as of.
        remember: Whether a run may go on from here: then its values are remembered.
    """
    checkpoint = serde.loads_typed(record.checkpoint)
    places = {
        keys.value(record.ns, channel, version): channel
        for channel, version in (checkpoint.get("channel_versions") or {}).items()
        if channel not in record.nones
    }
    fold_key = keys.fold(record.ns, record.id)
    rows = yield from rows_of([*places, fold_key, keys.thread()], at=at)
    mark = saw_mark(backing, keys, rows[keys.thread()])
    values: dict[str, Payload] = dict.fromkeys(record.nones, payload_of(NONE))
    for key, channel in places.items():
        payload = rows[key].payload
        if payload is None:
            continue
        values[channel] = payload
        if remember and len(payload.data) >= SHARED_BYTES_MIN:
            row = rows[key]
            base = Base(key, row.version, row.commit_ts, payload.content_type, payload.data)
            backing.known.saw_value((keys.agent_id, record.ns, channel), base)
    writes = yield from writes_at(keys, record.ns, record.id, at=at)
    folded = rows[fold_key].payload
    return Found(
        record,
        entry.commit_ts,
        at,
        mark.generation,
        checkpoint,
        values,
        writes,
        None if folded is None else FoldRecord.of(folded),
    )


def rows_of(wanted: Iterable[RecordKey], *, at: int) -> Flow[dict[RecordKey, Entry]]:
    """Reads rows by their keys, as many requests as it takes."""
    found: dict[RecordKey, Entry] = {}
    missing = list(wanted)
    while missing:
        page = yield from ask(GetMany(tuple(missing[:KEYS_AT_ONCE]), at=at))
        found.update({entry.key: entry for entry in page.entries})
        del missing[: len(page.entries)]
    return found


def writes_at(keys: ThreadKeys, ns: str, checkpoint_id: str, *, at: int) -> Flow[tuple[Written, ...]]:
    """Reads what tasks wrote at a checkpoint, in the order in which LangGraph applies it."""
    prefix = names.writes_prefix(ns, checkpoint_id)
    entries = yield from scanned(keys, prefix, at=at)
    records = [WritesRecord.of(entry.payload) for entry in entries if entry.payload is not None]
    return in_order(records)


def in_order(records: Iterable[WritesRecord]) -> tuple[Written, ...]:
    """Sorts the writes of one checkpoint as LangGraph applies them: by task path, then task."""
    written = [(task.task_id, each) for task in records for each in task.writes]
    written.sort(key=lambda row: writes_sort_key(row[1].path, row[0], row[1].idx))
    return tuple(written)


def scanned(
    keys: ThreadKeys,
    prefix: str,
    *,
    at: int | None,
    keys_only: bool = False,
    wanted: Callable[[Entry], bool] | None = None,
) -> Flow[list[Entry]]:
    """Reads all rows of a thread whose keys begin with a prefix."""
    found: list[Entry] = []
    request = Scan(keys.namespace, keys.agent_id, prefix, at=at, keys_only=keys_only)
    while True:
        page = yield from ask(request)
        found.extend(page.entries if wanted is None else filter(wanted, page.entries))
        if page.cursor is None:
            return found
        request = Scan(keys.namespace, keys.agent_id, prefix, keys_only=keys_only, cursor=page.cursor)
