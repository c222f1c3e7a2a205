"""Flows that stop where a test wants something else to happen first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from statehouse import Statehouse, StatehouseAsync
from statehouse.extend import Commit, Flow, Request, run

T = TypeVar("T")


class Stopped(Exception):
    """The process was killed, as far as the flow can tell."""


def watched(flow: Flow[T], before: Callable[[Request[Any]], None]) -> Flow[T]:
    """A flow that tells each of its requests before it is sent."""
    go_on: Callable[[Any], Any] = flow.send
    answer: Any = None
    while True:
        try:
            request = go_on(answer)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        before(request)
        try:
            answer = yield request
            go_on = flow.send
        except Exception as error:  # noqa: BLE001 - the flow's own business
            answer, go_on = error, flow.throw


def before_request(number: int, act: Callable[[], object]) -> Callable[[Flow[T]], Flow[T]]:
    """Makes a flow do something else before its request of that number, counted from 0."""
    left = number

    def count(_request: Request[Any]) -> None:
        nonlocal left
        left -= 1
        if left == -1:
            act()

    return lambda flow: watched(flow, count)


def stop_before_commit(number: int) -> Callable[[Flow[T]], Flow[T]]:
    """Makes a flow end before its commit of that number, counted from 0, as a crash would end it."""
    left = number

    def count(request: Request[Any]) -> None:
        nonlocal left
        if isinstance(request, Commit):
            left -= 1
            if left == -1:
                raise Stopped

    return lambda flow: watched(flow, count)


def requests_of(handle: Statehouse | StatehouseAsync, flow: Flow[Any]) -> list[str]:
    """Runs a flow, and gives the names of its requests."""
    asked: list[str] = []
    run(handle, watched(flow, lambda request: asked.append(type(request).__name__)))
    return asked
