"""`Statehouse`: a handle on a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from statehouse.client import homes, pages, reads
from statehouse.client._sync.agent import Agent
from statehouse.client._sync.erasing import Erases
from statehouse.client._sync.runs import Runs
from statehouse.client._sync.transaction import Transaction, transact
from statehouse.client.blocking import close, iterate, run
from statehouse.client.connection import Connection
from statehouse.client.homes import Durability, Options
from statehouse.client.pretty import pretty
from statehouse.client.reads import At
from statehouse.client.records import MISSING, CheckReport, Record, RecordVersion
from statehouse.client.streams import Stream
from statehouse.client.url import parse
from statehouse.protocol.engine import Engine, ask
from statehouse.protocol.names import DEFAULT_NAMESPACE, RecordKey, check_namespace
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import (
    AgentCounts,
    EngineVersion,
    Event,
    NamespaceCounts,
    StoreStatus,
    TxnOutcome,
)
from statehouse.protocol.requests import Health, LookupTxn, Status, Version

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync

T = TypeVar("T")


class Statehouse(Erases, Runs):
    """A handle on a store.

    Safe to use from any number of threads and event loops at once. Opening an embedded home takes as long as
    its recovery: where an event loop runs already, open it in a thread. A daemon is connected to by the first
    call; any may find it gone (ConnectionError) or late (DeadlineExceededError). A handle that is dropped
    without `close` is closed when it is collected, or at exit.

    Example:
        >>> def main():
        ...     with Statehouse("memory:") as sh:
        ...         agent = sh.agent("planner")
        ...         with agent.transaction() as tx:
        ...             seen = tx.get_state("seen", default=[])
        ...             tx.write("seen", [*seen.value, "x"], if_version=seen.version)
        ...         return agent.get_state("seen").value
        >>> main()
        ['x']

    Args:
        url: ``file:./directory`` or a `Path`, ``memory:``, ``memory:NAME``, or a daemon's ``host:port``; None
            for ``$STATEHOUSE_URL`` or the daemon on this machine.
        namespace: The namespace of calls that name none.
        timeout: Seconds a transaction may take, from its begin to its commit.
        durability: ``sync``: a commit returns when it is on disk (G2; the default on disk). ``none``: a crash
            may lose the newest commits. Handles on one directory in one process share one durability.
        read_only: Read a directory although another process has it, and never write.
        accept_data_loss: Open a directory although commits that were acknowledged are missing from it.
        connect_timeout: Seconds a call waits for a daemon that is not there, before it raises
            ConnectionError; None for 5. What is embedded is always there.

    Raises:
        InvalidArgumentError: A malformed argument, or one that contradicts another handle's in this process;
            `durability`, `read_only` or `accept_data_loss` for a daemon, whose own settings they are.
        NotFoundError: `read_only`, and there is no store.
        DirectoryLockedError: Another process has the directory.
        FormatVersionError: The directory was written by a newer Statehouse.
        CorruptionError: What is on disk is not what was written.
    """

    def __init__(
        self,
        url: str | os.PathLike[str] | None = None,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        timeout: float = 30.0,
        durability: Durability | None = None,
        read_only: bool | None = None,
        accept_data_loss: bool = False,
        connect_timeout: float | None = None,
    ) -> None:
        check_namespace(namespace)
        options = Options(durability, read_only, accept_data_loss, connect_timeout)
        self.connection = homes.connect(parse(url), options, timeout=timeout)
        self.namespace = namespace

    @classmethod
    def from_engine(
        cls,
        engine: Engine,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        timeout: float = 30.0,
        local: bool = True,
    ) -> Statehouse:
        """Gives a handle on an engine of the caller's; closing the handle leaves the engine open.

        `local` is whether it answers in this process, whatever happens, and point reads fast enough to block
        an event loop for. What another does not answer within the timeout is given up.

        Raises:
            InvalidArgumentError: A malformed namespace or timeout.
        """
        return cls.from_connection(Connection(engine, timeout=timeout, local=local), namespace=namespace)

    @classmethod
    def from_connection(cls, connection: Connection, *, namespace: str = DEFAULT_NAMESPACE) -> Statehouse:
        """Gives a view of a connection that some handle has.

        Raises:
            InvalidArgumentError: A malformed namespace.
        """
        check_namespace(namespace)
        handle = cls.__new__(cls)
        handle.connection = connection
        handle.namespace = namespace
        return handle

    @property
    def aio(self) -> StatehouseAsync:
        """The other colour of this handle: a view of the same connection, closed with it."""
        from statehouse.client._async.handle import StatehouseAsync  # noqa: PLC0415 - most programs need one colour

        return StatehouseAsync.from_connection(self.connection, namespace=self.namespace)

    @property
    def url(self) -> str:
        """What was opened."""
        return self.connection.url

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self.connection.closed

    def close(self) -> None:
        """Ends every follower and gives up the store; the last handle of the process closes it. Idempotent.

        Further calls raise EngineError.
        """
        close(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        closed = ", closed" if self.closed else ""
        return f"<Statehouse {self.url} namespace={self.namespace!r}{closed}>"

    def agent(self, agent_id: str, *, namespace: str | None = None) -> Agent:
        """Gives a handle that is bound to one agent.

        Raises:
            InvalidArgumentError: A malformed name.
            LimitExceededError: A name that is too long.
        """
        return Agent(self, agent_id, namespace=namespace)

    # Transactions.

    def begin_transaction(
        self,
        *,
        namespace: str | None = None,
        timeout: float | None = None,
        origin: Origin | None = None,
        txn_id: str | None = None,
    ) -> Transaction:
        """Begins a transaction. This does no I/O.

        Args:
            namespace: The namespace of keys that name none; None for the handle's.
            timeout: Seconds until it must be committed; None for the handle's.
            origin: Who asks and why; None for the current origin.
            txn_id: An id of your own, to find out after a crash what became of it (`lookup_txn`), remembered
                for 24 hours at least; None makes one.

        Raises:
            InvalidArgumentError: A malformed argument.
            LimitExceededError: One that is too long.
            EngineError: The handle is closed.
        """
        return Transaction.begin(self.connection, self._in(namespace), None, timeout, origin, txn_id)

    def transaction(
        self,
        *,
        namespace: str | None = None,
        timeout: float | None = None,
        origin: Origin | None = None,
        txn_id: str | None = None,
    ) -> Transaction:
        """Begins a transaction; the same as `begin_transaction`.

        Raises:
            InvalidArgumentError: A malformed argument.
            LimitExceededError: One that is too long.
            EngineError: The handle is closed.
        """
        return self.begin_transaction(namespace=namespace, timeout=timeout, origin=origin, txn_id=txn_id)

    def transact(
        self,
        function: Callable[[Transaction], T],
        *,
        attempts: int = 10,
        timeout: float | None = None,
        namespace: str | None = None,
        origin: Origin | None = None,
    ) -> T:
        """Runs a function in a transaction, commits, and gives what it returned.

        When something that it read has changed meanwhile, it is run again in a new transaction, after a short
        random delay: keep effects on the world outside it.

        Args:
            function: What to do; it is called with the transaction, and may abort it.
            attempts: How many transactions to try at most.
            timeout: Seconds for all of them together; None for the handle's.
            namespace: The namespace of keys that name none; None for the handle's.
            origin: Who asks and why; None for the current origin.

        Raises:
            InvalidArgumentError: A malformed argument, or a function for handles of the other kind.
            ConflictError: Every attempt met a conflict.
            StatehouseError: Whatever else a read or the commit raises; see `Transaction`.
        """
        return transact(self.connection, function, attempts, timeout, self._in(namespace), None, origin)

    def write(
        self,
        key: str,
        value: Any,
        *,
        agent_id: str,
        namespace: str | None = None,
        if_version: int | None = None,
        if_commit_ts: int | None = None,
        extends: Record | None = None,
        origin: Origin | None = None,
        timeout: float | None = None,
        txn_id: str | None = None,
    ) -> int:
        """Writes one value in a transaction of its own, and gives the commit_ts.

        Raises:
            StatehouseError: As `Transaction.write` and `Transaction.commit` do.
        """
        with self.begin_transaction(timeout=timeout, origin=origin, txn_id=txn_id) as tx:
            tx.write(
                key,
                value,
                agent_id=agent_id,
                namespace=namespace,
                if_version=if_version,
                if_commit_ts=if_commit_ts,
                extends=extends,
            )
        return tx.committed_ts()

    def delete(
        self,
        key: str,
        *,
        agent_id: str,
        namespace: str | None = None,
        if_version: int | None = None,
        if_commit_ts: int | None = None,
        origin: Origin | None = None,
        timeout: float | None = None,
        txn_id: str | None = None,
    ) -> int:
        """Deletes one value in a transaction of its own, and gives the commit_ts.

        Raises:
            StatehouseError: As `Transaction.delete` and `Transaction.commit` do.
        """
        with self.begin_transaction(timeout=timeout, origin=origin, txn_id=txn_id) as tx:
            tx.delete(
                key, agent_id=agent_id, namespace=namespace, if_version=if_version, if_commit_ts=if_commit_ts
            )
        return tx.committed_ts()

    # Reads.

    def get_state(
        self, key: str, *, agent_id: str, namespace: str | None = None, at: At = None, default: Any = MISSING
    ) -> Record:
        """Gives what a key holds.

        Args:
            key: The key.
            agent_id: Whose key.
            namespace: None for the handle's.
            at: Read as of a commit_ts, or of a time with a time zone; None for now (G4, G6).
            default: What an absent or deleted key gives, with version 0.

        Raises:
            NotFoundError: Absent or deleted, and there is no default.
            ErasedError: The value was erased.
            CompactedError: `at` is before the oldest commit_ts that can be read.
            InvalidArgumentError: A malformed argument, or `at` after the newest commit.
            LimitExceededError: A name that is too long.
        """
        name = RecordKey(self.namespace if namespace is None else namespace, agent_id, key)
        if at is None and self.connection.local:
            return reads.get_now(self.connection, name, default)
        return run(self.connection, reads.get(name, at, default))

    def get_state_at_version(
        self, key: str, version: int, *, agent_id: str, namespace: str | None = None, default: Any = MISSING
    ) -> Record:
        """Gives what the write that gave a key this version (1, 2, 3 …) wrote.

        Args:
            key: The key.
            version: The number of the write.
            agent_id: Whose key.
            namespace: None for the handle's.
            default: What a version that was a delete gives.

        Raises:
            NotFoundError: The key never had that version, or it was a delete and there is no default.
            ErasedError: The value was erased.
            InvalidArgumentError: A malformed argument.
            LimitExceededError: A name that is too long.
        """
        return run(
            self.connection,
            reads.get_at_version(RecordKey(self._in(namespace), agent_id, key), version, default),
        )

    def get_many(
        self, keys: Iterable[str], *, agent_id: str, namespace: str | None = None, at: At = None
    ) -> dict[str, Record]:
        """Gives what many keys hold, by key in the order asked, as of one commit_ts.

        Keys without a value are left out.

        Raises:
            CompactedError: `at` is before the oldest commit_ts that can be read.
            ErasedError: One of the values was erased.
            InvalidArgumentError: A malformed argument, or `at` after the newest commit.
            LimitExceededError: A name that is too long.
        """
        return run(self.connection, reads.get_many(self._in(namespace), agent_id, keys, at))

    def list_keys(
        self,
        prefix: str = "",
        *,
        agent_id: str,
        namespace: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
        at: At = None,
    ) -> list[str]:
        """Gives the keys that have a value and begin with a prefix, in byte order.

        Raises:
            CompactedError: `at` is before the oldest commit_ts that can be read.
            InvalidArgumentError: A malformed argument, or `at` after the newest commit.
            LimitExceededError: A name that is too long.
        """
        scan = pages.ScanPages(
            self._in(namespace), agent_id, prefix, reverse=reverse, limit=limit, at=at, keys_only=True
        )
        return run(self.connection, scan.keys())

    def scan_prefix(
        self,
        prefix: str = "",
        *,
        agent_id: str,
        namespace: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
        at: At = None,
    ) -> Stream[Record]:
        """Iterates over the records whose keys begin with a prefix, in byte order, all as of one commit_ts.

        Raises:
            CompactedError: `at` is before the oldest commit_ts that can be read.
            ErasedError: The value of the next record was erased.
            InvalidArgumentError: A malformed argument, or `at` after the newest commit.
            LimitExceededError: A name that is too long.
        """
        scan = pages.ScanPages(self._in(namespace), agent_id, prefix, reverse=reverse, limit=limit, at=at)
        return iterate(self, scan)

    def history(
        self,
        key: str,
        *,
        agent_id: str,
        namespace: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
        at: At = None,
    ) -> Stream[RecordVersion]:
        """Iterates over every write and delete of a key, oldest first.

        Raises:
            CompactedError: `at` is before the oldest commit_ts that can be read.
            InvalidArgumentError: A malformed argument, or `at` after the newest commit.
            LimitExceededError: A name that is too long.
        """
        name = RecordKey(self._in(namespace), agent_id, key)
        return iterate(self, pages.HistoryPages(name, reverse=reverse, limit=limit, at=at))

    def replay(
        self,
        *,
        agent_id: str | None = None,
        namespace: str | None = None,
        whole_store: bool = False,
        from_ts: int = 0,
        to_ts: int | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        follow: bool = False,
        payloads: bool = True,
    ) -> Stream[Event]:
        """Iterates over events in commit order: every one, once, whole (G7).

        Args:
            agent_id: Only what was done to this agent; None for the whole namespace.
            namespace: None for the handle's.
            whole_store: Every namespace; instead of `namespace`.
            from_ts: The first commit_ts, inclusive. To resume, the last event's + 1.
            to_ts: The last commit_ts, inclusive; None for the newest.
            from_time: Instead of `from_ts`: the first commit at or after this time.
            to_time: Instead of `to_ts`: the last commit at or before this time.
            follow: Go on with new events as they are committed, until `to_ts` or until the handle is closed.
            payloads: False leaves the values out.

        Raises:
            CompactedError: `from_ts` is before the oldest commit_ts that can be read.
            StoreChangedError: Meanwhile the daemon came back with another store, or with other history than
                what was delivered; begin again from the start.
            InvalidArgumentError: A malformed argument, or two that do not go together.
            LimitExceededError: A name that is too long.
        """
        return iterate(
            self,
            pages.ReplayPages(
                pages.scope(self.namespace, namespace, whole_store),
                agent_id,
                from_ts=from_ts,
                to_ts=to_ts,
                from_time=from_time,
                to_time=to_time,
                follow=follow,
                payloads=payloads,
            ),
        )

    def replay_pretty(
        self,
        *,
        agent_id: str | None = None,
        namespace: str | None = None,
        whole_store: bool = False,
        from_ts: int = 0,
        to_ts: int | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        follow: bool = False,
        value_width: int = 48,
    ) -> Stream[str]:
        """Iterates over the lines of a replay for people: one an event.

        A value is shown in `value_width` characters at most. ``+`` is the first write of a key, ``~`` a later
        one, ``-`` a delete, ``x`` an erased value.

        Raises:
            StatehouseError: As `replay` does.
        """
        events = pages.ReplayPages(
            pages.scope(self.namespace, namespace, whole_store),
            agent_id,
            from_ts=from_ts,
            to_ts=to_ts,
            from_time=from_time,
            to_time=to_time,
            follow=follow,
        )
        return iterate(self, pages.Mapped(events, pretty(value_width)))

    def find_events(
        self,
        *,
        commit_ts: int | None = None,
        txn_id: str | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        run_id: str | None = None,
    ) -> Stream[Event]:
        """Iterates over the events of one commit, transaction, trace, span or run, in commit order.

        The whole store is searched.

        Raises:
            StoreChangedError: As `replay`.
            InvalidArgumentError: Not exactly one id is given, or it is malformed.
            LimitExceededError: It is too long.
        """
        found = pages.find(
            commit_ts=commit_ts, txn_id=txn_id, trace_id=trace_id, span_id=span_id, run_id=run_id
        )
        return iterate(self, found)

    def agents(self, *, namespace: str | None = None, at: At = None) -> list[AgentCounts]:
        """Gives the agents of a namespace that were ever written to, with counts.

        Raises:
            CompactedError: `at` is before the oldest commit_ts that can be read.
            InvalidArgumentError: A malformed argument, or `at` after the newest commit.
        """
        return run(self.connection, reads.agents(self._in(namespace), at))

    def namespaces(self, *, at: At = None) -> list[NamespaceCounts]:
        """Gives the namespaces of the store that were ever written to, with counts.

        Raises:
            CompactedError: `at` is before the oldest commit_ts that can be read.
            InvalidArgumentError: A malformed `at`, or one after the newest commit.
        """
        return run(self.connection, reads.namespaces(at))

    # The store.

    def health(self) -> str:
        """Gives ``ok`` when the engine answers.

        Raises:
            EngineError: The handle is closed, or the engine cannot answer.
        """
        return run(self.connection, ask(Health()))

    def version(self) -> EngineVersion:
        """Gives which software answers.

        Raises:
            EngineError: The handle is closed.
        """
        return run(self.connection, ask(Version()))

    def status(self) -> StoreStatus:
        """Gives how the store is: its newest commit, its horizon, its size, whether it takes writes.

        Raises:
            EngineError: The handle is closed.
        """
        return run(self.connection, ask(Status()))

    def check(self, progress: Callable[[float], object] | None = None) -> CheckReport:
        """Proves what is on disk, all of it, and gives what is wrong; a problem stops further writes (G8).

        Args:
            progress: Called after each part with how much is done, 0.0 to 1.0.

        Raises:
            EngineError: The handle is closed.
        """
        return run(self.connection, reads.check(progress))

    def lookup_txn(self, txn_id: str) -> TxnOutcome:
        """Gives what became of a transaction; this resolves an OutcomeUnknownError.

        Raises:
            InvalidArgumentError: A malformed id.
            LimitExceededError: It is too long.
        """
        return run(self.connection, ask(LookupTxn(txn_id)))

    def _in(self, namespace: str | None) -> str:
        return self.namespace if namespace is None else namespace
