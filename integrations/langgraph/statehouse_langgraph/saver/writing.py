"""Storing checkpoints and writes: each call is one commit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse import (
    CompactedError,
    ConflictError,
    ErasedError,
    InvalidArgumentError,
    NotFoundError,
    PreconditionFailedError,
)
from statehouse.extend import (
    Delete,
    Extend,
    Flow,
    Get,
    KeyRange,
    Precondition,
    RecordKey,
    Scan,
    Write,
    WriteOperation,
    ask,
    encode,
    grow,
)
from statehouse_langgraph.errors import ConcurrentWriteError
from statehouse_langgraph.saver import keys as names
from statehouse_langgraph.saver.backing import Backing, Plan, Reference, write
from statehouse_langgraph.saver.encoding import EncodedList
from statehouse_langgraph.saver.encoding import encode as encode_value
from statehouse_langgraph.saver.known import Base, Epoch, Known
from statehouse_langgraph.saver.reading import SHARED_BYTES_MIN
from statehouse_langgraph.saver.records import CheckpointRecord, Mark, Place, StoredWrite, WritesRecord
from statehouse_langgraph.saver.sizes import check_values, check_writes
from statehouse_langgraph.serde import Typed, payload_of

_RANDOM_VERSION: Final = re.compile(r"\d{32}\.\d{16}")
"""What `next_version` gives: no two are alike, so a value at one is written once."""


@dataclass(frozen=True, slots=True)
class NewValue:
    """A channel's value at a new version.

    Attributes:
        channel: The channel.
        version: The version.
        value: The value, serialized; None where the channel is empty.
        encoded: The objects it was made of, if it is a list of messages.
    """

    channel: str
    version: Any
    value: Typed | None
    encoded: EncodedList | None = None

    @property
    def may_grow(self) -> bool:
        """Whether a later value may share bytes with this one."""
        return self.value is not None and len(self.value[1]) >= SHARED_BYTES_MIN and _is_random(self.version)


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """A checkpoint to store, serialized.

    Attributes:
        ns: Its namespace.
        id: Its id.
        checkpoint: The checkpoint without its values.
        metadata: Its metadata.
        run_id: The run that made it; empty for none.
        root: For a subgraph's, the root graph's checkpoint that called it; None where nobody says.
        values: The channels' values at their new versions.
        nones: The channels that hold None.
    """

    ns: str
    id: str
    checkpoint: Typed
    metadata: Typed
    run_id: str
    root: str | None
    values: tuple[NewValue, ...]
    nones: tuple[str, ...]


def new_checkpoint(
    place: Place,
    checkpoint: Mapping[str, Any],
    metadata: Mapping[str, Any],
    new_versions: Mapping[str, Any],
    serde: SerializerProtocol,
    known: Known,
) -> NewCheckpoint:
    """Serializes a checkpoint, of a list of messages only what is new in it.

    Raises:
        InvalidArgumentError: It has no id.
    """
    checkpoint_id = checkpoint.get("id")
    if not isinstance(checkpoint_id, str) or not checkpoint_id:
        raise InvalidArgumentError(
            f"a checkpoint's id must be a string that is not empty: {checkpoint_id!r:.80}"
        )
    bare = dict(checkpoint)
    values = bare.pop("channel_values", {})
    nones = tuple(
        channel
        for channel, version in (checkpoint.get("channel_versions") or {}).items()
        if channel in values and values[channel] is None and _is_random(version)
    )
    return NewCheckpoint(
        place.ns or "",
        checkpoint_id,
        serde.dumps_typed(bare),
        serde.dumps_typed(dict(metadata)),
        str(metadata.get("run_id") or place.run_id),
        (metadata.get("parents") or {}).get("") if place.ns else None,
        tuple(
            _new_value(place, channel, version, values, serde, known)
            for channel, version in new_versions.items()
            if channel not in nones
        ),
        nones,
    )


def _new_value(
    place: Place,
    channel: str,
    version: Any,
    values: Mapping[str, Any],
    serde: SerializerProtocol,
    known: Known,
) -> NewValue:
    if channel not in values:
        return NewValue(channel, version, None)
    base = known.base((place.agent_id, place.ns or "", channel))
    typed, encoded = encode_value(values[channel], serde, None if base is None else base.encoded)
    return NewValue(channel, version, typed, encoded)


def new_writes(
    place: Place, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str, serde: SerializerProtocol
) -> WritesRecord:
    """Serializes what a task wrote.

    Raises:
        InvalidArgumentError: The config names no checkpoint.
    """
    if place.checkpoint_id is None:
        raise InvalidArgumentError("writes belong to a checkpoint, and the config has no checkpoint_id")
    rows: dict[int, StoredWrite] = {}
    for position, (channel, value) in enumerate(writes):
        idx = WRITES_IDX_MAP.get(channel, position)
        rows[idx] = StoredWrite(idx, channel, serde.dumps_typed(value), task_path)
    ordered = tuple(rows[idx] for idx in sorted(rows))
    return WritesRecord(place.ns or "", place.checkpoint_id, task_id, ordered, place.run_id)


def put(
    backing: Backing, place: Place, new: NewCheckpoint, writes: Sequence[WritesRecord] = ()
) -> Flow[dict[str, Any]]:
    """Stores a checkpoint, and the writes it was made of, in one commit; gives its config."""
    limits = backing.connection.limits
    check_values(((each.channel, each.value) for each in new.values), limits)
    for task in writes:
        check_writes(task, limits)
    attempt = _Put(backing, place, new, writes)
    while True:
        try:
            commit_ts = yield from write(
                backing,
                place,
                attempt.plan,
                belongs_to=_belongs_to(place, new),
                makes=Reference(new.ns, new.id),
            )
        except (NotFoundError, ErasedError, CompactedError):
            # The value that a new one shares bytes with is gone: send it whole.
            if not attempt.shares:
                raise
            attempt.shares = False
        except PreconditionFailedError as error:
            # Somebody stored this very version before, or a task's writes came in between.
            if error.which.key.key.startswith("value/"):
                attempt.fresh = False
        except ConflictError as error:
            raise ConcurrentWriteError(
                f"thread {place.agent_id!r} got another checkpoint from another run (commit_ts "
                f"{error.commit_ts}) since this one read it; {new.id} was not stored. Read the thread "
                "again, and run again",
                thread_id=place.agent_id,
                checkpoint_ns=new.ns,
            ) from error
        else:
            _remember(attempt, commit_ts)
            return place.config(new.ns, new.id)


def _belongs_to(place: Place, new: NewCheckpoint) -> Reference | None:
    """The checkpoint that must not have been removed: the parent, or what called the subgraph."""
    if place.checkpoint_id is not None:
        return Reference(new.ns, place.checkpoint_id)
    return None if new.root is None else Reference("", new.root)


@dataclass(slots=True)
class _Put:
    """A checkpoint on its way.

    Attributes:
        shares: Values are written as what is new in them.
        fresh: Nothing is thought to be stored at the new versions.
        epoch: That of the thread when it was last tried.
    """

    backing: Backing
    place: Place
    new: NewCheckpoint
    writes: Sequence[WritesRecord]
    shares: bool = True
    fresh: bool = True
    epoch: Epoch = (0, 0)

    def plan(self, mark: Mark, _version: int) -> Flow[Plan]:
        """What to commit under a mark."""
        backing, place, new = self.backing, self.place, self.new
        keys = backing.keys(place.agent_id)
        parent = place.checkpoint_id
        record = CheckpointRecord(
            new.ns, new.id, parent, mark.generation, new.checkpoint, new.metadata, new.run_id, new.nones
        )
        operations: list[WriteOperation] = [Write(keys.checkpoint(new.ns, new.id), record.payload())]
        preconditions: list[Precondition] = []
        for each in new.values:
            name = keys.value(new.ns, each.channel, each.version)
            operation = yield from _value(backing, place, new.ns, each, name, shares=self.shares)
            if operation is not None:
                operations.append(operation)
                if self.fresh and each.may_grow:
                    # So that its version is known when the next value is made of it (K2).
                    preconditions.append(Precondition(name, version=0))
        for task in self.writes:
            more, condition = yield from _merged(keys, task)
            operations.append(more)
            preconditions.append(condition)
        self.epoch = mark.epoch
        operations.extend(_run_rows(backing, keys, new.run_id, mark))
        read_ts, ranges = yield from _newest(backing, keys, new.ns, parent)
        return Plan(operations, preconditions, read_ts, ranges)


def put_writes(backing: Backing, place: Place, record: WritesRecord) -> Flow[None]:
    """Stores what a task wrote, in one commit. Of a write that is there already the first stays."""
    check_writes(record, backing.connection.limits)
    keys = backing.keys(place.agent_id)
    # Nearly always these are the task's first.
    first = True

    epoch: Epoch = (0, 0)

    def plan(mark: Mark, _version: int) -> Flow[Plan]:
        nonlocal epoch
        epoch = mark.epoch
        run = _run_rows(backing, keys, record.run_id, mark)
        if first:
            name = keys.writes(record.ns, record.checkpoint_id, record.task_id)
            return Plan((Write(name, record.payload()), *run), (Precondition(name, version=0),))
        operation, condition = yield from _merged(keys, record)
        return Plan((operation, *run), (condition,))

    belongs_to = Reference(record.ns, record.checkpoint_id)
    while True:
        try:
            yield from write(backing, place, plan, belongs_to=belongs_to)
        except PreconditionFailedError:
            first = False
        else:
            if record.run_id:
                backing.known.saw_run(place.agent_id, record.run_id, epoch)
            return


def _run_rows(
    backing: Backing, keys: names.ThreadKeys, run_id: str, mark: Mark
) -> tuple[WriteOperation, ...]:
    """The rows that say that a run wrote to the thread; none where they are known to be there."""
    if not run_id or backing.known.has_run(keys.agent_id, run_id, mark.epoch):
        return ()
    return Write(keys.run(run_id), encode(run_id)), Write(keys.run_index(run_id), encode(keys.agent_id))


def _merged(keys: names.ThreadKeys, record: WritesRecord) -> Flow[tuple[Write, Precondition]]:
    """A task's writes with those it has stored already: ordinary ones stay, special ones are replaced."""
    name = keys.writes(record.ns, record.checkpoint_id, record.task_id)
    read = yield from ask(Get(name))
    if read.entry.payload is None:
        return Write(name, record.payload()), Precondition(name, version=0)
    before = WritesRecord.of(read.entry.payload)
    rows = {each.idx: each for each in before.writes}
    rows.update({each.idx: each for each in record.writes if each.idx < 0 or each.idx not in rows})
    merged = WritesRecord(
        record.ns,
        record.checkpoint_id,
        record.task_id,
        tuple(rows[idx] for idx in sorted(rows)),
        record.run_id or before.run_id,
    )
    return Write(name, merged.payload()), Precondition(name, version=read.entry.version)


def _value(
    backing: Backing, place: Place, ns: str, new: NewValue, name: RecordKey, *, shares: bool
) -> Flow[WriteOperation | None]:
    """How a value is written: as what is new in it, whole, or not at all where nothing was and nothing is."""
    if new.value is None:
        # At a version that nobody used before, absence says that the channel is empty.
        return None if _is_random(new.version) else Delete(name)
    payload = payload_of(new.value)
    base = backing.known.base((place.agent_id, ns, new.channel)) if shares else None
    if base is None or base.content_type != payload.content_type or base.key == name:
        return Write(name, payload)
    parts = grow(base.data, payload.data)
    if parts is None:
        return Write(name, payload)
    version = base.version
    if version is None:
        page = yield from ask(Scan(*base.key, keys_only=True, limit=1))
        found = page.entries[0] if page.entries else None
        if found is None or (found.key, found.commit_ts) != (base.key, base.commit_ts):
            return Write(name, payload)
        version = found.version
    return Extend(name, base.key, version, parts, payload.content_type)


def _newest(
    backing: Backing, keys: names.ThreadKeys, ns: str, parent: str | None
) -> Flow[tuple[int | None, tuple[KeyRange, ...]]]:
    """What must not have changed for this run to be the only one: the checkpoints of its namespace."""
    if not backing.raise_on_concurrent_write:
        return None, ()
    prefix = names.checkpoints_prefix(ns)
    read_ts = backing.known.newest_at(keys.agent_id, ns, parent or "")
    if read_ts is None:
        # A run that never read the thread; nobody else may write from now on.
        page = yield from ask(
            Scan(keys.namespace, keys.agent_id, prefix, reverse=True, keys_only=True, limit=1)
        )
        read_ts = page.read_ts
        newest = page.entries[0].key if page.entries else None
        if newest != (None if parent is None else keys.checkpoint(ns, parent)):
            raise ConflictError("the thread has other checkpoints", keys=(), commit_ts=read_ts)
    return read_ts, (KeyRange(keys.namespace, keys.agent_id, prefix, keys_only=True),)


def _remember(stored: _Put, commit_ts: int) -> None:
    place, new = stored.place, stored.new
    known, keys = stored.backing.known, stored.backing.keys(place.agent_id)
    mark = known.mark(place.agent_id)
    # Where nothing was ever removed, what was absent was never written: its first version is 1 (K2).
    never_removed = mark is not None and not mark[0].floor
    for each in new.values:
        if each.value is not None and each.may_grow:
            payload = payload_of(each.value)
            version = 1 if stored.fresh and never_removed else None
            name = keys.value(new.ns, each.channel, each.version)
            base = Base(name, version, commit_ts, payload.content_type, payload.data, each.encoded)
            known.saw_value((place.agent_id, new.ns, each.channel), base)
    if new.run_id:
        known.saw_run(place.agent_id, new.run_id, stored.epoch)
    if stored.backing.raise_on_concurrent_write:
        known.saw_newest(place.agent_id, new.ns, new.id, commit_ts, again=True)


def _is_random(version: object) -> bool:
    return isinstance(version, str) and _RANDOM_VERSION.fullmatch(version) is not None
