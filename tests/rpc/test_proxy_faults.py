"""What a network does to a conversation: every commit is applied once, and every call ends in time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

import pytest

from statehouse import Statehouse, StatehouseAsync
from statehouse.engine import LocalEngine, open_engine
from statehouse.errors import (
    ConnectionError,
    DeadlineExceededError,
    OutcomeUnknownError,
    OverloadedError,
)
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import (
    Commit,
    Get,
    GetMany,
    Health,
    LookupTxn,
    Replay,
    Request,
    Scan,
    Status,
    Write,
)
from statehouse.protocol.values import encode
from statehouse.rpc.calling import RemoteEngine
from statehouse.rpc.sizes import SILENCE_S
from statehouse.storage.memory import MemoryStore
from statehouse.testing.blocking import BackgroundLoop, blocking
from statehouse.testing.checker import check_history
from statehouse.testing.contracts.engine_phrases import entry, name, put, transaction, write
from statehouse.testing.daemon import serving
from statehouse.testing.history import CommitRow, ReadRow, Row
from tests.engine_faults.workload import events_of
from tests.rpc.daemons import MARGIN_S, WAIT_S, eventually, is_answered, threads_of_clients, within
from tests.rpc.proxy import KINDS, Fault, Proxy

R = TypeVar("R")

HOWS: Final = ("pipeline", "unary")


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """What the daemon serves."""
    engine = open_engine(MemoryStore())
    yield engine
    engine.close()


@pytest.fixture(params=HOWS)
def remote(request: pytest.FixtureRequest, proxy: Proxy) -> Iterator[RemoteEngine]:
    """Asks over the network; connected already."""
    remote = RemoteEngine(proxy.url, pipelined=request.param == "pipeline", timeout=5, connect_timeout=1)
    assert remote.execute(Health()) == "ok"
    yield remote
    remote.close()


# One fault at a time.


def test_a_commit_whose_reply_is_lost_is_applied_once_and_answered(
    engine: LocalEngine, proxy: Proxy, remote: RemoteEngine
) -> None:
    proxy.inject(Fault("lost reply", after_bytes=1 << 20))
    committing = remote.submit(transaction(write("k", 1), txn_id="t"))
    eventually(lambda: engine.execute(LookupTxn("t")).outcome == "committed")
    proxy.inject(Fault("reset"))
    reply = committing.result(WAIT_S)
    assert (reply.commit_ts, reply.repeated) == (1, True)
    assert engine.execute(Status()).commit_ts == 1


def test_a_commit_whose_replies_are_always_lost_is_an_unknown_outcome(
    engine: LocalEngine, proxy: Proxy, remote: RemoteEngine
) -> None:
    proxy.inject(Fault("lost reply", after_bytes=1 << 20))
    with within(0.5), pytest.raises(OutcomeUnknownError) as unknown:
        remote.execute(transaction(write("k", 1), txn_id="t", timeout_s=0.5))
    proxy.heal()
    proxy.inject(Fault("reset"))
    proxy.heal()
    assert unknown.value.txn_id == "t"
    assert remote.execute(LookupTxn("t")).commit_ts == 1
    assert remote.execute(transaction(write("k", 1), txn_id="t")).repeated
    assert engine.execute(Status()).commit_ts == 1


@pytest.mark.parametrize(
    "kind, after_bytes",
    [
        *(("cut request", size) for size in (0, 1, 9, 30, 100, 200, 300)),
        *(("cut reply", size) for size in (0, 1, 9, 30, 60)),
    ],
)
def test_a_message_that_is_cut_is_sent_again(
    engine: LocalEngine, proxy: Proxy, remote: RemoteEngine, kind: str, after_bytes: int
) -> None:
    """A cut that gRPC 1.76 does not notice, when it comes with the last bytes, its keepalive does."""
    remote = remote.with_timeout(2 * SILENCE_S)
    proxy.inject(Fault(kind, after_bytes=after_bytes))  # type: ignore[arg-type]  # a literal above
    committing = remote.submit(transaction(write("k", "x" * 500)))
    read = remote.submit(Get(name("other")))
    eventually(lambda: proxy.cuts)
    proxy.heal()
    assert committing.result(2 * SILENCE_S).commit_ts == 1
    assert read.result(2 * SILENCE_S).entry.version == 0
    assert engine.execute(Status()).commit_ts == 1


def test_a_reset_between_calls_is_not_noticed(proxy: Proxy, remote: RemoteEngine) -> None:
    for number in range(1, 4):
        assert put(remote) == number
        proxy.inject(Fault("reset"))
        proxy.heal()
        assert entry(remote).version == number


def test_a_slow_network_makes_calls_slow_and_no_more(proxy: Proxy, remote: RemoteEngine) -> None:
    proxy.inject(Fault("latency", seconds=0.05))
    with within(0.1, at_least=0.1):
        assert put(remote) == 1
    with within(0.1):
        asked = [remote.submit(Get(name())) for _ in range(50)]
        assert {each.result(WAIT_S).entry.version for each in asked} == {1}


@pytest.mark.parametrize("kind", ["blackhole", "half-open"])
def test_in_silence_every_call_ends_in_its_own_time(
    engine: LocalEngine, proxy: Proxy, remote: RemoteEngine, kind: str
) -> None:
    proxy.inject(Fault(kind))  # type: ignore[arg-type]  # a literal above
    short = remote.with_timeout(0.2)
    requests: list[Request[Any]] = [Get(name()), Scan("default", "planner"), Status(), Replay()]
    for request in requests:
        with within(0.2, at_least=0.2), pytest.raises(DeadlineExceededError):
            short.execute(request)
    with within(0.2), pytest.raises(OutcomeUnknownError):
        remote.execute(transaction(write(), txn_id="t", timeout_s=0.2))
    # Where gRPC ends it by itself, it does not know either.
    asked = remote.submit(transaction(write(), txn_id="t", timeout_s=0.2))
    wait([asked], timeout=0.4)
    assert not asked.done() or isinstance(asked.exception(), OutcomeUnknownError)
    proxy.heal()
    assert remote.execute(transaction(write(), txn_id="t")).commit_ts == 1
    assert engine.execute(Status()).commit_ts == 1


def test_in_silence_awaiting_calls_end_in_their_own_time(proxy: Proxy, remote: RemoteEngine) -> None:
    proxy.inject(Fault("blackhole"))
    with BackgroundLoop() as loop:
        sh = blocking(StatehouseAsync.from_engine(remote, timeout=0.2, local=False), loop)
        for ask in (lambda: sh.get_state("k", agent_id="a"), lambda: list(sh.replay()), sh.status):
            with within(0.2, at_least=0.2), pytest.raises(DeadlineExceededError):
                ask()
        with within(0.2), pytest.raises((OutcomeUnknownError, DeadlineExceededError)):
            sh.write("k", 1, agent_id="a")
    proxy.heal()


def test_a_new_connection_into_silence_ends_within_the_connect_timeout(proxy: Proxy) -> None:
    proxy.inject(Fault("blackhole"))
    remote = RemoteEngine(proxy.url, connect_timeout=0.3)
    with within(0.3, at_least=0.3), pytest.raises(ConnectionError, match="no daemon answers"):
        remote.execute(Health())
    proxy.heal()
    eventually(lambda: is_answered(remote))
    remote.close()


def test_where_connections_are_refused_the_outcome_of_what_was_sent_is_unknown(
    engine: LocalEngine, proxy: Proxy, remote: RemoteEngine
) -> None:
    proxy.inject(Fault("lost reply", after_bytes=1 << 20))
    committing = remote.submit(transaction(write(), txn_id="t"))
    eventually(lambda: engine.execute(LookupTxn("t")).outcome == "committed")
    proxy.inject(Fault("refuse"))
    with within(1), pytest.raises(OutcomeUnknownError, match="no daemon answers"):
        committing.result(WAIT_S)
    with within(1), pytest.raises(ConnectionError, match="no daemon answers"):
        remote.execute(Get(name()))
    proxy.heal()
    assert remote.execute(LookupTxn("t")).commit_ts == 1


class OnceFull:
    """An engine that answers one commit, and is too full for the next."""

    def __init__(self, inner: Engine) -> None:
        self.execute = inner.execute
        self.close = inner.close
        self._inner = inner
        self._commits = 0

    def submit(self, request: object) -> object:
        """Refuses the second commit."""
        if isinstance(request, Commit):
            self._commits += 1
            if self._commits == 2:
                raise OverloadedError("full; nothing was applied", retry_after=0.1, reason="queue_full")
        return self._inner.submit(request)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", HOWS)
def test_a_repeated_commit_that_is_refused_without_a_look_is_an_unknown_outcome(
    engine: LocalEngine, how: str
) -> None:
    """G5: it was applied when it was sent first; "nothing was applied" would have it done twice."""
    with serving(OnceFull(engine)) as target, Proxy(target) as proxy:  # type: ignore[arg-type]  # an Engine
        remote = RemoteEngine(proxy.url, pipelined=how == "pipeline")
        assert remote.execute(Health()) == "ok"
        proxy.inject(Fault("lost reply", after_bytes=1 << 20))
        committing = remote.submit(transaction(write(), txn_id="t"))
        eventually(lambda: engine.execute(LookupTxn("t")).outcome == "committed")
        proxy.inject(Fault("reset"))
        with pytest.raises(OutcomeUnknownError):
            committing.result(WAIT_S)
        assert remote.execute(transaction(write(), txn_id="t")).repeated
        remote.close()


# Two hundred at random.


class Load:
    """Threads that commit and read over a network that fails, and note what they saw and how long it took."""

    TIMEOUT_S: Final = 1.0

    def __init__(self, sh: Statehouse, engine: RemoteEngine, label: str, seed: int) -> None:
        self.rows: list[Row] = []
        self.longest_s = 0.0
        self.ended = 0
        self._sh = sh
        self._engine = engine
        self._label = label
        self._random = random.Random(seed)

    def run(self, over: threading.Event) -> None:
        """Goes on until it is over; then everything is known."""
        while not over.is_set():
            self._random.choice((self.commit, self.commit, self._take_back, self._read, self._wander))()

    def commit(self) -> None:
        """Commits until it is known what became of it."""
        tx = self._sh.begin_transaction()
        key, value = name(f"{self._random.randrange(5)}", self._label), self._random.random()
        tx.write(key.key, value, agent_id=key.agent_id)
        row = CommitRow(
            self._label, tx.txn_id, time.monotonic_ns(), None, (Write(key, encode(value)),), "unknown"
        )
        while tx.commit_ts is None:
            self._timed(tx.commit)
        self.rows.append(
            replace(row, returned_ns=time.monotonic_ns(), outcome="acknowledged", commit_ts=tx.commit_ts)
        )

    def _take_back(self) -> None:
        """Commits, and cancels that at once: then it is not applied, or it was sent and can be asked for."""
        key, value = name("taken back", self._label), self._random.random()
        commit = transaction(Write(key, encode(value)), timeout_s=self.TIMEOUT_S)
        row = CommitRow(self._label, commit.txn_id, time.monotonic_ns(), None, commit.operations, "unknown")
        committing = self._engine.submit(commit)
        if self._random.random() < 0.5:
            self._timed(lambda: self._engine.execute(Get(key)))
        if committing.cancel():
            self.rows.append(replace(row, returned_ns=time.monotonic_ns(), outcome="failed"))
            return
        reply = None
        while reply is None:
            reply = self._timed(lambda: self._engine.execute(commit))
        self.rows.append(
            replace(row, returned_ns=time.monotonic_ns(), outcome="acknowledged", commit_ts=reply.commit_ts)
        )

    def is_idle(self) -> bool:
        """Whether the connection works, and nothing that was asked over it is unanswered."""
        return self._engine.execute(Health()) == "ok" and self._engine.unanswered == 0

    def _read(self) -> None:
        keys = tuple(name(f"{number}", self._label) for number in range(5))
        invoked = time.monotonic_ns()
        page = self._timed(lambda: self._engine.execute(GetMany(keys)))
        if page is not None:
            self.rows.append(ReadRow(self._label, invoked, time.monotonic_ns(), page.read_ts, page.entries))

    def _wander(self) -> None:
        self._timed(lambda: list(self._sh.scan_prefix(agent_id=self._label)))

    def _timed(self, ask: Callable[[], R]) -> R | None:
        began = time.monotonic()
        try:
            return ask()
        except (ConnectionError, DeadlineExceededError, OutcomeUnknownError):
            return None
        finally:
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            self.ended += 1


@contextmanager
def loads(url: str, seed: int) -> Iterator[list[Load]]:
    """Blocking and awaiting clients, over the pipeline and by unary calls."""
    with ExitStack() as opened:
        loop = opened.enter_context(BackgroundLoop())
        found: list[Load] = []
        for how in HOWS:
            engine = RemoteEngine(
                url, pipelined=how == "pipeline", timeout=Load.TIMEOUT_S, connect_timeout=Load.TIMEOUT_S
            )
            opened.callback(engine.close)
            sync = Statehouse.from_engine(engine, timeout=Load.TIMEOUT_S, local=False)
            awaiting = StatehouseAsync.from_engine(engine, timeout=Load.TIMEOUT_S, local=False)
            for colour, sh in (("sync", sync), ("async", blocking(awaiting, loop)), ("sync 2", sync)):
                seed += 1
                found.append(Load(sh, engine, f"{how} {colour}", seed))
        yield found


def fault(chance: random.Random, number: int) -> Fault:
    """One of each kind in turn, with details at random."""
    kind = KINDS[number % len(KINDS)]
    return Fault(kind, after_bytes=chance.choice((0, 5, 50, 500, 5000)), seconds=chance.random() * 0.05)


def _await_ends(running: list[Load], working: list[Future[None]], count: int) -> None:
    """Returns when so many more calls have ended."""
    ended = sum(load.ended for load in running) + count
    eventually(lambda: any(work.done() for work in working) or sum(load.ended for load in running) >= ended)
    for work in working:
        assert not work.done(), work.result()


def run_faults(engine: LocalEngine, *, count: int, seed: int) -> None:
    chance = random.Random(seed)
    over = threading.Event()
    with serving(engine, grace_s=0.1) as target, Proxy(target) as proxy, loads(proxy.url, seed) as running:
        for load in running:
            load.commit()
        before = threads_of_clients()
        with ThreadPoolExecutor(len(running)) as threads:
            working = [threads.submit(load.run, over) for load in running]
            try:
                for number in range(count):
                    proxy.inject(fault(chance, number))
                    _await_ends(running, working, chance.randint(1, 6))
                    proxy.heal()
            finally:
                proxy.heal()
                over.set()
            for work in working:
                work.result(WAIT_S)
        assert max(load.longest_s for load in running) < Load.TIMEOUT_S + MARGIN_S
        # With the network everything else is as it was.
        for load in running:
            assert load.is_idle()
        eventually(lambda: threads_of_clients() <= before)
        assert proxy.injected == count
        eventually(lambda: proxy.connections == len(HOWS))
    rows = [row for load in running for row in load.rows]
    assert check_history(rows, events_of(engine)) == []
    assert sum(isinstance(row, CommitRow) for row in rows) > len(running)


def test_each_fault_once(engine: LocalEngine) -> None:
    run_faults(engine, count=len(KINDS), seed=1)


@pytest.mark.slow
def test_two_hundred_faults(engine: LocalEngine) -> None:
    """G5, G4: each commit is in the log once, each read agrees with the log, each call ends in time."""
    run_faults(engine, count=200, seed=2)
