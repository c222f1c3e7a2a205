"""The run and the step that a piece of code runs in: it follows calls and asyncio tasks, and not threads."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final, NamedTuple

from statehouse.errors import StepError
from statehouse.tracing.current import Active, begin_active, end_active

if TYPE_CHECKING:
    from statehouse.steps.body import Step
    from statehouse.steps.runs import RunLogic


class Scope(NamedTuple):
    """Where a step that is called now belongs: its run, and the step around it, if there is one."""

    run: RunLogic
    step: Step | None


scope: Final[ContextVar[Scope | None]] = ContextVar("statehouse_scope", default=None)


class Inside:
    """Makes a run, or a step of it, the current one inside a ``with`` block: for steps, origins and spans.

    Left in another context than it was entered in (by whoever drives an async generator, say), it leaves that
    one as it is.
    """

    __slots__ = ("_active", "_scope", "_tokens")

    def __init__(self, run: RunLogic, step: Step | None = None) -> None:
        self._scope = Scope(run, step)
        self._active = Active(run.run_id, "" if step is None else step.path, None, run.agent_id)
        self._tokens: tuple[Token[Scope | None], Token[Active | None]] | None = None

    def __enter__(self) -> None:
        self._tokens = scope.set(self._scope), begin_active(self._active)

    def __exit__(self, *_: object) -> None:
        if self._tokens is None:
            return
        with suppress(ValueError):
            scope.reset(self._tokens[0])
            end_active(self._tokens[1])


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
