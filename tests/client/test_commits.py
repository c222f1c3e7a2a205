"""How a commit ends that is not simply answered: late, cancelled, in doubt, sent again (G5)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from statehouse import (
    ConflictError,
    DeadlineExceededError,
    EngineError,
    NotFoundError,
    OutcomeUnknownError,
    OverloadedError,
    RefusingWritesError,
    Statehouse,
    StatehouseAsync,
    Transaction,
    TransactionClosedError,
)
from statehouse.client.connection import FRESH_S, Connection
from statehouse.extend import Commit, Extend, Get, Request, Scan, Status, TransactionState, Write
from statehouse.testing.clock import ManualClock
from tests.client.engines import HoldingEngine, RecordingEngine


def failing(error: Exception, kind: type[Request[Any]] = Commit, times: int = 1) -> RecordingEngine:
    left = [error] * times

    def before(request: Request[Any]) -> None:
        if left and isinstance(request, kind):
            raise left.pop()

    return RecordingEngine(before)


def patient(engine: RecordingEngine) -> Connection:
    # Time stands still for transactions; how long a commit is waited for is real.
    return Connection(engine, monotonic=ManualClock().monotonic)


async def _commit_in_time(engine: HoldingEngine) -> None:
    await StatehouseAsync.from_connection(patient(engine)).write("k", 1, agent_id="a", timeout=0.001)


def test_a_commit_still_queued_at_its_deadline_is_taken_back() -> None:
    engine = HoldingEngine(begun=False)
    with pytest.raises(DeadlineExceededError, match="nothing was applied"):
        asyncio.run(_commit_in_time(engine))
    assert engine.held[0][1].cancelled()


def test_a_commit_being_written_at_its_deadline_is_unknown_and_can_be_sent_again() -> None:
    engine = HoldingEngine(begun=True)

    async def main() -> None:
        agent = StatehouseAsync.from_connection(patient(engine)).agent("a")
        tx = agent.transaction(timeout=0.001, txn_id="t-1")
        tx.write("k", 1)
        with pytest.raises(OutcomeUnknownError) as caught:
            await tx.commit()
        assert (caught.value.txn_id, tx.logic.state) == ("t-1", TransactionState.SENT)
        engine.release()
        engine.when_held = engine.release
        assert (await tx.commit(), tx.commit_ts, len(engine.commits())) == (1, 1, 2)

    asyncio.run(main())


@pytest.mark.parametrize("begun", [False, True])
def test_cancelling_the_task_cancels_a_queued_commit_only(begun: bool) -> None:
    engine = HoldingEngine(begun=begun)

    async def main() -> None:
        tx = StatehouseAsync.from_engine(engine).agent("a").transaction()
        tx.write("k", 1)
        held = asyncio.Event()
        engine.when_held = held.set
        task = asyncio.create_task(tx.commit())
        await held.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine.held[0][1].cancelled() is not begun
        assert tx.logic.state is TransactionState.SENT
        if begun:
            engine.when_held = lambda: None
            engine.release()
            again = asyncio.create_task(tx.commit())
            await asyncio.sleep(0)
            engine.release()
            assert await again == 1

    asyncio.run(main())


def test_a_commit_that_is_answered_after_its_loop_was_closed_harms_nothing() -> None:
    engine = HoldingEngine(begun=True)
    with pytest.raises(OutcomeUnknownError):
        asyncio.run(_commit_in_time(engine))
    engine.release()


def test_a_store_closed_before_the_commit_was_begun_says_so() -> None:
    engine = HoldingEngine(begun=False)
    engine.when_held = lambda: [future.cancel() for _, future in engine.held]
    with pytest.raises(EngineError, match="nothing was applied"):
        asyncio.run(_commit_in_time(engine))


def test_an_overloaded_engine_is_asked_again_with_the_same_commit() -> None:
    engine = failing(OverloadedError("full", retry_after=0.0, reason="queue_full"))
    tx = Statehouse.from_engine(engine).agent("a").transaction()
    tx.write("k", 1)
    with pytest.raises(OverloadedError):
        tx.commit()
    with pytest.raises(TransactionClosedError):
        tx.write("k", 2)
    assert tx.commit() == 1
    first, second = engine.commits()
    assert (first.txn_id, first.operations) == (second.txn_id, second.operations)


def test_transact_waits_for_an_overloaded_engine() -> None:
    engine = failing(OverloadedError("full", retry_after=0.001, reason="queue_full"), times=2)
    sh = Statehouse.from_engine(engine)
    sh.transact(lambda tx: tx.write("k", 1, agent_id="a"))
    assert len(engine.commits()) == 3


@pytest.mark.parametrize(
    "error", [RefusingWritesError("G8"), OverloadedError("full", retry_after=9.0, reason="disk_full")]
)
def test_transact_does_not_insist(error: Exception) -> None:
    engine = failing(error, times=2)
    with pytest.raises(type(error)):
        Statehouse.from_engine(engine).transact(lambda tx: tx.write("k", 1, agent_id="a"))
    assert len(engine.commits()) == 1


def test_a_conflict_of_another_transaction_is_not_tried_again() -> None:
    sh = Statehouse.from_engine(RecordingEngine())
    calls = []

    def act(tx: Transaction) -> None:
        calls.append(tx)
        raise ConflictError("somebody else's", keys=(), commit_ts=1)

    with pytest.raises(ConflictError):
        sh.transact(act)
    assert len(calls) == 1


def test_a_refused_commit_does_not_happen_later() -> None:
    engine = failing(RefusingWritesError("G8"))
    tx = Statehouse.from_engine(engine).agent("a").transaction()
    tx.write("k", 1)
    with pytest.raises(RefusingWritesError):
        tx.commit()
    with pytest.raises(TransactionClosedError, match="refused") as caught:
        tx.commit()
    assert isinstance(caught.value.__cause__, RefusingWritesError)


def test_a_second_commit_while_one_is_under_way_is_refused() -> None:
    engine = HoldingEngine(begun=True)
    tx = Statehouse.from_engine(engine).agent("a").transaction()
    tx.write("k", 1)
    held = threading.Event()
    engine.when_held = held.set
    first = threading.Thread(target=tx.commit)
    first.start()
    held.wait()
    with pytest.raises(TransactionClosedError, match="being committed"):
        tx.commit()
    with pytest.raises(TransactionClosedError, match="being committed"):
        tx.abort()
    engine.release()
    first.join()
    assert tx.commit_ts == 1


def test_a_grown_value_whose_base_is_gone_is_sent_whole() -> None:
    engine = RecordingEngine()
    sh = Statehouse.from_engine(engine)
    sh.write("log", "x" * 5000, agent_id="a")
    base = sh.get_state("log", agent_id="a")
    engine.before = failing(NotFoundError("gone")).before
    sh.write("log", "x" * 6000, agent_id="a", extends=base, txn_id="t-2")
    sent = [(commit.txn_id, type(commit.operations[0])) for commit in engine.commits()[1:]]
    assert sent == [("t-2", Extend), ("t-2", Write)]
    assert len(sh.get_state("log", agent_id="a").value) == 6000


def test_a_read_that_fails_lets_the_next_one_pin() -> None:
    engine = failing(EngineError("once"), Get)
    tx = Statehouse.from_engine(engine).agent("a").transaction()
    with pytest.raises(EngineError, match="once"):
        tx.get_state("k", default=None)
    assert (tx.get_state("k", default=None).value, tx.read_ts) == (None, 0)


def test_a_transaction_says_what_it_read_and_when_it_was_made() -> None:
    engine = RecordingEngine()
    sh = Statehouse.from_engine(engine)
    sh.write("k", 1, agent_id="a")
    with sh.agent("a").transaction() as tx:
        tx.get_state("k")
        tx.get_state("absent", default=None)
        tx.list_keys("p/", limit=5)
        tx.write("k", 2, if_version=1)
    commit = engine.commits()[-1]
    assert [name.key for name in commit.reads] == ["k", "absent"]
    assert [(span.prefix, span.last, span.keys_only) for span in commit.ranges] == [("p/", None, True)]
    assert (commit.read_ts, commit.made_at_ts, commit.preconditions[0].version) == (1, 1, 1)
    assert (commit.store_id, commit.epoch) == (sh.status().store_id, 1)


def test_a_scan_is_one_range_however_many_pages() -> None:
    engine = RecordingEngine()
    sh = Statehouse.from_engine(engine)
    with sh.agent("a").transaction() as tx:
        for n in range(2100):
            tx.write(f"{n:04}", 1)
    with sh.agent("a").transaction() as tx:
        rows = tx.scan_prefix()
        for _ in range(1001):
            next(rows)
        tx.write("k", 1)
    (span,) = engine.commits()[-1].ranges
    assert (span.first, span.last) == (None, "1999")
    assert len([request for request in engine.asked if isinstance(request, Scan)]) == 2


def test_beginning_asks_nothing() -> None:
    engine = RecordingEngine()
    sh = Statehouse.from_engine(engine)
    tx = sh.agent("a").begin_transaction()
    tx.write("k", 1)
    tx.delete("l")
    tx.abort()
    assert engine.asked == []


def test_a_client_that_slept_asks_for_the_newest_commit_first() -> None:
    engine, clock = RecordingEngine(), ManualClock()
    sh = Statehouse.from_connection(Connection(engine, monotonic=clock.monotonic))
    sh.write("k", 1, agent_id="a")
    Statehouse.from_engine(engine).write("k", 2, agent_id="a")
    engine.asked.clear()
    sh.write("k", 3, agent_id="a")
    clock.advance(FRESH_S + 1)
    sh.write("k", 4, agent_id="a")
    assert [type(request) for request in engine.asked] == [Commit, Status, Commit]
    assert [commit.made_at_ts for commit in engine.commits()] == [1, 3]
