"""An engine around another one: it says what was asked, and lets something happen in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from statehouse import StatehouseError
from statehouse.extend import Commit, Engine, GetMany, Request, Scan

R = TypeVar("R")


class Watched:
    """An engine that is watched.

    Attributes:
        engine: What answers.
        asked: What was asked, in order.
        refusing: What commits are refused with; None to let them through.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.asked: list[Request[Any]] = []
        self.refusing: StatehouseError | None = None
        self._before_commit: list[Callable[[], object]] = []

    def before_commit(self, do: Callable[[], object]) -> None:
        """Does something once, before the next commit reaches the engine."""
        self._before_commit.append(do)

    def execute(self, request: Request[R]) -> R:
        self._see(request)
        return self.engine.execute(request)

    def submit(self, request: Request[R]) -> Future[R]:
        self._see(request)
        return self.engine.submit(request)

    def close(self) -> None:
        """Whoever made the engine closes it."""

    @contextmanager
    def watch(self) -> Iterator[list[Request[Any]]]:
        """Gives what is asked meanwhile."""
        self.asked.clear()
        yield self.asked

    def _see(self, request: Request[Any]) -> None:
        self.asked.append(request)
        if isinstance(request, Commit):
            if self._before_commit:
                self._before_commit.pop(0)()
            if self.refusing is not None:
                raise self.refusing


def keys_read(asked: list[Request[Any]]) -> int:
    """How many values were asked for by name."""
    return sum(len(request.keys) for request in asked if isinstance(request, GetMany))


def scans_of_values(asked: list[Request[Any]], agent_id: str) -> int:
    """How many pages with values were read of an agent."""
    return len(
        [
            each
            for each in asked
            if isinstance(each, Scan) and each.agent_id == agent_id and not each.keys_only
        ]
    )


def commits(asked: list[Request[Any]]) -> int:
    """How many commits were asked for."""
    return len([each for each in asked if isinstance(each, Commit)])
