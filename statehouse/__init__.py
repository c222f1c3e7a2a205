"""Statehouse keeps the state and memory of AI agents: strongly consistent, versioned, replayable.

>>> from statehouse import Statehouse
>>> with Statehouse("memory:") as sh:
...     agent = sh.agent("planner")
...     with agent.transaction() as tx:
...         tx.write("plan", ["boil water", "brew tea"])
...     agent.get_state("plan").value
['boil water', 'brew tea']
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from statehouse._version import __version__
from statehouse.client._sync.agent import Agent
from statehouse.client._sync.handle import Statehouse
from statehouse.client._sync.transaction import Transaction
from statehouse.client.records import CheckReport, Record, RecordVersion
from statehouse.errors import (
    AlreadyExistsError,
    CompactedError,
    ConflictError,
    ConnectionError,
    CorruptionError,
    DeadlineExceededError,
    DirectoryLockedError,
    EngineError,
    ErasedError,
    ForkedProcessError,
    FormatVersionError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    OutcomeUnknownError,
    OverloadedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RefusingWritesError,
    Retry,
    StatehouseError,
    StepConflictError,
    StepError,
    StepMismatchError,
    StepNestingError,
    StoreChangedError,
    TransactionClosedError,
    TransactionError,
    TransactionExpiredError,
    TransactionNotFoundError,
    UnauthenticatedError,
)
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import (
    AgentCounts,
    EngineVersion,
    Event,
    NamespaceCounts,
    Operation,
    Problem,
    StoreStatus,
    TxnOutcome,
)
from statehouse.protocol.values import Payload
from statehouse.tracing.origin import current_origin, use_origin

if TYPE_CHECKING:
    from statehouse.client._async.agent import AgentAsync
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._async.transaction import TransactionAsync

__all__ = [
    "Agent",
    "AgentAsync",
    "AgentCounts",
    "AlreadyExistsError",
    "CheckReport",
    "CompactedError",
    "ConflictError",
    "ConnectionError",
    "CorruptionError",
    "DeadlineExceededError",
    "DirectoryLockedError",
    "EngineError",
    "EngineVersion",
    "ErasedError",
    "Event",
    "ForkedProcessError",
    "FormatVersionError",
    "InvalidArgumentError",
    "LimitExceededError",
    "NamespaceCounts",
    "NotFoundError",
    "Operation",
    "Origin",
    "OutcomeUnknownError",
    "OverloadedError",
    "Payload",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "Problem",
    "Record",
    "RecordVersion",
    "RefusingWritesError",
    "Retry",
    "Statehouse",
    "StatehouseAsync",
    "StatehouseError",
    "StepConflictError",
    "StepError",
    "StepMismatchError",
    "StepNestingError",
    "StoreChangedError",
    "StoreStatus",
    "Transaction",
    "TransactionAsync",
    "TransactionClosedError",
    "TransactionError",
    "TransactionExpiredError",
    "TransactionNotFoundError",
    "TxnOutcome",
    "UnauthenticatedError",
    "__version__",
    "current_origin",
    "use_origin",
]

# A library logs, and leaves it to the program where that goes.
logging.getLogger(__name__).addHandler(logging.NullHandler())

_ASYNC = {
    "AgentAsync": "statehouse.client._async.agent",
    "StatehouseAsync": "statehouse.client._async.handle",
    "TransactionAsync": "statehouse.client._async.transaction",
}


def __getattr__(name: str) -> Any:
    # asyncio takes longer to load than everything here: programs that never await do without.
    if name in _ASYNC:
        from importlib import import_module  # noqa: PLC0415 - only for those who do

        globals()[name] = found = getattr(import_module(_ASYNC[name]), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ASYNC})
