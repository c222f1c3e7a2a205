"""`StatehouseStore`: LangGraph's long-term memory on Statehouse, for blocking and asynchronous graphs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

from langgraph.store.base import NOT_PROVIDED, BaseStore, NotProvided, Op, Result, TTLConfig

from statehouse import Statehouse, StatehouseAsync
from statehouse.extend import Flow, run, run_async
from statehouse_langgraph.opening import Opened, connection_to
from statehouse_langgraph.store import batching, erasing, expiring, keys
from statehouse_langgraph.store.batching import Means, Plan, Vectors
from statehouse_langgraph.store.embedding import Index
from statehouse_langgraph.store.history import Versions
from statehouse_langgraph.store.items import ItemVersion, StoredItem
from statehouse_langgraph.store.lifetimes import Lifetimes, minutes
from statehouse_langgraph.store.reading import Backing, Reading, resolve
from statehouse_langgraph.store.sweeper import Sweeper
from statehouse_langgraph.store.views import ConditionalStore, PastStore

if TYPE_CHECKING:
    from langgraph.store.base import Embeddings, IndexConfig

DEFAULT_NAMESPACE: Final = "langgraph.store"
VECTORS_BYTES: Final = 256 * 1024 * 1024

_ItemNamespace = tuple[str, ...]
_IndexArgument = Literal[False] | list[str] | None
_Ttl = float | NotProvided | None


class StatehouseStore(BaseStore):
    """Keeps the items of LangGraph's long-term memory in Statehouse.

    A batch reads as of one commit, from before it, and writes in one commit, all or nothing. Safe to use from
    any number of threads and event loops at once, blocking and awaiting, embedded and through a daemon.

    Values are JSON. Searches without a query give the newest items first. What has expired is never given,
    not even before it is swept. A read makes an item live longer when at least a tenth of its time has gone
    by since the last one that did.

    Example:
        >>> from statehouse import Statehouse
        >>> from statehouse_langgraph import StatehouseStore
        >>> with Statehouse("memory:") as sh:
        ...     store = StatehouseStore(sh)
        ...     store.put(("users", "u-1"), "tea", {"likes": "oolong"})
        ...     store.get(("users", "u-1"), "tea").value
        {'likes': 'oolong'}

    Args:
        client: The store; a `Statehouse` or a `StatehouseAsync`, whichever the program has.
        namespace: The Statehouse namespace of the items.
        index: Semantic search, as LangGraph says it: ``{"dims": 384, "embed": embed, "fields": ["text"]}``.
            Vectors are stored with their items, and compared exactly. None for none. Needs numpy.
        ttl: How long items live, as LangGraph says it: ``{"default_ttl": minutes, "refresh_on_read": True,
            "sweep_interval_minutes": 5}``. Something must call `sweep_ttl`, or `start_ttl_sweeper`.
        vectors_bytes: How many bytes of vectors to keep in memory.
        clock: Gives seconds since 1970; what expires is told by it. All processes' clocks should agree.

    Raises:
        InvalidArgumentError: An argument makes no sense.
        LimitExceededError: The namespace is too long.
        ImportError: There is an index, but no numpy.
    """

    __slots__ = (
        "_backing",
        "_client",
        "_index_config",
        "_lifetimes",
        "_means",
        "_sweeper",
        "_sweeping",
        "ttl_config",
    )

    supports_ttl = True

    def __init__(
        self,
        client: Statehouse | StatehouseAsync,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        vectors_bytes: int = VECTORS_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._lifetimes = Lifetimes.of(cast("Mapping[str, Any] | None", ttl))
        self.ttl_config = ttl
        self._index_config = index
        connection = connection_to(client, namespace, whose="StatehouseStore")
        self._backing = Backing(connection, namespace, clock)
        read = Index.of(cast("Mapping[str, Any] | None", index))
        cache = None
        if read is not None:
            from statehouse_langgraph.store.following import VectorCache  # noqa: PLC0415 - needs numpy

            cache = VectorCache(read.dims, vectors_bytes)
        self._means = Means(self._backing, read, cache)
        self._sweeping = expiring.Sweeping()
        self._sweeper: Sweeper | None = None

    @classmethod
    def from_conn_string(cls, conn_string: str, **options: Any) -> Opened[StatehouseStore]:
        """Opens a Statehouse and a store on it, for ``with`` and for ``async with``; closed at its end.

        Args:
            conn_string: As for `Statehouse`: ``file:./directory``, ``memory:``, or a daemon's ``host:port``.
            **options: As for the class.

        Raises (on entering):
            StatehouseError: As opening a `Statehouse` does.
        """
        return Opened(conn_string, lambda client: cls(client, **options))

    def setup(self) -> None:
        """Does nothing: there is nothing to set up."""

    async def asetup(self) -> None:
        """Does nothing: there is nothing to set up."""

    @property
    def index_config(self) -> IndexConfig | None:
        """What semantic search is configured to do; None for none."""
        return self._index_config

    @property
    def embeddings(self) -> Embeddings | None:
        """What makes vectors of texts; None without an index."""
        return None if self._means.index is None else self._means.index.embeddings

    # What LangGraph calls; its other methods are made of these.

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Does operations: the reads as of one commit, before the batch; the writes in one commit.

        Of several puts of one item the last one counts.

        Raises:
            InvalidArgumentError: An operation makes no sense, or a value is not JSON.
            LimitExceededError: A name or a value is too large, or there are too many for one commit.
            StatehouseError: As reads and commits do.
        """
        return self._do(None, list(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Does operations; see `batch`.

        Raises:
            StatehouseError: As `batch` does.
        """
        return await self._ado(None, list(ops))

    def get(
        self, namespace: _ItemNamespace, key: str, *, refresh_ttl: bool | None = None
    ) -> StoredItem | None:
        """Gives an item, with its version and the commit it is of; None if it is not there.

        Raises:
            StatehouseError: As `batch` does.
        """
        return cast("StoredItem | None", super().get(namespace, key, refresh_ttl=refresh_ttl))

    async def aget(
        self, namespace: _ItemNamespace, key: str, *, refresh_ttl: bool | None = None
    ) -> StoredItem | None:
        """Gives an item; see `get`.

        Raises:
            StatehouseError: As `get` does.
        """
        return cast("StoredItem | None", await super().aget(namespace, key, refresh_ttl=refresh_ttl))

    def put(
        self,
        namespace: _ItemNamespace,
        key: str,
        value: Mapping[str, Any],
        index: _IndexArgument = None,
        *,
        ttl: _Ttl = NOT_PROVIDED,
        expected_version: int | None = None,
    ) -> None:
        """Puts an item.

        Args:
            namespace: Where; labels without periods.
            key: The item's name there.
            value: A dict of JSON.
            index: Which parts of it to embed: paths; None for those of the store; False for none.
            ttl: Minutes that it lives; None for ever.
            expected_version: Only if the item has this version, as `get` gave it; 0 for none; None for any.

        Raises:
            ItemChangedError: The item has another version.
            InvalidNamespaceError: A label is empty or has a period.
            StatehouseError: As `batch` does.
        """
        self._if(expected_version).put(namespace, key, value, index, ttl=ttl)

    async def aput(
        self,
        namespace: _ItemNamespace,
        key: str,
        value: Mapping[str, Any],
        index: _IndexArgument = None,
        *,
        ttl: _Ttl = NOT_PROVIDED,
        expected_version: int | None = None,
    ) -> None:
        """Puts an item; see `put`.

        Raises:
            StatehouseError: As `put` does.
        """
        await self._if(expected_version).aput(namespace, key, value, index, ttl=ttl)

    def delete(self, namespace: _ItemNamespace, key: str, *, expected_version: int | None = None) -> None:
        """Deletes an item; nothing happens if it is not there.

        Raises:
            ItemChangedError: The item has another version than is expected.
            StatehouseError: As `batch` does.
        """
        self._if(expected_version).delete(namespace, key)

    async def adelete(
        self, namespace: _ItemNamespace, key: str, *, expected_version: int | None = None
    ) -> None:
        """Deletes an item; see `delete`.

        Raises:
            StatehouseError: As `delete` does.
        """
        await self._if(expected_version).adelete(namespace, key)

    # What only this store has.

    def as_of(self, at: int | datetime) -> PastStore:
        """Gives the store as it was: after a commit, or at a time (with a time zone).

        What was erased since is not there.

        Raises (when it is read):
            InvalidArgumentError: There is no such commit yet, or the time has no zone.
            CompactedError: That history is gone.
        """
        return PastStore(partial(self._do, at), partial(self._ado, at), self.ttl_config)

    def history(self, namespace: _ItemNamespace, key: str, *, reverse: bool = False) -> Iterator[ItemVersion]:
        """Iterates over every version an item has had, the oldest first, or the newest; deletes included.

        Raises:
            StatehouseError: As a read does.
        """
        versions = Versions(self._backing, keys.name_of(namespace, key), reverse=reverse)
        while (page := run(self._client, versions.next())) is not None:
            yield from page

    async def ahistory(
        self, namespace: _ItemNamespace, key: str, *, reverse: bool = False
    ) -> AsyncIterator[ItemVersion]:
        """Iterates over every version an item has had; see `history`.

        Raises:
            StatehouseError: As a read does.
        """
        versions = Versions(self._backing, keys.name_of(namespace, key), reverse=reverse)
        while (page := await run_async(self._client, versions.next())) is not None:
            for each in page:
                yield each

    def erase(self, namespace: _ItemNamespace, key: str | None = None) -> int:
        """Deletes an item, or everything in a namespace and below it, and erases every value it ever had.

        The values are in no history, log or file of the store any more; names and times stay. Erasing again
        finishes what was cut short.

        Returns:
            How many values were erased.

        Raises:
            StatehouseError: As commits do.
        """
        return run(self._client, erasing.erase(self._backing, tuple(namespace), key))

    async def aerase(self, namespace: _ItemNamespace, key: str | None = None) -> int:
        """Deletes and erases; see `erase`.

        Raises:
            StatehouseError: As `erase` does.
        """
        return await run_async(self._client, erasing.erase(self._backing, tuple(namespace), key))

    # Expired items.

    def sweep_ttl(self) -> int:
        """Removes expired items, up to a thousand, and gives how many.

        Raises:
            StatehouseError: As reads and commits do.
        """
        return run(self._client, expiring.sweep(self._backing, self._sweeping))

    async def asweep_ttl(self) -> int:
        """Removes expired items; see `sweep_ttl`.

        Raises:
            StatehouseError: As `sweep_ttl` does.
        """
        return await run_async(self._client, expiring.sweep(self._backing, self._sweeping))

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Sweeps in a thread of its own, until `stop_ttl_sweeper`, or until what this gives is cancelled.

        Raises:
            InvalidArgumentError: The interval makes no sense.
        """
        every = self._lifetimes.sweep_minutes
        if sweep_interval_minutes is not None:
            every = minutes("sweep_interval_minutes", sweep_interval_minutes)
        if self._sweeper is None or not self._sweeper.running:
            self._sweeper = Sweeper(self.sweep_ttl, every * 60, self._backing.connection)
        return self._sweeper.ended

    async def astart_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> asyncio.Future[None]:
        """Sweeps in a thread of its own, whatever becomes of the loop; see `start_ttl_sweeper`.

        Raises:
            InvalidArgumentError: The interval makes no sense.
        """
        return asyncio.wrap_future(self.start_ttl_sweeper(sweep_interval_minutes))

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stops sweeping; gives whether the sweeper has ended within the timeout, in seconds."""
        return self._sweeper is None or self._sweeper.stop(timeout)

    async def astop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stops sweeping; see `stop_ttl_sweeper`."""
        return await asyncio.to_thread(self.stop_ttl_sweeper, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_ttl_sweeper()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.astop_ttl_sweeper()

    # How.

    def _if(self, expected_version: int | None) -> ConditionalStore:
        version = batching.check_version(expected_version)
        return ConditionalStore(
            partial(self._do, None, expected_version=version),
            partial(self._ado, None, expected_version=version),
            self.ttl_config,
        )

    def _do(
        self, at: int | datetime | None, ops: list[Op], *, expected_version: int | None = None
    ) -> list[Result]:
        index = self._means.index
        plan = Plan.of(ops, index, expected_version)
        vectors = Vectors()
        if index is not None:
            texts, queries = plan.texts(), plan.queries()
            vectors = Vectors(
                index.vectors(index.embeddings.embed_documents(texts), texts) if texts else {},
                index.vectors([index.embeddings.embed_query(each) for each in queries], queries),
            )
        return run(self._client, self._flow(at, plan, vectors, awaiting=False))

    async def _ado(
        self, at: int | datetime | None, ops: list[Op], *, expected_version: int | None = None
    ) -> list[Result]:
        index = self._means.index
        plan = Plan.of(ops, index, expected_version)
        vectors = Vectors()
        if index is not None:
            texts, queries = plan.texts(), plan.queries()
            embedded = await asyncio.gather(*map(index.embeddings.aembed_query, queries))
            vectors = Vectors(
                index.vectors(await index.embeddings.aembed_documents(texts), texts) if texts else {},
                index.vectors(embedded, queries),
            )
        return await run_async(self._client, self._flow(at, plan, vectors, awaiting=True))

    def _flow(
        self, at: int | datetime | None, plan: Plan, vectors: Vectors, *, awaiting: bool
    ) -> Flow[list[Result]]:
        if at is None:
            return (yield from batching.do(self._means, plan, vectors, awaiting=awaiting))
        commit_ts, time_us = yield from resolve(at)
        reading = Reading(self._backing, time_us, commit_ts, awaiting)
        return (yield from batching.look(self._means, plan, vectors, reading))
