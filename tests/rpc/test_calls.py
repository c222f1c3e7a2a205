"""The calls of the contract, as a client meets them that was built for it before this daemon was."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc import StatusCode as Code

from statehouse._generated import statehouse_pb2 as pb
from statehouse._generated.statehouse_pb2_grpc import StatehouseServiceStub as Stub
from statehouse._version import __version__
from statehouse.engine import layout, open_engine
from statehouse.errors import (
    CorruptionError,
    ErasedError,
    LimitExceededError,
    NotFoundError,
    OverloadedError,
)
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import KIB, MIB, Limits
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import Commit, Get, Request, Scan, Write
from statehouse.protocol.values import JSON, Payload, encode
from statehouse.rpc.serving import ServerOptions
from statehouse.storage import Table
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.client.engines import RecordingEngine
from tests.rpc.daemons import eventually
from tests.rpc.engines import Held, refusing
from tests.rpc.foreign import begin, commit, connected, get, put, refused, struct


def large(engine: Engine, count: int, size: int) -> None:
    """Writes records whose values are JSON objects of about this size."""
    for number in range(count):
        name = RecordKey("default", "a", f"k{number:04}")
        engine.execute(Commit(f"large-{number}", (Write(name, encode({"text": "x" * size})),)))


# The specification's own calls.


def test_health_is_ok(stub: Stub) -> None:
    assert stub.Health(pb.HealthRequest()).status == "ok"


def test_version_is_that_of_the_distribution(stub: Stub) -> None:
    answer = stub.Version(pb.VersionRequest())
    assert (answer.version, bool(answer.git_sha)) == (__version__, True)


def test_a_transaction_becomes_visible_when_it_is_committed(stub: Stub) -> None:
    txn_id = begin(stub, "x", "y")
    assert not get(stub, "x").exists
    assert commit(stub, txn_id) == 1
    answer = get(stub, "x")
    assert (answer.version, answer.commit_ts, answer.exists) == (1, 1, True)
    assert answer.value == struct({"key": "x"})


def test_an_absent_and_a_deleted_key_do_not_exist(stub: Stub) -> None:
    put(stub, "x", {})
    txn_id = begin(stub)
    stub.Delete(pb.DeleteRequest(txn_id=txn_id, agent_id="a", key="x"))
    commit(stub, txn_id)
    deleted, absent = get(stub, "x"), get(stub, "never")
    assert (deleted.exists, deleted.version, deleted.commit_ts, deleted.HasField("value")) == (
        False,
        2,
        2,
        False,
    )
    assert (absent.exists, absent.version, absent.commit_ts, absent.HasField("value")) == (False, 0, 0, False)


def test_each_version_of_a_key_can_be_read(stub: Stub) -> None:
    put(stub, "x", {"n": 1})
    put(stub, "x", {"n": 2})
    request = pb.GetStateAtVersionRequest(agent_id="a", key="x", version=1)
    assert stub.GetStateAtVersion(request).value == struct({"n": 1})
    request.version = 3
    with refused(Code.NOT_FOUND, "has no version 3") as refusal:
        stub.GetStateAtVersion(request)
    assert type(refusal.error) is NotFoundError


def test_keys_are_listed_in_the_order_of_their_bytes_without_deleted_ones(stub: Stub) -> None:
    txn_id = begin(stub, "b", "é", "a", "ab", "gone")
    commit(stub, txn_id)
    txn_id = begin(stub)
    stub.Delete(pb.DeleteRequest(txn_id=txn_id, agent_id="a", key="gone"))
    commit(stub, txn_id)
    assert stub.ListKeys(pb.ListKeysRequest(agent_id="a")).keys == ["a", "ab", "b", "é"]
    found = stub.ScanPrefix(pb.ScanPrefixRequest(agent_id="a", prefix="a"))
    assert [(entry.key, entry.version, entry.commit_ts) for entry in found.entries] == [
        ("a", 1, 1),
        ("ab", 1, 1),
    ]
    assert found.entries[1].value == struct({"key": "ab"})


def test_what_is_many_pages_is_answered_at_once() -> None:
    names = [f"k{number:03}" for number in range(500)]
    engine = open_engine(MemoryStore(), durability="none", limits=Limits(page_bytes_max=1000))
    engine.execute(Commit("t", tuple([Write(RecordKey("default", "a", name), encode({})) for name in names])))
    with serving(engine) as address, connected(address) as stub:
        keys = stub.ListKeys(pb.ListKeysRequest(agent_id="a"))
        assert (list(keys.keys), keys.HasField("cursor"), keys.read_ts) == (names, False, 1)
        records = stub.ScanPrefix(pb.ScanPrefixRequest(agent_id="a", prefix="k"))
        assert ([entry.key for entry in records.entries], records.HasField("cursor")) == (names, False)
        turned = stub.ScanPrefix(pb.ScanPrefixRequest(agent_id="a", after="k300", reverse=True))
        assert [entry.key for entry in turned.entries] == names[299::-1]
    engine.close()


def test_keys_are_answered_in_pages_if_asked(stub: Stub) -> None:
    commit(stub, begin(stub, "a", "b", "c"))
    first = stub.ListKeys(pb.ListKeysRequest(agent_id="a", limit=2))
    put(stub, "bb", {})
    second = stub.ListKeys(pb.ListKeysRequest(agent_id="a", limit=2, cursor=first.cursor))
    assert (list(first.keys), list(second.keys), second.HasField("cursor")) == (["a", "b"], ["c"], False)
    assert (first.read_ts, second.read_ts) == (1, 1)


def test_keys_are_listed_by_prefix_and_as_of_an_earlier_commit(stub: Stub) -> None:
    commit(stub, begin(stub, "a", "ab"))
    put(stub, "abc", {})
    answer = stub.ListKeys(pb.ListKeysRequest(agent_id="a", prefix="ab", at_commit_ts=1))
    assert (list(answer.keys), answer.read_ts) == (["ab"], 1)


def test_a_page_of_nothing_is_refused(stub: Stub) -> None:
    with refused(Code.INVALID_ARGUMENT, "limit must be an integer from 1 to 10000"):
        stub.ListKeys(pb.ListKeysRequest(agent_id="a", limit=0))
    with refused(Code.INVALID_ARGUMENT, "limit must be an integer from 1 to 10000"):
        stub.ScanPrefix(pb.ScanPrefixRequest(agent_id="a", limit=0))


@pytest.mark.parametrize("room", [-1, 1])
def test_an_answer_in_one_piece_ends_at_4_mib_naming_pages(stub: Stub, engine: Engine, room: int) -> None:
    large(engine, 3, MIB)
    one = stub.ScanPrefix(pb.ScanPrefixRequest(agent_id="a", prefix="k0000"))
    rest = 4 * MIB - 4 * one.ByteSize()
    name = RecordKey("default", "a", "k0003")
    engine.execute(Commit("rest", (Write(name, encode({"text": "x" * (MIB + rest - room * 200)})),)))
    request = pb.ScanPrefixRequest(agent_id="a")
    if room > 0:
        assert len(stub.ScanPrefix(request).entries) == 4
        return
    with refused(Code.RESOURCE_EXHAUSTED, "larger than max.*set `limit`") as refusal:
        stub.ScanPrefix(request)
    assert isinstance(refusal.error, LimitExceededError)
    assert refusal.error.limit == 4 * MIB
    assert len(stub.ScanPrefix(pb.ScanPrefixRequest(agent_id="a", limit=1)).entries) == 1


def test_an_empty_namespace_is_the_default_one(stub: Stub) -> None:
    put(stub, "x", {"n": 1})
    assert get(stub, "x", namespace="default").exists
    assert not get(stub, "x", namespace="other").exists


# Our own calls; tests/rpc/test_codec.py has every field of every message.


def test_a_commit_in_one_call_is_applied_once(stub: Stub) -> None:
    request = pb.CommitTransactionRequest(txn_id="t-1")
    request.changes.add(agent_id="a", key="x").payload.data = b'{"n":1}'
    first, again = stub.CommitTransaction(request), stub.CommitTransaction(request)
    assert (first.commit_ts, first.was_repeated, again.commit_ts, again.was_repeated) == (1, False, 1, True)
    assert stub.LookupTransaction(pb.LookupTransactionRequest(txn_id="t-1")).outcome == "committed"
    request.changes[0].payload.data = b'{"n":2}'
    with refused(Code.ALREADY_EXISTS, "t-1"):
        stub.CommitTransaction(request)


@pytest.mark.parametrize("begun, status", [(False, Code.DEADLINE_EXCEEDED), (True, Code.UNKNOWN)])
def test_a_commit_in_one_call_waits_for_its_own_timeout(begun: bool, status: Code) -> None:
    held = Held(begun=begun)
    with serving(held.engine) as address, connected(address) as stub:
        with refused(status):
            stub.CommitTransaction(pb.CommitTransactionRequest(txn_id="t", timeout_ms=50), timeout=30)
        assert held.engine.held[0][1].cancelled() is not begun


def test_a_commit_in_one_call_that_its_caller_gave_up_is_taken_back() -> None:
    held = Held(begun=False)
    with serving(held.engine) as address, connected(address) as stub:
        call = stub.CommitTransaction.future(pb.CommitTransactionRequest(txn_id="t"))
        assert held.held.wait(10)
        call.cancel()
        eventually(held.engine.held[0][1].cancelled)


def test_a_page_of_events_waits_for_one(stub: Stub) -> None:
    waiting = stub.ReplayPage.future(pb.ReplayPageRequest(wait_ms=30_000))
    put(stub, "x", {"n": 1})
    page = waiting.result(10)
    assert ([event.commit_ts for event in page.events], page.through_commit_ts) == ([1], 1)
    assert page.events[0].operations[0].value == struct({"n": 1})
    page = stub.ReplayPage(pb.ReplayPageRequest(from_ts=2, wait_ms=1))
    assert (len(page.events), page.through_commit_ts) == (0, 1)


def test_a_wait_ends_at_the_deadline_of_its_call(stub: Stub) -> None:
    with refused(Code.DEADLINE_EXCEEDED):
        stub.ReplayPage(pb.ReplayPageRequest(wait_ms=30_000), timeout=0.05)


# Large values.


@pytest.mark.parametrize("form", [pb.VALUES_AS_STRUCT, pb.VALUES_AS_PAYLOAD])
def test_a_large_value_is_answered_like_a_small_one(stub: Stub, engine: Engine, form: pb.ValueForm) -> None:
    large(engine, 1, 200 * KIB)
    answer = get(stub, "k0000", values=form)
    expected = {"text": "x" * 200 * KIB}
    found = dict(answer.value) if form == pb.VALUES_AS_STRUCT else json.loads(answer.payload.data)
    assert found == expected


def test_a_large_request_is_taken_like_a_small_one(stub: Stub) -> None:
    put(stub, "x", {"text": "x" * 200 * KIB})
    assert get(stub, "x").value == struct({"text": "x" * 200 * KIB})


def test_many_large_values_at_once_are_all_answered(engine: Engine) -> None:
    large(engine, 4, MIB)
    with serving(engine) as address, connected(address) as stub:
        request = pb.GetManyRequest(values=pb.VALUES_AS_PAYLOAD)
        request.names.add(agent_id="a", key="k0000")
        calls = [stub.GetMany.future(request) for _ in range(64)]
        assert {len(call.result(60).entries[0].payload.data) for call in calls} == {MIB + len('{"text":""}')}


@pytest.mark.slow
def test_an_answer_that_no_message_can_hold_is_refused(engine: Engine) -> None:
    numbers = b'{"n":[' + b"0," * (4 * MIB) + b"0]}"
    engine.execute(Commit("t", (Write(RecordKey("default", "a", "x"), Payload(JSON, numbers)),)))
    with serving(engine) as address, connected(address) as stub:
        with refused(Code.RESOURCE_EXHAUSTED, "VALUES_AS_PAYLOAD"):
            get(stub, "x")
        assert stub.Health(pb.HealthRequest()).status == "ok"


# Values that were erased.


@pytest.fixture
def erased() -> Iterator[Stub]:
    """A store in which the only version of `x` was erased."""
    store = MemoryStore()
    engine = open_engine(store, durability="none")
    name = RecordKey("default", "a", "x")
    engine.execute(Commit("t", (Write(name, encode({"n": 1})),)))
    (key, data), *_ = store.scan(Table.NAMES, b"", b"\xff")
    (history, _), *_ = store.scan(Table.HISTORY, b"", b"\xff")
    head = layout.pack_value_head(layout.ERASED, JSON)
    record_id = layout.unpack_name_row(data).record_id
    store.write(
        [
            (Table.NAMES, key, layout.pack_name_row(record_id, 1, 1, head, b"")),
            (Table.HISTORY, history, layout.pack_history_row(1, head, b"", b"")),
        ]
    )
    with serving(engine) as address, connected(address) as stub:
        yield stub
    engine.close()


def test_an_erased_value_is_shown_as_such_to_a_client_that_reads_structs(erased: Stub) -> None:
    mark = struct({"@statehouse.erased": True})
    answer = get(erased, "x")
    assert (answer.value, answer.exists, answer.version, answer.commit_ts) == (mark, True, 1, 1)
    assert (answer.kind, answer.read_ts) == (pb.KIND_ERASED, 1)
    version = erased.GetStateAtVersion(pb.GetStateAtVersionRequest(agent_id="a", key="x", version=1))
    assert (version.value, version.exists, version.version, version.commit_ts) == (mark, True, 1, 1)


def test_an_erased_value_is_an_error_to_a_client_that_reads_bytes(erased: Stub) -> None:
    with refused(Code.NOT_FOUND, "was erased") as refusal:
        get(erased, "x", values=pb.VALUES_AS_PAYLOAD)
    assert type(refusal.error) is ErasedError


# Errors, limits and the log.


def test_bytes_that_are_no_request_are_refused_by_us(engine: Engine) -> None:
    with serving(engine) as address, grpc.insecure_channel(address) as channel:
        for call in ("GetState", "Commit", "ListKeys", "CommitTransaction"):
            with refused(Code.INVALID_ARGUMENT, "bytes are not a"):
                channel.unary_unary(f"/statehouse.v1.StatehouseService/{call}")(b"\xff\xff")


def test_a_defect_is_logged_and_told_without_its_particulars(caplog: pytest.LogCaptureFixture) -> None:
    def before(request: Request[Any]) -> None:
        if isinstance(request, Get | Scan):
            raise ZeroDivisionError("the secret of the house")

    with serving(RecordingEngine(before)) as address, connected(address) as stub:
        with refused(Code.INTERNAL, "the daemon failed to answer GetState; its log says why") as refusal:
            get(stub, "x")
        with refused(Code.INTERNAL, "ListKeys"):
            stub.ListKeys(pb.ListKeysRequest(agent_id="a"))
    assert "secret" not in str(refusal.error)
    assert "the secret of the house" in caplog.text
    assert [record.rpc for record in caplog.records] == ["GetState", "ListKeys"]  # type: ignore[attr-defined]


def test_a_fault_of_the_store_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    engine = refusing(CorruptionError("row 7 is damaged"), kind=Get)
    with serving(engine) as address, connected(address) as stub, refused(Code.DATA_LOSS, "row 7"):
        get(stub, "x")
    assert [(record.levelname, record.code) for record in caplog.records] == [("ERROR", "DATA_LOSS")]  # type: ignore[attr-defined]


def test_what_is_more_than_the_daemon_takes_on_is_refused_at_once() -> None:
    held = Held(begun=True)
    with serving(held.engine, ServerOptions(requests_max=2)) as address, connected(address) as stub:
        waiting = [
            stub.CommitTransaction.future(pb.CommitTransactionRequest(txn_id=f"t{number}"))
            for number in range(2)
        ]
        eventually(lambda: len(held.engine.held) == 2)
        with refused(Code.RESOURCE_EXHAUSTED, "try again after 0.1 s") as refusal:
            stub.CommitTransaction(pb.CommitTransactionRequest(txn_id="t2"))
        assert isinstance(refusal.error, OverloadedError)
        assert refusal.error.reason == "too_many_requests"
        # What is quick is not counted.
        assert stub.Health(pb.HealthRequest()).status == "ok"
        assert not get(stub, "x").exists
        held.engine.release()
        assert [call.result(10).commit_ts for call in waiting] == [0, 0]
        assert stub.Status(pb.StatusRequest()).state == "ok"


def test_a_call_is_logged_for_debugging_with_who_asked(stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "statehouse.rpc")
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    metadata = [("traceparent", f"00-{trace_id}-b7ad6b7169203331-01")]
    stub.GetState(pb.GetStateRequest(agent_id="a", key="x"), metadata=metadata)
    with refused(Code.NOT_FOUND):
        commit(stub, "nobody")
    eventually(lambda: len(caplog.records) == 4)
    facts: list[Any] = [record.__dict__ for record in caplog.records]
    assert caplog.messages == [
        "GetState begins",
        "GetState ends: OK",
        "Commit begins",
        "Commit ends: NOT_FOUND",
    ]
    assert [each["trace_id"] for each in facts] == [trace_id, trace_id, "", ""]
    assert [each.get("code") for each in facts] == [None, "OK", None, "NOT_FOUND"]
    assert all("127.0.0.1" in each["peer"] or "ipv" in each["peer"] for each in facts)
    assert all(each["duration_ms"] >= 0 for each in facts if "code" in each)


def test_without_debugging_nothing_is_logged(stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    put(stub, "x", {})
    with refused(Code.NOT_FOUND):
        commit(stub, "nobody")
    assert caplog.messages == []
