"""One call of a step, as a value: what is performed, recorded, verified."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from statehouse.steps.body import Step
from statehouse.steps.driving import StepFlow
from statehouse.steps.identity import Identity, idempotency_key
from statehouse.steps.inputs import Input
from statehouse.steps.options import Options
from statehouse.steps.record import StepKind
from statehouse.steps.results import Output, Results

if TYPE_CHECKING:
    from statehouse.steps.runs import RunLogic


@dataclass(frozen=True, slots=True)
class Definition:
    """What every call of a step shares.

    Attributes:
        name: What it is called.
        function: The function, as ``module:qualname``.
        source_hash: Of its source; empty where there is none, as in an interpreter.
        options: What it was told.
        results: How its results are recorded.
        kind: See `StepRecord.kind`.
    """

    name: str
    function: str
    source_hash: str
    options: Options
    results: Results
    kind: StepKind = "step"


@dataclass(slots=True)
class Outcome:
    """What became of a call, as far as it has come; spans tell it.

    Attributes:
        status: ``executed``, ``recorded``, ``conflicted``, ``failed`` or ``unknown``; empty while nothing is
            known.
        attempt: The last attempt.
        conflicts: How many of the attempts were ended by a conflict.
        read_ts: The state that it saw.
        commit_ts: The state that it made, once that is acknowledged; 0 for a step that was recorded already.
        output: What it returned.
    """

    status: str = ""
    attempt: int = 0
    conflicts: int = 0
    read_ts: int | None = None
    commit_ts: int = 0
    output: Output | None = None


@dataclass(frozen=True, slots=True)
class StepCall:
    """A call that has its name.

    Attributes:
        run: The run it belongs to.
        parent: The step around it.
        identity: Its name.
        definition: What was called.
        taken: With which arguments.
        body: Gives the flow of an attempt: it yields a `Call` of the program's function.
        is_async: Whether that function is awaited.
        parent_span_id: The span that it was called in; empty for none.
        outcome: What became of it.
    """

    run: RunLogic
    parent: Step | None
    identity: Identity
    definition: Definition
    taken: Input
    body: Callable[[Step], StepFlow[Any]]
    is_async: bool
    parent_span_id: str = ""
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def idempotency_key(self) -> str:
        """What every attempt at it hands to the world outside."""
        return idempotency_key(self.run.records, self.run.run_id, self.identity.path, self.taken.hash)


def source_hash_of(function: Callable[..., Any]) -> str:
    """Gives a hash of a function's source, 64 bits, hexadecimal; empty where there is no source."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return ""
    return sha256(source.encode(errors="replace")).hexdigest()[:16]
