"""What stands in for the ancestors that were pruned, for those who walk to them.

`StatehouseSaver.get_delta_channel_history` knows of folds. LangGraph Server asks its own adapter instead,
which goes from checkpoint to parent as LangGraph's base class does. For it, a checkpoint whose DeltaChannels
have a history in its `FoldRecord` names a parent that is stored nowhere and that no listing shows; it is made
of that record when somebody asks for it. It has no parent itself, so nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse.extend import Flow, GetMany, ask
from statehouse_langgraph.saver.keys import ThreadKeys
from statehouse_langgraph.saver.records import CheckpointRecord, FoldRecord, Mark, StoredWrite
from statehouse_langgraph.serde import Typed

_SUFFIX: Final = "~before"
_HAS_DELTA_CHANNELS: Final = "counters_since_delta_snapshot"
"""In the metadata of every checkpoint of a graph with DeltaChannels."""


def parent_of(record: CheckpointRecord, fold: FoldRecord | None, metadata: Mapping[str, Any]) -> str | None:
    """Gives the parent that a checkpoint is said to have."""
    if fold is None:
        return record.parent
    return record.id + _SUFFIX if fold.channels and _HAS_DELTA_CHANNELS in metadata else fold.parent


def of_whom(checkpoint_id: str) -> str | None:
    """Gives the checkpoint that an id is the stand-in parent of; None for an ordinary id."""
    return checkpoint_id.removesuffix(_SUFFIX) if checkpoint_id.endswith(_SUFFIX) else None


Standing = tuple[
    CheckpointRecord, Mapping[str, Any], Mapping[str, Typed], tuple[tuple[str, StoredWrite], ...]
]
"""A record, the checkpoint, the values that its channels begin with, and the writes since."""


def read(
    keys: ThreadKeys, ns: str, checkpoint_id: str, serde: SerializerProtocol
) -> Flow[tuple[Standing, int, int] | None]:
    """Makes the stand-in of a checkpoint; with it, the checkpoint's commit_ts and what it was read as of."""
    names = (keys.checkpoint(ns, checkpoint_id), keys.fold(ns, checkpoint_id), keys.thread())
    page = yield from ask(GetMany(names))
    if len(page.entries) < len(names):
        rest = yield from ask(GetMany(names[len(page.entries) :], at=page.read_ts))
        page = replace(page, entries=page.entries + rest.entries)
    checkpoint_row, fold_row, mark_row = page.entries
    if checkpoint_row.payload is None or fold_row.payload is None:
        return None
    record = CheckpointRecord.of(checkpoint_row.payload)
    if record.generation != Mark.of(mark_row.payload).generation:
        return None
    fold = FoldRecord.of(fold_row.payload)
    own_id = checkpoint_id + _SUFFIX
    checkpoint = {
        **serde.loads_typed(record.checkpoint),
        "id": own_id,
        "channel_versions": {},
        "versions_seen": {},
    }
    seeds = {channel: each.seed for channel, each in fold.channels.items() if each.seed is not None}
    writes = tuple(
        (task_id, StoredWrite(idx, channel, value))
        for channel, each in fold.channels.items()
        for idx, (task_id, value) in enumerate(each.writes)
    )
    standing = (replace(record, id=own_id, parent=None, nones=()), checkpoint, seeds, writes)
    return standing, checkpoint_row.commit_ts, page.read_ts
