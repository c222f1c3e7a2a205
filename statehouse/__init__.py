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
    from statehouse.steps import (
        RunRecord,
        State,
        StateAsync,
        Step,
        StepFunction,
        StepRecord,
        StepWarning,
        current_step,
        register_step_type,
        step,
    )
    from statehouse.steps._async.run import RunAsync
    from statehouse.steps._sync.run import Run

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
    "Run",
    "RunAsync",
    "RunRecord",
    "State",
    "StateAsync",
    "Statehouse",
    "StatehouseAsync",
    "StatehouseError",
    "Step",
    "StepConflictError",
    "StepError",
    "StepFunction",
    "StepMismatchError",
    "StepNestingError",
    "StepRecord",
    "StepWarning",
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
    "current_step",
    "register_step_type",
    "step",
    "use_origin",
]

# A library logs, and leaves it to the program where that goes.
logging.getLogger(__name__).addHandler(logging.NullHandler())

_STEPS = "statehouse.steps"
_LATER = {
    "AgentAsync": "statehouse.client._async.agent",
    "StatehouseAsync": "statehouse.client._async.handle",
    "TransactionAsync": "statehouse.client._async.transaction",
    "Run": "statehouse.steps._sync.run",
    "RunAsync": "statehouse.steps._async.run",
    "RunRecord": _STEPS,
    "State": _STEPS,
    "StateAsync": _STEPS,
    "Step": _STEPS,
    "StepFunction": _STEPS,
    "StepRecord": _STEPS,
    "StepWarning": _STEPS,
    "current_step": _STEPS,
    "register_step_type": _STEPS,
    "step": _STEPS,
}


def __getattr__(name: str) -> Any:
    # asyncio takes longer to load than everything here: programs do without what they do not use.
    if name in _LATER:
        from importlib import import_module  # noqa: PLC0415 - only for those who do

        globals()[name] = found = getattr(import_module(_LATER[name]), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
