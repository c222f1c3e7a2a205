"""The run and the step that a piece of code runs in: it follows calls and asyncio tasks, and not threads."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

from statehouse.errors import StepError

if TYPE_CHECKING:
    from statehouse.steps.body import Step
    from statehouse.steps.runs import RunLogic


class Scope(NamedTuple):
    """Where a step that is called now belongs: its run, and the step around it, if there is one."""

    run: RunLogic
    step: Step | None


scope: Final[ContextVar[Scope | None]] = ContextVar("statehouse_scope", default=None)


def current_step() -> Step:
    """Gives the step that is running: its state, its idempotency key, the time and chance that are recorded.

    Raises:
        StepError: No step is running here.
    """
    found = scope.get()
    if found is None or found.step is None:
        where = "outside a run" if found is None else f"in the run {found.run.run_id}, outside its steps"
        raise StepError(
            f"current_step() was called {where}: call it in a function with @statehouse.step that is "
            "called inside `with sh.run(...)`. A thread of a pool has no step of its own accord: hand it "
            "`function.bind(...)`"
        )
    return found.step
