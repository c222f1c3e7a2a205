"""The history of DeltaChannels: what was written to a channel since the value that is stored nearest.

A DeltaChannel stores no value at most checkpoints; it is the writes on the path from the nearest ancestor
that has one. The path is that of the parents; the target's own writes are not part of it, the nearest stored
ancestor's are. A checkpoint whose ancestors were pruned has a `FoldRecord` in their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse.extend import Entry, Flow, RecordKey, Scan, ask
from statehouse_langgraph.errors import ThreadChangedError
from statehouse_langgraph.saver import keys as names
from statehouse_langgraph.saver import standing
from statehouse_langgraph.saver.backing import Backing, read_mark
from statehouse_langgraph.saver.keys import ThreadKeys, ordered
from statehouse_langgraph.saver.reading import Written, get, in_order, loaded, rows_of, scanned
from statehouse_langgraph.saver.records import NONE, CheckpointRecord, Folded, FoldRecord, Place, WritesRecord
from statehouse_langgraph.serde import Typed, typed_of

_FIRST_ROWS: Final = 8
_ROWS_MAX: Final = 512
_FIRST_LOOK: Final = 1
_LOOK_MAX: Final = 256


@dataclass(slots=True)
class History:
    """What one channel holds, as it is gathered: newest first while it grows.

    Attributes:
        seed: The stored value it begins with; None for none.
        writes: (task id, value), newest first.
        complete: Nothing older belongs to it.
    """

    seed: Typed | None = None
    writes: list[tuple[str, Typed]] = field(default_factory=list)
    complete: bool = False

    def folded(self) -> Folded:
        """The same, oldest first."""
        return Folded(self.seed, tuple(reversed(self.writes)))


class _Downwards:
    """Rows of a thread in descending order of their keys, read as far as they are asked for."""

    def __init__(self, keys: ThreadKeys, prefix: str, at: int) -> None:
        self._keys = keys
        self._prefix = prefix
        self._at = at
        self._rows: dict[str, list[Entry]] = {}
        self._cursor: str | None = None
        self._lowest: str | None = None
        self._highest = ""
        self._limit = _FIRST_ROWS

    def take(self, key_prefix: str) -> Flow[list[Entry]]:
        """Gives the rows whose keys begin so; what is above them is forgotten."""
        if self._lowest is None:
            self._highest = key_prefix
        elif key_prefix > self._highest:
            # A parent with a higher id than its child: ids are the caller's, and clocks differ.
            return (yield from scanned(self._keys, key_prefix, at=self._at))
        while self._lowest is None or self._lowest >= key_prefix:
            if self._lowest is not None and self._cursor is None:
                break
            after = None if self._cursor else key_prefix + "\U0010ffff"
            request = Scan(
                self._keys.namespace,
                self._keys.agent_id,
                self._prefix,
                at=None if self._cursor else self._at,
                reverse=True,
                limit=self._limit,
                cursor=self._cursor,
                after=after,
            )
            page = yield from ask(request)
            self._limit = min(2 * self._limit, _ROWS_MAX)
            for entry in page.entries:
                owner = entry.key.key.split("/", 3)[2]
                self._rows.setdefault(owner, []).append(entry)
            self._cursor = page.cursor
            self._lowest = page.entries[-1].key.key if page.entries else ""
            if page.cursor is None:
                self._lowest = ""
        owner = key_prefix.split("/", 3)[2]
        return self._rows.pop(owner, [])


class Walk:
    """The walk from a checkpoint up its ancestors.

    Args:
        keys: The thread's.
        ns: The checkpoint namespace.
        serde: Decodes checkpoints.
        at: The commit_ts to read as of.
    """

    def __init__(self, keys: ThreadKeys, ns: str, serde: SerializerProtocol, at: int) -> None:
        self._keys = keys
        self._ns = ns
        self._serde = serde
        self._at = at
        self._checkpoints = _Downwards(keys, names.checkpoints_prefix(ns), at)
        self._writes = _Downwards(keys, names.writes_prefix(ns), at)

    def gather(
        self, parent: str | None, channels: Sequence[str], fold: FoldRecord | None
    ) -> Flow[dict[str, History]]:
        """Gathers the histories of channels at a checkpoint.

        Args:
            parent: The checkpoint's parent.
            channels: The channels.
            fold: What a pruned history left to the checkpoint itself; None for none.
        """
        found = {channel: History() for channel in channels}
        folded = None if parent is None else standing.of_whom(parent)
        if folded is not None and fold is None:
            # Somebody went on from the stand-in.
            key = self._keys.fold(self._ns, folded)
            payload = (yield from rows_of((key,), at=self._at))[key].payload
            fold = None if payload is None else FoldRecord.of(payload)
        if fold is not None:
            _unfold(fold, found)
            return found
        look = _FIRST_LOOK
        current = parent
        # A checkpoint that was stored with its own config is its own parent.
        seen: set[str] = set()
        while current is not None and not all(each.complete for each in found.values()):
            ancestors: list[CheckpointRecord] = []
            while current is not None and len(ancestors) < look:
                record = None if current in seen else (yield from self._checkpoint(current))
                if record is None:
                    current = None
                    break
                ancestors.append(record)
                seen.add(record.id)
                current = record.parent
            look = min(2 * look, _LOOK_MAX)
            if (yield from self._take(ancestors, found)):
                break
        return found

    def _checkpoint(self, checkpoint_id: str) -> Flow[CheckpointRecord | None]:
        rows = yield from self._checkpoints.take(self._keys.checkpoint(self._ns, checkpoint_id).key)
        payload = rows[0].payload if rows else None
        return None if payload is None else CheckpointRecord.of(payload)

    def _take(self, ancestors: Sequence[CheckpointRecord], found: Mapping[str, History]) -> Flow[bool]:
        """Adds what some ancestors contribute, nearest first; True when nothing above them does."""
        versions = {each.id: self._versions(each) for each in ancestors}
        wanted: list[RecordKey] = []
        for record in ancestors:
            wanted.append(self._keys.fold(self._ns, record.id))
            wanted.extend(
                self._keys.value(self._ns, channel, versions[record.id][channel])
                for channel, history in found.items()
                if not history.complete and channel in versions[record.id]
            )
        rows = yield from rows_of(dict.fromkeys(wanted), at=self._at)
        for record in ancestors:
            written = yield from self._writes_at(record.id)
            for channel, history in found.items():
                if history.complete:
                    continue
                _add(history, channel, written)
                if channel in record.nones:
                    history.seed, history.complete = NONE, True
                    continue
                version = versions[record.id].get(channel)
                stored = (
                    None if version is None else rows[self._keys.value(self._ns, channel, version)].payload
                )
                if stored is not None:
                    history.seed, history.complete = typed_of(stored), True
            fold = rows[self._keys.fold(self._ns, record.id)].payload
            if fold is not None:
                _unfold(FoldRecord.of(fold), found)
                return True
        return False

    def _versions(self, record: CheckpointRecord) -> Mapping[str, Any]:
        versions: Mapping[str, Any] = self._serde.loads_typed(record.checkpoint).get("channel_versions") or {}
        return versions

    def _writes_at(self, checkpoint_id: str) -> Flow[tuple[Written, ...]]:
        rows = yield from self._writes.take(names.writes_prefix(self._ns, checkpoint_id))
        return in_order(WritesRecord.of(row.payload) for row in rows if row.payload is not None)


def _add(history: History, channel: str, written: Sequence[Written]) -> None:
    for task_id, each in reversed(written):
        if each.channel == channel:
            history.writes.append((task_id, each.value))


def _unfold(fold: FoldRecord, found: Mapping[str, History]) -> None:
    for channel, history in found.items():
        kept = fold.channels.get(channel)
        if kept is not None and not history.complete:
            history.writes.extend(reversed(kept.writes))
            history.seed = kept.seed
        history.complete = True


def delta_history(
    backing: Backing, place: Place, channels: Sequence[str], serde: SerializerProtocol
) -> Flow[dict[str, History]]:
    """Gathers the histories of channels at the checkpoint that a config names, or the newest one.

    Raises (in the flow):
        ThreadChangedError: It was deleted or pruned: nobody knows any more that the channels were not empty.
    """
    found = yield from get(backing, place, serde)
    keys = backing.keys(place.agent_id)
    if found is None:
        mark, _ = yield from read_mark(backing, keys)
        if place.checkpoint_id is not None and ordered(place.checkpoint_id) <= mark.floor:
            raise ThreadChangedError(
                f"checkpoint {place.checkpoint_id} of thread {place.agent_id!r} was deleted or pruned before "
                "its channels were read. Read the thread again",
                thread_id=place.agent_id,
                checkpoint_id=place.checkpoint_id,
            )
        return {channel: History() for channel in channels}
    # As of the same commit: what is removed in between must not be missed.
    walk = Walk(keys, found.record.ns, serde, found.read_ts)
    return (yield from walk.gather(found.record.parent, channels, found.fold))


def decode(
    found: Mapping[str, History], channels: Sequence[str], serde: SerializerProtocol
) -> dict[str, dict[str, Any]]:
    """Gives histories as LangGraph takes them."""
    result: dict[str, dict[str, Any]] = {}
    for channel in channels:
        history = found[channel]
        entry: dict[str, Any] = {
            "writes": [(task, channel, serde.loads_typed(value)) for task, value in reversed(history.writes)]
        }
        if history.seed is not None:
            entry["seed"] = loaded(history.seed, serde)
        result[channel] = entry
    return result
