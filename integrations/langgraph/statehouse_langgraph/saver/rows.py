"""All rows of a thread but its values, read at once: what pruning and copying look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import INTERRUPT

from statehouse.extend import Flow
from statehouse_langgraph.saver import keys as names
from statehouse_langgraph.saver.keys import ThreadKeys
from statehouse_langgraph.saver.reading import scanned
from statehouse_langgraph.saver.records import CheckpointRecord, FoldRecord, Mark, WritesRecord


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
