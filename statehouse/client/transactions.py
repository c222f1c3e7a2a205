"""A transaction as logic without I/O: what it read, what it means to write, and how it ends (G1, G3, G5).

::

                 commit()                    applied
    OPEN ───────────────────▶ COMMITTING ──────────────▶ COMMITTED
     │  ▲                       │      │ refused: conflict, precondition, malformed
     │  └ reads and writes      │      └───────────────▶ REFUSED
     │                          ▼ no answer, or not now
     │ abort()                 SENT ── commit() again ──▶ COMMITTING (the same request, the same txn_id)
     └──────────────▶ ABORTED ◀─┘ abort()

Only OPEN takes reads and writes. From SENT a commit can be repeated as often as needed: it is applied at
most once (G5), and then its time is counted anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from enum import Enum
from functools import partial
from math import inf
from typing import Any, Final, NoReturn, TypeVar

from statehouse.client.arguments import check_count, check_timeout
from statehouse.client.connection import Connection
from statehouse.client.growing import grow
from statehouse.client.reads import KEYS_AT_ONCE, answered, key_list
from statehouse.client.records import MISSING, Record, not_found, record_of
from statehouse.client.txn_ids import new_txn_id
from statehouse.errors import (
    CompactedError,
    ErasedError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    Retry,
    StatehouseError,
    TransactionClosedError,
    TransactionExpiredError,
)
from statehouse.protocol.engine import Flow
from statehouse.protocol.names import (
    RecordKey,
    check_agent_id,
    check_key,
    check_namespace,
    check_text,
    check_txn_id,
)
from statehouse.protocol.origin import Origin, check_origin
from statehouse.protocol.replies import Committed, Page, Read
from statehouse.protocol.requests import (
    Commit,
    Delete,
    Extend,
    Get,
    GetMany,
    KeyRange,
    Precondition,
    Request,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import Payload, decode, encode

R = TypeVar("R")

WHOSE: Final = "whose key? pass agent_id=, or take the transaction from an agent: sh.agent(...).transaction()"


class TransactionState(Enum):
    """Where a transaction is; see the picture in this module."""

    OPEN = "open"
    COMMITTING = "being committed"
    SENT = "sent, not known to be committed"
    COMMITTED = "committed"
    ABORTED = "aborted"
    REFUSED = "refused"


# The states that every transaction meets: finding a member of an enumeration takes Python 3.11 0.14 us.
OPEN: Final = TransactionState.OPEN
_COMMITTING: Final = TransactionState.COMMITTING
_COMMITTED: Final = TransactionState.COMMITTED

Staged = Write | Delete
"""What a transaction means to do to one key."""


class TransactionLogic:
    """One transaction, for any driver. `Transaction` and `TransactionAsync` are its façades.

    Args:
        connection: Where it reads and commits.
        namespace: The namespace of keys that name none.
        agent_id: The agent of keys that name none; None when they must.
        timeout: Seconds from now until the commit must have begun to be written.
        origin: Who asks and why.
        txn_id: An id of the caller's, to find out after a crash what became of it; None makes one.
        expires: False for one that stays open for as long as it likes: `timeout` then bounds its commit only.

    Raises:
        InvalidArgumentError: A malformed name, timeout, origin or id.
        LimitExceededError: One of them is too long.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        namespace: str,
        agent_id: str | None,
        timeout: float | None,
        origin: Origin,
        txn_id: str | None,
        expires: bool = True,
    ) -> None:
        limits = connection.limits
        self.connection = connection
        self.namespace = namespace
        self.agent_id = agent_id
        self.timeout = connection.timeout if timeout is None else check_timeout(timeout, limits)
        if txn_id is None:
            txn_id = new_txn_id()
        else:
            check_txn_id(txn_id, limits)
        if not isinstance(origin, Origin):
            raise InvalidArgumentError(
                f"origin must be an Origin, not {type(origin).__name__}: {origin!r:.80}"
            )
        check_origin(origin, limits)
        self.txn_id = txn_id
        self.origin = origin
        self.state = OPEN
        self.read_ts: int | None = None
        self.commit_ts: int | None = None
        self.refusal: BaseException | None = None
        self._deadline = connection.monotonic() + self.timeout if expires else inf
        self._lock = threading.Lock()
        self._pinning: Future[None] | None = None
        self._reads: dict[RecordKey, None] = {}
        self._ranges: list[KeyRange] = []
        self._checked: tuple[str, str] | None = None
        self._staged: dict[RecordKey, Staged] = {}
        self._grown: dict[RecordKey, Extend] = {}
        self._preconditions: dict[RecordKey, Precondition] = {}
        self._size_bytes = 0
        self._request: Commit | None = None

    # Writing: nothing leaves the process.

    def write(
        self,
        key: str,
        value: Any,
        *,
        agent_id: str | None,
        namespace: str | None,
        if_version: int | None,
        if_commit_ts: int | None,
        extends: Record | None,
    ) -> None:
        """Stages a value."""
        self.check_open()
        name = self.name(key, agent_id, namespace)
        precondition = _precondition(name, if_version, if_commit_ts)
        limits = self.connection.limits
        payload = encode(value, limits)
        if payload is value:
            _check_payload(payload, limits.content_type_bytes_max)
        grown = None if extends is None else _grown(name, payload, extends)
        self._stage(Write(name, payload), len(payload.data), precondition, grown)

    def delete(
        self,
        key: str,
        *,
        agent_id: str | None,
        namespace: str | None,
        if_version: int | None,
        if_commit_ts: int | None,
    ) -> None:
        """Stages a tombstone."""
        self.check_open()
        name = self.name(key, agent_id, namespace)
        self._stage(Delete(name), 0, _precondition(name, if_version, if_commit_ts), None)

    def _stage(
        self, staged: Staged, size_bytes: int, precondition: Precondition | None, grown: Extend | None
    ) -> None:
        name = staged.key
        limits = self.connection.limits
        with self._lock:
            if self.state is not OPEN:
                # Another thread has begun the commit since this call looked.
                self._raise_closed()
            before = self._staged.get(name)
            count = len(self._staged) + (before is None)
            if count > limits.transaction_operations_max:
                raise LimitExceededError(
                    f"a transaction has at most {limits.transaction_operations_max} operations: use several",
                    limit=limits.transaction_operations_max,
                    actual=count,
                )
            size = self._size_bytes + size_bytes
            if isinstance(before, Write):
                size -= len(before.payload.data)
            if size > limits.transaction_bytes_max:
                raise LimitExceededError(
                    f"the transaction would be {size} bytes; the limit is {limits.transaction_bytes_max}: "
                    "use several",
                    limit=limits.transaction_bytes_max,
                    actual=size,
                )
            # The last write of a key wins, and takes its place in the order of operations.
            if before is not None:
                del self._staged[name]
                self._grown.pop(name, None)
            self._staged[name] = staged
            if grown is not None:
                self._grown[name] = grown
            self._size_bytes = size
            if precondition is not None:
                self._preconditions[name] = precondition

    # Reading: as of read_ts, and over it what this transaction wrote itself.

    def get(self, key: str, *, agent_id: str | None, namespace: str | None, default: Any) -> Flow[Record]:
        """Reads one key."""
        self.check_open()
        name = self.name(key, agent_id, namespace)
        own = self._staged.get(name)
        if own is not None:
            return self._own(name, own, default)
        reply: Read = yield from self.pinned(partial(Get, name))
        self._add_reads((name,))
        return record_of(reply.entry, default)

    def get_many(
        self, keys: Iterable[str], *, agent_id: str | None, namespace: str | None
    ) -> Flow[dict[str, Record]]:
        """Reads many keys; those without a value are left out."""
        self.check_open()
        names = [self.name(key, agent_id, namespace) for key in key_list(keys)]
        found: dict[RecordKey, Record] = {}
        asked = [name for name in names if name not in self._staged]
        while asked:
            page: Page = yield from self.pinned(partial(GetMany, tuple(asked[:KEYS_AT_ONCE])))
            entries = answered(page)
            self._add_reads(tuple(asked[: len(entries)]))
            del asked[: len(entries)]
            found.update({entry.key: record_of(entry) for entry in entries if entry.exists})
        for name in names:
            own = self._staged.get(name)
            if isinstance(own, Write):
                found[name] = self._own(name, own, MISSING)
        return {name.key: found[name] for name in names if name in found}

    def pinned(self, request: Callable[[int | None], Request[R]]) -> Flow[R]:
        """Asks as of read_ts. The first read sets it; reads at the same time wait for that one (G3)."""
        while self.read_ts is None:
            with self._lock:
                waiting = self._pinning
                if waiting is None and self.read_ts is None:
                    mine = self._pinning = Future()
                    break
            if waiting is not None:
                yield waiting
        else:
            reply: R = yield request(self.read_ts)
            return reply
        try:
            first: Any = yield request(None)
            self.read_ts = first.read_ts
        finally:
            # If the first read failed, the next one pins.
            self._pinning = None
            mine.set_result(None)
        return first  # type: ignore[no-any-return]

    def staged_in(self, namespace: str, agent_id: str, prefix: str) -> dict[str, Staged]:
        """What this transaction means to do to keys that begin with a prefix."""
        return {
            name.key: staged
            for name, staged in self._staged.copy().items()
            if name.namespace == namespace and name.agent_id == agent_id and name.key.startswith(prefix)
        }

    def _add_reads(self, names: tuple[RecordKey, ...]) -> None:
        self._reads.update(dict.fromkeys(names))
        self._check_read_set()

    def add_range(self, span: KeyRange, instead_of: KeyRange | None) -> None:
        """Adds a range to the read set; a scan's next page makes its range longer."""
        with self._lock:
            if instead_of is not None:
                self._ranges.remove(instead_of)
            self._ranges.append(span)
        self._check_read_set()

    def _check_read_set(self) -> None:
        limit = self.connection.limits.transaction_reads_max
        actual = len(self._reads) + len(self._ranges)
        if actual > limit:
            raise LimitExceededError(
                f"the transaction has read {actual} keys and ranges; the limit is {limit}: "
                "scan a prefix instead, or read outside the transaction",
                limit=limit,
                actual=actual,
            )

    def has_read(self, name: RecordKey) -> bool:
        """Whether a key, or a range around it, is in the read set."""
        return name in self._reads or any(
            (span.namespace, span.agent_id) == name[:2] and name.key.startswith(span.prefix)
            for span in self._ranges
        )

    def own_record(self, name: RecordKey, staged: Staged) -> Record | None:
        """The record of something staged; None for a delete."""
        if isinstance(staged, Delete):
            return None
        return Record(*name, decode(staged.payload), 0, 0, staged.payload)

    def _own(self, name: RecordKey, staged: Staged, default: Any) -> Record:
        record = self.own_record(name, staged)
        if record is not None:
            return record
        if default is MISSING:
            raise not_found(name, "deleted in this transaction")
        return Record(*name, default, 0, 0)

    def name(self, key: str, agent_id: str | None, namespace: str | None) -> RecordKey:
        """Gives the full name of a key, checked.

        Raises:
            InvalidArgumentError: A part is malformed, or no agent is named.
            LimitExceededError: A part is too long.
        """
        if agent_id is None:
            agent_id = self.agent_id
            if agent_id is None:
                raise InvalidArgumentError(WHOSE)
        name = RecordKey(self.namespace if namespace is None else namespace, agent_id, key)
        limits = self.connection.limits
        if name[:2] != self._checked:
            check_namespace(name.namespace, limits)
            check_agent_id(agent_id, limits)
            self._checked = name[:2]
        check_key(key, limits)
        return name

    # Ending.

    def check_open(self) -> None:
        """Checks that reads and writes are still possible.

        Raises:
            TransactionClosedError: A commit was asked for, or it was aborted.
            TransactionExpiredError: Its time is over.
        """
        self.connection.check_open()
        if self.state is not OPEN:
            self._raise_closed()
        if self.connection.monotonic() >= self._deadline:
            self._raise_expired()

    def _raise_closed(self) -> NoReturn:
        more = f" at commit_ts {self.commit_ts}" if self.state is TransactionState.COMMITTED else ""
        raise TransactionClosedError(
            f"transaction {self.txn_id} is {self.state.value}{more}; begin another one", txn_id=self.txn_id
        ) from self.refusal

    def _raise_expired(self) -> NoReturn:
        raise TransactionExpiredError(
            f"transaction {self.txn_id} took longer than its timeout of {self.timeout:g} s; nothing was "
            "applied. Begin another one, with a longer timeout= if it needs more time",
            txn_id=self.txn_id,
        )

    def abort(self) -> None:
        """Ends it without a commit. Idempotent; what became of a commit that was sent stays as it is.

        Raises:
            TransactionClosedError: It was committed, or is being committed.
        """
        with self._lock:
            if self.state in (TransactionState.COMMITTED, TransactionState.COMMITTING):
                self._raise_closed()
            if self.state is not TransactionState.REFUSED:
                self.state = TransactionState.ABORTED
            self._forget()

    def give_up(self) -> None:
        """Aborts it if nothing was committed: the way out of a ``with`` block that failed."""
        if self.state is OPEN:
            self.abort()

    def committed_ts(self) -> int:
        """Gives its commit_ts.

        Raises:
            TransactionClosedError: It is not committed.
        """
        if self.commit_ts is None:
            self._raise_closed()
        return self.commit_ts

    def commit(self) -> Flow[int]:
        """Commits, and gives the commit_ts."""
        self.connection.check_open()
        if self.connection.stale:
            yield from self.connection.refresh()
        request = self._begin_commit()
        try:
            try:
                reply: Committed = yield request
            except (NotFoundError, ErasedError, CompactedError):
                # Definite: the base of a grown value is gone, and nothing was applied under this id.
                if not any(isinstance(operation, Extend) for operation in request.operations):
                    raise
                request = self._request = self._whole(request)
                reply = yield request
        except BaseException as error:
            self._not_committed(error)
            raise
        self.commit_ts = reply.commit_ts
        self.state = _COMMITTED
        self.connection.seen.commit(reply.commit_ts, self.connection.monotonic())
        self._forget()
        return reply.commit_ts

    def _begin_commit(self) -> Commit:
        with self._lock:
            if self.state is not OPEN:
                return self._again()
            left = min(self._deadline - self.connection.monotonic(), self.timeout)
            if left <= 0:
                self._raise_expired()
            self.state = _COMMITTING
            self._request = self._make_request(max(left, self.connection.limits.timeout_s_min))
            return self._request

    def _again(self) -> Commit:
        if self.state is not TransactionState.SENT or self._request is None:
            self._raise_closed()
        self.state = _COMMITTING
        self._request = replace(self._request, timeout_s=self.timeout)
        return self._request

    def _make_request(self, timeout_s: float) -> Commit:
        seen = self.connection.seen
        operations: tuple[WriteOperation, ...] = tuple(self._staged.values())
        if self._grown:
            operations = tuple([self._grown.get(each.key, each) for each in operations])
        # What was only read was as of one commit_ts, so there is nothing left to find out.
        read_ts = self.read_ts if operations else None
        reads: tuple[RecordKey, ...] = ()
        ranges: tuple[KeyRange, ...] = ()
        # No commit under this id can be older than its first sending.
        made_at_ts = seen.commit_ts
        if read_ts is not None:
            reads, ranges = tuple(self._reads), tuple(self._ranges)
        if self.read_ts is not None:
            made_at_ts = max(made_at_ts, self.read_ts)
        return Commit(
            self.txn_id,
            operations,
            read_ts,
            reads,
            ranges,
            tuple(self._preconditions.values()),
            self.origin,
            made_at_ts,
            seen.store_id,
            seen.epoch,
            timeout_s=timeout_s,
        )

    def _whole(self, request: Commit) -> Commit:
        operations = tuple(self._staged.values())
        left = min(self._deadline - self.connection.monotonic(), self.timeout)
        return replace(
            request, operations=operations, timeout_s=max(left, self.connection.limits.timeout_s_min)
        )

    def _not_committed(self, error: BaseException) -> None:
        definite = isinstance(error, StatehouseError) and error.retry is not Retry.SAME
        self.refusal = error if isinstance(error, StatehouseError) else None
        self.state = TransactionState.REFUSED if definite else TransactionState.SENT

    def _forget(self) -> None:
        self._staged = {}
        self._grown = {}
        self._ranges = []
        self._request = None

    def __repr__(self) -> str:
        facts = [self.state.value, f"{len(self._staged)} operations"]
        if self.agent_id is not None:
            facts.insert(0, f"agent {self.agent_id!r}")
        if self.read_ts is not None:
            facts.append(f"read_ts={self.read_ts}")
        if self.commit_ts is not None:
            facts = [f"committed at {self.commit_ts}"]
        return f"{self.txn_id} {', '.join(facts)}"


def _precondition(name: RecordKey, if_version: int | None, if_commit_ts: int | None) -> Precondition | None:
    if if_version is None and if_commit_ts is None:
        return None
    if if_version is not None and if_commit_ts is not None:
        raise InvalidArgumentError("give if_version or if_commit_ts, not both")
    for what, number in (("if_version", if_version), ("if_commit_ts", if_commit_ts)):
        if number is not None:
            check_count(what, number, 0)
    return Precondition(name, if_version, if_commit_ts)


def _check_payload(payload: Payload, content_type_bytes_max: int) -> None:
    check_text("content_type", payload.content_type, content_type_bytes_max)
    if type(payload.data) is not bytes:
        raise InvalidArgumentError(f"the data of a Payload must be bytes, not {type(payload.data).__name__}")


def _grown(name: RecordKey, payload: Payload, base: Record) -> Extend | None:
    """The value as what is new in it over an earlier one; None when that saves nothing."""
    if not isinstance(base, Record):
        raise InvalidArgumentError(
            f"extends must be a Record that was read, not {type(base).__name__}: {base!r:.80}"
        )
    if (base.namespace, base.agent_id) != (name.namespace, name.agent_id):
        raise InvalidArgumentError(
            f"{name} cannot share bytes with another agent's {base.agent_id}/{base.key}"
        )
    # A default, or what this transaction wrote itself, is nothing that the store has.
    if base.payload is None or base.version == 0 or base.payload.content_type != payload.content_type:
        return None
    parts = grow(base.payload.data, payload.data)
    if parts is None:
        return None
    base_name = RecordKey(base.namespace, base.agent_id, base.key)
    return Extend(name, base_name, base.version, parts, payload.content_type)
