"""A process that commits from several threads until it is killed, and keeps a ledger outside the store.

``python -m tests.crash.load DIRECTORY LEDGER SEED DURABILITY`` writes one line of the ledger before each call
and one after each reply (`statehouse.testing.history`), and one byte to standard output per reply, so that
whoever kills it can choose a moment.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from statehouse.engine import LocalEngine, open_engine
from statehouse.errors import ConflictError, StatehouseError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import (
    Commit,
    Copy,
    Delete,
    Extend,
    Get,
    GetMany,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import BYTES, Payload
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.history import CommitRow, ReadRow
from tests.crash.ledger import Ledger, answered

THREADS: Final = 3
BURST: Final = 6
_SHARED: Final = tuple(RecordKey("shared", "all", f"key {number}") for number in range(6))


class Worker:
    """One thread that commits whatever comes to its mind."""

    def __init__(self, engine: LocalEngine, ledger: Ledger, name: str, seed: int) -> None:
        self._engine = engine
        self._ledger = ledger
        self._name = name
        self._random = random.Random(seed)
        self._log = RecordKey("own", name, "log")
        entry = engine.execute(Get(self._log)).entry
        self._version = entry.version
        self._length = len(entry.payload.data) if entry.payload is not None else 0

    def run(self) -> None:
        """Never ends."""
        kinds: list[Callable[[], None]] = [
            self.mixed,
            self.mixed,
            self.grow,
            self.grow,
            self.burst,
            self.read,
        ]
        while True:
            self._random.choice(kinds)()

    def mixed(self) -> None:
        """Writes and deletes of shared and own keys, some of them read before."""
        keys = self._random.sample(_SHARED, self._random.randint(1, 4))
        operations: list[WriteOperation] = [Delete(keys[0])]
        operations += [Write(key, self._payload()) for key in keys[1:]]
        operations.append(
            Write(RecordKey("own", self._name, f"{self._random.randrange(50)}"), self._payload())
        )
        commit = self._commit(*operations)
        if self._random.random() < 0.3:
            read = self._engine.execute(Get(keys[0]))
            commit = replace(commit, read_ts=read.read_ts, reads=(keys[0],))
        self._await(*self._send(commit))

    def grow(self) -> None:
        """Extends its own log."""
        more = self._random.randbytes(self._random.randint(65, 900))
        if self._length > 60_000 or not self._length:
            commit = self._commit(Write(self._log, Payload(BYTES, more * 3)))
            length = len(more) * 3
        else:
            parts = (Copy(0, self._length), more)
            commit = self._commit(Extend(self._log, self._log, self._version, parts, BYTES))
            length = self._length + len(more)
        self._await(*self._send(commit))
        self._version, self._length = self._version + 1, length

    def burst(self) -> None:
        """Several commits on their way at once."""
        sent = []
        for _ in range(BURST):
            key = RecordKey("own", self._name, f"burst {self._random.randrange(20)}")
            sent.append(self._send(self._commit(Write(key, self._payload()))))
        for row, future in sent:
            self._await(row, future)

    def read(self) -> None:
        """Reads the shared keys."""
        invoked = time.monotonic_ns()
        page = self._engine.execute(GetMany(_SHARED))
        self._ledger.write(ReadRow(self._name, invoked, time.monotonic_ns(), page.read_ts, page.entries))

    def _payload(self) -> Payload:
        size = self._random.choice([0, 20, 200, 1024, 1025, 5000])
        return Payload(BYTES, self._random.randbytes(size))

    def _commit(self, *operations: WriteOperation) -> Commit:
        return Commit(self._random.randbytes(16).hex(), operations)

    def _send(self, commit: Commit) -> tuple[CommitRow, Future[Committed]]:
        row = self._ledger.begin(
            self._name, commit.txn_id, commit.operations, read_ts=commit.read_ts, reads=commit.reads
        )
        return row, self._engine.submit(commit)

    def _await(self, row: CommitRow, future: Future[Committed]) -> None:
        commit_ts = 0
        with suppress(ConflictError):
            commit_ts = future.result(60).commit_ts
        self._ledger.write(answered(row, commit_ts))
        os.write(1, b".")


def main(directory: str, ledger_path: str, seed: str, durability: str) -> None:
    """Opens the store and loads it until the end comes."""
    store = RocksStore.open(Path(directory), free_bytes_min=0)
    engine = open_engine(store, durability=durability)  # type: ignore[arg-type]  # an argument of the test's
    ledger = Ledger(Path(ledger_path))
    workers = [
        Worker(engine, ledger, f"worker {number}", int(seed) * THREADS + number) for number in range(THREADS)
    ]

    def run(worker: Worker) -> None:
        try:
            worker.run()
        except StatehouseError as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(3)

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
