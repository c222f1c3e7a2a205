"""`StatehouseSaver`: LangGraph's checkpointer on Statehouse, for blocking and asynchronous graphs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse import InvalidArgumentError, Statehouse, StatehouseAsync
from statehouse_langgraph.opening import Opened, connection_to
from statehouse_langgraph.saver import history, listing, reading, versions, writing
from statehouse_langgraph.saver.administration import ThreadAdministration
from statehouse_langgraph.saver.backing import Backing
from statehouse_langgraph.saver.expiry import Ttl
from statehouse_langgraph.saver.known import Known
from statehouse_langgraph.saver.records import Place, WritesRecord
from statehouse_langgraph.serde import safe_serde

T = TypeVar("T")

DEFAULT_NAMESPACE: Final = "langgraph"
REMEMBERED_BYTES: Final = 64 * 1024 * 1024
_OFF_LOOP_BYTES: Final = 64 * 1024
"""Decoding and encoding more than this in an event loop would hold up whatever else runs in it."""


class StatehouseSaver(ThreadAdministration):
    """Keeps the checkpoints of LangGraph threads in Statehouse.

    Each `put` and each `put_writes` is one commit; each read is as of one commit. A value that grows, like a
    list of messages, costs what is new in it. Safe to use from any number of threads and event loops at once,
    blocking and awaiting, embedded and through a daemon.

    Example:
        >>> from statehouse import Statehouse
        >>> from statehouse_langgraph import StatehouseSaver
        >>> with Statehouse("memory:") as sh:
        ...     saver = StatehouseSaver(sh)
        ...     saver.get_tuple({"configurable": {"thread_id": "t-1"}}) is None
        True

    Args:
        client: The store; a `Statehouse` or a `StatehouseAsync`, whichever the program has.
        namespace: The Statehouse namespace of the threads: each thread is an agent in it.
        serde: How objects become bytes; None for `AllowlistSerializer`, which loads no code.
        on_concurrent_write: What becomes of a checkpoint when another run has added one to the thread since
            this run read it. ``fork``: both branches stay, as LangGraph's own savers do it. ``error``: it is
            refused with `ConcurrentWriteError`, within the commit.
        ttl: How long a thread lives after its last activity:
            ``{"default_ttl": minutes, "strategy": "delete" or "keep_latest", "sweep_interval_minutes": 5}``.
            None for ever. Something must call `sweep`, or `start_ttl_sweeper`.
        expose_commit_ts: Show each checkpoint's commit_ts in its metadata.
        remembered_bytes: How many bytes of channel values to remember, so that a new one costs what is new.

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
        on_concurrent_write: Literal["fork", "error"] = "fork",
        ttl: Mapping[str, Any] | None = None,
        expose_commit_ts: bool = False,
        remembered_bytes: int = REMEMBERED_BYTES,
    ) -> None:
        if on_concurrent_write not in ("fork", "error"):
            raise InvalidArgumentError(
                f"on_concurrent_write must be 'fork' or 'error': {on_concurrent_write!r:.80}"
            )
        connection = connection_to(client, namespace, whose="StatehouseSaver")
        backing = Backing(connection, namespace, Known(remembered_bytes), on_concurrent_write == "error")
        super().__init__(client, backing, serde=safe_serde(serde), ttl=Ttl.of(ttl))
        self._expose_commit_ts = expose_commit_ts

    @classmethod
    def from_conn_string(cls, conn_string: str, **options: Any) -> Opened[StatehouseSaver]:
        """Opens a store and a saver on it, for ``with`` and for ``async with``; both are closed at its end.

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

    # What LangGraph calls.

    def get_next_version(self, current: str | None, channel: None = None) -> str:
        """Gives a channel's next version: higher, and never given twice."""
        return versions.next_version(current)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Gives the checkpoint that a config names, or the newest of its thread; None if there is none.

        Raises:
            InvalidArgumentError: The config names no thread.
            StatehouseError: As a read does.
        """
        place = Place.of(config)
        found = self._run(reading.get(self._backing, place, self.serde))
        return None if found is None else self._decoded(found, place)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Gives the checkpoint that a config names; see `get_tuple`.

        Raises:
            StatehouseError: As `get_tuple` does.
        """
        place = Place.of(config)
        found = await self._arun(reading.get(self._backing, place, self.serde))
        if found is None:
            return None
        return await off_loop(found.size_bytes, partial(self._decoded, found, place))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Iterates over checkpoints, newest first; nothing is locked meanwhile, and it may be abandoned.

        Args:
            config: The thread, and of it a ``checkpoint_ns`` (``""`` is the root graph; without one: all) or
                a checkpoint; None for all threads, the most recently active first.
            filter: What metadata must hold, key by key; None stands for absent, too.
            before: Only checkpoints with ids below that of this config.
            limit: How many at most.

        Raises:
            StatehouseError: As a read does.
        """
        pages = listing.Listing(self._backing, listing.Query.of(config, filter, before, limit), self.serde)
        while (found := self._run(pages.next())) is not None:
            yield self._decoded(found[0], found[1], found[2])

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Iterates over checkpoints, newest first; see `list`.

        Raises:
            StatehouseError: As `list` does.
        """
        pages = listing.Listing(self._backing, listing.Query.of(config, filter, before, limit), self.serde)
        while (found := await self._arun(pages.next())) is not None:
            yield await off_loop(found[0].size_bytes, partial(self._decoded, *found))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Stores a checkpoint and the channel values that are new in it, in one commit; gives its config.

        Raises:
            ThreadChangedError: The checkpoint it was made from was deleted or pruned meanwhile.
            ConcurrentWriteError: Another run was first, and ``on_concurrent_write="error"``.
            LeaseHeldError, LeaseLostError: Another worker has the thread.
            StatehouseError: As a commit does.
        """
        return self.put_with_writes(config, checkpoint, metadata, new_versions, ())

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Stores a checkpoint; see `put`.

        Raises:
            StatehouseError: As `put` does.
        """
        return await self.aput_with_writes(config, checkpoint, metadata, new_versions, ())

    def put_with_writes(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
        writes: Sequence[tuple[str, Sequence[tuple[str, Any]], str]],
    ) -> RunnableConfig:
        """Stores a checkpoint together with the writes it was made of, all in one commit.

        A crash leaves either both or neither, so that no task is run again whose result is in a checkpoint.

        Args:
            config: The config of the checkpoint it was made from; the writes are stored at that one.
            checkpoint: The new checkpoint.
            metadata: Its metadata.
            new_versions: The channels that are new in it.
            writes: (task_id, [(channel, value), …], task_path) of each task.

        Raises:
            InvalidArgumentError: There are writes, but the config names no checkpoint.
            StatehouseError: As `put` does.
        """
        place = Place.of(config)
        new, tasks = self._new(place, config, checkpoint, metadata, new_versions, writes)
        return cast("RunnableConfig", self._run(writing.put(self._backing, place, new, tasks)))

    async def aput_with_writes(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
        writes: Sequence[tuple[str, Sequence[tuple[str, Any]], str]],
    ) -> RunnableConfig:
        """Stores a checkpoint together with writes; see `put_with_writes`.

        Raises:
            StatehouseError: As `put_with_writes` does.
        """
        place = Place.of(config)
        expected = self._expected_bytes(place, new_versions)
        new, tasks = await off_loop(
            expected, lambda: self._new(place, config, checkpoint, metadata, new_versions, writes)
        )
        return cast("RunnableConfig", await self._arun(writing.put(self._backing, place, new, tasks)))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Stores what a task wrote at a checkpoint, in one commit; of a write that is there the first stays.

        Raises:
            ThreadChangedError: The checkpoint was deleted or pruned meanwhile.
            LeaseHeldError, LeaseLostError: Another worker has the thread.
            StatehouseError: As a commit does.
        """
        place = Place.of(config)
        record = writing.new_writes(place, writes, task_id, task_path, self.serde)
        self._run(writing.put_writes(self._backing, place, record))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Stores what a task wrote; see `put_writes`.

        Raises:
            StatehouseError: As `put_writes` does.
        """
        place = Place.of(config)
        record = writing.new_writes(place, writes, task_id, task_path, self.serde)
        await self._arun(writing.put_writes(self._backing, place, record))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Gives what was written to channels on the way to a checkpoint, since their nearest stored value.

        Raises:
            ThreadChangedError: The checkpoint was deleted or pruned meanwhile.
            StatehouseError: As a read does.
        """
        found = self._run(history.delta_history(self._backing, Place.of(config), channels, self.serde))
        return cast("Mapping[str, DeltaChannelHistory]", history.decode(found, channels, self.serde))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Gives what was written to channels; see `get_delta_channel_history`.

        Raises:
            StatehouseError: As a read does.
        """
        flow = history.delta_history(self._backing, Place.of(config), channels, self.serde)
        found = await self._arun(flow)
        size = sum(len(value[1]) for each in found.values() for _, value in each.writes)
        decoded = await off_loop(size, lambda: history.decode(found, channels, self.serde))
        return cast("Mapping[str, DeltaChannelHistory]", decoded)

    # How.

    def _decoded(
        self, found: reading.Found, place: Place, metadata: Mapping[str, Any] | None = None
    ) -> CheckpointTuple:
        return reading.decode(
            found, place, self.serde, metadata=metadata, expose_commit_ts=self._expose_commit_ts
        )

    def _new(
        self,
        place: Place,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
        writes: Sequence[tuple[str, Sequence[tuple[str, Any]], str]],
    ) -> tuple[writing.NewCheckpoint, tuple[WritesRecord, ...]]:
        described = get_checkpoint_metadata(config, metadata)
        known = self._backing.known
        new = writing.new_checkpoint(place, checkpoint, described, new_versions, self.serde, known)
        tasks = tuple(
            writing.new_writes(place, written, task_id, task_path, self.serde)
            for task_id, written, task_path in writes
        )
        return new, tasks

    def _expected_bytes(self, place: Place, new_versions: Mapping[str, Any]) -> int:
        """How large the new values will be about: as large as the ones before."""
        found = (
            self._backing.known.base((place.agent_id, place.ns or "", channel)) for channel in new_versions
        )
        return sum(len(base.data) for base in found if base is not None)


async def off_loop(size_bytes: int, work: Callable[[], T]) -> T:
    """Does work in the event loop's thread if it is short, in another if it would hold the loop up."""
    return work() if size_bytes < _OFF_LOOP_BYTES else await asyncio.to_thread(work)
