"""What a client finds that asks the daemon for everything, as grpcurl, grpcui and load balancers do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from statehouse import Statehouse
from statehouse._generated import statehouse_pb2
from statehouse.protocol.engine import Engine
from statehouse.testing.daemon import serving
from tests.rpc.reflected import STATEHOUSE, ReflectedClient, ReflectedError, reflected

HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"
GOAL = {"agentId": "planner", "key": "goal"}


@pytest.fixture
def client(engine: Engine) -> Iterator[ReflectedClient]:
    with serving(engine) as target, reflected(target) as found:
        yield found


def test_the_daemon_lists_its_services(client: ReflectedClient) -> None:
    assert client.services() == sorted([HEALTH, REFLECTION, STATEHOUSE])


def test_the_daemon_lists_every_call_of_the_contract(client: ReflectedClient) -> None:
    [service] = statehouse_pb2.DESCRIPTOR.services_by_name.values()
    assert client.methods() == [method.name for method in service.methods]


@pytest.mark.parametrize("service", [HEALTH, REFLECTION])
def test_the_standard_services_can_be_described(client: ReflectedClient, service: str) -> None:
    assert client.methods(service)


def test_the_contract_that_is_described_is_the_one_in_the_repository(client: ReflectedClient) -> None:
    ours, theirs = FileDescriptorProto(), FileDescriptorProto()
    statehouse_pb2.DESCRIPTOR.CopyToProto(ours)
    client.message("statehouse.v1.GetStateRequest").DESCRIPTOR.file.CopyToProto(theirs)
    assert theirs == ours


def test_what_a_dynamic_client_commits_an_sdk_handle_reads(client: ReflectedClient, engine: Engine) -> None:
    change = {**GOAL, "value": {"drink": "tea", "cups": 2}}
    committed = client.call("CommitTransaction", {"txnId": "t-1", "changes": [change]})
    record = Statehouse.from_engine(engine).get_state("goal", agent_id="planner")
    assert (record.value, str(record.commit_ts)) == ({"drink": "tea", "cups": 2}, committed["commitTs"])


def test_what_an_sdk_handle_writes_a_dynamic_client_reads(client: ReflectedClient, engine: Engine) -> None:
    Statehouse.from_engine(engine).write("goal", {"drink": "tea"}, agent_id="planner")
    found = client.call("GetState", GOAL)
    assert (found["value"], found["version"], found["exists"]) == ({"drink": "tea"}, "1", True)


def test_a_dynamic_client_stages_a_transaction(client: ReflectedClient) -> None:
    txn = client.call("BeginTransaction")["txnId"]
    client.call("Write", {"txnId": txn, **GOAL, "value": {"drink": "tea"}})
    assert client.call("Commit", {"txnId": txn}) == {"commitTs": "1"}


def test_a_dynamic_client_replays_a_stream(client: ReflectedClient) -> None:
    for number in range(3):
        change = {**GOAL, "value": {"cups": number}}
        client.call("CommitTransaction", {"txnId": f"t-{number}", "changes": [change]})
    events = list(client.stream("Replay", [{"agentId": "planner"}]))
    assert [event["operations"][0]["value"] for event in events] == [{"cups": n} for n in range(3)]


def test_a_dynamic_client_follows_and_leaves(client: ReflectedClient) -> None:
    client.call("CommitTransaction", {"txnId": "t-1", "changes": [{**GOAL, "value": {"drink": "tea"}}]})
    pages = client.stream("ReplayBatches", [{"follow": True}])
    first = next(pages)
    pages.close()
    assert [event["commitTs"] for event in first["events"]] == ["1"]


def test_a_dynamic_client_uses_the_pipeline(client: ReflectedClient) -> None:
    items = [{"id": "1", "health": {}}, {"id": "2", "version": {}}]
    batches = list(client.stream("Pipeline", [{"items": items}]))
    replies = {item["id"]: item for batch in batches for item in batch["items"]}
    assert replies["1"]["health"] == {"status": "ok"}
    assert replies["2"]["version"] == client.call("Version")


def test_a_dynamic_client_is_told_the_error_in_the_details(client: ReflectedClient) -> None:
    with pytest.raises(ReflectedError) as caught:
        client.call("Commit", {"txnId": "no-such-transaction"})
    assert caught.value.status is grpc.StatusCode.NOT_FOUND
    assert caught.value.error is not None
    assert caught.value.error["code"] == "TRANSACTION_NOT_FOUND"
    assert caught.value.error["details"] == {"txn_id": '"no-such-transaction"'}


@pytest.mark.parametrize("service", ["", STATEHOUSE])
def test_the_standard_health_service_says_serving(client: ReflectedClient, service: str) -> None:
    assert client.call("Check", {"service": service}, service=HEALTH) == {"status": "SERVING"}


def test_the_standard_health_service_does_not_know_other_services(client: ReflectedClient) -> None:
    with pytest.raises(ReflectedError) as caught:
        client.call("Check", {"service": "no.such.Service"}, service=HEALTH)
    assert caught.value.status is grpc.StatusCode.NOT_FOUND


def test_the_standard_health_service_can_be_watched(client: ReflectedClient) -> None:
    watched = client.stream("Watch", [{"service": STATEHOUSE}], service=HEALTH)
    assert next(watched) == {"status": "SERVING"}
    watched.close()


def test_a_daemon_on_a_unix_socket_is_found_in_the_same_way(engine: Engine, tmp_path: Path) -> None:
    with serving(engine, listen=f"unix:{tmp_path}/socket") as target, reflected(target) as client:
        assert STATEHOUSE in client.services()
