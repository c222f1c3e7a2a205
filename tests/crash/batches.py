"""A process whose clients commit many transactions at once through a daemon that is killed.

``python -m tests.crash.batches TARGET LEDGER SEED`` has awaiting clients, each of which commits `BATCH`
transactions at once, again and again: what a daemon writes as one group, in its event loop. Otherwise as
`tests.crash.clients`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from statehouse import ConflictError, StatehouseAsync, TransactionAsync, TransactionExpiredError
from statehouse.client.transactions import TransactionState
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import Write, WriteOperation
from statehouse.protocol.values import encode
from statehouse.testing.history import CommitRow
from tests.crash.clients import AGAIN, CONNECT_S, TIMEOUT_S
from tests.crash.ledger import Ledger, answered

R = TypeVar("R")

CLIENTS: Final = 2
BATCH: Final = 32
COUNTING: Final = 4
"""How many of a batch count what the others count: all but one of them conflict, in one group."""

_COUNTER: Final = RecordKey("shared", "all", "counter")


class Client:
    """One that commits many transactions at once."""

    def __init__(self, sh: StatehouseAsync, ledger: Ledger, name: str, seed: int) -> None:
        self._sh = sh
        self._ledger = ledger
        self._name = name
        self._random = random.Random(seed)

    async def run(self, over: asyncio.Event) -> None:
        """Goes on until it is over."""
        while not over.is_set():
            writes = [self._write(number) for number in range(BATCH - COUNTING)]
            await asyncio.gather(*writes, *(self._count() for _ in range(COUNTING)))

    async def _write(self, number: int) -> None:
        """Writes a key of its own, and one of everybody's."""
        value = "x" * self._random.choice([0, 20, 1500]) + str(self._random.random())
        keys = [RecordKey("own", self._name, str(number))]
        if self._random.random() < 0.3:
            keys.append(RecordKey("shared", "all", f"key {self._random.randrange(6)}"))
        tx = self._sh.begin_transaction()
        for key in keys:
            tx.write(key.key, value, agent_id=key.agent_id, namespace=key.namespace)
        operations = [Write(key, encode(value)) for key in keys]
        await self._settle(tx, self._begun(tx, *operations))

    async def _count(self) -> None:
        tx = self._sh.begin_transaction()

        async def read() -> int:
            found = await tx.get_state("counter", agent_id="all", namespace="shared", default=0)
            return int(found.value)

        try:
            number = await _until_answered(read) + 1
        except TransactionExpiredError:
            return
        tx.write("counter", number, agent_id="all", namespace="shared")
        row = self._begun(tx, Write(_COUNTER, encode(number)), reads=(_COUNTER,))
        await self._settle(tx, row)

    def _begun(
        self, tx: TransactionAsync, *operations: WriteOperation, reads: tuple[RecordKey, ...] = ()
    ) -> CommitRow:
        """Says in the ledger that a commit is on its way."""
        read_ts = tx.read_ts if reads else None
        return self._ledger.begin(self._name, tx.txn_id, operations, read_ts=read_ts, reads=reads)

    async def _settle(self, tx: TransactionAsync, row: CommitRow) -> None:
        """Commits until it is known what became of it."""
        commit_ts = 0
        if tx.logic.state is not TransactionState.REFUSED:
            with suppress(ConflictError, TransactionExpiredError):
                commit_ts = await _until_answered(tx.commit)
        self._ledger.write(answered(row, commit_ts))
        os.write(1, b".")


async def _until_answered(ask: Callable[[], Awaitable[R]]) -> R:
    while True:
        try:
            return await ask()
        except AGAIN:
            continue


async def main(target: str, ledger_path: str, seed: str) -> None:
    """Loads the daemon until standard input ends."""
    over = asyncio.Event()
    ledger = Ledger(Path(ledger_path))
    async with StatehouseAsync(target, timeout=TIMEOUT_S, connect_timeout=CONNECT_S) as sh:
        clients = [
            Client(sh, ledger, f"batches {seed} {number}", int(seed) * 100 + number)
            for number in range(CLIENTS)
        ]
        async with asyncio.TaskGroup() as running:
            for client in clients:
                running.create_task(client.run(over))
            await asyncio.to_thread(sys.stdin.read)
            over.set()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
