"""Whether what a transaction relied on still holds (G3).

A key that was read conflicts when its newest write came after read_ts; its row in `names` says so. A
range conflicts when any key in it was written after read_ts. `Recent` knows the keys of the newest
commits; a read_ts older than it remembers (a transaction that lived across a restart, say) is answered
from disk, exactly, in proportion to the range.
"""

from __future__ import annotations

from typing import Protocol

from statehouse.engine import layout
from statehouse.engine.layout import NO_RECORD, TOMBSTONE, NameHead
from statehouse.engine.prepare import Prepared
from statehouse.engine.state import State
from statehouse.errors import CompactedError, ConflictError, PreconditionFailedError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import KeyRange
from statehouse.storage import Table


class Newest(Protocol):
    """The newest state of records, commits that are not written yet included."""

    def name_head(self, name: bytes) -> NameHead | None:
        """The newest state of a record."""
        ...

    def newest_in(self, after_ts: int, start: bytes, stop: bytes, *, membership: bool) -> int:
        """The newest unwritten commit that touched a range; 0 when none did."""
        ...


def check_conflicts(state: State, group: Newest, prepared: Prepared) -> None:
    """Raises ConflictError when something in the read set changed after read_ts, or history is gone."""
    commit = prepared.commit
    read_ts = commit.read_ts
    assert read_ts is not None
    if not (commit.reads or commit.ranges):
        return
    try:
        state.check_horizon(read_ts)
    except CompactedError as error:
        raise ConflictError(
            f"the transaction read at commit_ts {read_ts}, which is compacted: begin again",
            keys=(),
            commit_ts=error.oldest,
        ) from None
    changed: list[RecordKey | KeyRange] = []
    newest = 0
    for key, name in zip(commit.reads, prepared.reads, strict=True):
        known = group.name_head(name)
        if known is not None and known[2] > read_ts:
            changed.append(key)
            newest = max(newest, known[2])
    for key_range, (start, stop) in zip(commit.ranges, prepared.ranges, strict=True):
        touched = _newest_in(state, group, read_ts, start, stop, membership=key_range.keys_only)
        if touched:
            changed.append(key_range)
            newest = max(newest, touched)
    if changed:
        shown = ", ".join(_shown(each) for each in changed[:3]) + (", …" if len(changed) > 3 else "")
        raise ConflictError(
            f"changed since commit_ts {read_ts}, at which the transaction read: {shown} (by commit_ts "
            f"{newest}); nothing was applied: read again, or use transact(), which does",
            keys=tuple(changed),
            commit_ts=newest,
        )


def _shown(changed: RecordKey | KeyRange) -> str:
    if isinstance(changed, RecordKey):
        return str(changed)
    return f"{changed.namespace}/{changed.agent_id}/{changed.prefix}*"


def _newest_in(
    state: State, group: Newest, read_ts: int, start: bytes, stop: bytes, *, membership: bool
) -> int:
    touched = group.newest_in(read_ts, start, stop, membership=membership)
    if touched:
        return touched
    recent = state.recent
    if read_ts >= recent.floor_ts:
        return recent.newest_in(read_ts, start, stop, membership=membership)
    return _newest_on_disk(state, read_ts, start, stop, membership=membership)


def _newest_on_disk(state: State, read_ts: int, start: bytes, stop: bytes, *, membership: bool) -> int:
    """As `Recent.newest_in`, from the rows of the range themselves."""
    newest = 0
    while True:
        page = state.store.scan(Table.NAMES, start, stop)
        if not page:
            return newest
        for _, data in page:
            row = layout.unpack_name_row(data)
            if row.commit_ts <= max(read_ts, newest):
                continue
            touched = _newest_flip(state, row.record_id, read_ts) if membership else row.commit_ts
            newest = max(newest, touched)
        start = page[-1][0] + b"\0"


def _newest_flip(state: State, record_id: int, read_ts: int) -> int:
    """The newest commit above read_ts that made a record begin or cease to exist; 0 when none did."""
    start = layout.history_key(record_id, state.head.commit_ts)
    stop = layout.history_key(record_id + 1, 2**64 - 1)
    newer: tuple[int, bool] | None = None
    while True:
        page = state.store.scan(Table.HISTORY, start, stop)
        for key, data in page:
            commit_ts = layout.parse_history_key(key)[1]
            exists = not layout.unpack_history_row(data).flags & TOMBSTONE
            if newer is not None and newer[1] != exists:
                return newer[0]
            if commit_ts <= read_ts:
                return 0
            newer = (commit_ts, exists)
        if not page:
            # The oldest version: before it the record did not exist.
            return newer[0] if newer is not None and newer[1] else 0
        start = page[-1][0] + b"\0"


def check_preconditions(group: Newest, prepared: Prepared) -> None:
    """Raises PreconditionFailedError for the first precondition that does not hold."""
    for condition, name in zip(prepared.commit.preconditions, prepared.conditions, strict=True):
        _, version, commit_ts, flags, _ = group.name_head(name) or NO_RECORD
        if flags & TOMBSTONE:
            version = commit_ts = 0
        if condition.version is not None:
            expected, actual, what = condition.version, version, "version"
        else:
            expected, actual, what = condition.commit_ts or 0, commit_ts, "commit_ts"
        if expected != actual:
            raise PreconditionFailedError(
                f"{condition.key} was expected at {what} {expected or '0 (absent)'}, but is at "
                f"{actual or '0 (absent)'}; nothing was applied",
                which=condition,
                version=version,
                commit_ts=commit_ts,
            )
