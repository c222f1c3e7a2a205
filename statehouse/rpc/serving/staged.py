"""The transactions that the daemon holds for clients that write one operation a call, until they commit.

::

                  Write, Delete
                     ┌───┐
                     │   ▼    Commit              applied
    BeginTransaction OPEN ────────────▶ COMMITTING ──────▶ committed
                     │ │ ▲                 │    │
               Abort │ │ └─────────────────┘    │ no answer: it may have been applied
    aborted ◀────────┘ │  refused: surely       ▼
                       │  nothing applied      SENT ──Commit──▶ COMMITTING (the same operations and txn_id)
    expired ◀──────────┘ time                   │ time
                                                ▼
                                             in doubt

What each call does to a transaction that is

=============== ====== ========== =========== ========== ======= ======= ========= =========
.               OPEN   COMMITTING SENT        committed  aborted expired in doubt  not known
=============== ====== ========== =========== ========== ======= ======= ========= =========
Write, Delete   staged closed     closed      closed     closed  expired closed    not found
Commit          sent   joined     sent again  commit_ts  closed  expired looked up looked up
Abort           done   closed     unknown     closed     done    done    looked up looked up
=============== ====== ========== =========== ========== ======= ======= ========= =========

where *closed* is `TransactionClosedError`, *expired* `TransactionExpiredError`, *not found*
`TransactionNotFoundError`, *unknown* `OutcomeUnknownError`. A Commit that joins is answered as the one that
it joined. What is looked up is asked of the engine, which knows every txn_id that was committed, also before
the daemon was started: committed gives its commit_ts (or *closed*), absent is *not found* (in doubt:
*expired*, for now it surely never was applied), and else it is *unknown*.

So a Commit that was refused leaves the transaction open, as it was, until its time is over: when there was
too much to do, or the disk was full, a client commits again; when it cannot be committed at all, it aborts.

Invariants:

* S1. Nothing here does I/O or waits; time comes in as `monotonic`. Everything happens in one event loop.
* S2. At most `count_max` transactions are open, and what they staged is at most `bytes_max`, in memory.
* S3. While a commit may have been applied, its operations stay as they are: the engine knows a repetition by
  them (G5).
* S4. What has ended is remembered by its id, the newest `remembered_max`; a committed one is known for ever.
"""

from __future__ import annotations

import heapq
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from statehouse.errors import (
    ConnectionError,
    LimitExceededError,
    OutcomeUnknownError,
    OverloadedError,
    StatehouseError,
    TransactionClosedError,
    TransactionExpiredError,
    TransactionNotFoundError,
)
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits, check_integer
from statehouse.protocol.names import RecordKey, check_record_key, check_text, check_txn_id
from statehouse.protocol.origin import NO_ORIGIN, Origin
from statehouse.protocol.replies import Committed, TxnOutcome
from statehouse.protocol.requests import Commit, Delete, Write
from statehouse.protocol.values import encode

OPERATION_BYTES: Final = 512
"""What an operation takes in memory besides its name and value; counted only towards `bytes_max`."""

_REMEMBERED_MAX: Final = 10_000
_RETRY_AFTER_S: Final = 1.0
_COMMITTING_S: Final = 1.0

Operation = Write | Delete


class State(Enum):
    """Where a transaction that has not ended is; see the picture in this module."""

    OPEN = "open"
    COMMITTING = "being committed"
    SENT = "sent, not known to be committed"


class End(Enum):
    """How a transaction ended that is not known to be committed."""

    ABORTED = "aborted"
    EXPIRED = "expired"
    IN_DOUBT = "sent, not known to be committed"


@dataclass(frozen=True, slots=True)
class Send:
    """Ask the engine to commit this, and `StagedTransactions.settle` what became of it."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class Join:
    """It is being committed: answer as that commit is answered."""


@dataclass(frozen=True, slots=True)
class Done:
    """It was committed."""

    commit_ts: int


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the engine what became of it, and `StagedTransactions.resolve` that."""


class _Transaction:
    __slots__ = ("deadline", "made_at_ts", "operations", "size_bytes", "state", "timeout_ms", "txn_id")

    def __init__(self, txn_id: str, made_at_ts: int, timeout_ms: int, deadline: float) -> None:
        self.txn_id = txn_id
        self.made_at_ts = made_at_ts
        self.timeout_ms = timeout_ms
        self.deadline = deadline
        self.state = State.OPEN
        self.operations: dict[RecordKey, Operation] = {}
        self.size_bytes = 0

    @property
    def weight(self) -> int:
        """What it takes in memory."""
        return self.size_bytes + OPERATION_BYTES * len(self.operations)


class StagedTransactions:
    """The open transactions, and how the others ended.

    Args:
        count_max: The most open transactions.
        bytes_max: The most that all of them may take, in bytes of memory.
        remembered_max: Of how many ended ones it is remembered how they ended.
        limits: How large one transaction may be, and how long it may take.
        monotonic: The time, in seconds.
        entropy: Gives so many random bytes.

    Attributes:
        size_bytes: What all of them take now.
    """

    def __init__(
        self,
        *,
        count_max: int,
        bytes_max: int,
        remembered_max: int = _REMEMBERED_MAX,
        limits: Limits = DEFAULT_LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._remembered_max = remembered_max
        self._limits = limits
        self._monotonic = monotonic
        self._entropy = entropy
        self._open: dict[str, _Transaction] = {}
        self._ended: OrderedDict[str, End | int] = OrderedDict()
        self._deadlines: list[tuple[float, str]] = []
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, timeout_ms: int, *, made_at_ts: int) -> str:
        """Opens a transaction and gives its id.

        Args:
            timeout_ms: How long it may stay open.
            made_at_ts: The visible commit_ts now.

        Raises:
            InvalidArgumentError: The timeout is out of range.
            OverloadedError: Too many are open.
        """
        limits = self._limits
        check_integer("timeout_ms", timeout_ms, 1, round(limits.timeout_s_max * 1000))
        if len(self._open) >= self._count_max:
            self.sweep()
        if len(self._open) >= self._count_max:
            raise OverloadedError(
                f"{len(self._open)} transactions are open already: commit or abort some, or try again when "
                "their timeouts have passed",
                retry_after=_RETRY_AFTER_S,
                reason="too_many_transactions",
            )
        txn_id = self._entropy(16).hex()
        deadline = self._monotonic() + timeout_ms / 1000
        self._open[txn_id] = _Transaction(txn_id, made_at_ts, timeout_ms, deadline)
        self._watch(deadline, txn_id)
        return txn_id

    def stage(self, txn_id: str, operation: Operation) -> None:
        """Adds an operation; it takes the place of an earlier one on the same key.

        Raises:
            TransactionNotFoundError: No such transaction.
            TransactionExpiredError: Its time is over.
            TransactionClosedError: It has ended, or its commit was sent (S3).
            InvalidArgumentError: A malformed name.
            LimitExceededError: A name, the value or the transaction is too large.
            OverloadedError: All transactions together are too large.
        """
        transaction = self._find(txn_id)
        if transaction is None:
            raise self._not_open(txn_id)
        if transaction.state is not State.OPEN:
            raise _closed(txn_id, transaction.state.value)
        key = operation.key
        check_record_key(key, self._limits)
        if isinstance(operation, Write):
            check_text("content_type", operation.payload.content_type, self._limits.content_type_bytes_max)
        size = self._size_of(operation)
        operations = transaction.operations
        replaced = operations.get(key)
        more = size if replaced is None else size - self._size_of(replaced)
        self._check_size(transaction, more, replaced is None)
        weight = more + (OPERATION_BYTES if replaced is None else 0)
        if weight > 0 and self.size_bytes + weight > self._bytes_max:
            self.sweep()
            if self.size_bytes + weight > self._bytes_max:
                raise OverloadedError(
                    f"open transactions hold {self.size_bytes} bytes already; this was not staged: try "
                    "again when some have been committed or aborted",
                    retry_after=_RETRY_AFTER_S,
                    reason="too_many_bytes_staged",
                )
        operations[key] = operation
        transaction.size_bytes += more
        self.size_bytes += weight

    def commit(self, txn_id: str, origin: Origin = NO_ORIGIN) -> Send | Join | Done | LookUp:
        """Says what there is to do for a Commit.

        Raises:
            TransactionExpiredError: Its time is over; nothing was applied.
            TransactionClosedError: It was aborted.
            InvalidArgumentError, LimitExceededError: No such id can be.
        """
        transaction = self._find(txn_id)
        if transaction is None:
            end = self._ended.get(txn_id)
            match end:
                case int():
                    return Done(end)
                case End.ABORTED:
                    raise _closed(txn_id, end.value)
                case End.EXPIRED:
                    raise _expired(txn_id)
            check_txn_id(txn_id, self._limits)
            return LookUp()
        if transaction.state is State.COMMITTING:
            return Join()
        transaction.state = State.COMMITTING
        left = max(self._limits.timeout_s_min, transaction.deadline - self._monotonic())
        return Send(
            Commit(
                txn_id,
                tuple(transaction.operations.values()),
                origin=origin,
                made_at_ts=transaction.made_at_ts,
                timeout_s=left,
            )
        )

    def settle(self, txn_id: str, outcome: Committed | BaseException) -> int | BaseException:
        """Takes in what became of a commit that was sent, and gives what all who wait for it are told."""
        transaction = self._open[txn_id]
        if isinstance(outcome, Committed):
            self._end(transaction, outcome.commit_ts)
            return outcome.commit_ts
        if _surely_not_applied(outcome):
            transaction.state = State.OPEN
            if self._monotonic() >= transaction.deadline:
                self._end(transaction, End.EXPIRED)
                return _expired(txn_id, transaction.timeout_ms)
        else:
            transaction.state = State.SENT
        return outcome

    def resolve(self, txn_id: str, found: TxnOutcome) -> int:
        """Gives the commit_ts of a transaction that the engine was asked about.

        Raises:
            TransactionNotFoundError: There is none.
            TransactionExpiredError: Its time was over; nothing was applied.
            OutcomeUnknownError: It may have been applied.
        """
        if found.outcome == "committed":
            return found.commit_ts
        if found.outcome == "unknown":
            raise _unknown(txn_id)
        if txn_id in self._ended:
            raise _expired(txn_id)
        raise _not_found(txn_id)

    def abort(self, txn_id: str) -> LookUp | None:
        """Forgets what was staged; None: that is all there is to do.

        Raises:
            TransactionClosedError: It was committed, or is being committed.
            OutcomeUnknownError: A commit was sent, and may have been applied.
            InvalidArgumentError, LimitExceededError: No such id can be.
        """
        transaction = self._find(txn_id)
        if transaction is None:
            end = self._ended.get(txn_id)
            if isinstance(end, int):
                raise _closed(txn_id, f"committed at commit_ts {end}")
            if end in (End.ABORTED, End.EXPIRED):
                return None
            check_txn_id(txn_id, self._limits)
            return LookUp()
        if transaction.state is State.COMMITTING:
            raise _closed(txn_id, transaction.state.value)
        if transaction.state is State.SENT:
            raise _unknown(txn_id)
        self._end(transaction, End.ABORTED)
        return None

    def resolve_abort(self, txn_id: str, found: TxnOutcome) -> None:
        """Answers an Abort of a transaction that the engine was asked about.

        Raises:
            TransactionClosedError: It was committed.
            TransactionNotFoundError: There is none.
            OutcomeUnknownError: It may have been applied.
        """
        if found.outcome == "committed":
            raise _closed(txn_id, f"committed at commit_ts {found.commit_ts}")
        if found.outcome == "unknown":
            raise _unknown(txn_id)
        if txn_id not in self._ended:
            raise _not_found(txn_id)
        self._ended[txn_id] = End.EXPIRED

    def sweep(self) -> list[str]:
        """Ends the transactions whose time is over, and gives their ids; to be called every second or so."""
        now = self._monotonic()
        deadlines = self._deadlines
        swept = []
        while deadlines and deadlines[0][0] <= now:
            txn_id = heapq.heappop(deadlines)[1]
            if txn_id not in self._open:
                continue
            if self._find(txn_id) is None:
                swept.append(txn_id)
            else:
                # It is being committed, and may be open again after that.
                heapq.heappush(deadlines, (now + _COMMITTING_S, txn_id))
        return swept

    def drop(self) -> int:
        """Forgets the transactions that are not being committed, because the daemon stops; says how many."""
        kept = {txn_id: each for txn_id, each in self._open.items() if each.state is State.COMMITTING}
        dropped = len(self._open) - len(kept)
        self._open = kept
        self.size_bytes = sum(each.weight for each in kept.values())
        return dropped

    def _find(self, txn_id: str) -> _Transaction | None:
        """The transaction, if it has not ended; ends it if its time is over."""
        transaction = self._open.get(txn_id)
        if (
            transaction is None
            or transaction.state is State.COMMITTING
            or self._monotonic() < transaction.deadline
        ):
            return transaction
        self._end(transaction, End.EXPIRED if transaction.state is State.OPEN else End.IN_DOUBT)
        return None

    def _end(self, transaction: _Transaction, end: End | int) -> None:
        del self._open[transaction.txn_id]
        self.size_bytes -= transaction.weight
        self._ended[transaction.txn_id] = end
        if len(self._ended) > self._remembered_max:
            self._ended.popitem(last=False)

    def _watch(self, deadline: float, txn_id: str) -> None:
        deadlines = self._deadlines
        if len(deadlines) > 2 * len(self._open) + 1000:
            # Those that ended before their deadlines have left these behind.
            deadlines[:] = [each for each in deadlines if each[1] in self._open]
            heapq.heapify(deadlines)
        heapq.heappush(deadlines, (deadline, txn_id))

    def _size_of(self, operation: Operation) -> int:
        """As the engine counts it, so that what was staged can be committed."""
        size = 2 + sum(len(name.encode()) for name in operation.key)
        return (
            size
            if isinstance(operation, Delete)
            else size + len(encode(operation.payload, self._limits).data)
        )

    def _check_size(self, transaction: _Transaction, more: int, is_new: bool) -> None:
        limits = self._limits
        count = len(transaction.operations) + is_new
        if count > limits.transaction_operations_max:
            raise LimitExceededError(
                f"{count} operations in one transaction; the limit is {limits.transaction_operations_max}: "
                "commit, and go on in another",
                limit=limits.transaction_operations_max,
                actual=count,
            )
        size = transaction.size_bytes + more
        if more > 0 and size > limits.transaction_bytes_max:
            raise LimitExceededError(
                f"the transaction would be {size} bytes; the limit is {limits.transaction_bytes_max}: "
                "commit, and go on in another",
                limit=limits.transaction_bytes_max,
                actual=size,
            )

    def _not_open(self, txn_id: str) -> StatehouseError:
        end = self._ended.get(txn_id)
        if end is None:
            check_txn_id(txn_id, self._limits)
            return _not_found(txn_id)
        if end is End.EXPIRED:
            return _expired(txn_id)
        return _closed(txn_id, end.value if isinstance(end, End) else f"committed at commit_ts {end}")


def _surely_not_applied(error: BaseException) -> bool:
    return isinstance(error, StatehouseError) and not isinstance(error, OutcomeUnknownError | ConnectionError)


def _closed(txn_id: str, how: str) -> TransactionClosedError:
    return TransactionClosedError(f"transaction {txn_id} is {how}; begin another one", txn_id=txn_id)


def _expired(txn_id: str, timeout_ms: int | None = None) -> TransactionExpiredError:
    than = "its timeout" if timeout_ms is None else f"its timeout of {timeout_ms} ms"
    return TransactionExpiredError(
        f"transaction {txn_id} took longer than {than}; nothing was applied. Begin another one, with a "
        "larger timeout_ms if it needs more time",
        txn_id=txn_id,
    )


def _not_found(txn_id: str) -> TransactionNotFoundError:
    return TransactionNotFoundError(
        f"no transaction {txn_id} is open, and none was committed; what is open when the daemon stops is "
        "gone: begin another one",
        txn_id=txn_id,
    )


def _unknown(txn_id: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"transaction {txn_id} may or may not have been applied; commit it again to know", txn_id=txn_id
    )
