"""Every error Statehouse raises, as one tree.

::

    StatehouseError
    ├── InvalidArgumentError (ValueError)      what was asked makes no sense; the message says what would
    ├── LimitExceededError (ValueError)        it makes sense but is larger than a limit
    ├── UnauthenticatedError
    ├── PermissionDeniedError
    ├── NotFoundError (LookupError)            no such key, version, transaction or store
    ├── AlreadyExistsError                     a txn_id was used again with other operations
    ├── CompactedError                         history below the horizon was asked for
    ├── ErasedError                            the value was erased for good
    ├── StoreChangedError                      a reference, cursor or retry names another store or epoch
    ├── TransactionError
    │   ├── TransactionExpiredError            it took longer than its timeout; nothing was applied
    │   ├── TransactionClosedError             it was committed or aborted already
    │   ├── TransactionNotFoundError (LookupError)
    │   ├── ConflictError                      something it read has changed since; nothing was applied
    │   └── PreconditionFailedError            an ``if_version`` or ``if_commit_ts`` did not hold
    ├── StepError
    │   ├── StepMismatchError
    │   ├── StepConflictError
    │   └── StepNestingError
    ├── ConnectionError (builtins.ConnectionError)
    ├── DeadlineExceededError (TimeoutError)   out of time; nothing was applied
    ├── OverloadedError                        refused at once; try again after ``retry_after`` seconds
    ├── OutcomeUnknownError                    a commit may or may not have been applied
    └── EngineError
        ├── DirectoryLockedError               another process has the data directory
        ├── ForkedProcessError                 the handle was opened before ``os.fork``
        ├── FormatVersionError                 written by a newer Statehouse
        ├── CorruptionError                    what is on disk is not what was written
        └── RefusingWritesError                the engine stopped writing until it is reopened (G8)

Every class has a stable ``code`` (a short word that travels on the wire and may be matched on), a
``retry`` advice, and attributes instead of text to parse. All of them pickle.
"""

from __future__ import annotations

import builtins
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "AlreadyExistsError",
    "CompactedError",
    "ConflictError",
    "ConnectionError",
    "CorruptionError",
    "DeadlineExceededError",
    "DirectoryLockedError",
    "EngineError",
    "ErasedError",
    "ForkedProcessError",
    "FormatVersionError",
    "InvalidArgumentError",
    "LimitExceededError",
    "NotFoundError",
    "OutcomeUnknownError",
    "OverloadedError",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "RefusingWritesError",
    "Retry",
    "StatehouseError",
    "StepConflictError",
    "StepError",
    "StepMismatchError",
    "StepNestingError",
    "StoreChangedError",
    "TransactionClosedError",
    "TransactionError",
    "TransactionExpiredError",
    "TransactionNotFoundError",
    "UnauthenticatedError",
    "error_class",
]


class Retry(Enum):
    """What a caller should do about an error."""

    NEVER = "never"
    """The same call will fail the same way."""

    SAME = "same"
    """Repeat the same call; a commit keeps its ``txn_id`` and is applied once (G5)."""

    NEW_TRANSACTION = "new_transaction"
    """Read again and commit under a new ``txn_id``; ``transact`` does it for you."""

    REOPEN = "reopen"
    """Close every handle on the store and open it again."""


class StatehouseError(Exception):
    """The root of every error that Statehouse raises.

    Args:
        message: What happened, with which value, and what to do about it.
        **details: The facts of this error; each is an attribute of the same name.

    Attributes:
        code: A stable word for the class of the error.
        retry: What a caller should do about it.
        message: The text.
        details: The facts as a dictionary.
    """

    code: ClassVar[str] = "error"
    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(self, message: str = "", /, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that are no ordinary attribute: the facts of this error.
        details = self.__dict__.get("details", {})
        if name in details:
            return details[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.details)

    def __str__(self) -> str:
        return self.message


def _rebuild(cls: type[StatehouseError], message: str, details: dict[str, Any]) -> StatehouseError:
    return cls(message, **details)


class InvalidArgumentError(StatehouseError, ValueError):
    """What was asked makes no sense; the message says which value and what would."""

    code = "invalid_argument"


class LimitExceededError(StatehouseError, ValueError):
    """A value, a name or a transaction is larger than a limit (``limit``, ``actual``)."""

    code = "limit_exceeded"
    limit: int
    actual: int


class UnauthenticatedError(StatehouseError):
    """The daemon does not know who is asking."""

    code = "unauthenticated"


class PermissionDeniedError(StatehouseError):
    """The daemon knows who is asking, and the answer is no."""

    code = "permission_denied"


class NotFoundError(StatehouseError, LookupError):
    """No such key, version or commit. Pass ``default=`` to a read to get that instead."""

    code = "not_found"


class AlreadyExistsError(StatehouseError):
    """A ``txn_id`` that was committed with other operations was used again (G5)."""

    code = "already_exists"
    txn_id: str


class CompactedError(StatehouseError):
    """History below the horizon was asked for; ``oldest`` is the oldest commit_ts that reads (G6)."""

    code = "compacted"
    oldest: int


class ErasedError(StatehouseError):
    """The value was erased for good (G6)."""

    code = "erased"


class StoreChangedError(StatehouseError):
    """A reference, cursor or retry names another store, or history that was replaced."""

    code = "store_changed"


class TransactionError(StatehouseError):
    """Something about one transaction; the leaves say what."""

    code = "transaction"


class TransactionExpiredError(TransactionError):
    """The transaction took longer than its timeout; nothing was applied."""

    code = "transaction_expired"
    retry = Retry.NEW_TRANSACTION


class TransactionClosedError(TransactionError):
    """The transaction was committed or aborted already."""

    code = "transaction_closed"


class TransactionNotFoundError(TransactionError, LookupError):
    """No transaction of that id is open, and none was committed."""

    code = "transaction_not_found"


class ConflictError(TransactionError):
    """Something that the transaction read has changed since its read_ts; nothing was applied (G3).

    Attributes:
        keys: The record keys (or ranges) that changed, as far as they are known.
        commit_ts: The newest commit that changed one of them.
    """

    code = "conflict"
    retry = Retry.NEW_TRANSACTION
    keys: tuple[Any, ...]
    commit_ts: int


class PreconditionFailedError(TransactionError):
    """An ``if_version`` or ``if_commit_ts`` did not hold; nothing was applied.

    Attributes:
        which: The precondition that failed.
        version: The version the key has now (0: absent).
        commit_ts: The commit that wrote it (0: absent).
    """

    code = "precondition_failed"
    retry = Retry.NEW_TRANSACTION
    which: Any
    version: int
    commit_ts: int


class StepError(StatehouseError):
    """Something about a step of a run."""

    code = "step"


class StepMismatchError(StepError):
    """A resumed run does not do what its record says it did."""

    code = "step_mismatch"


class StepConflictError(StepError):
    """An ``at_most_once`` step ran, but what it had read changed meanwhile."""

    code = "step_conflict"


class StepNestingError(StepError):
    """A child step writes what its parent reads or writes."""

    code = "step_nesting"


class ConnectionError(StatehouseError, builtins.ConnectionError):
    """The daemon cannot be reached, or the connection to it broke."""

    code = "connection"
    retry = Retry.SAME


class DeadlineExceededError(StatehouseError, TimeoutError):
    """There was not enough time; nothing was applied."""

    code = "deadline_exceeded"
    retry = Retry.SAME


class OverloadedError(StatehouseError):
    """Refused at once, nothing was applied; try again after ``retry_after`` seconds.

    Attributes:
        retry_after: Seconds.
        reason: ``"queue_full"``, ``"disk_full"`` or ``"stall"``; of a daemon also ``"too_many_requests"``,
            ``"too_many_transactions"``, ``"too_many_bytes_staged"``, ``"too_many_streams"`` or
            ``"slow_reader"``.
    """

    code = "overloaded"
    retry = Retry.SAME
    retry_after: float
    reason: str


class OutcomeUnknownError(StatehouseError):
    """A commit may or may not have been applied; commit again with the same ``txn_id`` to know (G5)."""

    code = "outcome_unknown"
    retry = Retry.SAME
    txn_id: str


class EngineError(StatehouseError):
    """Something about the engine, not about one call."""

    code = "engine"


class DirectoryLockedError(EngineError):
    """Another process has the data directory (``path``, and ``holder`` when it is known)."""

    code = "directory_locked"
    path: str


class ForkedProcessError(EngineError):
    """The handle was opened before ``os.fork``; open one in a process that was started anew."""

    code = "forked_process"


class FormatVersionError(EngineError):
    """The data directory was written by a newer Statehouse (``found``, ``supported``)."""

    code = "format_version"
    found: int
    supported: int


class CorruptionError(EngineError):
    """What is on disk is not what was written; the engine refuses to guess (G8)."""

    code = "corruption"


class RefusingWritesError(EngineError):
    """After a failed flush or a failed check nothing more is written until the store is reopened (G8)."""

    code = "refusing_writes"
    retry = Retry.REOPEN


def _leaves(cls: type[StatehouseError]) -> Iterator[type[StatehouseError]]:
    yield cls
    for below in cls.__subclasses__():
        yield from _leaves(below)


def error_class(code: str) -> type[StatehouseError]:
    """Gives the class whose ``code`` this is; an unknown code gives ``StatehouseError``."""
    return next((cls for cls in _leaves(StatehouseError) if cls.code == code), StatehouseError)
