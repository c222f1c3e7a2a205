"""`AgentAsync`: a handle that is bound to one agent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from statehouse.client._async.transaction import TransactionAsync, transact
from statehouse.client.connection import Connection
from statehouse.client.reads import At
from statehouse.client.records import MISSING, Record, RecordVersion
from statehouse.client.streams import AsyncStream
from statehouse.protocol.names import check_agent_id, check_namespace
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Erased, Event

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync

T = TypeVar("T")


class AgentAsync:
    """A handle that is bound to one agent; see `StatehouseAsync.agent`.

    Example:
        >>> from statehouse import StatehouseAsync
        >>> async def main():
        ...     async with StatehouseAsync("memory:") as sh:
        ...         agent = sh.agent("planner")
        ...         first = await agent.write("goal", "make tea")
        ...         await agent.write("goal", "drink tea")
        ...         then = await agent.get_state("goal", at=first)
        ...         return then.value
        >>> asyncio.run(main())
        'make tea'
    """

    def __init__(self, statehouse: StatehouseAsync, agent_id: str, *, namespace: str | None = None) -> None:
        check_agent_id(agent_id)
        if namespace is not None:
            check_namespace(namespace)
        self.statehouse = statehouse
        self.agent_id = agent_id
        self.namespace = statehouse.namespace if namespace is None else namespace

    @property
    def connection(self) -> Connection:
        """The connection of the handle it came from."""
        return self.statehouse.connection

    def __repr__(self) -> str:
        return f"<AgentAsync {self.agent_id!r} namespace={self.namespace!r} of {self.statehouse.url}>"

    def begin_transaction(
        self, *, timeout: float | None = None, origin: Origin | None = None, txn_id: str | None = None
    ) -> TransactionAsync:
        """Begins a transaction whose keys are this agent's unless they say otherwise; see `StatehouseAsync`.

        Raises:
            InvalidArgumentError: A malformed argument.
            LimitExceededError: One that is too long.
            EngineError: The handle is closed.
        """
        return TransactionAsync.begin(self.connection, self.namespace, self.agent_id, timeout, origin, txn_id)

    def transaction(
        self, *, timeout: float | None = None, origin: Origin | None = None, txn_id: str | None = None
    ) -> TransactionAsync:
        """Begins a transaction; the same as `begin_transaction`.

        Raises:
            InvalidArgumentError: A malformed argument.
            LimitExceededError: One that is too long.
            EngineError: The handle is closed.
        """
        return self.begin_transaction(timeout=timeout, origin=origin, txn_id=txn_id)

    async def transact(
        self,
        function: Callable[[TransactionAsync], Awaitable[T]],
        *,
        attempts: int = 10,
        timeout: float | None = None,
        origin: Origin | None = None,
    ) -> T:
        """Runs a function in a transaction, again after a conflict; see `StatehouseAsync.transact`.

        Raises:
            ConflictError: Every attempt met a conflict.
            StatehouseError: Whatever else a read or the commit raises.
        """
        return await transact(
            self.connection, function, attempts, timeout, self.namespace, self.agent_id, origin
        )

    async def write(
        self,
        key: str,
        value: Any,
        *,
        if_version: int | None = None,
        if_commit_ts: int | None = None,
        extends: Record | None = None,
        origin: Origin | None = None,
        timeout: float | None = None,
        txn_id: str | None = None,
    ) -> int:
        """Writes one value in a transaction of its own, and gives the commit_ts.

        Raises:
            StatehouseError: As `TransactionAsync.write` and `TransactionAsync.commit` do.
        """
        async with self.begin_transaction(timeout=timeout, origin=origin, txn_id=txn_id) as tx:
            tx.write(key, value, if_version=if_version, if_commit_ts=if_commit_ts, extends=extends)
        return tx.committed_ts()

    async def delete(
        self,
        key: str,
        *,
        if_version: int | None = None,
        if_commit_ts: int | None = None,
        origin: Origin | None = None,
        timeout: float | None = None,
        txn_id: str | None = None,
    ) -> int:
        """Deletes one value in a transaction of its own, and gives the commit_ts.

        Raises:
            StatehouseError: As `TransactionAsync.delete` and `TransactionAsync.commit` do.
        """
        async with self.begin_transaction(timeout=timeout, origin=origin, txn_id=txn_id) as tx:
            tx.delete(key, if_version=if_version, if_commit_ts=if_commit_ts)
        return tx.committed_ts()

    async def erase(
        self, *, keys: Iterable[str] = (), prefix: str | None = None, dry_run: bool = False
    ) -> Erased:
        """Takes values away for good, every version up to now (G6); see `StatehouseAsync.erase`.

        Raises:
            StatehouseError: As `StatehouseAsync.erase` does.
        """
        return await self.statehouse.erase(
            agent_id=self.agent_id, namespace=self.namespace, keys=keys, prefix=prefix, dry_run=dry_run
        )

    async def get_state(self, key: str, *, at: At = None, default: Any = MISSING) -> Record:
        """Gives what a key holds; see `StatehouseAsync.get_state`.

        Raises:
            NotFoundError: Absent or deleted, and there is no default.
            StatehouseError: As `StatehouseAsync.get_state` does.
        """
        return await self.statehouse.get_state(
            key, agent_id=self.agent_id, namespace=self.namespace, at=at, default=default
        )

    async def get_state_at_version(self, key: str, version: int, *, default: Any = MISSING) -> Record:
        """Gives what one write wrote; see `StatehouseAsync.get_state_at_version`.

        Raises:
            NotFoundError: The key never had that version, or it was a delete and there is no default.
            StatehouseError: As `StatehouseAsync.get_state_at_version` does.
        """
        return await self.statehouse.get_state_at_version(
            key, version, agent_id=self.agent_id, namespace=self.namespace, default=default
        )

    async def get_many(self, keys: Iterable[str], *, at: At = None) -> dict[str, Record]:
        """Gives what many keys hold as of one commit_ts; see `StatehouseAsync.get_many`.

        Raises:
            StatehouseError: As `StatehouseAsync.get_many` does.
        """
        return await self.statehouse.get_many(keys, agent_id=self.agent_id, namespace=self.namespace, at=at)

    async def list_keys(
        self, prefix: str = "", *, reverse: bool = False, limit: int | None = None, at: At = None
    ) -> list[str]:
        """Gives the keys that begin with a prefix; see `StatehouseAsync.list_keys`.

        Raises:
            StatehouseError: As `StatehouseAsync.list_keys` does.
        """
        return await self.statehouse.list_keys(
            prefix, agent_id=self.agent_id, namespace=self.namespace, reverse=reverse, limit=limit, at=at
        )

    def scan_prefix(
        self, prefix: str = "", *, reverse: bool = False, limit: int | None = None, at: At = None
    ) -> AsyncStream[Record]:
        """Iterates over the records that begin with a prefix; see `StatehouseAsync.scan_prefix`.

        Raises:
            StatehouseError: As `StatehouseAsync.scan_prefix` does.
        """
        return self.statehouse.scan_prefix(
            prefix, agent_id=self.agent_id, namespace=self.namespace, reverse=reverse, limit=limit, at=at
        )

    def history(
        self, key: str, *, reverse: bool = False, limit: int | None = None, at: At = None
    ) -> AsyncStream[RecordVersion]:
        """Iterates over every write and delete of a key; see `StatehouseAsync.history`.

        Raises:
            StatehouseError: As `StatehouseAsync.history` does.
        """
        return self.statehouse.history(
            key, agent_id=self.agent_id, namespace=self.namespace, reverse=reverse, limit=limit, at=at
        )

    def replay(
        self,
        *,
        from_ts: int = 0,
        to_ts: int | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        follow: bool = False,
        payloads: bool = True,
    ) -> AsyncStream[Event]:
        """Iterates over what was done to this agent, in commit order; see `StatehouseAsync.replay`.

        Raises:
            StatehouseError: As `StatehouseAsync.replay` does.
        """
        return self.statehouse.replay(
            agent_id=self.agent_id,
            namespace=self.namespace,
            from_ts=from_ts,
            to_ts=to_ts,
            from_time=from_time,
            to_time=to_time,
            follow=follow,
            payloads=payloads,
        )

    def replay_pretty(
        self,
        *,
        from_ts: int = 0,
        to_ts: int | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        follow: bool = False,
        value_width: int = 48,
    ) -> AsyncStream[str]:
        """Iterates over the lines of a replay for people; see `StatehouseAsync.replay_pretty`.

        Raises:
            StatehouseError: As `StatehouseAsync.replay` does.
        """
        return self.statehouse.replay_pretty(
            agent_id=self.agent_id,
            namespace=self.namespace,
            from_ts=from_ts,
            to_ts=to_ts,
            from_time=from_time,
            to_time=to_time,
            follow=follow,
            value_width=value_width,
        )
