"""What an engine answers: frozen values, no behaviour beyond decoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from statehouse.errors import ErasedError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.quick import quick
from statehouse.protocol.values import Payload, decode

OperationKind = Literal["write", "delete", "erased"]


@quick
@dataclass(frozen=True, slots=True)
class Entry:
    """One key as a read found it.

    Attributes:
        key: The name of the record.
        payload: The value; None when the key is absent, deleted or erased, or the read asked for keys only.
        version: The number of the write that made it so; a tombstone has one too. 0: never written.
        commit_ts: The commit of that write. 0: never written.
        kind: What that write was; None when the key was never written.
    """

    key: RecordKey
    payload: Payload | None
    version: int
    commit_ts: int
    kind: OperationKind | None

    @property
    def exists(self) -> bool:
        """Whether the key has a value (an erased value exists, but cannot be read)."""
        return self.kind is not None and self.kind != "delete"


@quick
@dataclass(frozen=True, slots=True)
class Read:
    """The reply to a read of one key: the entry, and the commit_ts it was read at."""

    entry: Entry
    read_ts: int


@quick
@dataclass(frozen=True, slots=True)
class Page:
    """A page of entries in key order, or a key's history in version order.

    Attributes:
        entries: The rows.
        cursor: Where the next page begins; None when there is no more.
        read_ts: The commit_ts that this page, and all further pages of its cursor, are read at.
    """

    entries: tuple[Entry, ...]
    cursor: str | None
    read_ts: int


@quick
@dataclass(frozen=True, slots=True)
class Operation:
    """One write or delete of an event.

    Attributes:
        namespace: With `agent_id` and `key`, the record's name.
        agent_id: See `namespace`.
        key: See `namespace`.
        kind: ``write``, ``delete``, or ``erased`` for a write whose value is gone for good.
        version: The version this operation gave the key.
        payload: The value as it is stored; None unless `kind` is ``write``.
    """

    namespace: str
    agent_id: str
    key: str
    kind: OperationKind
    version: int
    payload: Payload | None = None

    @property
    def value(self) -> Any:
        """The value, decoded at each access; None for a delete.

        Raises:
            ErasedError: The value was erased.
        """
        if self.kind == "erased":
            raise ErasedError(
                f"version {self.version} of {self.namespace}/{self.agent_id}/{self.key} was erased"
            )
        return None if self.payload is None else decode(self.payload)


@quick
@dataclass(frozen=True, slots=True)
class Event:
    """What one commit did. Events never change.

    Attributes:
        txn_id: The id of the transaction.
        commit_ts: Its place in the order of all commits of the store.
        committed_at_us: Microseconds since 1970 (UTC); never goes backwards from commit to commit.
        origin: Who asked and why.
        operations: What it did, in the order of the transaction; a replay of one agent or namespace holds
            only that one's operations.
    """

    txn_id: str
    commit_ts: int
    committed_at_us: int
    origin: Origin
    operations: tuple[Operation, ...]

    @property
    def committed_at(self) -> datetime:
        """`committed_at_us` as a time in UTC."""
        return datetime.fromtimestamp(self.committed_at_us / 1_000_000, UTC)


@quick
@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in commit order.

    Attributes:
        events: The events.
        through_commit_ts: All that was asked for up to and including this commit_ts has been delivered; the
            next page begins at this + 1.
        done: Nothing more can come: the end of the range was reached.
        store_id: The store that this was read in; give it back with the request for the next page. Empty: an
            engine of an earlier version does not say.
        epoch: The epoch that it was read in; likewise, and 0.
    """

    events: tuple[Event, ...]
    through_commit_ts: int
    done: bool
    store_id: str = ""
    epoch: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Committed:
    """The reply to a commit.

    Attributes:
        commit_ts: The commit; for an empty transaction the visible commit_ts.
        committed_at_us: Microseconds since 1970 (UTC).
        repeated: The commit had been applied before, and nothing was applied now (G5).
    """

    commit_ts: int
    committed_at_us: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class TxnOutcome:
    """What became of a transaction id.

    Attributes:
        outcome: ``committed``; ``unknown`` while it is in doubt (a failed flush), or may have been forgotten;
            ``absent`` when no commit of this id was applied.
        commit_ts: The commit, when it was committed; else 0.
    """

    txn_id: str
    outcome: Literal["committed", "absent", "unknown"]
    commit_ts: int = 0


@dataclass(frozen=True, slots=True)
class AgentCounts:
    """An agent and what it has. Counts are as of the read's commit_ts."""

    namespace: str
    agent_id: str
    keys: int
    events: int
    last_commit_ts: int


@dataclass(frozen=True, slots=True)
class NamespaceCounts:
    """A namespace and what it has. Counts are as of the read's commit_ts."""

    namespace: str
    agents: int
    keys: int
    events: int
    last_commit_ts: int


@dataclass(frozen=True, slots=True)
class AgentPage:
    """Agents in order of namespace and name; see `Page` for cursor and read_ts."""

    agents: tuple[AgentCounts, ...]
    cursor: str | None
    read_ts: int


@dataclass(frozen=True, slots=True)
class NamespacePage:
    """Namespaces in order; see `Page` for cursor and read_ts."""

    namespaces: tuple[NamespaceCounts, ...]
    cursor: str | None
    read_ts: int


@dataclass(frozen=True, slots=True)
class Located:
    """The newest commit at or before a time; commit_ts 0 when there is none."""

    commit_ts: int
    committed_at_us: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """A stretch of history: `number` began with commit `first_commit_ts`, for `reason`."""

    number: int
    first_commit_ts: int
    reason: str


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """How a store is.

    Attributes:
        state: ``ok``, ``read_only``, or ``refusing_writes`` (G8; `reason` says why).
        reason: Why it is not ``ok``; else empty.
        store_id: 32 hexadecimal digits, made once.
        epoch: The present epoch; `epochs` lists all.
        epochs: Every epoch with its first commit_ts.
        format: The number of the on-disk format.
        commit_ts: The newest visible commit.
        committed_at_us: Its time; 0 when there is none.
        horizon: The oldest commit_ts that can be read as of.
        dedup_horizon: Commits whose id was made before this commit_ts are refused as unknown.
        head_digest: SHA-256 of the newest event, hexadecimal; keep it elsewhere to prove history later.
        durability: ``sync`` or ``none``.
        storage: ``rocksdb`` or ``memory``.
        size_bytes: Bytes in the data directory, or in memory.
        queued_commits: Commits that wait to be written.
        followers: Replays that wait for new commits.
        details: Further facts of the storage, by name.
    """

    state: Literal["ok", "read_only", "refusing_writes"]
    reason: str
    store_id: str
    epoch: int
    epochs: tuple[Epoch, ...]
    format: int
    commit_ts: int
    committed_at_us: int
    horizon: int
    dedup_horizon: int
    head_digest: str
    durability: Literal["sync", "none"]
    storage: str
    size_bytes: int
    queued_commits: int
    followers: int
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `check` found: where, and what is wrong with it."""

    commit_ts: int
    table: str
    what: str


@dataclass(frozen=True, slots=True)
class CheckPage:
    """A part of a check.

    Attributes:
        problems: What is wrong; empty in a healthy store.
        checked: How many events (then records) this part looked at.
        done_fraction: How much of the whole is done, 0.0 to 1.0.
        cursor: Where the next part begins; None when the check is complete.
        head_digest: With the last part, the digest of the newest event that was proved, hexadecimal.
    """

    problems: tuple[Problem, ...]
    checked: int
    done_fraction: float
    cursor: str | None
    head_digest: str = ""


SHARED_KEYS_MAX = 100
"""How many other keys one `Erased` names at most."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What a part of an `Erase` did, or would do.

    Attributes:
        versions: How many versions of the named keys lost their value. Deletes and versions that were erased
            before are not counted.
        shared_versions: How many versions of other keys did, because they shared bytes with those.
        shared_keys: The other keys, in order; at most 100 of them.
        cursor: Where the next part begins; None when all is erased, and the bytes are gone from the files.
    """

    versions: int
    shared_versions: int
    shared_keys: tuple[str, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class EngineVersion:
    """Which software answers."""

    version: str
    git_sha: str
