"""What many clients of one engine see at once, and over restarts, checked against the guarantees."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from statehouse.engine import open_engine as open_local
from statehouse.errors import ConflictError, NotFoundError, PreconditionFailedError
from statehouse.protocol.engine import Engine
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Committed, Entry, Event, Page
from statehouse.protocol.requests import (
    Commit,
    Copy,
    Delete,
    Extend,
    Get,
    GetMany,
    KeyRange,
    Precondition,
    Replay,
    Scan,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import BYTES, Payload
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.checker import check_history
from statehouse.testing.history import CommitRow, ReadRow, ReplayRow, Row, dump_row, load_row
from tests.engine.conftest import KeptStore

AGENTS = (("n", "a"), ("n", "b"), ("m", "a"))
KEYS = [
    RecordKey(*agent, f"{prefix}{number}") for agent in AGENTS for prefix in ("k", "l") for number in range(4)
]
REFUSALS = (ConflictError, PreconditionFailedError, NotFoundError)

Restart = Callable[[Engine | None], Engine]


class Client:
    """One thread that commits and reads what it likes, and writes down what it saw."""

    def __init__(self, engine: Engine, name: str, seed: int) -> None:
        self.rows: list[Row] = []
        self._engine = engine
        self._name = name
        self._random = random.Random(seed)
        self._count = 0
        self._streams: dict[str, tuple[str | None, str | None, int]] = {}

    def run(self, steps: int) -> None:
        """Takes so many steps."""
        steps_of_all_kinds: list[Callable[[], None]] = [
            *[self.commit] * 4,
            self.burst,
            self.read_and_commit,
            self.get,
            self.get_many,
            self.scan,
            *[self.replay] * 2,
        ]
        for _ in range(steps):
            self._random.choice(steps_of_all_kinds)()

    def commit(self) -> None:
        """Commits, now and then twice."""
        request = self._request()
        self._finish(request, time.monotonic_ns(), self._engine.submit(request))
        if self._random.random() < 0.2:
            self._finish(request, time.monotonic_ns(), self._engine.submit(request))

    def burst(self) -> None:
        """Commits that are on their way together."""
        begun = []
        for _ in range(8):
            request = self._request()
            begun.append((request, time.monotonic_ns(), self._engine.submit(request)))
        for request, invoked, future in begun:
            self._finish(request, invoked, future)

    def read_and_commit(self) -> None:
        """A transaction: reads keys and a range, and writes what depends on them."""
        keys = tuple(self._random.sample(KEYS, 2))
        first = self._read(GetMany(keys))
        listed = self._random.random() < 0.5
        page, span = self._scan(at=first.read_ts, keys_only=listed)
        existing = {entry.key: entry for entry in (*first.entries, *page.entries)}
        operations: list[WriteOperation] = [Write(keys[0], self._payload())]
        if existing[keys[1]].exists:
            operations.append(Delete(keys[1]))
        self._commit(tuple(operations), read_ts=first.read_ts, reads=keys, ranges=(span,))

    def get(self) -> None:
        """Reads one key."""
        invoked = time.monotonic_ns()
        read = self._engine.execute(Get(self._random.choice(KEYS)))
        self._saw(invoked, read.read_ts, (read.entry,))

    def get_many(self) -> None:
        """Reads several keys, now or as of an earlier commit."""
        page = self._read(GetMany(tuple(self._random.sample(KEYS, 4))))
        if page.read_ts:
            self._read(GetMany(tuple(KEYS), at=self._random.randrange(page.read_ts)))

    def scan(self) -> None:
        """Reads a range, page by page."""
        page, _ = self._scan(keys_only=self._random.random() < 0.3, limit=self._random.choice([2, 1000]))
        if page.read_ts:
            self._scan(at=self._random.randrange(page.read_ts))

    def replay(self) -> None:
        """Reads on in one of its replays."""
        stream = self._random.choice(["all", "n", "m/a"])
        owners: dict[str, tuple[str | None, str | None]] = {
            "all": (None, None),
            "n": ("n", None),
            "m/a": ("m", "a"),
        }
        namespace, agent_id, from_ts = self._streams.get(stream, (*owners[stream], 1))
        limit = self._random.choice([3, 1000])
        invoked = time.monotonic_ns()
        request = Replay(namespace, agent_id, from_ts, limit=limit, wait_s=self._random.choice([0.0, 0.001]))
        page = self._engine.submit(request).result(timeout=60)
        self.rows.append(
            ReplayRow(
                self._name,
                f"{self._name} {stream}",
                invoked,
                time.monotonic_ns(),
                namespace,
                agent_id,
                from_ts,
                page.through_commit_ts,
                page.events,
            )
        )
        self._streams[stream] = (namespace, agent_id, page.through_commit_ts + 1)

    def _payload(self) -> Payload:
        self._count += 1
        return Payload(BYTES, f"{self._name} {self._count} ".encode() * self._random.choice([1, 1, 1, 200]))

    def _request(self) -> Commit:
        operations: list[WriteOperation] = []
        for key in self._random.sample(KEYS, self._random.randint(1, 3)):
            match self._random.randrange(6):
                case 0:
                    operations.append(Delete(key))
                case 1:
                    parts = (Copy(0, 1), self._payload().data)
                    operations.append(Extend(key, key, self._random.randint(1, 3), parts, BYTES))
                case _:
                    operations.append(Write(key, self._payload()))
        conditions: tuple[Precondition, ...] = ()
        if self._random.random() < 0.2:
            conditions = (Precondition(self._random.choice(KEYS), version=self._random.randrange(3)),)
        return self._identified(Commit("", tuple(operations), preconditions=conditions))

    def _identified(self, request: Commit) -> Commit:
        self._count += 1
        return Commit(
            f"{self._name}-{self._count}",
            request.operations,
            request.read_ts,
            request.reads,
            request.ranges,
            request.preconditions,
        )

    def _commit(self, operations: tuple[WriteOperation, ...], **fields: Any) -> None:
        request = self._identified(Commit("", operations, **fields))
        self._finish(request, time.monotonic_ns(), self._engine.submit(request))

    def _finish(self, request: Commit, invoked: int, future: Future[Committed]) -> None:
        commit_ts = 0
        with suppress(*REFUSALS):
            commit_ts = future.result(timeout=60).commit_ts
        self.rows.append(
            CommitRow(
                self._name,
                request.txn_id,
                invoked,
                time.monotonic_ns(),
                request.operations,
                "acknowledged" if commit_ts else "failed",
                commit_ts,
                request.read_ts,
                request.reads,
                request.ranges,
            )
        )

    def _read(self, request: GetMany) -> Page:
        invoked = time.monotonic_ns()
        page = self._engine.execute(request)
        self._saw(invoked, page.read_ts, page.entries, as_of=request.at is not None)
        return page

    def _scan(
        self, *, at: int | None = None, keys_only: bool = False, limit: int = 1000
    ) -> tuple[Page, KeyRange]:
        namespace, agent_id = self._random.choice(AGENTS)
        prefix = self._random.choice(["", "k", "l"])
        reverse = self._random.random() < 0.5
        invoked = time.monotonic_ns()
        first = page = self._engine.execute(
            Scan(namespace, agent_id, prefix, at=at, reverse=reverse, keys_only=keys_only, limit=limit)
        )
        entries = list(page.entries)
        while page.cursor is not None:
            page = self._engine.execute(
                Scan(
                    namespace,
                    agent_id,
                    prefix,
                    reverse=reverse,
                    keys_only=keys_only,
                    limit=limit,
                    cursor=page.cursor,
                )
            )
            assert page.read_ts == first.read_ts
            entries += page.entries
        span = KeyRange(namespace, agent_id, prefix, keys_only=keys_only)
        self._saw(invoked, first.read_ts, tuple(entries), span=span, as_of=at is not None)
        return Page(tuple(entries), None, first.read_ts), span

    def _saw(
        self,
        invoked: int,
        read_ts: int,
        entries: tuple[Entry, ...],
        *,
        span: KeyRange | None = None,
        as_of: bool = False,
    ) -> None:
        self.rows.append(ReadRow(self._name, invoked, time.monotonic_ns(), read_ts, entries, span, as_of))


def run_clients(engine: Engine, *, clients: int, steps: int, seed: int) -> list[Row]:
    """Runs clients at once and gives what they saw."""
    crew = [Client(engine, f"c{seed}.{number}", seed * 1000 + number) for number in range(clients)]
    failures: list[BaseException] = []

    def run(client: Client) -> None:
        try:
            client.run(steps)
        except BaseException as error:  # noqa: BLE001 - reported by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(client,)) for client in crew]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [row for client in crew for row in client.rows]


def read_log(engine: Engine) -> list[Event]:
    """Every event, read in pages."""
    log: list[Event] = []
    while True:
        page = engine.execute(Replay(from_ts=len(log) + 1, limit=500))
        if not page.events:
            return log
        log += page.events


@pytest.fixture(params=["memory", "rocksdb"])
def restart(request: pytest.FixtureRequest, tmp_path: Path) -> Restart:
    """Closes an engine, if one is given, and opens its store again."""
    kept = KeptStore()

    def again(engine: Engine | None) -> Engine:
        if engine is not None:
            engine.close()
        return open_local(kept if request.param == "memory" else RocksStore.open(tmp_path / "store"))

    return again


def _run(restart: Restart, *, clients: int, steps: int, lives: int) -> None:
    rows: list[Row] = []
    logs: list[list[Event]] = []
    engine = restart(None)
    for life in range(lives):
        rows += run_clients(engine, clients=clients, steps=steps, seed=life)
        logs.append(read_log(engine))
        assert check_history(rows, logs[-1], earlier_logs=logs) == []
        engine = restart(engine)
    log = read_log(engine)
    engine.close()
    assert check_history(rows, log, earlier_logs=logs) == []
    outcomes = {row.outcome for row in rows if isinstance(row, CommitRow)}
    assert outcomes == {"acknowledged", "failed"}
    assert [load_row(dump_row(row)) for row in rows[:500]] == rows[:500]


def test_what_many_clients_see_at_once_is_one_history(restart: Restart) -> None:
    """G1 to G7, over a restart."""
    _run(restart, clients=4, steps=40, lives=2)


@pytest.mark.slow
def test_what_many_clients_see_for_a_long_time_is_one_history(restart: Restart) -> None:
    """G1 to G7, over many restarts."""
    _run(restart, clients=6, steps=150, lives=4)
