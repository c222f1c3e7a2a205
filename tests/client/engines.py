"""Engines that hold back, fail, or count what they are asked, around the reference engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Commit, Request
from statehouse.testing.reference import ReferenceEngine

R = TypeVar("R")


class RecordingEngine:
    """Remembers every request, and asks `before` whether to raise first."""

    def __init__(self, before: Callable[[Request[Any]], None] = lambda _: None) -> None:
        self.inner: Engine = ReferenceEngine()
        self.asked: list[Request[Any]] = []
        self.before = before

    def execute(self, request: Request[R]) -> R:
        """Answers."""
        self.asked.append(request)
        self.before(request)
        return self.inner.execute(request)

    def submit(self, request: Request[R]) -> Future[R]:
        """Answers, in the caller's thread."""
        future: Future[R] = Future()
        try:
            future.set_result(self.execute(request))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs into the future
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Closes the engine inside."""
        self.inner.close()

    def commits(self) -> list[Commit]:
        """The commits that were asked for."""
        return [request for request in self.asked if isinstance(request, Commit)]


class HoldingEngine(RecordingEngine):
    """Holds every commit until the test lets it go; a commit that was begun cannot be cancelled."""

    def __init__(self, *, begun: bool) -> None:
        super().__init__()
        self.begun = begun
        self.held: list[tuple[Commit, Future[Any]]] = []
        self.when_held: Callable[[], object] = lambda: None

    def execute(self, request: Request[R]) -> R:
        """Holds a commit for as long as it takes, and answers anything else."""
        if not isinstance(request, Commit):
            return super().execute(request)
        reply: Any = self.submit(request).result()
        answer: R = reply
        return answer

    def submit(self, request: Request[R]) -> Future[R]:
        """Holds a commit, and answers anything else."""
        if not isinstance(request, Commit):
            return super().submit(request)
        future: Future[Any] = Future()
        if self.begun:
            future.set_running_or_notify_cancel()
        self.held.append((request, future))
        self.when_held()
        return future

    def release(self) -> None:
        """Applies what is held, as if it had been being written all the time."""
        for commit, future in self.held:
            future.set_result(super().execute(commit))
        self.held.clear()
