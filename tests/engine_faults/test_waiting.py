"""Callers that commit from threads of their own: who writes, who waits, and what Ctrl-C may interrupt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from statehouse.engine import LocalEngine, open_engine
from statehouse.engine.prepare import Prepared
from statehouse.engine.tickets import AwaitedTicket, tell_all
from statehouse.errors import DeadlineExceededError, EngineError, OutcomeUnknownError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Check, Commit, Get, LookupTxn, Write
from statehouse.protocol.values import encode
from statehouse.testing.faults import Call, FaultStore
from tests.engine_faults.gates import WAIT_S, GatedStore, held, submit_as_group


def commit_of(number: int, *, timeout_s: float = 30.0) -> Commit:
    key = RecordKey("default", "a", f"k{number}")
    return Commit(f"txn-{number}", (Write(key, encode(number)),), timeout_s=timeout_s)


def problems(engine: LocalEngine) -> list[object]:
    found: list[object] = []
    cursor = None
    while True:
        page = engine.execute(Check(cursor))
        found += page.problems
        cursor = page.cursor
        if cursor is None:
            return found


def test_a_commit_that_nobody_else_disturbs_is_written_in_its_caller_s_thread() -> None:
    store = WatchedStore()
    engine = open_engine(store)
    engine.execute(commit_of(1))
    assert store.writers[-1] is threading.current_thread()
    engine.close()


class WatchedStore(FaultStore):
    """Remembers who wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: list[threading.Thread] = []

    def write(self, rows: object) -> None:
        """See `Store.write`."""
        self.writers.append(threading.current_thread())
        super().write(rows)  # type: ignore[arg-type]  # handed on as it came


def test_a_commit_still_queued_at_its_deadline_is_taken_back() -> None:
    store = GatedStore()
    engine = open_engine(store)
    with held(store, engine), pytest.raises(DeadlineExceededError, match="nothing was applied"):
        engine.execute(commit_of(1, timeout_s=0.01))
    engine.close()
    assert engine_outcome(store, "txn-1") == "absent"


def engine_outcome(store: FaultStore, txn_id: str) -> str:
    """What a store that was closed knows of a transaction."""
    engine = open_engine(store.after_crash())
    outcome = engine.execute(LookupTxn(txn_id)).outcome
    engine.close()
    return outcome


def test_a_commit_being_written_at_its_deadline_is_unknown_and_can_be_sent_again() -> None:
    store = GatedStore()
    engine = open_engine(store)
    # Where several commit at once, the writer thread writes.
    for each in submit_as_group(store, engine, [commit_of(1), commit_of(2)]):
        each.result(WAIT_S)
    store.shut(Call.WRITE)
    try:
        with pytest.raises(OutcomeUnknownError) as caught:
            engine.execute(commit_of(3, timeout_s=0.05))
        assert caught.value.txn_id == "txn-3"
    finally:
        store.lift(Call.WRITE)
    assert engine.execute(commit_of(3)).commit_ts == 4
    engine.close()


def test_every_caller_of_a_group_is_answered() -> None:
    store = GatedStore()
    engine = open_engine(store)
    with ThreadPoolExecutor(32) as threads:
        for round_ in range(4):
            numbers = range(round_ * 100, round_ * 100 + 32)
            with held(store, engine) if round_ == 0 else threading.Lock():
                answers = [threads.submit(engine.execute, commit_of(number)) for number in numbers]
            assert len({answer.result(WAIT_S).commit_ts for answer in answers}) == 32
    assert problems(engine) == []
    engine.close()


def test_the_writer_learns_when_the_last_caller_of_a_group_is_awake() -> None:
    tickets, all_woken = waiting_tickets(3), threading.Event()
    tell_all([(ticket, Committed(1, 1)) for ticket in tickets], all_woken)
    awake = []
    for ticket in tickets:
        awake.append(all_woken.is_set())
        ticket.wait(0)
    assert [*awake, all_woken.is_set()] == [False, False, False, True]


def test_callers_that_left_before_they_were_answered_keep_nobody_waiting() -> None:
    tickets, all_woken = waiting_tickets(3), threading.Event()
    for ticket in tickets[1:]:
        assert ticket.wait(0) is None
    tell_all([(ticket, Committed(1, 1)) for ticket in tickets], all_woken)
    assert tickets[0].wait(0) == Committed(1, 1)
    assert all_woken.is_set()


def waiting_tickets(count: int) -> list[AwaitedTicket]:
    """Tickets of callers that wait, in no store."""
    prepared = Prepared(commit_of(1), b"", b"", b"", (), (), (), (), 0)
    return [AwaitedTicket(prepared.commit, prepared, 0.0) for _ in range(count)]


def test_a_callback_that_would_wait_for_the_writer_is_told_so() -> None:
    engine = open_engine(FaultStore())
    told: list[BaseException | None] = []

    def call_back(_: object) -> None:
        with pytest.raises(EngineError, match="use submit") as caught:
            engine.execute(commit_of(2))
        told.append(caught.value)

    done = engine.submit(commit_of(1))
    if done.done():
        pytest.skip("answered before the callback was there")
    done.add_done_callback(call_back)
    done.result(WAIT_S)
    engine.close()
    assert len(told) == 1


class InterruptedStore(FaultStore):
    """Ctrl-C falls before or after one call, in whichever thread makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.falls: tuple[str, bool] | None = None

    def write(self, rows: object) -> None:
        """See `Store.write`."""
        self._around("write", lambda: FaultStore.write(self, rows))  # type: ignore[arg-type]  # as above

    def sync(self) -> None:
        """See `Store.sync`."""
        self._around("sync", super().sync)

    def write_mark(self, slot: int, data: bytes, *, sync: bool = False) -> None:
        """See `Store.write_mark`."""
        self._around("mark", lambda: FaultStore.write_mark(self, slot, data, sync=sync))

    def _around(self, name: str, call: Callable[[], None]) -> None:
        falls, due = self.falls, self.falls is not None and self.falls[0] == name
        if due:
            self.falls = None
        if due and falls is not None and not falls[1]:
            raise KeyboardInterrupt
        call()
        if due:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", ["write", "sync", "mark"])
def test_ctrl_c_in_a_caller_that_writes_leaves_a_whole_commit(call: str, after: bool) -> None:
    store = InterruptedStore()
    engine = open_engine(store)
    engine.execute(commit_of(1))
    store.falls = (call, after)
    with pytest.raises(KeyboardInterrupt):
        engine.execute(commit_of(2))
    # What was begun is finished before anything else is written.
    assert engine.execute(commit_of(3)).commit_ts == 3
    assert engine.execute(LookupTxn("txn-2")).outcome == "committed"
    assert engine.execute(commit_of(2)) == Committed(2, engine.execute(commit_of(2)).committed_at_us, True)
    assert engine.execute(Get(RecordKey("default", "a", "k2"))).entry.version == 1
    assert problems(engine) == []
    engine.close()


def test_ctrl_c_while_a_store_closes_nothing_is_lost() -> None:
    store = InterruptedStore()
    engine = open_engine(store)
    store.falls = ("sync", True)
    with pytest.raises(KeyboardInterrupt):
        engine.execute(commit_of(1))
    engine.close()
    assert engine_outcome(store, "txn-1") == "committed"
