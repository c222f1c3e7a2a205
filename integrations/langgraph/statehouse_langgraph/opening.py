"""Opening a store together with what works on it, for ``with`` and for ``async with``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Generic, TypeVar

from statehouse import InvalidArgumentError, Statehouse, StatehouseAsync
from statehouse.extend import Connection

T = TypeVar("T")


def connection_to(client: object, namespace: str, *, whose: str) -> Connection:
    """Gives the way to a store that a program hands over.

    Args:
        client: What it hands over.
        namespace: The Statehouse namespace that is to be used there.
        whose: The class that asks.

    Raises:
        InvalidArgumentError: It is no handle on a store, or the namespace is none.
        LimitExceededError: The namespace is too long.
    """
    if not isinstance(client, Statehouse | StatehouseAsync):
        example = repr(client) if isinstance(client, str) else "'file:./directory'"
        raise InvalidArgumentError(
            f"{whose} needs a store that is open: pass a Statehouse or a StatehouseAsync, or use "
            f"`with {whose}.from_conn_string({example:.200}) as ...`; this is of the type "
            f"{type(client).__name__}: {client!r:.80}"
        )
    # A view is cheap, and holds a namespace only if it is one.
    return Statehouse.from_connection(client.connection, namespace=namespace).connection


def check_mapping(what: str, given: object, example: str) -> None:
    """Checks what LangGraph says by a dictionary.

    Raises:
        InvalidArgumentError: It is none.
    """
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f"{what} must be a dict such as {example}: {given!r:.80}")


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
