"""What a store is, in as few words as possible: every event ever, and a pure `step`.

The oracle of the tests. No cleverness lives here: reads walk lists, a commit compares dictionaries.
Read `step` to know what a commit does; whatever an engine does otherwise is a defect of the engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from statehouse.errors import (
    AlreadyExistsError,
    ConflictError,
    ErasedError,
    InvalidArgumentError,
    NotFoundError,
    PreconditionFailedError,
    StoreChangedError,
)
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import AgentCounts, Committed, Entry, Event, NamespaceCounts, Operation
from statehouse.protocol.requests import (
    Commit,
    Copy,
    Delete,
    Erase,
    Extend,
    KeyRange,
    Precondition,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import Payload

Asked = tuple[int, tuple[WriteOperation, ...] | None, tuple[Precondition, ...]]
"""The commit_ts of a transaction, and what it did on which conditions; None: some of it was erased."""


@dataclass(slots=True)
class State:
    """Everything that was committed, in order; all else is derived from `events`.

    Attributes:
        store_id: Which store this is.
        epoch: Its epoch.
        events: The event of commit_ts n is ``events[n - 1]``.
        versions: Each key's writes: version n is ``versions[key][n - 1]``.
        asked: What each transaction id was committed with.
        digests: The digest of each event and all before it.
    """

    store_id: str
    epoch: int = 1
    events: list[Event] = field(default_factory=list)
    versions: dict[RecordKey, list[Entry]] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)

    @property
    def commit_ts(self) -> int:
        """The newest commit; 0 when there is none."""
        return len(self.events)

    @property
    def committed_at_us(self) -> int:
        """When the newest commit was; 0 when there is none."""
        return self.events[-1].committed_at_us if self.events else 0

    def head_digest(self, at: int) -> str:
        """The digest of an event and all before it; empty before the first."""
        return self.digests[at - 1] if at else ""

    def check_own(self, store_id: str, epoch: int) -> None:
        """Raises StoreChangedError for another store or epoch; empty and 0 are any."""
        if store_id not in ("", self.store_id) or epoch not in (0, self.epoch):
            raise StoreChangedError(
                f"this is store {self.store_id} epoch {self.epoch}, not {store_id} epoch {epoch}: "
                "begin again from the start"
            )

    def entry(self, key: RecordKey, at: int) -> Entry:
        """The key as of a commit_ts."""
        for entry in reversed(self.versions.get(key, [])):
            if entry.commit_ts <= at:
                return entry
        return Entry(key, None, 0, 0, None)

    def existing(self, namespace: str, agent_id: str, prefix: str, at: int) -> list[Entry]:
        """The existing keys of an agent that begin with a prefix, in byte order."""
        names = sorted(
            name
            for name in self.versions
            if name[:2] == (namespace, agent_id) and name.key.startswith(prefix)
        )
        return [entry for name in names if (entry := self.entry(name, at)).exists]

    def events_of(
        self, namespace: str | None, agent_id: str | None, first: int, last: int
    ) -> Iterator[Event]:
        """The events of an agent, a namespace or everything, each with only that one's operations."""
        for event in self.events[max(first, 1) - 1 : last]:
            operations = tuple(
                operation
                for operation in event.operations
                if namespace in (None, operation.namespace) and agent_id in (None, operation.agent_id)
            )
            if operations:
                yield Event(event.txn_id, event.commit_ts, event.committed_at_us, event.origin, operations)

    def agents(self, namespace: str, at: int) -> list[AgentCounts]:
        """The agents of a namespace that had been written to, with counts."""
        names = sorted({name.agent_id for name in self.versions if name.namespace == namespace})
        return [counts for name in names if (counts := self._agent(namespace, name, at)).events]

    def _agent(self, namespace: str, agent_id: str, at: int) -> AgentCounts:
        events = list(self.events_of(namespace, agent_id, 1, at))
        keys = len(self.existing(namespace, agent_id, "", at))
        return AgentCounts(namespace, agent_id, keys, len(events), events[-1].commit_ts if events else 0)

    def namespaces(self, at: int) -> list[NamespaceCounts]:
        """The namespaces that had been written to, with counts."""
        found = []
        for namespace in sorted({name.namespace for name in self.versions}):
            events = list(self.events_of(namespace, None, 1, at))
            if events:
                agents = self.agents(namespace, at)
                keys = sum(agent.keys for agent in agents)
                last = events[-1].commit_ts
                found.append(NamespaceCounts(namespace, len(agents), keys, len(events), last))
        return found

    def apply(self, commit: Commit, event: Event) -> None:
        """Appends what `step` decided."""
        for operation in event.operations:
            key = RecordKey(operation.namespace, operation.agent_id, operation.key)
            entry = Entry(key, operation.payload, operation.version, event.commit_ts, operation.kind)
            self.versions.setdefault(key, []).append(entry)
        self.events.append(event)
        self.asked[commit.txn_id] = (event.commit_ts, commit.operations, commit.preconditions)
        before = self.head_digest(len(self.digests))
        self.digests.append(hashlib.sha256(f"{before}{event}".encode()).hexdigest())

    def erase(self, request: Erase) -> int:
        """Erases all versions of some keys and gives how many had values; here no two values share bytes."""
        versions = 0
        for key, entries in self.versions.items():
            if key[:2] == (request.namespace, request.agent_id) and names(request, key.key):
                for place, entry in enumerate(entries):
                    if entry.kind == "write":
                        versions += 1
                        if not request.dry_run:
                            entries[place] = replace(entry, payload=None, kind="erased")
                            self._erase_operation(key, entry.commit_ts)
        return versions

    def _erase_operation(self, key: RecordKey, commit_ts: int) -> None:
        event = self.events[commit_ts - 1]
        operations = tuple(
            replace(operation, payload=None, kind="erased")
            if (operation.namespace, operation.agent_id, operation.key) == key
            else operation
            for operation in event.operations
        )
        self.events[commit_ts - 1] = replace(event, operations=operations)
        for txn_id, (at, _, preconditions) in self.asked.items():
            if at == commit_ts:
                # What it did is not known any more.
                self.asked[txn_id] = (at, None, preconditions)


def names(request: Erase, key: str) -> bool:
    """Whether an erase is of a key."""
    return key in request.keys or key.startswith(request.prefixes)


def step(state: State, commit: Commit, now_us: int) -> Event | Committed:
    """Decides a well-formed commit: the event to append, or a reply when there is nothing to append.

    A pure function: it changes nothing. The order of the checks is part of the contract.

    Raises:
        StoreChangedError: `store_id` or `epoch` is not this store's.
        AlreadyExistsError: The id was committed with other operations or preconditions (G5).
        InvalidArgumentError: `made_at_ts` or `read_ts` is above the newest commit, or an `Extend` is wrong.
        ConflictError: Something it read has changed since (G3).
        PreconditionFailedError: A precondition does not hold.
        NotFoundError: The base of an `Extend` is not there.
    """
    state.check_own(commit.store_id, commit.epoch)
    if commit.txn_id in state.asked:
        return _repeated(state, commit)
    for what, at in (("made_at_ts", commit.made_at_ts), ("read_ts", commit.read_ts or 0)):
        if at > state.commit_ts:
            raise InvalidArgumentError(f"{what} is {at}; the newest commit is {state.commit_ts}")
    if commit.operations:
        _check_read_set(state, commit)
    for precondition in commit.preconditions:
        _check_precondition(state, precondition)
    if not commit.operations:
        return Committed(state.commit_ts, state.committed_at_us)
    operations = tuple(_outcome(state, operation) for operation in commit.operations)
    committed_at_us = max(commit.committed_at_us or now_us, state.committed_at_us)
    return Event(commit.txn_id, state.commit_ts + 1, committed_at_us, commit.origin, operations)


def _repeated(state: State, commit: Commit) -> Committed:
    commit_ts, operations, preconditions = state.asked[commit.txn_id]
    if operations is not None and (operations, preconditions) != (commit.operations, commit.preconditions):
        raise AlreadyExistsError(
            f"transaction {commit.txn_id} was committed as {commit_ts} with other operations",
            txn_id=commit.txn_id,
        )
    return Committed(commit_ts, state.events[commit_ts - 1].committed_at_us, repeated=True)


def _check_read_set(state: State, commit: Commit) -> None:
    if commit.read_ts is None:
        return
    changed: list[tuple[RecordKey | KeyRange, int]] = []
    for key in commit.reads:
        newest = state.entry(key, state.commit_ts).commit_ts
        if newest > commit.read_ts:
            changed.append((key, newest))
    for span in commit.ranges:
        newest = _range_changed(state, span, commit.read_ts)
        if newest:
            changed.append((span, newest))
    if changed:
        newest = max(commit_ts for _, commit_ts in changed)
        raise ConflictError(
            f"{changed[0][0]} changed after commit {commit.read_ts}; the newest change is {newest}",
            keys=tuple(what for what, _ in changed),
            commit_ts=newest,
        )


def in_range(span: KeyRange, key: RecordKey) -> bool:
    """Whether a key lies in a range."""
    return (
        key[:2] == (span.namespace, span.agent_id)
        and key.key.startswith(span.prefix)
        and (span.first is None or span.first <= key.key)
        and (span.last is None or key.key <= span.last)
    )


def _range_changed(state: State, span: KeyRange, read_ts: int) -> int:
    # The newest commit after read_ts that changed what was read of the range, or 0.
    newest = 0
    for key, entries in state.versions.items():
        if in_range(span, key):
            existed = False
            for entry in entries:
                matters = entry.exists != existed or not span.keys_only
                existed = entry.exists
                if matters and entry.commit_ts > read_ts:
                    newest = max(newest, entry.commit_ts)
    return newest


def _check_precondition(state: State, precondition: Precondition) -> None:
    entry = state.entry(precondition.key, state.commit_ts)
    if precondition.version is not None:
        wanted, found = precondition.version, entry.version if entry.exists else 0
    else:
        wanted, found = precondition.commit_ts or 0, entry.commit_ts if entry.exists else 0
    if wanted != found:
        raise PreconditionFailedError(
            f"{precondition} does not hold: there is {entry}",
            which=precondition,
            version=entry.version if entry.exists else 0,
            commit_ts=entry.commit_ts if entry.exists else 0,
        )


def _outcome(state: State, operation: WriteOperation) -> Operation:
    version = state.entry(operation.key, state.commit_ts).version + 1
    match operation:
        case Delete():
            return Operation(*operation.key, "delete", version)
        case Write():
            return Operation(*operation.key, "write", version, operation.payload)
        case Extend():
            base = _base(state, operation)
            return Operation(
                *operation.key, "write", version, Payload(operation.content_type, extended(base, operation))
            )


def _base(state: State, extend: Extend) -> bytes:
    entries = state.versions.get(extend.base_key, [])
    if extend.base_version > len(entries):
        raise NotFoundError(f"{extend.base_key} has no version {extend.base_version}")
    base = entries[extend.base_version - 1]
    if base.kind == "erased":
        raise ErasedError(f"version {extend.base_version} of {extend.base_key} was erased")
    payload = base.payload
    if payload is None:
        raise NotFoundError(f"version {extend.base_version} of {extend.base_key} is a delete")
    return payload.data


def extended(base: bytes, extend: Extend) -> bytes:
    """The value that an `Extend` of these base bytes makes.

    Raises:
        InvalidArgumentError: It copies a range outside the base.
    """
    made = bytearray()
    for part in extend.parts:
        if isinstance(part, Copy):
            if part.stop > len(base):
                raise InvalidArgumentError(f"{part} is outside the base of {len(base)} bytes")
            made += base[part.start : part.stop]
        else:
            made += part
    return bytes(made)
