"""The asyncio façade behind the blocking one's names, so that one suite runs over both colours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from inspect import iscoroutine
from types import TracebackType
from typing import Any, Self, cast

from statehouse import AgentAsync, Statehouse, StatehouseAsync, TransactionAsync

__all__ = ["BackgroundLoop", "blocking"]


class BackgroundLoop:
    """An event loop in a thread of its own; a context manager."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="background-loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end(self) -> None:
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()

    def call(self, coroutine: Any) -> Any:
        """Runs a coroutine on the loop and gives its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()


def blocking(handle: StatehouseAsync, loop: BackgroundLoop) -> Statehouse:
    """Gives something that is called like a `Statehouse` and does everything through the async handle."""
    return cast("Statehouse", _Blocking(handle, loop))


class _Blocking:
    def __init__(self, inner: Any, loop: BackgroundLoop) -> None:
        self._inner = inner
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        if name == "transact":
            return self._transact
        return self._blocking(getattr(self._inner, name))

    def __enter__(self) -> Self:
        self._loop.call(self._inner.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call(self._inner.__aexit__(kind, error, trace))

    def __repr__(self) -> str:
        return repr(self._inner).replace("Async", "")

    def _transact(self, function: Callable[[Any], Any], **options: Any) -> Any:
        async def in_thread(tx: TransactionAsync) -> Any:
            # The function blocks on the loop's own work.
            return await asyncio.to_thread(function, _Blocking(tx, self._loop))

        return self._loop.call(self._inner.transact(in_thread, **options))

    def _blocking(self, value: Any) -> Any:
        if isinstance(value, StatehouseAsync | AgentAsync | TransactionAsync):
            return _Blocking(value, self._loop)
        if iscoroutine(value):
            return self._blocking(self._loop.call(value))
        if isinstance(value, AsyncGenerator):
            return self._iterate(value)
        if callable(value):
            return lambda *args, **named: self._blocking(value(*args, **named))
        return value

    def _iterate(self, rows: AsyncGenerator[Any, None]) -> Iterator[Any]:
        async def following() -> tuple[Any, ...]:
            # StopAsyncIteration cannot leave a coroutine.
            return tuple([row async for row in _first(rows)])

        try:
            while found := self._loop.call(following()):
                yield found[0]
        finally:
            self._loop.call(rows.aclose())


async def _first(rows: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    try:
        yield await anext(rows)
    except StopAsyncIteration:
        return
