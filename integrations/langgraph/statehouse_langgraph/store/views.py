"""The same store seen in another way: as of a moment, or with a condition on what is put."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from langgraph.store.base import BaseStore, Op, PutOp, Result, TTLConfig

from statehouse import InvalidArgumentError

Batch = Callable[[list[Op]], list[Result]]
ABatch = Callable[[list[Op]], Awaitable[list[Result]]]


class PastStore(BaseStore):
    """A store as it was at a moment; see `StatehouseStore.as_of`. A graph may be given it, to read.

    What had expired by then is not there, and reading makes nothing live longer.
    """

    supports_ttl = True

    def __init__(self, batch: Batch, abatch: ABatch, ttl_config: TTLConfig | None) -> None:
        self.ttl_config = ttl_config
        self._batch = batch
        self._abatch = abatch

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Does operations that read; LangGraph's other methods are made of this.

        Raises:
            InvalidArgumentError: One of them puts or deletes.
            StatehouseError: As reads do.
        """
        return self._batch(_reading(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Does operations that read; see `batch`.

        Raises:
            StatehouseError: As `batch` does.
        """
        return await self._abatch(_reading(ops))


class ConditionalStore(BaseStore):
    """A store whose puts have a condition: LangGraph's own `put` and `delete`, over another `batch`."""

    supports_ttl = True

    def __init__(self, batch: Batch, abatch: ABatch, ttl_config: TTLConfig | None) -> None:
        self.ttl_config = ttl_config
        self._batch = batch
        self._abatch = abatch

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Does operations under the condition.

        Raises:
            StatehouseError: As `StatehouseStore.batch` does.
        """
        return self._batch(list(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Does operations under the condition.

        Raises:
            StatehouseError: As `StatehouseStore.batch` does.
        """
        return await self._abatch(list(ops))


def _reading(ops: Iterable[Op]) -> list[Op]:
    found = list(ops)
    if any(isinstance(op, PutOp) for op in found):
        raise InvalidArgumentError("the past cannot be changed: put and delete in the store itself")
    return found
