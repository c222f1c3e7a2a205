"""What the rows of a thread add up to, for people: the newest checkpoints and what their channels hold.

Works on shown bytes (`showing`), so it imports no LangGraph, calls nothing, and shows what is encrypted as
such. The rows may be anybody's; what makes no sense is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from statehouse import InvalidArgumentError
from statehouse.extend import JSON, codec_for
from statehouse_langgraph.codec import CHECKPOINT_TYPE, FOLD_TYPE, WRITES_TYPE, fields_of
from statehouse_langgraph.saver.keys import ThreadKeys
from statehouse_langgraph.showing import ENCRYPTED, show_typed

if TYPE_CHECKING:
    from statehouse.extend import Entry

_BRANCH: Final = "branch:to:"
_INNER: Final = (_BRANCH, "__")
_DELTAS: Final = "counters_since_delta_snapshot"


@dataclass(slots=True)
class _Checkpoint:
    """One checkpoint, as far as it can be shown."""

    ns: str
    id: str
    parent: str | None
    generation: int
    inside: Any
    metadata: Any
    run_id: str
    nones: frozenset[str]

    @classmethod
    def of(cls, data: bytes) -> _Checkpoint:
        ns, checkpoint_id, parent, generation, inside, metadata, run_id, nones = fields_of(data)
        shown = show_typed(*inside), show_typed(*metadata)
        parent = None if parent is None else str(parent)
        return cls(str(ns), str(checkpoint_id), parent, generation, *shown, str(run_id), frozenset(nones))

    @property
    def versions(self) -> Mapping[str, Any]:
        """The version of each channel; empty where they are encrypted."""
        found = self.inside.get("channel_versions") if isinstance(self.inside, dict) else None
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True, order=True)
class _Task:
    """What a task wrote: channels and shown values. Tasks sort as LangGraph applies them."""

    path: str
    id: str
    written: list[tuple[str, Any]] = field(compare=False)


@dataclass(slots=True)
class _Rows:
    """The rows of a thread, by what they are."""

    generation: int = 0
    checkpoints: dict[str, dict[str, _Checkpoint]] = field(default_factory=dict)
    writes: dict[tuple[str, str], list[_Task]] = field(default_factory=dict)
    folds: dict[str, dict[str, tuple[Any, list[Any]]]] = field(default_factory=dict)
    values: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> _Rows:
        rows = cls()
        for entry in entries:
            if entry.payload is None:
                continue
            try:
                rows._sort(entry, entry.payload.content_type, entry.payload.data)
            except (InvalidArgumentError, TypeError, ValueError, LookupError, AttributeError):
                continue
        return rows

    def _sort(self, entry: Entry, content_type: str, data: bytes) -> None:
        key = entry.key.key
        if content_type == CHECKPOINT_TYPE:
            found = _Checkpoint.of(data)
            self.checkpoints.setdefault(found.ns, {})[found.id] = found
        elif content_type == WRITES_TYPE:
            ns, checkpoint_id, task_id, path, written, _ = fields_of(data)
            shown = [(str(channel), show_typed(kind, value)) for _, channel, kind, value, *_ in written]
            self.writes.setdefault((ns, checkpoint_id), []).append(_Task(str(path), str(task_id), shown))
        elif content_type == FOLD_TYPE:
            _, channels = fields_of(data)
            self.folds[key] = {
                name: (
                    None if seed is None else show_typed(*seed),
                    [show_typed(*each[1:]) for each in written],
                )
                for name, (seed, written) in channels.items()
            }
        elif key == "thread" and content_type == JSON:
            self.generation = int(json.loads(data)["generation"])
        elif key.startswith("value/"):
            self.values[key] = entry


def overview(entries: Iterable[Entry]) -> Mapping[str, Any] | None:
    """Gives names and JSON values: of the root graph, then of each namespace of a subgraph.

    Args:
        entries: All rows of an agent.

    Returns:
        None when they are not those of a thread that has a checkpoint.
    """
    kept = list(entries)
    rows = _Rows.of(kept)
    shown: dict[str, Any] = {}
    for ns in sorted(rows.checkpoints):
        living = [each for each in rows.checkpoints[ns].values() if each.generation == rows.generation]
        if living:
            newest = max(living, key=lambda each: each.id)
            keys = ThreadKeys(kept[0].key.namespace, kept[0].key.agent_id)
            before = f"[{ns}] " if ns else ""
            shown |= {before + name: value for name, value in _head(rows, keys, newest, len(living))}
    return shown or None


def _head(rows: _Rows, keys: ThreadKeys, newest: _Checkpoint, count: int) -> Iterator[tuple[str, Any]]:
    versions = newest.versions
    held = {
        name: rows.values.get(keys.value(newest.ns, name, version).key) for name, version in versions.items()
    }
    facts: dict[str, Any] = {"id": newest.id}
    described = newest.metadata
    if isinstance(described, dict):
        facts |= {name: value for name, value in described.items() if name not in ("parents", _DELTAS)}
    facts["next"] = [
        name.removeprefix(_BRANCH)
        for name, entry in held.items()
        if name.startswith(_BRANCH) and (entry is not None or name in newest.nones)
    ]
    facts |= {"run_id": newest.run_id} if newest.run_id else {}
    if isinstance(newest.inside, dict):
        facts["ts"] = newest.inside.get("ts")
    else:
        facts["checkpoint"] = newest.inside if newest.inside == ENCRYPTED else None
    yield "(checkpoint)", {**facts, "checkpoints": count}
    deltas = described.get(_DELTAS) if isinstance(described, dict) else None
    for name, entry in held.items():
        if name.startswith(_INNER):
            continue
        if entry is not None or name in newest.nones:
            yield name, None if entry is None else _shown(entry)
        elif isinstance(deltas, dict) and name in deltas:
            yield f"{name} (delta)", _history(rows, keys, newest, name)
    tasks = sorted(rows.writes.get((newest.ns, newest.id), ()))
    if tasks:
        yield (
            "(writes)",
            [
                {"task_id": task.id, "writes": [{channel: value} for channel, value in task.written]}
                for task in tasks
            ],
        )


def _shown(entry: Entry) -> Any:
    payload = entry.payload
    assert payload is not None
    codec = codec_for(payload.content_type)
    try:
        if codec is not None:
            return codec.show(payload.data)
    except InvalidArgumentError:
        pass
    return f"({payload.content_type}, {len(payload.data):,} bytes)"


def _history(rows: _Rows, keys: ThreadKeys, newest: _Checkpoint, channel: str) -> dict[str, Any]:
    """What was written to a DeltaChannel since its last snapshot: only its reducer knows what that makes."""
    written: list[list[Any]] = []
    snapshot: Any = None
    there = rows.checkpoints[newest.ns]
    current: _Checkpoint | None = newest
    seen: set[str] = set()
    while current is not None and current.id not in seen:
        # Links of damaged rows might go round.
        seen.add(current.id)
        fold = rows.folds.get(keys.fold(newest.ns, current.id).key)
        if fold is not None and channel in fold:
            snapshot, kept = fold[channel]
            written.append(kept)
            break
        current = there.get(current.parent) if current.parent is not None else None
        if current is None:
            break
        written.append(_written(rows, current, channel))
        entry = rows.values.get(keys.value(newest.ns, channel, current.versions.get(channel)).key)
        if entry is not None:
            snapshot = _shown(entry)
            break
    return {"snapshot": snapshot, "written since": [each for step in reversed(written) for each in step]}


def _written(rows: _Rows, checkpoint: _Checkpoint, channel: str) -> list[Any]:
    """What tasks wrote to a channel at a checkpoint."""
    tasks = sorted(rows.writes.get((checkpoint.ns, checkpoint.id), ()))
    return [value for task in tasks for name, value in task.written if name == channel]
