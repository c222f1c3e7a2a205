"""Opening a store together with what works on it, for ``with`` and for ``async with``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Generic, TypeVar

from statehouse import InvalidArgumentError, Statehouse

T = TypeVar("T")


class Opened(Generic[T]):
    """A store that is opened on entering, and closed on leaving; gives what was made for it.

    Args:
        url: As for `Statehouse`.
        make: Makes what is wanted from the store.
    """

    def __init__(self, url: str, make: Callable[[Statehouse], T]) -> None:
        self._url = url
        self._make = make
        self._client: Statehouse | None = None
        self._closing = ExitStack()

    def __enter__(self) -> T:
        if self._client is not None:
            raise InvalidArgumentError("this is open already: call from_conn_string again for another one")
        with ExitStack() as opening:
            client = opening.enter_context(Statehouse(self._url))
            made = self._make(client)
            if isinstance(made, AbstractContextManager):
                # Its threads end before what they work on is closed.
                opening.enter_context(made)
            self._closing = opening.pop_all()
        self._client = client
        return made

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client = None
        self._closing.pop_all().close()

    async def __aenter__(self) -> T:
        # Recovery of a store on disk may take a while.
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, traceback)
