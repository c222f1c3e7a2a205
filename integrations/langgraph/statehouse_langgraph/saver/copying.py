"""Copying a thread, whole or up to a checkpoint.

The copy has the ids of the original. Ropes never cross agents, so values are written again; those that grow
share with the one before them here as they did there. The copy is written under a generation that
nobody sees yet, and shows in one commit at the end; what a crash leaves of it is removed by whoever
writes next (R1).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse import AlreadyExistsError, InvalidArgumentError, NotFoundError, PreconditionFailedError
from statehouse.extend import Extend, Flow, Payload, RecordKey, Scan, Write, WriteOperation, ask, encode, grow
from statehouse_langgraph.errors import ThreadChangedError
from statehouse_langgraph.saver import keys as names
from statehouse_langgraph.saver import standing
from statehouse_langgraph.saver.backing import ATTEMPTS_MAX, Backing, Plan, apply, read_mark
from statehouse_langgraph.saver.keys import ThreadKeys
from statehouse_langgraph.saver.reading import rows_of
from statehouse_langgraph.saver.records import CheckpointRecord, Mark, Place
from statehouse_langgraph.saver.removing import busy, finish
from statehouse_langgraph.saver.rows import ThreadRows, read_rows

_BYTES_AT_ONCE: Final = 4 * 1024 * 1024
_OPERATIONS_AT_ONCE: Final = 1_000


def copy(
    backing: Backing, source: Place, target: Place, serde: SerializerProtocol, *, at: str | None = None
) -> Flow[int]:
    """Copies a thread to one that has no checkpoints; gives how many there were.

    Args:
        backing: The saver's.
        source: The thread to copy.
        target: The new thread.
        serde: Decodes checkpoints.
        at: The checkpoint of the root graph to copy up to: it, its ancestors, and what subgraphs did for
            them; None for all.

    Raises (in the flow):
        InvalidArgumentError: Both are the same thread.
        NotFoundError: There is no such checkpoint.
        AlreadyExistsError: The target has checkpoints.
        ThreadChangedError: Somebody wrote to the target while it was being copied to.
        StatehouseError: As a commit does.
    """
    if source.agent_id == target.agent_id:
        raise InvalidArgumentError(f"thread {source.agent_id!r} cannot be copied to itself")
    keys = backing.keys(source.agent_id)
    first = yield from ask(Scan(keys.namespace, keys.agent_id, names.THREAD, limit=1))
    marked = [each for each in first.entries if each.key == keys.thread()]
    mark = Mark.of(marked[0].payload if marked else None)
    rows = yield from read_rows(keys, mark, serde, first.read_ts)
    chosen = list(_chosen(rows, at))
    if not chosen:
        return 0
    begun = yield from _begun(backing, target)
    try:
        yield from _Copy(backing, target, rows, *begun).all_of(chosen)
    except PreconditionFailedError as error:
        raise ThreadChangedError(
            f"thread {target.agent_id!r} was written to while {source.agent_id!r} was being copied to it; "
            "the copy was given up. Copy to a thread that nobody uses yet",
            thread_id=target.agent_id,
            checkpoint_id="",
        ) from error
    return len(chosen)


def _chosen(rows: ThreadRows, at: str | None) -> Iterator[CheckpointRecord]:
    if at is None:
        for records in rows.checkpoints.values():
            yield from records
        return
    root = {record.id: record for record in rows.checkpoints.get("", ())}
    if at not in root:
        raise NotFoundError(f"thread {rows.keys.agent_id!r} has no checkpoint {at!r} of its root graph")
    path = _ancestry(rows, root, root[at], ())
    for ns, records in rows.checkpoints.items():
        by_id = {record.id: record for record in records}
        wanted: set[str] = set()
        for record in records:
            caller = record.id if ns == "" else (rows.metadata(record).get("parents") or {}).get("")
            if caller in path or (caller is None and record.id <= at):
                # With its ancestors, which its DeltaChannels need, whoever called for those.
                wanted.update(_ancestry(rows, by_id, record, wanted))
        yield from (record for record in records if record.id in wanted)


def _ancestry(
    rows: ThreadRows,
    by_id: Mapping[str, CheckpointRecord],
    record: CheckpointRecord,
    known: Collection[str],
) -> set[str]:
    """A checkpoint and its ancestors, as far as they are not known already."""
    found: set[str] = set()
    current: str | None = record.id
    while current is not None and current in by_id and current not in found and current not in known:
        found.add(current)
        parent = rows.parent(by_id[current])
        # A stand-in is made of what the checkpoint has that it stands before.
        current = None if parent is None else standing.of_whom(parent) or parent
    return found


def _begun(backing: Backing, target: Place) -> Flow[tuple[Mark, int]]:
    """Says that a copy is on its way, and gives the mark that says so."""
    keys = backing.keys(target.agent_id)
    for _ in range(ATTEMPTS_MAX):
        mark, version = yield from read_mark(backing, keys)
        if mark.pending:
            yield from finish(backing, keys, mark, version)
            continue
        page = yield from ask(
            Scan(keys.namespace, keys.agent_id, names.checkpoints_prefix(), limit=1, keys_only=True)
        )
        if page.entries:
            raise AlreadyExistsError(
                f"thread {target.agent_id!r} has checkpoints; copy to a new thread, or delete that one first"
            )
        new = replace(mark, pending=True)
        try:
            yield from apply(backing, target, mark, version, Plan(mark=new, active=False))
        except PreconditionFailedError:
            continue
        return new, version + 1
    raise busy(target.agent_id)


@dataclass(slots=True)
class _Copy:
    backing: Backing
    target: Place
    rows: ThreadRows
    mark: Mark
    version: int
    _batch: list[WriteOperation] = field(default_factory=list)
    _batch_bytes: int = 0
    _batched: set[RecordKey] = field(default_factory=set)
    _written: set[RecordKey] = field(default_factory=set)
    _newest: dict[tuple[str, str], tuple[RecordKey, Payload]] = field(default_factory=dict)

    def all_of(self, chosen: Iterable[CheckpointRecord]) -> Flow[None]:
        keys = self.backing.keys(self.target.agent_id)
        runs: set[str] = set()
        for record in chosen:
            yield from self._one(keys, record)
            runs.add(record.run_id)
            runs.update(task.run_id for task in self.rows.writes.get((record.ns, record.id), ()))
        for run_id in filter(None, runs):
            self._batch.append(Write(keys.run(run_id), encode(run_id)))
            self._batch.append(Write(keys.run_index(run_id), encode(self.target.agent_id)))
        yield from self._flush(replace(self.mark, generation=self.mark.generation + 1, pending=False))

    def _one(self, keys: ThreadKeys, record: CheckpointRecord) -> Flow[None]:
        rows, ns = self.rows, record.ns
        places = {
            rows.keys.value(ns, channel, version): (channel, keys.value(ns, channel, version))
            for channel, version in rows.versions(record).items()
        }
        wanted = [key for key, (_, name) in places.items() if name not in self._written]
        found = yield from rows_of(wanted, at=rows.at)
        for key in wanted:
            payload = found[key].payload
            if payload is not None:
                yield from self._value((ns, places[key][0]), places[key][1], payload)
        for task in rows.writes.get((ns, record.id), ()):
            self._add(Write(keys.writes(ns, record.id, task.task_id), task.payload()))
        fold = rows.folds.get((ns, record.id))
        if fold is not None:
            self._add(Write(keys.fold(ns, record.id), fold.payload()))
        copied = replace(record, generation=self.mark.generation + 1)
        self._add(Write(keys.checkpoint(ns, record.id), copied.payload()))
        if self._batch_bytes >= _BYTES_AT_ONCE or len(self._batch) >= _OPERATIONS_AT_ONCE:
            yield from self._flush(None)

    def _value(self, channel: tuple[str, str], name: RecordKey, payload: Payload) -> Flow[None]:
        base = self._newest.get(channel)
        operation: WriteOperation = Write(name, payload)
        if base is not None and base[1].content_type == payload.content_type:
            parts = grow(base[1].data, payload.data)
            if parts is not None:
                if base[0] in self._batched:
                    # What is shared must be there.
                    yield from self._flush(None)
                page = yield from ask(Scan(*base[0], keys_only=True, limit=1))
                operation = Extend(name, base[0], page.entries[0].version, parts, payload.content_type)
        self._newest[channel] = (name, payload)
        self._written.add(name)
        self._batched.add(name)
        self._add(operation)

    def _add(self, operation: WriteOperation) -> None:
        self._batch.append(operation)
        if isinstance(operation, Write):
            self._batch_bytes += len(operation.payload.data)

    def _flush(self, mark: Mark | None) -> Flow[None]:
        if self._batch or mark is not None:
            plan = Plan(self._batch, mark=mark, active=mark is not None)
            yield from apply(self.backing, self.target, self.mark, self.version, plan)
        self._batch, self._batch_bytes, self._batched = [], 0, set()
