"""`TransactionAsync`: reads, writes and their commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from statehouse.client.awaiting import call, check_function, iterate, run, sleep
from statehouse.client.connection import Connection
from statehouse.client.overlay import OverlaidPages
from statehouse.client.records import MISSING, Record
from statehouse.client.retries import Attempts
from statehouse.client.streams import AsyncStream
from statehouse.client.transactions import OPEN, TransactionLogic
from statehouse.errors import ConflictError, OverloadedError, PreconditionFailedError
from statehouse.protocol.names import check_namespace
from statehouse.protocol.origin import Origin
from statehouse.tracing.origin import origin_for

T = TypeVar("T")


class TransactionAsync:
    """Writes and deletes that become visible all at once or not at all (G1).

    Its reads are as of one commit_ts, and the commit fails if what they saw has changed (G3); a transaction
    that only reads always commits. Leaving its ``with`` block commits, leaving it by an exception aborts.
    Threads and tasks may share one.

    Example:
        >>> from statehouse import StatehouseAsync
        >>> async def main():
        ...     async with StatehouseAsync("memory:") as sh:
        ...         async with sh.transaction() as tx:
        ...             tx.write("tasks", ["boil water"], agent_id="cook")
        ...             tx.write("tasks", ["lay the table"], agent_id="waiter")
        ...         return tx.commit_ts
        >>> asyncio.run(main())
        1

    Attributes:
        logic: Its state, for adapters.
    """

    def __init__(self, logic: TransactionLogic) -> None:
        self.logic = logic

    @classmethod
    def begin(
        cls,
        connection: Connection,
        namespace: str,
        agent_id: str | None,
        timeout: float | None,
        origin: Origin | None,
        txn_id: str | None,
    ) -> TransactionAsync:
        """Begins one; programs call `StatehouseAsync.begin_transaction`.

        Raises:
            InvalidArgumentError: A malformed argument.
            LimitExceededError: One that is too long.
            EngineError: The handle is closed.
        """
        connection.check_open()
        check_namespace(namespace)
        return cls(
            TransactionLogic(
                connection,
                namespace=namespace,
                agent_id=agent_id,
                timeout=timeout,
                origin=origin_for(origin),
                txn_id=txn_id,
            )
        )

    @property
    def connection(self) -> Connection:
        """The connection of the handle it came from."""
        return self.logic.connection

    @property
    def txn_id(self) -> str:
        """Its id, from the beginning."""
        return self.logic.txn_id

    @property
    def read_ts(self) -> int | None:
        """The commit_ts that all its reads are as of; None before the first one."""
        return self.logic.read_ts

    @property
    def commit_ts(self) -> int | None:
        """Its commit; None before it is committed. For one that wrote nothing, the newest commit then."""
        return self.logic.commit_ts

    @property
    def origin(self) -> Origin:
        """Who asks and why."""
        return self.logic.origin

    def __repr__(self) -> str:
        return f"<TransactionAsync {self.logic!r}>"

    def write(
        self,
        key: str,
        value: Any,
        *,
        agent_id: str | None = None,
        namespace: str | None = None,
        if_version: int | None = None,
        if_commit_ts: int | None = None,
        extends: Record | None = None,
    ) -> None:
        """Gives a key a value, by the commit. This does no I/O; a later write of the same key wins.

        Args:
            key: The key.
            value: Any JSON value, ``bytes``, or a `Payload` of another content type.
            agent_id: Whose key; None for the agent the transaction is bound to.
            namespace: None for the transaction's.
            if_version: Commit only if the key has this version; 0: if it does not exist.
            if_commit_ts: Commit only if that commit wrote its present state; 0: if it does not exist.
            extends: A record of this agent that the value has grown from: what it shares is not stored again.

        Raises:
            InvalidArgumentError: A malformed name or precondition, or not a value.
            LimitExceededError: A name, the value or the transaction is too large.
            TransactionClosedError: It is committed or aborted.
            TransactionExpiredError: Its time is over.
        """
        self.logic.write(
            key,
            value,
            agent_id=agent_id,
            namespace=namespace,
            if_version=if_version,
            if_commit_ts=if_commit_ts,
            extends=extends,
        )

    def delete(
        self,
        key: str,
        *,
        agent_id: str | None = None,
        namespace: str | None = None,
        if_version: int | None = None,
        if_commit_ts: int | None = None,
    ) -> None:
        """Takes a key's value away, by the commit.

        The tombstone has a version of its own, also where nothing was.

        Raises:
            InvalidArgumentError: A malformed name or precondition.
            LimitExceededError: A name or the transaction is too large.
            TransactionClosedError: It is committed or aborted.
            TransactionExpiredError: Its time is over.
        """
        self.logic.delete(
            key, agent_id=agent_id, namespace=namespace, if_version=if_version, if_commit_ts=if_commit_ts
        )

    async def get_state(
        self, key: str, *, agent_id: str | None = None, namespace: str | None = None, default: Any = MISSING
    ) -> Record:
        """Gives what a key holds as of read_ts, or what this transaction wrote, with version 0.

        Raises:
            NotFoundError: Absent or deleted, and there is no default.
            ErasedError: The value was erased.
            CompactedError: The read_ts is before the oldest commit_ts that can be read.
            InvalidArgumentError: A malformed name.
            LimitExceededError: A name, or the read set, is too large.
            TransactionClosedError: It is committed or aborted.
            TransactionExpiredError: Its time is over.
        """
        return await run(self, self.logic.get(key, agent_id=agent_id, namespace=namespace, default=default))

    async def get_many(
        self, keys: Iterable[str], *, agent_id: str | None = None, namespace: str | None = None
    ) -> dict[str, Record]:
        """Gives what many keys hold, by key in the order asked; those without a value are left out.

        Raises:
            StatehouseError: As `get_state` does.
        """
        return await run(self, self.logic.get_many(keys, agent_id=agent_id, namespace=namespace))

    async def list_keys(
        self,
        prefix: str = "",
        *,
        agent_id: str | None = None,
        namespace: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[str]:
        """Gives the keys that have a value and begin with a prefix, in byte order.

        What this transaction wrote is among them. It conflicts with commits that make such a key or delete
        one, not with new values.

        Raises:
            StatehouseError: As `get_state` does.
        """
        scan = OverlaidPages(
            self.logic,
            prefix,
            agent_id=agent_id,
            namespace=namespace,
            reverse=reverse,
            limit=limit,
            keys_only=True,
        )
        return await run(self, scan.keys())

    def scan_prefix(
        self,
        prefix: str = "",
        *,
        agent_id: str | None = None,
        namespace: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> AsyncStream[Record]:
        """Iterates over the records whose keys begin with a prefix, in byte order.

        What this transaction wrote before this call is among them.

        Raises:
            StatehouseError: As `get_state` does.
        """
        scan = OverlaidPages(
            self.logic, prefix, agent_id=agent_id, namespace=namespace, reverse=reverse, limit=limit
        )
        return iterate(self, scan)

    async def commit(self) -> int:
        """Applies everything at once, and gives the commit_ts when it is durable (G1, G2).

        After an OutcomeUnknownError, an OverloadedError or a ConnectionError, call it again: it is applied
        at most once (G5). When it is interrupted or cancelled, a commit that was still queued is not
        applied, and one that was being written is.

        Raises:
            ConflictError: Something that it read has changed; nothing was applied (G3).
            PreconditionFailedError: An ``if_version`` or ``if_commit_ts`` does not hold; nothing was applied.
            AlreadyExistsError: Its txn_id was committed with other operations.
            TransactionExpiredError: Its time was over before the commit; nothing was applied.
            TransactionClosedError: It is committed or aborted already.
            DeadlineExceededError: Not begun in time; nothing was applied.
            OverloadedError: The queue or the disk is full; nothing was applied.
            OutcomeUnknownError: Not answered in time, or in doubt after a failed write.
            RefusingWritesError: The store takes no writes until it is reopened (G8), or is read-only.
        """
        return await run(self, self.logic.commit())

    async def abort(self) -> None:
        """Forgets what it meant to write. Idempotent.

        Raises:
            TransactionClosedError: It is committed, or is being committed.
        """
        self.logic.abort()

    def committed_ts(self) -> int:
        """Gives its commit_ts.

        Raises:
            TransactionClosedError: It is not committed.
        """
        return self.logic.committed_ts()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.logic.give_up()
        elif self.logic.state is OPEN:
            await self.commit()


async def transact(  # noqa: PLR0917 - called from this package only
    connection: Connection,
    function: Callable[[TransactionAsync], Awaitable[T]],
    attempts_max: int,
    timeout: float | None,
    namespace: str,
    agent_id: str | None,
    origin: Origin | None,
) -> T:
    """Runs a function in transactions until one commits; see `StatehouseAsync.transact`.

    Raises:
        InvalidArgumentError: A malformed argument, or a function for handles of the other kind.
        StatehouseError: The refusal of the last attempt, or whatever else the function or its commit raises.
    """
    attempts = Attempts(connection, attempts_max, timeout)
    check_function(function)
    while True:
        tx = TransactionAsync.begin(connection, namespace, agent_id, attempts.time_left(), origin, None)
        try:
            async with tx:
                return await call(function, tx)
        except (ConflictError, PreconditionFailedError, OverloadedError) as error:
            await sleep(attempts.delay_after(error, tx.logic))
