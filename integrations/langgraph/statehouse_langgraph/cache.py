"""`StatehouseCache`: the results of LangGraph nodes that have a cache policy, on Statehouse."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from langgraph.cache.base import BaseCache, FullKey, Namespace, ValueT
from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse import Statehouse, StatehouseAsync
from statehouse.extend import run, run_async
from statehouse_langgraph.cache_rows import Rows, seconds_of
from statehouse_langgraph.errors import ContentError
from statehouse_langgraph.opening import Opened, connection_to
from statehouse_langgraph.serde import Typed, safe_serde

_log: Final = logging.getLogger(__name__)

DEFAULT_NAMESPACE: Final = "langgraph.cache"
_OFF_LOOP_BYTES: Final = 64 * 1024


class StatehouseCache(BaseCache[ValueT]):
    """Keeps the results of nodes in Statehouse, where every process that uses it finds them.

    Safe to use from any number of threads and event loops at once, blocking and awaiting, embedded and
    through a daemon. Nothing is pickled. What cannot be read is not there, so that it is computed again.
    Expired entries are never given; `set` removes some of them now and then.

    Example:
        >>> from statehouse import Statehouse
        >>> from statehouse_langgraph import StatehouseCache
        >>> with Statehouse("memory:") as sh:
        ...     cache = StatehouseCache(sh)
        ...     cache.set({(("node",), "k"): ({"answer": 42}, 60)})
        ...     cache.get([(("node",), "k")])
        {(('node',), 'k'): {'answer': 42}}

    Args:
        client: The store; a `Statehouse` or a `StatehouseAsync`, whichever the program has.
        namespace: The Statehouse namespace of the entries.
        serde: How objects become bytes; None for `AllowlistSerializer`, which loads no code.
        clock: Gives seconds since 1970; what expires is told by it.

    Raises:
        InvalidArgumentError: An argument makes no sense, or the serializer would pickle.
        LimitExceededError: The namespace is too long.
    """

    def __init__(
        self,
        client: Statehouse | StatehouseAsync,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        serde: SerializerProtocol | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # First: who pickles this meets it first, and hears why it cannot be.
        self._client = client
        super().__init__(serde=safe_serde(serde))
        self._rows = Rows(connection_to(client, namespace, whose="StatehouseCache"), namespace, clock)

    @classmethod
    def from_conn_string(cls, conn_string: str, **options: Any) -> Opened[StatehouseCache[Any]]:
        """Opens a Statehouse and a cache in it, for ``with`` and for ``async with``; closed at its end.

        Args:
            conn_string: As for `Statehouse`: ``file:./directory``, ``memory:``, or a daemon's ``host:port``.
            **options: As for the class.

        Raises (on entering):
            StatehouseError: As opening a `Statehouse` does.
        """
        return Opened(conn_string, lambda client: cls(client, **options))

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Gives the values that are there, and not expired.

        Raises:
            StatehouseError: As a read does.
        """
        return self._decoded(run(self._client, self._rows.get(keys)))

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Gives the values that are there; see `get`.

        Raises:
            StatehouseError: As `get` does.
        """
        found = await run_async(self._client, self._rows.get(keys))
        if sum(len(data) for _, data in found.values()) < _OFF_LOOP_BYTES:
            return self._decoded(found)
        return await asyncio.to_thread(self._decoded, found)

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Sets values, each with the seconds that it lives, None for ever; one too large is left out.

        Raises:
            InvalidArgumentError: A time to live that is no number.
            StatehouseError: As a commit does.
        """
        run(self._client, self._rows.set(self._encoded(pairs)))

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Sets values; see `set`.

        Raises:
            StatehouseError: As `set` does.
        """
        await run_async(self._client, self._rows.set(self._encoded(pairs)))

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Removes the values of these namespaces (not of those below them); None for everything.

        Raises:
            StatehouseError: As reads and commits do.
        """
        run(self._client, self._rows.clear(namespaces))

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Removes the values of these namespaces; see `clear`.

        Raises:
            StatehouseError: As `clear` does.
        """
        await run_async(self._client, self._rows.clear(namespaces))

    def sweep(self) -> int:
        """Removes expired values, up to two hundred, and gives how many.

        Raises:
            StatehouseError: As reads and commits do.
        """
        return run(self._client, self._rows.sweep())

    async def asweep(self) -> int:
        """Removes expired values; see `sweep`.

        Raises:
            StatehouseError: As `sweep` does.
        """
        return await run_async(self._client, self._rows.sweep())

    def _encoded(
        self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]
    ) -> list[tuple[FullKey, Typed, float | None]]:
        return [(key, self.serde.dumps_typed(value), seconds_of(ttl)) for key, (value, ttl) in pairs.items()]

    def _decoded(self, found: Mapping[FullKey, Typed]) -> dict[FullKey, ValueT]:
        values: dict[FullKey, ValueT] = {}
        for key, typed in found.items():
            try:
                values[key] = self.serde.loads_typed(typed)
            except ContentError as error:
                _log.warning("the cached value of %r is computed again: %s", key, error)
        return values
