"""Starting processes that load a store, killing them, and judging what they leave."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from statehouse.engine import LocalEngine, open_engine
from statehouse.errors import ConflictError, InvalidArgumentError
from statehouse.protocol.replies import Event
from statehouse.protocol.requests import Commit
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.checker import check_history
from statehouse.testing.history import CommitRow, Row, load_row
from tests.crash.ledger import answered
from tests.engine_faults.workload import assert_sound, events_of

REPOSITORY = Path(__file__).parents[2]


def kill_after(
    replies: int,
    directory: Path,
    ledger: Path,
    *,
    seed: int,
    durability: str = "sync",
    env: Mapping[str, str] | None = None,
) -> None:
    """Loads a store in a process of its own and kills it once it had so many replies."""
    command = [sys.executable, "-W", "error", "-m", "tests.crash.load"]
    arguments = [str(directory), str(ledger), str(seed), durability]
    with subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        env=dict(env) if env is not None else None,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            seen = process.stdout.read(replies)
        finally:
            process.kill()
        assert len(seen) == replies, process.stderr.read().decode()


def open_directory(directory: Path, *, accept_data_loss: bool = False) -> LocalEngine:
    """Opens what is left."""
    return open_engine(RocksStore.open(directory, free_bytes_min=0), accept_data_loss=accept_data_loss)


class Judge:
    """Knows what every process was told, and compares it with what the store says."""

    def __init__(self, directory: Path, ledger: Path) -> None:
        self._directory = directory
        self._ledger = ledger
        self._told: list[Row] = []
        self._read_bytes = 0
        self._logs: list[tuple[Event, ...]] = []

    def rows(self) -> list[Row]:
        """Everything that clients saw."""
        with self._ledger.open("rb") as file:
            file.seek(self._read_bytes)
            data = file.read()
        self._read_bytes += len(data)
        for line in data.decode(errors="replace").splitlines():
            # The kernel ends a write between two pages of memory when its process is killed. What was to be
            # told then was not told: of a commit whose answer is missing nobody knows the outcome.
            with suppress(InvalidArgumentError):
                row = load_row(line)
                if not isinstance(row, Event):
                    self._told.append(row)
        return self._told

    def judge(self, *, earlier_logs: Sequence[tuple[Event, ...]] = ()) -> None:
        """Opens the store, checks it, and sends again whatever nobody knows the outcome of (G5).

        Args:
            earlier_logs: What others have read of the whole log before.
        """
        self._logs += earlier_logs
        engine = open_directory(self._directory)
        log = events_of(engine)
        self._check(log)
        for row in self._unknown():
            self._told.append(self._send_again(engine, row))
        assert_sound(engine)
        log = events_of(engine)
        self._check(log)
        self._logs.append(log)
        engine.close()

    def _check(self, log: Sequence[Event]) -> None:
        violations = check_history(self.rows(), log, earlier_logs=self._logs[-1:])
        assert not violations, violations[:5]

    def _unknown(self) -> list[CommitRow]:
        last = {row.txn_id: row for row in self.rows() if isinstance(row, CommitRow)}
        return [row for row in last.values() if row.outcome == "unknown"]

    def _send_again(self, engine: LocalEngine, row: CommitRow) -> CommitRow:
        invoked = time.monotonic_ns()
        commit = Commit(row.txn_id, row.operations, read_ts=row.read_ts, reads=row.reads)
        commit_ts = 0
        with suppress(ConflictError):
            commit_ts = engine.execute(commit).commit_ts
        return answered(replace(row, invoked_ns=invoked), commit_ts)
