"""One trace from whoever asks to the daemon: through the pipeline, by single calls, and for other clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from statehouse import ConflictError, Statehouse, StatehouseAsync
from statehouse._generated import statehouse_pb2 as pb
from statehouse._generated.statehouse_pb2_grpc import StatehouseServiceStub
from statehouse.engine import open_engine
from statehouse.protocol.engine import Engine
from statehouse.rpc.calling import RemoteEngine
from statehouse.rpc.serving.spans import answering
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from statehouse.tracing import attributes as names
from tests.rpc.foreign import connected
from tests.tracing.collected import Collected, commit_ts, fact, ids, parent

COMMIT = "statehouse.v1.StatehouseService/CommitTransaction"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def address(spans: Collected) -> Iterator[str]:
    """A daemon that makes spans, in this process."""
    engine: Engine = open_engine(MemoryStore(), durability="none")
    with serving(answering(engine, spans.provider)) as bound:
        yield bound
    engine.close()


@pytest.fixture(params=["pipeline", "unary"])
def remote(request: pytest.FixtureRequest, address: str) -> Iterator[RemoteEngine]:
    """A way to it."""
    engine = RemoteEngine(address, pipelined=request.param == "pipeline")
    yield engine
    engine.close()


def of_servers(spans: Collected, name: str) -> list[ReadableSpan]:
    return [span for span in spans.settled().of(SpanKind.SERVER) if span.name == name]


def test_the_daemons_span_is_below_the_clients(remote: RemoteEngine, spans: Collected) -> None:
    with Statehouse.from_engine(remote) as sh:
        with spans.tracer.start_as_current_span("work"):
            sh.write("k", 1, agent_id="a")
        work, client = spans.one("work"), spans.one("commit")
        [server] = of_servers(spans, COMMIT)
        assert (parent(client), parent(server)) == (ids(work)[1], ids(client)[1])
        assert {ids(span)[0] for span in (work, client, server)} == {ids(work)[0]}
        assert commit_ts(client) == commit_ts(server) == 1
        [event] = sh.find_events(trace_id=ids(work)[0])
        assert event.origin.span_id == ids(work)[1]


def test_the_daemons_span_speaks_of_a_call(remote: RemoteEngine, spans: Collected) -> None:
    with Statehouse.from_engine(remote) as sh:
        sh.write("k", 1, agent_id="a", namespace="shop")
        status = sh.status()
    [server] = of_servers(spans, COMMIT)
    facts = dict(server.attributes or {})
    assert facts == {
        names.RPC_SYSTEM_NAME: "grpc",
        names.RPC_METHOD: COMMIT,
        names.RPC_RESPONSE_STATUS_CODE: "OK",
        names.NAMESPACE: "shop",
        names.AGENT_ID: "a",
        names.COMMIT_KEYS_COUNT: 1,
        names.COMMIT_TS: 1,
        names.STORE_ID: status.store_id,
        names.STORE_EPOCH: 1,
        names.STATE_REF: f"sh://{status.store_id}/1/shop@1",
    }


def test_a_conflict_is_told_on_both_sides_and_is_no_fault_of_the_daemons(
    remote: RemoteEngine, spans: Collected
) -> None:
    with Statehouse.from_engine(remote) as sh:
        tx = sh.begin_transaction()
        tx.get_state("k", agent_id="a", default=None)
        tx.write("k", 2, agent_id="a")
        sh.write("k", 3, agent_id="a")
        with pytest.raises(ConflictError):
            tx.commit()
    client, server = spans.named("commit")[-1], of_servers(spans, COMMIT)[-1]
    for span in (client, server):
        assert commit_ts(span) is None
        assert fact(span, names.ERROR_TYPE) == "ConflictError"
    assert client.status.status_code is StatusCode.ERROR
    assert server.status.status_code is StatusCode.UNSET
    assert fact(server, names.RPC_RESPONSE_STATUS_CODE) == "ABORTED"


def test_reads_scans_and_follows_are_below_their_spans(remote: RemoteEngine, spans: Collected) -> None:
    with Statehouse.from_engine(remote) as sh:
        sh.write("k", 1, agent_id="a")
        with spans.tracer.start_as_current_span("work"):
            assert sh.get_state("k", agent_id="a").value == 1
            assert [record.key for record in sh.scan_prefix("", agent_id="a")] == ["k"]
            events = sh.replay(follow=True)
            next(events)
            events.close()
    trace_id = ids(spans.settled().one("work"))[0]
    found = {span.name.rpartition("/")[2] for span in spans.of(SpanKind.SERVER) if ids(span)[0] == trace_id}
    assert {"GetState", "ScanPrefix", "ReplayPage"} <= found
    assert (
        parent(of_servers(spans, "statehouse.v1.StatehouseService/GetState")[0]) == ids(spans.one("get"))[1]
    )


def test_commits_of_many_tasks_over_one_stream_are_not_mixed_up(address: str, spans: Collected) -> None:
    async def work(sh: StatehouseAsync, number: int) -> None:
        with spans.tracer.start_as_current_span(f"work {number}"):
            await asyncio.gather(*[sh.write(f"k{n}", n, agent_id=f"a{number}") for n in range(4)])

    async def main() -> None:
        async with StatehouseAsync(address) as sh:
            await asyncio.gather(*[work(sh, number) for number in range(8)])

    asyncio.run(main())
    servers = of_servers(spans, COMMIT)
    assert len(servers) == 32
    traces = {f"a{number}": ids(spans.one(f"work {number}"))[0] for number in range(8)}
    assert {(fact(span, names.AGENT_ID), ids(span)[0]) for span in servers} == set(traces.items())


def test_threads_keep_their_traces_apart(address: str, spans: Collected) -> None:
    def work(sh: Statehouse, number: int) -> None:
        with spans.tracer.start_as_current_span(f"work {number}"):
            for n in range(4):
                sh.write(f"k{n}", n, agent_id=f"a{number}")

    with Statehouse(address) as sh:
        threads = [threading.Thread(target=work, args=(sh, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(4):
            events = list(sh.find_events(trace_id=ids(spans.one(f"work {number}"))[0]))
            assert {event.operations[0].agent_id for event in events} == {f"a{number}"}
            assert len(events) == 4


def test_a_handle_on_a_daemon_names_it(address: str, spans: Collected) -> None:
    host, _, port = address.rpartition(":")
    with Statehouse(address) as sh:
        sh.write("k", 1, agent_id="a")
    span = spans.one("commit")
    assert (fact(span, names.SERVER_ADDRESS), fact(span, names.SERVER_PORT)) == (host, int(port))


@pytest.fixture
def stub(address: str) -> Iterator[StatehouseServiceStub]:
    """A client that is not ours."""
    with connected(address) as client:
        yield client


def test_a_client_of_another_language_has_its_trace_in_the_span_and_in_the_log(
    stub: StatehouseServiceStub, spans: Collected
) -> None:
    change = pb.Change(agent_id="a", key="k", payload=pb.Payload(content_type="application/json", data=b"1"))
    asked = pb.CommitTransactionRequest(txn_id="t-1", changes=[change])
    stub.CommitTransaction(asked, metadata=(("traceparent", TRACEPARENT),))
    [server] = of_servers(spans, COMMIT)
    assert (ids(server)[0], parent(server)) == (TRACE, SPAN)
    found = stub.FindEvents(pb.FindEventsRequest(by=pb.ORIGIN_TRACE, id=TRACE))
    assert [event.commit_ts for event in found.events] == [commit_ts(server)]


def test_a_staged_transaction_is_committed_below_its_callers_span(
    stub: StatehouseServiceStub, spans: Collected
) -> None:
    txn_id = stub.BeginTransaction(pb.BeginTransactionRequest()).txn_id
    asked = pb.WriteRequest(txn_id=txn_id, agent_id="a", key="k")
    asked.value.update({"v": 1})
    stub.Write(asked)
    answer = stub.Commit(pb.CommitRequest(txn_id=txn_id), metadata=(("traceparent", TRACEPARENT),))
    [server] = of_servers(spans, COMMIT)
    assert (ids(server)[0], parent(server)) == (TRACE, SPAN)
    assert commit_ts(server) == answer.commit_ts


@pytest.mark.parametrize(
    "text", ["", "nonsense", f"00-{'0' * 32}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01", "é" * 3]
)
def test_a_traceparent_that_is_none_begins_a_trace(
    stub: StatehouseServiceStub, spans: Collected, text: str
) -> None:
    item = pb.RequestItem(id=1, traceparent=text, status=pb.StatusRequest())
    item.get_state.CopyFrom(pb.GetStateRequest(agent_id="a", key="k"))
    replies = stub.Pipeline(iter([pb.RequestBatch(items=[item])]))
    assert [each.id for batch in replies for each in batch.items] == [1]
    [server] = of_servers(spans, "statehouse.v1.StatehouseService/GetState")
    assert server.parent is None
