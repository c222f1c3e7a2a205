"""Everything that can be said to an engine, as values.

Each request is a frozen dataclass whose type argument is its reply: ``execute(Get(...))`` gives a
`Read`. A trace is then a list of requests, the wire is a codec, and tracing, authorisation and fault
injection are wrappers. What streams is a request for a page, with a cursor or a position.

Common to the reads: ``at`` is the commit_ts to read as of; None means the newest visible one. The reply
names the commit_ts it was read at (``read_ts``).

Errors any of them may raise: `InvalidArgumentError`, `LimitExceededError` (malformed arguments),
`CompactedError` (``at`` below the horizon), `CorruptionError`, `ForkedProcessError`,
`ConnectionError` and `DeadlineExceededError` (remote homes).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import NO_ORIGIN, Origin
from statehouse.protocol.quick import quick
from statehouse.protocol.replies import (
    AgentPage,
    CheckPage,
    Committed,
    EngineVersion,
    Erased,
    EventPage,
    Located,
    NamespacePage,
    Page,
    Read,
    StoreStatus,
    TxnOutcome,
)
from statehouse.protocol.values import Payload

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Request(Generic[R]):
    """Something to ask an engine; ``R`` is what it answers."""


@quick
@dataclass(frozen=True, slots=True)
class Get(Request[Read]):
    """One key, as of ``at``. An absent or deleted key is an entry that does not exist, not an error.

    Raises:
        ErasedError: The value was erased.
    """

    key: RecordKey
    at: int | None = None


@dataclass(frozen=True, slots=True)
class GetAtVersion(Request[Read]):
    """The write that gave a key this version (1, 2, 3 …); a delete is an entry of kind ``delete``.

    Raises:
        NotFoundError: The key never had that version.
        ErasedError: The value was erased.
    """

    key: RecordKey
    version: int


@quick
@dataclass(frozen=True, slots=True)
class GetMany(Request[Page]):
    """Many keys as of one commit_ts: one entry a key, in the order asked; ``cursor`` is always None.

    The page ends at 1 MiB, like every page, and then has fewer entries than keys were asked for, though at
    least one: ask for the rest as of its ``read_ts``.
    """

    keys: tuple[RecordKey, ...]
    at: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class Scan(Request[Page]):
    """The existing keys of one agent that begin with a prefix, in byte order.

    Attributes:
        namespace: The namespace.
        agent_id: The agent.
        prefix: What the keys begin with; empty for all.
        at: The commit_ts to read as of; must be left out together with a cursor, which has its own.
        reverse: From the last key to the first.
        keys_only: Entries without payloads.
        limit: The most rows of this page, 1 to 10,000. A page also ends at 1 MiB.
        cursor: The cursor of the page before.
        after: Begin after this key (before it, in reverse); an alternative to a cursor.
    """

    namespace: str
    agent_id: str
    prefix: str = ""
    at: int | None = None
    reverse: bool = False
    keys_only: bool = False
    limit: int = 1000
    cursor: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class History(Request[Page]):
    """Every version of one key, oldest first (newest first in reverse), deletes included.

    An erased version is an entry of kind ``erased``. ``at`` bounds the newest version shown.
    """

    key: RecordKey
    at: int | None = None
    reverse: bool = False
    limit: int = 1000
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ListAgents(Request[AgentPage]):
    """The agents of a namespace that were ever written to, with counts."""

    namespace: str
    at: int | None = None
    limit: int = 1000
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ListNamespaces(Request[NamespacePage]):
    """The namespaces that were ever written to, with counts."""

    at: int | None = None
    limit: int = 1000
    cursor: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Replay(Request[EventPage]):
    """Events in commit order (G7): of one agent, of a namespace, or of the whole store.

    Attributes:
        namespace: Whose events; None for the whole store.
        agent_id: Whose events; None for the whole namespace.
        from_ts: The first commit_ts, inclusive; 0 and 1 mean the beginning.
        to_ts: The last commit_ts, inclusive; None for the end.
        limit: The most events of this page, 1 to 10,000. A page also ends at 1 MiB.
        wait_s: When there is nothing yet, wait this long (seconds) for something; 0 answers at once. A page
            that waited in vain is empty and says how far it has looked (``through_commit_ts``).
        payloads: False leaves the values out.
        store_id: The store that the events before ``from_ts`` were read in; empty for any.
        epoch: The epoch they were read in; 0 for any. An earlier one than the present is taken as long as
            nothing below ``from_ts`` was replaced since.

    Raises:
        CompactedError: ``from_ts`` is below the horizon.
        StoreChangedError: The store here is another one, or what lies before ``from_ts`` was replaced: what
            would follow is not what followed there. Begin again from the start.
    """

    namespace: str | None = None
    agent_id: str | None = None
    from_ts: int = 0
    to_ts: int | None = None
    limit: int = 1000
    wait_s: float = 0.0
    payloads: bool = True
    store_id: str = ""
    epoch: int = 0

    def after(self, page: EventPage) -> Replay:
        """Gives the request for what follows a page, in the store and the history that the page is of."""
        return replace(
            self,
            from_ts=page.through_commit_ts + 1,
            store_id=page.store_id or self.store_id,
            epoch=page.epoch or self.epoch,
        )


OriginKind = Literal["trace", "span", "run", "txn"]


@dataclass(frozen=True, slots=True)
class FindEvents(Request[EventPage]):
    """The events of one trace (32 hex), span (16 hex), run or transaction, in commit order, whole.

    Attributes:
        by: Which kind of id.
        id: The id.
        from_ts: The first commit_ts to look at.
        limit: The most events of this page.
        store_id: As `Replay.store_id`.
        epoch: As `Replay.epoch`.

    Raises:
        StoreChangedError: As `Replay`.
    """

    by: OriginKind
    id: str
    from_ts: int = 0
    limit: int = 1000
    store_id: str = ""
    epoch: int = 0

    def after(self, page: EventPage) -> FindEvents:
        """Gives the request for what follows a page; see `Replay.after`."""
        return replace(
            self,
            from_ts=page.through_commit_ts + 1,
            store_id=page.store_id or self.store_id,
            epoch=page.epoch or self.epoch,
        )


@dataclass(frozen=True, slots=True)
class LocateTime(Request[Located]):
    """The newest commit whose ``committed_at`` is at or before a time (microseconds since 1970)."""

    time_us: int


@dataclass(frozen=True, slots=True)
class LookupTxn(Request[TxnOutcome]):
    """What became of a transaction id; this resolves an `OutcomeUnknownError`."""

    txn_id: str


@quick
@dataclass(frozen=True, slots=True)
class Write:
    """Gives a key a value."""

    key: RecordKey
    payload: Payload


@quick
@dataclass(frozen=True, slots=True)
class Delete:
    """Takes a key's value away; a tombstone with a version of its own, also where nothing was."""

    key: RecordKey


@quick
@dataclass(frozen=True, slots=True)
class Copy:
    """The bytes ``start`` to ``stop`` (exclusive) of the base value; a part of an `Extend`."""

    start: int
    stop: int


@quick
@dataclass(frozen=True, slots=True)
class Extend:
    """Gives a key a value that shares bytes with an earlier value of the same agent.

    The engine stores only the new parts, so a value that grows costs what is new. The result is the
    concatenation of the parts: `Copy` of ranges of the base, and new bytes. A short part of new bytes
    (up to 64) is kept beside the reference instead of with the shared bytes: put what will change next
    time (a closing bracket, a length header) in a part of its own.

    Attributes:
        key: What to write.
        base_key: Whose value to share; the same namespace and agent.
        base_version: Which version of it.
        parts: What the value is made of.
        content_type: The content type of the whole.

    Raises (by the commit):
        NotFoundError: The base has no such version, or it is a tombstone: send the value whole.
        ErasedError: The base was erased: send the value whole.
        InvalidArgumentError: A range outside the base, or a base of another agent.
    """

    key: RecordKey
    base_key: RecordKey
    base_version: int
    parts: tuple[Copy | bytes, ...]
    content_type: str


WriteOperation = Write | Delete | Extend


@quick
@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold of a key for a commit to apply. Exactly one of the two is set.

    Attributes:
        key: The key.
        version: The version it must have now; 0 means that it must not exist (never written or deleted).
        commit_ts: The commit that must have written its present state; 0 as above.
    """

    key: RecordKey
    version: int | None = None
    commit_ts: int | None = None


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Keys of one agent that a transaction has scanned (G3).

    Attributes:
        namespace: The namespace.
        agent_id: The agent.
        prefix: What the keys begin with.
        first: The first key read, inclusive; None from the beginning of the prefix.
        last: The last key read, inclusive; None to the end of the prefix.
        keys_only: Only which keys exist was read, not their values.
    """

    namespace: str
    agent_id: str
    prefix: str = ""
    first: str | None = None
    last: str | None = None
    keys_only: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Commit(Request[Committed]):
    """A transaction, whole: what it does, what it had read, and what must hold.

    Attributes:
        txn_id: Its id; repeating a commit with the same id and operations applies nothing twice (G5).
        operations: What to do; a key may appear once.
        read_ts: The commit_ts all its reads were as of; None when it read nothing.
        reads: The keys it read, also absent ones.
        ranges: The ranges it read.
        preconditions: What must hold of single keys.
        origin: Who asked and why.
        made_at_ts: The visible commit_ts when the id was made; below the dedup horizon the commit is refused.
        store_id: The store the id was made for; empty for any.
        epoch: The epoch the id was made in; 0 for any.
        committed_at_us: For loading a dump: when it was first committed. Never moves time backwards. 0: now.
        timeout_s: A commit that has not begun to be written after this long is dropped, surely not applied.

    Raises:
        ConflictError: Something it read changed after read_ts.
        PreconditionFailedError: A precondition does not hold.
        AlreadyExistsError: The id was committed with other operations or preconditions.
        DeadlineExceededError: Dropped from the queue; nothing was applied.
        OverloadedError: The queue or the disk is full; nothing was applied.
        OutcomeUnknownError: In doubt after a failed flush, or the id is older than the dedup horizon.
        RefusingWritesError: The engine refuses writes until it is reopened (G8), or is read-only.
        StoreChangedError: `store_id` or `epoch` is not this store's.
        NotFoundError, ErasedError: The base of an `Extend` is gone.
    """

    txn_id: str
    operations: tuple[WriteOperation, ...] = ()
    read_ts: int | None = None
    reads: tuple[RecordKey, ...] = ()
    ranges: tuple[KeyRange, ...] = ()
    preconditions: tuple[Precondition, ...] = ()
    origin: Origin = NO_ORIGIN
    made_at_ts: int = 0
    store_id: str = ""
    epoch: int = 0
    committed_at_us: int = 0
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Health(Request[str]):
    """Answers ``ok``."""


@dataclass(frozen=True, slots=True)
class Version(Request[EngineVersion]):
    """Which software answers."""


@dataclass(frozen=True, slots=True)
class Status(Request[StoreStatus]):
    """How the store is."""


@dataclass(frozen=True, slots=True)
class Check(Request[CheckPage]):
    """Proves a part of what is on disk: the event chain, digests, versions, indexes, counters.

    A problem makes the engine refuse writes (G8).

    Attributes:
        cursor: The cursor of the part before; None begins.
        limit: How many events or records this part looks at.
    """

    cursor: str | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Erase(Request[Erased]):
    """Takes the values of one agent's keys away for good: every version up to the present (G6).

    One request does a part; repeat it with the cursor of the part before, until there is none. Then the bytes
    are in no file of the store any more. Erasing again what was erased changes nothing, and finishes an erase
    that was cut short. Commits and reads go on meanwhile: they find a value, or `ErasedError`.

    Erased versions keep their number, commit and place in the event log; deletes stay deletes, and the next
    write of a key gives its next version. Nothing is deleted: to make keys absent, delete them first. Names,
    origins and times stay.

    Values made with `Extend` share bytes: a version of another key of the agent that shares some with a
    version that is erased is erased too, also when it was committed meanwhile. A value that the engine wrote
    whole shares nothing, whatever it was made of.

    Attributes:
        namespace: The namespace.
        agent_id: The agent.
        keys: Keys to erase; what was never written is passed over.
        prefixes: Erases all keys that begin with one of these too; an empty one is the whole agent.
        dry_run: Change nothing, and tell what would be erased. Counts of other keys' versions are then upper
            bounds, when there is more than one part.
        limit: How many versions this part looks at, 1 to 10,000.
        cursor: The cursor of the part before; None begins.

    Raises:
        InvalidArgumentError: Neither keys nor prefixes, or a cursor of another erase.
        LimitExceededError: More keys and prefixes than one request may name.
        OverloadedError: The disk is full; nothing of this part was lost or half done: try again.
        RefusingWritesError: The engine refuses writes until it is reopened (G8), or is read-only. What was
            being erased may be erased: erase again then.
    """

    namespace: str
    agent_id: str
    keys: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    dry_run: bool = False
    limit: int = 10_000
    cursor: str | None = None
