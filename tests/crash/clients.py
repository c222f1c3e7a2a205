"""A process whose clients commit through a daemon that is killed, and keep a ledger outside the store.

``python -m tests.crash.clients TARGET LEDGER SEED`` has blocking and awaiting clients, over the pipeline and
by unary calls. They write one line of the ledger before each call and one after each reply
(`statehouse.testing.history`), and one byte to standard output per reply. What the daemon's deaths leave open
they repeat until they know. When standard input ends, each finishes what it has begun, and the process exits
with 0.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from statehouse import (
    ConflictError,
    ConnectionError,
    DeadlineExceededError,
    OutcomeUnknownError,
    OverloadedError,
    Record,
    Statehouse,
    StatehouseAsync,
    Transaction,
    TransactionExpiredError,
)
from statehouse.client.transactions import TransactionState
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Entry
from statehouse.protocol.requests import Delete, GetMany, KeyRange, Write, WriteOperation
from statehouse.protocol.values import encode
from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.blocking import BackgroundLoop, blocking
from statehouse.testing.history import CommitRow, ReadRow, ReplayRow
from tests.crash.ledger import Ledger, answered

R = TypeVar("R")

AGAIN: Final = (ConnectionError, DeadlineExceededError, OutcomeUnknownError, OverloadedError)
"""What a client meets while the daemon is away; it tries again."""

TIMEOUT_S: Final = 5.0
CONNECT_S: Final = 1.0
KEYS: Final = tuple(f"key {number}" for number in range(6))


class Client:
    """One thread that commits whatever comes to its mind."""

    def __init__(self, sh: Statehouse, ledger: Ledger, name: str, seed: int, over: threading.Event) -> None:
        self._engine = sh.connection.engine
        self._shared = sh.agent("all", namespace="shared")
        self._ledger = ledger
        self._name = name
        self._random = random.Random(seed)
        self._over = over

    def run(self) -> None:
        """Goes on until it is over."""
        kinds: list[Callable[[], None]] = [self.mixed, self.mixed, self.count, self.read, self.scan]
        while not self._over.is_set():
            self._random.choice(kinds)()
            os.write(1, b".")

    def mixed(self) -> None:
        """Writes and deletes of shared and own keys."""
        tx = self._shared.begin_transaction()
        operations: list[WriteOperation] = []
        for key in self._random.sample(KEYS, self._random.randint(1, 3)):
            if self._random.random() < 0.3:
                tx.delete(key)
                operations.append(Delete(RecordKey("shared", "all", key)))
            else:
                value = self._value()
                tx.write(key, value)
                operations.append(Write(RecordKey("shared", "all", key), encode(value)))
        own, value = f"{self._random.randrange(50)}", self._value()
        tx.write(own, value, agent_id=self._name, namespace="own")
        operations.append(Write(RecordKey("own", self._name, own), encode(value)))
        self._settle(tx, self._begun(tx, tuple(operations)))

    def count(self) -> None:
        """Counts, in transactions that conflict with those of the others."""
        tried: list[tuple[Transaction, CommitRow]] = []
        counter = RecordKey("shared", "all", "counter")

        def count(tx: Transaction) -> None:
            number = tx.get_state("counter", default=0).value + 1
            tx.write("counter", number)
            row = self._begun(tx, (Write(counter, encode(number)),), reads=(counter,))
            tried.append((tx, row))

        try:
            self._shared.transact(count, attempts=20)
        except (ConflictError, TransactionExpiredError, *AGAIN):
            # Refused too often, or no answer for too long: to a read, or to the last commit.
            if not tried:
                return
        for _, row in tried[:-1]:
            self._refused(row)
        self._settle(*tried[-1])

    def read(self) -> None:
        """Reads the shared keys, also those that are not there."""
        names = tuple(RecordKey("shared", "all", key) for key in KEYS)
        invoked = time.monotonic_ns()
        page = self._until_answered(lambda: self._engine.execute(GetMany(names)))
        row = ReadRow(self._name, invoked, time.monotonic_ns(), page.read_ts, page.entries)
        self._ledger.write(row)

    def scan(self) -> None:
        """Reads all of the shared keys there are, as of one commit."""
        invoked = time.monotonic_ns()

        def scan() -> tuple[int, list[Record]]:
            tx = self._shared.begin_transaction()
            found = list(tx.scan_prefix(""))
            assert tx.read_ts is not None
            return tx.read_ts, found

        read_ts, found = self._until_answered(scan)
        entries = tuple(
            Entry(
                RecordKey("shared", "all", record.key),
                record.payload,
                record.version,
                record.commit_ts,
                "write",
            )
            for record in found
        )
        span = KeyRange("shared", "all")
        self._ledger.write(ReadRow(self._name, invoked, time.monotonic_ns(), read_ts, entries, span))

    def _value(self) -> Any:
        return "x" * self._random.choice([0, 20, 1500]) + str(self._random.random())

    def _begun(
        self, tx: Transaction, operations: tuple[WriteOperation, ...], reads: tuple[RecordKey, ...] = ()
    ) -> CommitRow:
        """Says in the ledger that a commit is on its way."""
        read_ts = tx.read_ts if reads else None
        return self._ledger.begin(self._name, tx.txn_id, operations, read_ts=read_ts, reads=reads)

    def _settle(self, tx: Transaction, row: CommitRow) -> None:
        """Commits until it is known what became of it."""
        if tx.logic.state is TransactionState.REFUSED:
            self._refused(row)
            return
        try:
            commit_ts = tx.commit_ts or self._until_answered(tx.commit)
        except (ConflictError, TransactionExpiredError):
            # The latter before the commit was sent, while the handle still asked which store this is.
            self._refused(row)
            return
        self._ledger.write(answered(row, commit_ts))

    def _refused(self, row: CommitRow) -> None:
        self._ledger.write(answered(row, 0))

    def _until_answered(self, ask: Callable[[], R]) -> R:
        while True:
            try:
                return ask()
            except AGAIN:
                continue


class Follower:
    """One thread that follows a part of the log, and goes on behind the last event when it is interrupted."""

    def __init__(self, sh: Statehouse, ledger: Ledger, name: str, agent_id: str | None) -> None:
        self._sh = sh
        self._ledger = ledger
        self._name = name
        self._agent_id = agent_id
        self._namespace = None if agent_id is None else "shared"

    def run(self) -> None:
        """Goes on until the handle is closed."""
        from_ts = 1
        while not self._sh.closed:
            try:
                for event in self._sh.replay(
                    agent_id=self._agent_id,
                    namespace=self._namespace,
                    whole_store=self._agent_id is None,
                    from_ts=from_ts,
                    follow=True,
                ):
                    row = ReplayRow(
                        self._name,
                        self._name,
                        0,
                        time.monotonic_ns(),
                        self._namespace,
                        self._agent_id,
                        from_ts,
                        event.commit_ts,
                        (event,),
                    )
                    self._ledger.write(row)
                    from_ts = event.commit_ts + 1
            except AGAIN:
                continue


@contextmanager
def handles(target: str) -> Iterator[list[Statehouse]]:
    """Handles of every kind on one daemon: blocking and awaiting, over the pipeline and by unary calls."""
    with ExitStack() as opened:
        loop = opened.enter_context(BackgroundLoop())
        found: list[Statehouse] = []
        for pipelined in (True, False):
            engine = RemoteEngine(target, timeout=TIMEOUT_S, connect_timeout=CONNECT_S, pipelined=pipelined)
            opened.callback(engine.close)
            sync = Statehouse.from_engine(engine, timeout=TIMEOUT_S, local=False)
            awaiting = StatehouseAsync.from_engine(engine, timeout=TIMEOUT_S, local=False)
            found += [sync, blocking(awaiting, loop)]
        yield found


def main(target: str, ledger_path: str, seed: str) -> None:
    """Loads the daemon until standard input ends."""
    over = threading.Event()
    ledger = Ledger(Path(ledger_path))
    with ExitStack() as running:
        opened = running.enter_context(handles(target))
        clients = [
            Client(sh, ledger, f"client {seed} {number}", int(seed) * 100 + number, over)
            for number, sh in enumerate([*opened, *opened])
        ]
        following = Statehouse.from_engine(opened[0].connection.engine, timeout=TIMEOUT_S, local=False)
        followers = [
            Follower(following, ledger, f"follower {seed} of all", None),
            Follower(following, ledger, f"follower {seed} of one", "all"),
        ]
        threads = running.enter_context(ThreadPoolExecutor(len(clients) + len(followers)))
        working = [threads.submit(_watched, client.run) for client in clients]
        for follower in followers:
            threads.submit(_watched, follower.run)
        sys.stdin.read()
        over.set()
        for work in working:
            work.result()
        following.close()


def _watched(run: Callable[[], None]) -> None:
    try:
        run()
    except BaseException:  # noqa: BLE001 - whatever it is, the test is to fail, at once
        os.write(2, traceback.format_exc().encode())
        os._exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
