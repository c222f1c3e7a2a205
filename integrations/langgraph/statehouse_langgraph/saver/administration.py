"""What a saver does with whole threads: deleting, pruning, copying, listing, leasing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Self, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import SerializerProtocol

from statehouse import InvalidArgumentError, Statehouse, StatehouseAsync
from statehouse.extend import Flow, run, run_async
from statehouse_langgraph.saver import copying, leases, pruning, removing, threads
from statehouse_langgraph.saver.backing import Backing
from statehouse_langgraph.saver.expiry import SWEPT_AT_ONCE, Sweeper, Ttl
from statehouse_langgraph.saver.leases import Lease
from statehouse_langgraph.saver.pruning import Pruned
from statehouse_langgraph.saver.records import Place
from statehouse_langgraph.saver.threads import Status, ThreadInfo, ThreadStats

T = TypeVar("T")

LEASE_S = 60.0


class ThreadAdministration(BaseCheckpointSaver[str]):
    """The part of `StatehouseSaver` that works on whole threads.

    Args:
        client: The store.
        backing: What the saver's flows share.
        serde: How objects become bytes.
        ttl: How long threads live; None for ever.
    """

    def __init__(
        self,
        client: Statehouse | StatehouseAsync,
        backing: Backing,
        *,
        serde: SerializerProtocol,
        ttl: Ttl | None,
    ) -> None:
        # First: who pickles this meets it first, and hears why it cannot be.
        self.client = client
        super().__init__(serde=serde)
        self._backing = backing
        self._ttl = ttl
        self._sweepers: list[Sweeper] = []

    @property
    def namespace(self) -> str:
        """The Statehouse namespace of the threads."""
        return self._backing.namespace

    # Deleting.

    def delete_thread(self, thread_id: str, *, erase: bool = False) -> None:
        """Deletes a thread: its checkpoints, writes and index rows, in one commit. A late write is refused.

        Args:
            thread_id: The thread.
            erase: Also remove every value from the history and the event log, for good.

        Raises:
            StatehouseError: As a commit does.
        """
        self._run(removing.delete(self._backing, _thread(thread_id), erase=erase))

    async def adelete_thread(self, thread_id: str, *, erase: bool = False) -> None:
        """Deletes a thread; see `delete_thread`.

        Raises:
            StatehouseError: As `delete_thread` does.
        """
        await self._arun(removing.delete(self._backing, _thread(thread_id), erase=erase))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Deletes the checkpoints and writes that runs made, in every thread; what stays keeps its state.

        Raises:
            StatehouseError: As a commit does.
        """
        self._run(threads.delete_for_runs(self._backing, run_ids, self.serde))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Deletes what runs made; see `delete_for_runs`.

        Raises:
            StatehouseError: As `delete_for_runs` does.
        """
        await self._arun(threads.delete_for_runs(self._backing, run_ids, self.serde))

    def prune(  # type: ignore[override]  # LangGraph's gives nothing back
        self,
        thread_ids: Sequence[str],
        *,
        strategy: str = "keep_latest",
        keep_last: int | None = None,
        older_than: datetime | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> list[Pruned]:
        """Removes old checkpoints of threads; the ones that stay keep their state, DeltaChannels included.

        Args:
            thread_ids: The threads.
            strategy: ``keep_latest`` leaves the newest checkpoint of each namespace; ``delete`` none.
            keep_last: How many to leave of each namespace, instead of one.
            older_than: Only checkpoints made before this time.
            force: Also checkpoints at which somebody is asked something and has not answered.
            dry_run: Only say what would go.

        Returns:
            What went, thread by thread.

        Raises:
            InvalidArgumentError: A strategy that is not known, `keep_last` below 1 or with ``delete``, which
                keeps nothing, or a time without a time zone.
            StatehouseError: As a commit does.
        """
        flow = self._pruning(
            strategy, keep_last=keep_last, older_than=older_than, force=force, dry_run=dry_run
        )
        return [self._run(flow(thread_id)) for thread_id in thread_ids]

    async def aprune(  # type: ignore[override]  # as `prune`
        self,
        thread_ids: Sequence[str],
        *,
        strategy: str = "keep_latest",
        keep_last: int | None = None,
        older_than: datetime | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> list[Pruned]:
        """Removes old checkpoints of threads; see `prune`.

        Raises:
            StatehouseError: As `prune` does.
        """
        flow = self._pruning(
            strategy, keep_last=keep_last, older_than=older_than, force=force, dry_run=dry_run
        )
        return [await self._arun(flow(thread_id)) for thread_id in thread_ids]

    # Copying.

    def copy_thread(self, source_thread_id: str, target_thread_id: str, *, at: str | None = None) -> None:
        """Copies a thread, its ids included, to one that has no checkpoints.

        Args:
            source_thread_id: The thread to copy.
            target_thread_id: The new thread.
            at: The checkpoint of the root graph to copy up to; None for all of it.

        Raises:
            AlreadyExistsError: The target has checkpoints.
            NotFoundError: There is no such checkpoint.
            StatehouseError: As a commit does.
        """
        self._run(self._copying(source_thread_id, target_thread_id, at))

    async def acopy_thread(
        self, source_thread_id: str, target_thread_id: str, *, at: str | None = None
    ) -> None:
        """Copies a thread; see `copy_thread`.

        Raises:
            StatehouseError: As `copy_thread` does.
        """
        await self._arun(self._copying(source_thread_id, target_thread_id, at))

    # Looking.

    def list_threads(
        self,
        *,
        prefix: str = "",
        metadata: Mapping[str, Any] | None = None,
        status: Status | None = None,
        before: ThreadInfo | datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[ThreadInfo]:
        """Iterates over threads, most recently active first.

        Args:
            prefix: What their ids begin with.
            metadata: What the metadata of their newest checkpoint must hold.
            status: Only threads of this status.
            before: Only threads after this one in the list, or less recently active than this time.
            limit: How many at most.

        Raises:
            StatehouseError: As a read does.
        """
        listing = self._threads(prefix, metadata, status, before, limit)
        while (info := self._run(listing.next())) is not None:
            yield info

    async def alist_threads(
        self,
        *,
        prefix: str = "",
        metadata: Mapping[str, Any] | None = None,
        status: Status | None = None,
        before: ThreadInfo | datetime | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[ThreadInfo]:
        """Iterates over threads; see `list_threads`.

        Raises:
            StatehouseError: As `list_threads` does.
        """
        listing = self._threads(prefix, metadata, status, before, limit)
        while (info := await self._arun(listing.next())) is not None:
            yield info

    def stats(self, thread_id: str) -> ThreadStats:
        """Says what a thread weighs, channel by channel.

        Raises:
            StatehouseError: As a read does.
        """
        return self._run(threads.stats(self._backing, _thread(thread_id)))

    async def astats(self, thread_id: str) -> ThreadStats:
        """Says what a thread weighs; see `stats`.

        Raises:
            StatehouseError: As a read does.
        """
        return await self._arun(threads.stats(self._backing, _thread(thread_id)))

    def commit_ts(self, config: RunnableConfig) -> int | None:
        """Gives the commit that stored a checkpoint, or the newest one of a thread; None if there is none.

        ``statehousectl state THREAD --at COMMIT_TS`` shows the thread as it was then.

        Raises:
            StatehouseError: As a read does.
        """
        return self._run(threads.commit_ts(self._backing, Place.of(config), self.serde))

    async def acommit_ts(self, config: RunnableConfig) -> int | None:
        """Gives the commit that stored a checkpoint; see `commit_ts`.

        Raises:
            StatehouseError: As a read does.
        """
        return await self._arun(threads.commit_ts(self._backing, Place.of(config), self.serde))

    # Leasing.

    @contextmanager
    def lease(self, thread_id: str, *, holder: str | None = None, ttl: float = LEASE_S) -> Iterator[Lease]:
        """Takes a thread for this saver alone inside a ``with`` block; other savers' writes are refused.

        Args:
            thread_id: The thread.
            holder: A name that people recognise; None for host and process.
            ttl: Seconds after which another may take it, if `renew` was not called.

        Raises:
            LeaseHeldError: Another holder has it.
            StatehouseError: As a commit does.
        """
        taken = self._run(self._leasing(thread_id, holder, ttl))
        try:
            yield taken
        finally:
            self._run(leases.release(self._backing, taken))

    @asynccontextmanager
    async def alease(
        self, thread_id: str, *, holder: str | None = None, ttl: float = LEASE_S
    ) -> AsyncIterator[Lease]:
        """Takes a thread for this saver alone; see `lease`.

        Raises:
            LeaseHeldError: Another holder has it.
        """
        taken = await self._arun(self._leasing(thread_id, holder, ttl))
        try:
            yield taken
        finally:
            await self._arun(leases.release(self._backing, taken))

    def renew(self, lease: Lease, *, ttl: float = LEASE_S) -> Lease:
        """Makes a lease last longer, counted from now.

        Raises:
            LeaseLostError: Another holder has had it since.
        """
        return self._run(leases.renew(self._backing, lease, ttl_s=ttl))

    async def arenew(self, lease: Lease, *, ttl: float = LEASE_S) -> Lease:
        """Makes a lease last longer; see `renew`.

        Raises:
            LeaseLostError: Another holder has had it since.
        """
        return await self._arun(leases.renew(self._backing, lease, ttl_s=ttl))

    # Expiring.

    def sweep(self, *, limit: int = SWEPT_AT_ONCE) -> int:
        """Deletes or prunes, as `ttl` says, the threads whose time is over; gives how many.

        Raises:
            InvalidArgumentError: The saver has no ttl.
            StatehouseError: As a commit does.
        """
        return self._run(self._sweeping(limit))

    async def asweep(self, *, limit: int = SWEPT_AT_ONCE) -> int:
        """Deletes or prunes the threads whose time is over; see `sweep`.

        Raises:
            StatehouseError: As `sweep` does.
        """
        return await self._arun(self._sweeping(limit))

    def start_ttl_sweeper(self) -> Sweeper:
        """Sweeps in a thread of its own, every ``sweep_interval_minutes``, until `stop_ttl_sweeper`.

        Raises:
            InvalidArgumentError: The saver has no ttl.
        """
        self._sweeping(0)
        assert self._ttl is not None
        for sweeper in self._sweepers:
            if sweeper.running:
                return sweeper
        self._sweepers[:] = [Sweeper(self.sweep, self._ttl.sweep_minutes * 60)]
        return self._sweepers[0]

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stops sweeping; gives whether the sweeper has ended within the timeout, in seconds."""
        return False not in [sweeper.stop(timeout) for sweeper in self._sweepers]

    # How.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_ttl_sweeper()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_ttl_sweeper(0)

    def _run(self, flow: Flow[T]) -> T:
        return run(self.client, flow)

    async def _arun(self, flow: Flow[T]) -> T:
        return await run_async(self.client, flow)

    def _pruning(
        self,
        strategy: str,
        *,
        keep_last: int | None,
        older_than: datetime | None,
        force: bool,
        dry_run: bool,
    ) -> pruning.Pruning:
        if strategy not in ("keep_latest", "delete", "delete_all"):
            raise InvalidArgumentError(f"strategy must be 'keep_latest' or 'delete': {strategy!r:.80}")
        if keep_last is not None and (type(keep_last) is not int or keep_last < 1):
            raise InvalidArgumentError(f"keep_last must be 1 or more: {keep_last!r:.80}")
        if keep_last is not None and strategy != "keep_latest":
            raise InvalidArgumentError(
                f"strategy {strategy!r} keeps nothing; leave it out to keep the last {keep_last}"
            )
        if older_than is not None and older_than.tzinfo is None:
            raise InvalidArgumentError("older_than needs a time zone: datetime.now(UTC), for example")
        count = 0 if strategy != "keep_latest" else 1 if keep_last is None else keep_last
        return pruning.Pruning(
            self._backing,
            self.serde,
            count,
            None if older_than is None else older_than.timestamp(),
            force,
            dry_run,
        )

    def _copying(self, source: str, target: str, at: str | None) -> Flow[int]:
        return copying.copy(self._backing, _thread(source), _thread(target), self.serde, at=at)

    def _threads(
        self,
        prefix: str,
        metadata: Mapping[str, Any] | None,
        status: Status | None,
        before: ThreadInfo | datetime | None,
        limit: int | None,
    ) -> threads.ThreadListing:
        return threads.ThreadListing(
            self._backing,
            self.serde,
            prefix=prefix,
            metadata=metadata,
            status=status,
            before=before,
            limit=limit,
        )

    def _leasing(self, thread_id: str, holder: str | None, ttl: float) -> Flow[Lease]:
        if not ttl > 0:
            raise InvalidArgumentError(f"ttl must be a number of seconds above 0: {ttl!r:.80}")
        return leases.acquire(
            self._backing,
            _thread(thread_id),
            holder=leases.this_worker() if holder is None else holder,
            ttl_s=ttl,
        )

    def _sweeping(self, limit: int) -> Flow[int]:
        if self._ttl is None or self._ttl.minutes is None:
            raise InvalidArgumentError(
                "this saver has no time to live: StatehouseSaver(client, ttl={'default_ttl': minutes})"
            )
        return threads.sweep(
            self._backing,
            self.serde,
            ttl_minutes=self._ttl.minutes,
            strategy=self._ttl.strategy,
            limit=limit,
        )


def _thread(thread_id: object) -> Place:
    return Place.of({"configurable": {"thread_id": thread_id}})
