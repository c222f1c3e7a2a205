"""The step that is running here: who runs it, and what it sees.

Whatever runs steps makes one `Active` current; origins and spans take from it what they were not told. It is
a context variable, so it follows a thread's calls and an asyncio task.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Active:
    """A step that is running, or a run outside of its steps.

    Attributes:
        run_id: The run.
        step: The path of the step; empty outside of steps.
        read_ts: The commit_ts that the step reads as of; None while it has read nothing.
        agent_id: The agent that acts.
    """

    run_id: str
    step: str = ""
    read_ts: int | None = None
    agent_id: str = ""


_current: Final[ContextVar[Active | None]] = ContextVar("statehouse_active", default=None)


def current_active() -> Active | None:
    """Gives the step that is running here; None outside of runs."""
    return _current.get()


@contextmanager
def use_active(active: Active | None) -> Iterator[None]:
    """Makes a step the running one inside a ``with`` block; None makes it none."""
    token = _current.set(active)
    try:
        yield
    finally:
        _current.reset(token)


def begin_active(active: Active | None) -> Token[Active | None]:
    """Makes a step the running one until `end_active`; for those who cannot use a ``with`` block."""
    return _current.set(active)


def end_active(token: Token[Active | None]) -> None:
    """Undoes `begin_active`.

    Raises:
        ValueError: It was begun in another context.
    """
    _current.reset(token)


def set_active(active: Active | None) -> None:
    """Makes a step the running one from here on, in this context: when a first read has set its read_ts."""
    _current.set(active)
