"""Who decides what `sh.run(...)` gives: usually nobody; whoever runs a recorded run again does.

It follows calls and asyncio tasks, like the scope of a run.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from statehouse.steps.runs import RunLogic


class Host(Protocol):
    """Runs programs that enter their runs themselves."""

    def enter(self, namespace: str, given: dict[str, Any]) -> RunLogic:
        """Gives the run that a program has asked for.

        Args:
            namespace: The namespace of its state.
            given: What else `sh.run(...)` was given.

        Raises:
            StepError: It cannot have that one.
        """
        ...


host: Final[ContextVar[Host | None]] = ContextVar("statehouse_host", default=None)
