"""What a run records besides its steps: the time, chance, and signals, each as a step of ours."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from statehouse.steps.body import Step
from statehouse.steps.calls import Definition, StepCall
from statehouse.steps.driving import StepFlow
from statehouse.steps.inputs import Input
from statehouse.steps.options import Options
from statehouse.steps.record import StepKind
from statehouse.steps.results import Results
from statehouse.steps.spans import current_span_id, span_of_step

if TYPE_CHECKING:
    from statehouse.steps.runs import RunLogic

_chance: Final = random.SystemRandom()


def _now() -> datetime:
    return datetime.now(UTC)


def _uuid() -> UUID:
    return UUID(bytes=os.urandom(16), version=4)


def _random() -> float:
    return _chance.random()


def _signalled() -> Any:
    """Signals are JSON."""


_FUNCTIONS: Final[dict[StepKind, Callable[[], Any]]] = {
    "now": _now,
    "uuid": _uuid,
    "random": _random,
    "wait": _signalled,
}
_DEFINITIONS: Final = {
    kind: Definition(f"~{kind}", "", "", Options(), Results(function), kind)
    for kind, function in _FUNCTIONS.items()
}
_NOTHING: Final = Input()


def record_for_run(run: RunLogic, kind: StepKind) -> StepFlow[Any]:
    """Gives the time or chance, recorded for the run itself.

    Raises (in the flow):
        StepError: The run is not open.
        StatehouseError: As a step does.
    """

    def body(step: Step) -> StepFlow[Any]:
        yield from ()
        return run.chance(None, kind, _FUNCTIONS[kind])

    return (yield from inner_call(run, kind, body, name=f"~{kind}"))


def inner_call(
    run: RunLogic, kind: StepKind, body: Callable[[Step], StepFlow[Any]], *, name: str
) -> StepFlow[Any]:
    """Performs a step of ours, right under the run.

    Raises (in the flow):
        StepError: The run is not open.
        Exception: As `perform` does.
    """
    run.check_open()
    identity = run.names.give(name, inner=True)
    call = StepCall(run, None, identity, _DEFINITIONS[kind], _NOTHING, body, False, current_span_id())
    if kind != "wait":
        return (yield from run.perform(call))
    # Somebody is waited for, and whoever looks at the trace wants to know for how long.
    with span_of_step(call):
        return (yield from run.perform(call))
