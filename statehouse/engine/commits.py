"""Applying a commit: a pure function of (state, commit, time, entropy). Nothing here writes or waits.

A `Group` applies one prepared commit (see `prepare`) after another on top of the state and of each other,
and collects the rows that the writer hands to the store as one batch.

The order of the checks is part of the contract: 1. malformed; 2. another store or epoch; 3. the txn_id
was committed before; 4. the txn_id is too old to know; 5. what was read has changed; 6. preconditions;
7. the base of an `Extend`. Nothing of a commit that fails one of them is applied.
"""

from __future__ import annotations

from typing import NamedTuple

from statehouse.engine import layout, ropes
from statehouse.engine.conflicts import check_conflicts, check_preconditions
from statehouse.engine.digests import chunk_digests, event_digest, operation_digest
from statehouse.engine.entropy import Entropy
from statehouse.engine.layout import (
    INLINE_BYTES_MAX,
    KIND_WRITE,
    NO_RECORD,
    SALT_BYTES,
    TOMBSTONE,
    Head,
    HistoryRow,
    NameHead,
    Totals,
)
from statehouse.engine.prepare import Prepared, PreparedOperation
from statehouse.engine.state import RecentKey, State
from statehouse.engine.stored import Stored, stored_inline, stored_rope
from statehouse.errors import (
    AlreadyExistsError,
    ErasedError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    OutcomeUnknownError,
)
from statehouse.protocol.limits import COMMIT_TS_MAX
from statehouse.protocol.origin import NO_ORIGIN
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Copy, Extend, Write
from statehouse.storage import Row, Table


class DependsOnGroup(Exception):
    """The commit builds on rows of the group it is in: apply it in the next one."""


class Outcome(NamedTuple):
    """What became of a commit in a group; `staged` says that the group's rows carry it."""

    committed: Committed
    staged: bool


class Group:
    """Commits that are written as one batch. Reads the state, changes nothing of it."""

    def __init__(self, state: State, now_us: int, entropy: Entropy) -> None:
        self._state = state
        self._now_us = now_us
        self._entropy = entropy
        self.head: Head = state.head
        self.rows: list[Row] = []
        self.recent: list[tuple[int, tuple[RecentKey, ...]]] = []
        self.txn_ids: list[str] = []
        self.totals: dict[bytes, Totals] = {}
        self._names: dict[bytes, NameHead] = {}
        self._txns: dict[bytes, tuple[int, bytes, int]] = {}
        self._tails: dict[tuple[int, int], int] = {}

    def name_head(self, name: bytes) -> NameHead | None:
        """The newest state of a record, earlier commits of this group included."""
        known = self._names.get(name)
        if known is None:
            data = self._state.store.get(Table.NAMES, name)
            return None if data is None else layout.unpack_name_head(data)
        return known

    def newest_in(self, after_ts: int, start: bytes, stop: bytes, *, membership: bool) -> int:
        """The newest commit of this group that touched a range; 0 when none did."""
        for commit_ts, keys in reversed(self.recent):
            if commit_ts > after_ts:
                for key, flipped in keys:
                    if start <= key < stop and (flipped or not membership):
                        return commit_ts
        return 0

    def apply(self, prepared: Prepared) -> Outcome:
        """Applies one commit on top of the ones before.

        Raises:
            StatehouseError: It was refused, and nothing of it is in the group; see `Commit`.
            DependsOnGroup: It must go into the next group.
        """
        commit = prepared.commit
        state = self._state
        if commit.store_id or commit.epoch:
            self._check_store(commit)
        repeated = self._repeated(prepared)
        if repeated is not None:
            return repeated
        self._check_age(commit)
        if commit.operations and commit.read_ts is not None:
            check_conflicts(state, self, prepared)
        if commit.preconditions:
            check_preconditions(self, prepared)
        if not commit.operations:
            return Outcome(Committed(self.head.commit_ts, self.head.committed_at_us), staged=False)
        return self._stage(prepared)

    def _check_store(self, commit: Commit) -> None:
        state = self._state
        store_id = bytes.fromhex(commit.store_id) if commit.store_id else state.store_id
        state.check_reference(store_id, commit.epoch or state.epoch, commit.made_at_ts)

    def _repeated(self, prepared: Prepared) -> Outcome | None:
        """The outcome of the same txn_id before, if there was one (G5)."""
        commit = prepared.commit
        if commit.txn_id in self._state.in_doubt:
            raise OutcomeUnknownError(
                f"whether transaction {commit.txn_id} was applied is known after the store is reopened",
                txn_id=commit.txn_id,
            )
        known = self._txns.get(prepared.txn_key)
        if known is None:
            row = self._state.store.get(Table.TXNS, prepared.txn_key)
            if row is None:
                return None
            commit_ts, mark = layout.unpack_txn_row(row)
            event = self._state.store.get(Table.EVENTS, layout.pack_u64(commit_ts))
            known = (commit_ts, mark, layout.event_time(event) if event else 0)
        commit_ts, mark, committed_at_us = known
        # The fingerprint of a commit with an erased value is gone: its id alone says that it was applied.
        if mark and mark != prepared.fingerprint:
            raise AlreadyExistsError(
                f"transaction id {commit.txn_id} was committed at commit_ts {commit_ts} with other "
                "operations; a new transaction needs a new id",
                txn_id=commit.txn_id,
                commit_ts=commit_ts,
            )
        staged = prepared.txn_key in self._txns
        return Outcome(Committed(commit_ts, committed_at_us, repeated=True), staged=staged)

    def _check_age(self, commit: Commit) -> None:
        state = self._state
        if commit.made_at_ts < state.horizon.dedup_ts:
            raise OutcomeUnknownError(
                f"transaction id {commit.txn_id} was made at commit_ts {commit.made_at_ts}, before "
                f"{state.horizon.dedup_ts}, up to which ids have been forgotten: it may have been applied",
                txn_id=commit.txn_id,
            )
        for what, at in (("made_at_ts", commit.made_at_ts), ("read_ts", commit.read_ts or 0)):
            if at > state.visible:
                raise InvalidArgumentError(
                    f"{what} {at} is in the future; the newest commit of this store is {state.visible}"
                )

    def _stage(self, prepared: Prepared) -> Outcome:
        """Turns a commit that passed every check into rows."""
        head = self.head
        commit = prepared.commit
        commit_ts = head.commit_ts + 1
        if commit_ts > COMMIT_TS_MAX:
            raise LimitExceededError(
                "the store has used up its commit_ts", limit=COMMIT_TS_MAX, actual=commit_ts
            )
        committed_at_us = max(commit.committed_at_us or self._now_us, head.committed_at_us)
        staging = _Staging(self, self._state, commit_ts, head.next_record_id)
        salts = self._entropy(SALT_BYTES * len(prepared.operations))
        for index, each in enumerate(prepared.operations):
            staging.add(each, salts[index * SALT_BYTES : (index + 1) * SALT_BYTES])
        event = layout.pack_event_row(
            committed_at_us, head.digest, prepared.txn_key, prepared.origin, staging.operations
        )
        rows, stamp = staging.rows, staging.stamp
        rows.append((Table.EVENTS, stamp, event))
        rows.append((Table.TXNS, prepared.txn_key, stamp + prepared.fingerprint))
        totals = staging.totals()
        rows += [(Table.AGENTS, prefix + stamp, layout.pack_totals(each)) for prefix, each in totals.items()]
        if commit.origin is not NO_ORIGIN:
            rows += [
                (Table.ORIGINS, layout.origin_prefix(kind, identity) + stamp, b"")
                for kind, identity in layout.origin_identities(commit.origin)
            ]
        # From here on nothing can fail: the commit becomes part of the group.
        self.rows += rows
        self.totals.update(totals)
        self._names.update(staging.names)
        self._tails.update(staging.tails)
        self._txns[prepared.txn_key] = (commit_ts, prepared.fingerprint, committed_at_us)
        self.recent.append((commit_ts, tuple(staging.touched)))
        self.txn_ids.append(commit.txn_id)
        self.head = Head(commit_ts, committed_at_us, staging.next_record_id, event_digest(event))
        return Outcome(Committed(commit_ts, committed_at_us), staged=True)

    def finish(self) -> None:
        """Adds the row of the new head; call once, before writing."""
        self.rows.append((Table.META, layout.META_HEAD, layout.pack_head(self.head)))

    def totals_of(self, prefix: bytes) -> Totals:
        """The newest totals, earlier commits of this group included."""
        return self.totals.get(prefix) or self._state.totals_of(prefix)

    def tail_of(self, record_id: int, epoch: int) -> int:
        """The end of a rope epoch, earlier commits of this group included."""
        tail = self._tails.get((record_id, epoch))
        return ropes.tail_of(self._state.store, record_id, epoch) if tail is None else tail


class _Staging:
    """The rows of one commit while they are worked out."""

    def __init__(self, group: Group, state: State, commit_ts: int, next_record_id: int) -> None:
        self._group = group
        self._state = state
        self._commit_ts = commit_ts
        self.stamp = layout.pack_u64(commit_ts)
        self.next_record_id = next_record_id
        self.rows: list[Row] = []
        self.operations: list[bytes] = []
        self.names: dict[bytes, NameHead] = {}
        self.tails: dict[tuple[int, int], int] = {}
        self.touched: list[RecentKey] = []
        self._keys: dict[bytes, int] = {}

    def add(self, each: PreparedOperation, salt: bytes) -> None:
        """Works out the rows of one operation."""
        name = each.name
        known = self._group.name_head(name)
        if known is None:
            record_id, version, existed = self.next_record_id, 1, False
            self.next_record_id += 1
            self.rows.append((Table.RECORDS, layout.pack_u64(record_id), name))
        else:
            record_id, version, _, flags, _ = known
            version += 1
            existed = not flags & TOMBSTONE
        commit_ts = self._commit_ts
        kind, head, inline, body, proof = each.stored or self._store(each, record_id)
        name_row = layout.pack_name_row(record_id, version, commit_ts, head, inline)
        history_row = layout.pack_history_row(version, head, salt, body)
        self.rows += (
            (Table.NAMES, name, name_row),
            (Table.HISTORY, layout.history_key(record_id, commit_ts), history_row),
            (Table.VERSIONS, layout.version_key(record_id, version), self.stamp),
        )
        digest = operation_digest(salt, proof)
        self.operations.append(layout.pack_event_operation(record_id, version, kind, digest))
        self.names[name] = (record_id, version, commit_ts, head[0], head[1])
        exists = kind == KIND_WRITE
        self.touched.append((name, existed != exists))
        agent = name[: name.rindex(b"\0") + 1]
        self._keys[agent] = self._keys.get(agent, 0) + exists - existed

    def _store(self, each: PreparedOperation, record_id: int) -> Stored:
        """What a large value or an `Extend` leaves, with its segments."""
        name, operation, chunks, _ = each
        rope: ropes.Rope | None = None
        if isinstance(operation, Extend):
            content_type = operation.content_type
            data, rope = self._extended(operation)
            chunks = chunk_digests(data) if data is not None else ()
        else:
            assert isinstance(operation, Write), "a delete leaves nothing to be worked out here"
            content_type, data = operation.payload.content_type, operation.payload.data
        if data is not None:
            if len(data) <= INLINE_BYTES_MAX:
                return stored_inline(name, content_type, data, chunks)
            rope = ropes.whole(record_id, self._commit_ts, data, chunks)
        assert rope is not None, "what is not written whole is a rope"
        self.rows += rope.segments
        return stored_rope(name, content_type, rope)

    def _extended(self, operation: Extend) -> tuple[bytes | None, ropes.Rope | None]:
        """The value of an `Extend`: its bytes when it is to be written whole, else its rope."""
        store = self._state.store
        base = self._base(operation)
        length = base.length if base.data is None else len(base.data)
        for part in operation.parts:
            if isinstance(part, Copy) and part.stop > length:
                raise InvalidArgumentError(
                    f"a copy of bytes {part.start} to {part.stop} of {operation.base_key} version "
                    f"{operation.base_version}, which has only {length}"
                )
        extension = ropes.Extension(store, base, operation.parts)
        if extension.length > INLINE_BYTES_MAX and base.data is None:
            rope = extension.rope(self._tail_of)
            if rope is not None:
                for _, key, data in rope.segments:
                    record_id, epoch, offset = layout.parse_segment_key(key)
                    self.tails[record_id, epoch] = offset + len(data or b"")
                return None, rope
        return extension.whole(), None

    def _tail_of(self, record_id: int, epoch: int) -> int:
        tail = self.tails.get((record_id, epoch))
        return self._group.tail_of(record_id, epoch) if tail is None else tail

    def _base(self, operation: Extend) -> HistoryRow:
        where = f"{operation.base_key} version {operation.base_version}"
        name = self._state.name_key(operation.base_key)
        record_id, newest, newest_ts, _, _ = self._group.name_head(name) or NO_RECORD
        if not 0 < operation.base_version <= newest:
            raise NotFoundError(f"{where} does not exist; send the value whole", key=operation.base_key)
        store = self._state.store
        version = layout.version_key(record_id, operation.base_version)
        stamp = store.get(Table.VERSIONS, version)
        if stamp is None:
            if newest_ts > self._state.head.commit_ts:
                raise DependsOnGroup
            raise NotFoundError(f"{where} is not retained; send the value whole", key=operation.base_key)
        key = layout.history_key(record_id, layout.unpack_u64(stamp))
        data = store.get(Table.HISTORY, key)
        if data is None:
            raise layout.damaged(Table.HISTORY, f"{where} has no history row")
        row = layout.unpack_history_row(data)
        erasing = self._state.erasing
        if row.flags & layout.ERASED or (erasing is not None and erasing.overlap(row.pieces)):
            raise ErasedError(f"{where} was erased; send the value whole", key=operation.base_key)
        if row.flags & TOMBSTONE:
            raise NotFoundError(f"{where} is a delete; send the value whole", key=operation.base_key)
        return row

    def totals(self) -> dict[bytes, Totals]:
        """The new totals of every agent and namespace that the commit touched."""
        changed: dict[bytes, Totals] = {}
        spaces: dict[bytes, tuple[int, int]] = {}
        for agent, keys in self._keys.items():
            old = self._group.totals_of(agent)
            changed[agent] = Totals(old.events + 1, old.keys + keys, 0)
            space = agent[: agent.index(b"\0")] + b"\0\0"
            more_keys, more_agents = spaces.get(space, (0, 0))
            spaces[space] = (more_keys + keys, more_agents + (old.events == 0))
        for space, (keys, agents) in spaces.items():
            old = self._group.totals_of(space)
            changed[space] = Totals(old.events + 1, old.keys + keys, old.agents + agents)
        return changed
