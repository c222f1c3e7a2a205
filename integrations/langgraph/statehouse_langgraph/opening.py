"""Opening a store together with what works on it, for ``with`` and for ``async with``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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

    def __enter__(self) -> T:
        if self._client is not None:
            raise InvalidArgumentError("this is open already: call from_conn_string again for another one")
        client = Statehouse(self._url)
        try:
            made = self._make(client)
        except BaseException:
            client.close()
            raise
        self._client = client
        return made

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

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
