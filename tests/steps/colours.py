"""Steps and runs in either colour, called alike, so that one test runs over both.

In the asyncio colour every step is a coroutine function whose body runs in a thread, and every call is handed
to an event loop; contexts travel with both, so runs and steps nest as they do in one colour.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from statehouse import Statehouse, step
from statehouse.steps.scope import Inside
from statehouse.steps.spans import Spanned
from statehouse.testing.blocking import BackgroundLoop


class Killed(BaseException):
    """What ends a worker in the middle of its work, here without the process; Ctrl-C would end the loop
    too.
    """


class Colour(Protocol):
    """How steps and runs are made."""

    def step(self, function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        """Makes a function a step, and gives what is called like the function."""
        ...

    @contextmanager
    def run(self, sh: Statehouse, run_id: str = "r-1", **options: Any) -> Iterator[Any]:
        """Enters a run, of the agent ``a`` unless said otherwise."""
        ...


class Blocking:
    """`Statehouse` and blocking steps."""

    def step(self, function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        """See `Colour`."""
        return step(**options)(function)

    @contextmanager
    def run(self, sh: Statehouse, run_id: str = "r-1", **options: Any) -> Iterator[Any]:
        """See `Colour`."""
        with sh.run(run_id, **{"agent_id": "a", **options}) as run:
            yield run


class Awaiting:
    """`StatehouseAsync` and steps that are awaited."""

    def __init__(self, loop: BackgroundLoop) -> None:
        self.loop = loop

    def step(self, function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        """See `Colour`."""

        @functools.wraps(function)
        async def body(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(function, *args, **kwargs)

        made = step(**options)(body)
        return lambda *args, **kwargs: self.loop.call(made(*args, **kwargs))

    @contextmanager
    def run(self, sh: Statehouse, run_id: str = "r-1", **options: Any) -> Iterator[Any]:
        """See `Colour`."""
        run = sh.aio.run(run_id, **{"agent_id": "a", **options})
        self.loop.call(run.__aenter__())
        # What was set there stays in the loop's context.
        try:
            with Inside(run.logic), _under(run._span):
                yield _Called(run, self.loop)
        except BaseException as error:
            self.loop.call(_leave(run, error))
            raise
        else:
            self.loop.call(_leave(run, None))


async def _leave(run: Any, error: BaseException | None) -> None:
    await run.__aexit__(None if error is None else type(error), error, None)


@contextmanager
def _under(span: Any) -> Iterator[None]:
    if not isinstance(span, Spanned):
        yield
        return
    from opentelemetry import context

    token = context.attach(context.Context() if span._attached is None else span._attached)
    try:
        yield
    finally:
        context.detach(token)


class _Called:
    """A `RunAsync` that is called like a `Run`."""

    def __init__(self, run: Any, loop: BackgroundLoop) -> None:
        self._run = run
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._run, name)
        if not asyncio.iscoroutinefunction(member):
            return member
        return lambda *args, **kwargs: self._loop.call(member(*args, **kwargs))
