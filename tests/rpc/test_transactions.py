"""Transactions that are staged over the wire; tests/rpc/test_staged.py has the table of all their states."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode as Code

from statehouse._generated import statehouse_pb2 as pb
from statehouse._generated.statehouse_pb2_grpc import StatehouseServiceStub as Stub
from statehouse.engine import open_engine
from statehouse.errors import (
    OutcomeUnknownError,
    OverloadedError,
    RefusingWritesError,
    StatehouseError,
    TransactionClosedError,
    TransactionExpiredError,
    TransactionNotFoundError,
)
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import KIB, MIB, Limits
from statehouse.protocol.requests import FindEvents
from statehouse.rpc.serving import ServerOptions
from statehouse.storage.memory import MemoryStore
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.daemon import serving
from tests.rpc.daemons import eventually
from tests.rpc.engines import Held, refusing
from tests.rpc.foreign import begin, commit, connected, get, put, refused, struct


def test_the_last_write_of_a_key_in_a_transaction_wins(stub: Stub) -> None:
    txn_id = begin(stub, "x")
    stub.Write(pb.WriteRequest(txn_id=txn_id, agent_id="a", key="x", value=struct({"n": 2})))
    commit(stub, txn_id)
    assert (get(stub, "x").version, get(stub, "x").value) == (1, struct({"n": 2}))


def test_a_commit_that_is_repeated_answers_the_same_commit_ts(stub: Stub) -> None:
    txn_id = begin(stub, "x")
    assert [commit(stub, txn_id), put(stub, "y", {}), commit(stub, txn_id)] == [1, 2, 1]


def test_an_empty_transaction_commits_to_what_is_visible_also_when_it_is_repeated(stub: Stub) -> None:
    put(stub, "x", {})
    txn_id = begin(stub)
    assert [commit(stub, txn_id), put(stub, "y", {}), commit(stub, txn_id)] == [1, 2, 1]
    assert [event.commit_ts for event in stub.Replay(pb.ReplayRequest(agent_id="a"))] == [1, 2]


def test_a_commit_is_known_after_the_daemon_was_restarted(engine: Engine) -> None:
    with serving(engine) as address, connected(address) as stub:
        committed, aborted, left_open = begin(stub, "x"), begin(stub), begin(stub, "y")
        commit(stub, committed)
        stub.Abort(pb.AbortRequest(txn_id=aborted))
    with serving(engine) as address, connected(address) as stub:
        assert commit(stub, committed) == 1
        with refused(Code.FAILED_PRECONDITION, "committed at commit_ts 1"):
            stub.Abort(pb.AbortRequest(txn_id=committed))
        for txn_id in (aborted, left_open, "never"):
            with refused(Code.NOT_FOUND, "no transaction") as refusal:
                commit(stub, txn_id)
            assert type(refusal.error) is TransactionNotFoundError
        assert not get(stub, "y").exists


def test_an_abort_forgets_what_was_staged_and_may_be_repeated(stub: Stub) -> None:
    txn_id = begin(stub, "x")
    stub.Abort(pb.AbortRequest(txn_id=txn_id))
    stub.Abort(pb.AbortRequest(txn_id=txn_id))
    with refused(Code.FAILED_PRECONDITION, "aborted") as refusal:
        commit(stub, txn_id)
    assert type(refusal.error) is TransactionClosedError
    assert not get(stub, "x").exists


def test_an_abort_after_the_commit_is_refused(stub: Stub) -> None:
    txn_id = begin(stub, "x")
    commit(stub, txn_id)
    with refused(Code.FAILED_PRECONDITION, "committed at commit_ts 1"):
        stub.Abort(pb.AbortRequest(txn_id=txn_id))


def test_an_expired_transaction_is_told_from_a_slow_network(stub: Stub) -> None:
    txn_id = begin(stub, timeout_ms=1)
    eventually(lambda: _expired(stub, txn_id))
    with refused(Code.DEADLINE_EXCEEDED, "nothing was applied") as refusal:
        commit(stub, txn_id)
    assert type(refusal.error) is TransactionExpiredError


def _expired(stub: Stub, txn_id: str) -> bool:
    try:
        stub.Delete(pb.DeleteRequest(txn_id=txn_id, agent_id="a", key="x"))
    except grpc.RpcError:
        return True
    return False


@pytest.mark.slow
def test_expired_transactions_are_swept_although_nobody_asks(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "statehouse.txn")
    with serving(engine, ServerOptions(staged_count_max=1)) as address, connected(address) as stub:
        txn_id = begin(stub, timeout_ms=1)
        eventually(lambda: any(getattr(record, "txn_id", "") == txn_id for record in caplog.records))
    assert caplog.messages == [f"transaction {txn_id} expired"]


def test_a_transaction_timeout_out_of_range_is_refused(stub: Stub) -> None:
    for timeout_ms in (0, 3_600_001):
        with refused(Code.INVALID_ARGUMENT, "1 to 3600000"):
            stub.BeginTransaction(pb.BeginTransactionRequest(timeout_ms=timeout_ms))


def test_a_write_without_a_value_is_refused(stub: Stub) -> None:
    with refused(Code.INVALID_ARGUMENT, "has no value"):
        stub.Write(pb.WriteRequest(txn_id=begin(stub), agent_id="a", key="x"))


@pytest.mark.slow
def test_a_value_beyond_16_mib_is_refused_when_it_is_written(stub: Stub) -> None:
    txn_id = begin(stub)
    with refused(Code.INVALID_ARGUMENT, "the limit is 16777216"):
        stub.Write(pb.WriteRequest(txn_id=txn_id, agent_id="a", key="x", value=struct({"t": "x" * 16 * MIB})))
    assert commit(stub, txn_id) == 0


def test_a_transaction_is_held_to_the_limits_of_its_daemon() -> None:
    limits = Limits(transaction_operations_max=1)
    engine = open_engine(MemoryStore(), durability="none", limits=limits)
    with serving(engine, ServerOptions(limits=limits)) as address, connected(address) as stub:
        txn_id = begin(stub, "x")
        with refused(Code.INVALID_ARGUMENT, "the limit is 1"):
            stub.Delete(pb.DeleteRequest(txn_id=txn_id, agent_id="a", key="y"))
        assert commit(stub, txn_id) == 1
    engine.close()


def test_one_transaction_too_many_is_refused_until_another_ends(engine: Engine) -> None:
    with serving(engine, ServerOptions(staged_count_max=2)) as address, connected(address) as stub:
        first, _ = begin(stub), begin(stub)
        with refused(Code.RESOURCE_EXHAUSTED, "2 transactions are open") as refusal:
            begin(stub)
        assert isinstance(refusal.error, OverloadedError)
        commit(stub, first)
        begin(stub)


def test_all_transactions_together_stage_so_many_bytes(engine: Engine) -> None:
    with serving(engine, ServerOptions(staged_bytes_max=MIB)) as address, connected(address) as stub:
        first, second = begin(stub), begin(stub)
        write = pb.WriteRequest(agent_id="a", key="x", value=struct({"t": "x" * 600 * KIB}))
        write.txn_id = first
        stub.Write(write)
        write.txn_id = second
        with refused(Code.RESOURCE_EXHAUSTED, "not staged"):
            stub.Write(write)
        stub.Abort(pb.AbortRequest(txn_id=first))
        stub.Write(write)


def test_two_commits_at_once_are_one() -> None:
    held = Held(begun=True)
    with (
        serving(held.engine) as address,
        connected(address) as stub,
        ThreadPoolExecutor(2) as threads,
    ):
        txn_id = begin(stub, "x")
        first = threads.submit(commit, stub, txn_id)
        assert held.held.wait(10)
        second = stub.Commit.future(pb.CommitRequest(txn_id=txn_id))
        # It waits with the first one, for whatever comes after it on this connection has been answered.
        stub.Health(pb.HealthRequest())
        with refused(Code.FAILED_PRECONDITION, "being committed"):
            stub.Abort(pb.AbortRequest(txn_id=txn_id))
        assert (len(held.engine.held), second.done()) == (1, False)
        held.engine.release()
        assert (first.result(10), second.result(10).commit_ts) == (1, 1)


def test_a_commit_goes_on_when_its_caller_has_gone() -> None:
    held = Held(begun=False)
    with serving(held.engine) as address, connected(address) as stub:
        txn_id = begin(stub, "x")
        with refused(Code.DEADLINE_EXCEEDED):
            commit(stub, txn_id, timeout=0.05)
        assert held.held.wait(10)
        again = stub.Commit.future(pb.CommitRequest(txn_id=txn_id))
        held.engine.release()
        assert again.result(10).commit_ts == 1
        assert len(held.engine.commits()) == 1


@pytest.mark.slow
def test_a_commit_still_queued_at_the_end_of_its_transaction_is_taken_back() -> None:
    held = Held(begun=False)
    with serving(held.engine) as address, connected(address) as stub:
        txn_id = begin(stub, "x", timeout_ms=500)
        with refused(Code.DEADLINE_EXCEEDED, "nothing was applied") as refusal:
            commit(stub, txn_id)
        assert type(refusal.error) is TransactionExpiredError
        assert held.engine.held[0][1].cancelled()


@pytest.mark.slow
def test_a_commit_being_written_at_the_end_of_its_transaction_is_unknown_and_can_be_joined() -> None:
    held = Held(begun=True)
    with serving(held.engine) as address, connected(address) as stub:
        txn_id = begin(stub, "x", timeout_ms=500)
        with refused(Code.UNKNOWN, "commit it again") as refusal:
            commit(stub, txn_id)
        assert type(refusal.error) is OutcomeUnknownError
        held.engine.release()
        assert commit(stub, txn_id) == 1


@pytest.mark.parametrize(
    "error, status",
    [
        (OverloadedError("full", retry_after=0.1, reason="queue_full"), Code.RESOURCE_EXHAUSTED),
        (RefusingWritesError("a failed flush"), Code.FAILED_PRECONDITION),
        (OutcomeUnknownError("in doubt", txn_id="t"), Code.UNKNOWN),
    ],
)
def test_a_commit_that_was_refused_or_is_in_doubt_may_be_repeated(
    error: StatehouseError, status: Code
) -> None:
    engine = refusing(error)
    with serving(engine) as address, connected(address) as stub:
        txn_id = begin(stub, "x")
        with refused(status) as refusal:
            commit(stub, txn_id)
        assert type(refusal.error) is type(error)
        assert commit(stub, txn_id) == 1


def test_the_trace_of_a_commit_is_the_origin_of_its_event(stub: Stub, engine: Engine) -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    txn_id = begin(stub, "x")
    commit(stub, txn_id, metadata=[("traceparent", f"00-{trace_id}-{span_id}-01")])
    (event,) = engine.execute(FindEvents("trace", trace_id)).events
    assert (event.txn_id, event.origin.span_id) == (txn_id, span_id)


def test_transactions_are_kept_on_disk(tmp_path: Path) -> None:
    engine = open_engine(RocksStore.open(tmp_path / "store"))
    with serving(engine) as address, connected(address) as stub:
        txn_id = begin(stub, "x", "y")
        assert commit(stub, txn_id) == 1
    engine.close()
    engine = open_engine(RocksStore.open(tmp_path / "store"))
    with serving(engine) as address, connected(address) as stub:
        assert commit(stub, txn_id) == 1
        assert stub.ListKeys(pb.ListKeysRequest(agent_id="a")).keys == ["x", "y"]
        (event,) = stub.Replay(pb.ReplayRequest(agent_id="a"))
        assert event.txn_id == txn_id
    engine.close()


def test_the_life_of_a_transaction_is_logged_for_debugging(
    stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "statehouse.txn")
    first, second = begin(stub, "x"), begin(stub)
    commit(stub, first)
    stub.Abort(pb.AbortRequest(txn_id=second))
    told: list[Any] = [(record.getMessage(), record.__dict__["txn_id"]) for record in caplog.records]
    assert told == [
        (f"transaction {first} begun", first),
        (f"transaction {second} begun", second),
        (f"transaction {first} committed", first),
        (f"transaction {second} aborted", second),
    ]
