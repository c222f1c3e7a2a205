"""Transactions that are none, have ended, are of another daemon or contradict themselves apply nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from google.protobuf.message import Message

from statehouse._generated import statehouse_pb2 as pb
from tests.rpc.raw import Outcome
from tests.rpc.surfaces import AGENT, NAMESPACE, TXN, World, attacked, struct

KEY: Final[dict[str, Any]] = {"namespace": NAMESPACE, "agent_id": AGENT, "key": "staged"}

STAGING: Final[dict[str, Callable[[str], Message]]] = {
    "Write": lambda txn_id: pb.WriteRequest(txn_id=txn_id, **KEY, value=struct(n=1)),
    "Delete": lambda txn_id: pb.DeleteRequest(txn_id=txn_id, **KEY),
    "Commit": lambda txn_id: pb.CommitRequest(txn_id=txn_id),
    "Abort": lambda txn_id: pb.AbortRequest(txn_id=txn_id),
}
"""Every call on an open transaction."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with attacked() as world:
        yield world


def ask(world: World, call: str, txn_id: str) -> Outcome:
    return world.client.call(call, STAGING[call](txn_id).SerializeToString())


def every_call(world: World, txn_id: str) -> dict[str, str]:
    """What each call on a transaction is answered; the ones that end it come last."""
    return {call: ask(world, call, txn_id).short for call in STAGING}


def test_a_transaction_that_nobody_began_is_not_found(world: World) -> None:
    before = world.everything()
    for txn_id in ("0" * 32, "nonsense", "é" * 64, "x" * 128, "../../etc/passwd", "%s%n", "' OR 1=1 --"):
        found = every_call(world, txn_id)
        assert found == dict.fromkeys(STAGING, "NOT_FOUND TRANSACTION_NOT_FOUND"), txn_id
    assert world.everything() == before


def test_a_transaction_of_another_daemon_is_not_found(world: World) -> None:
    before = world.everything()
    with attacked() as elsewhere:
        found = every_call(world, elsewhere.begin())
    assert found == dict.fromkeys(STAGING, "NOT_FOUND TRANSACTION_NOT_FOUND")
    assert world.everything() == before


def test_an_expired_transaction_says_so_and_applies_nothing(world: World) -> None:
    before = world.everything()
    txn_id = world.begin(timeout_ms=1)
    # However fast this is, a millisecond has passed when enough calls have been answered.
    while ask(world, "Write", txn_id).status == "OK":
        pass
    found = every_call(world, txn_id)
    assert found == {
        **dict.fromkeys(STAGING, "DEADLINE_EXCEEDED TRANSACTION_EXPIRED"),
        "Abort": "OK",
    }
    assert world.everything() == before


def test_an_aborted_transaction_is_closed(world: World) -> None:
    before = world.everything()
    txn_id = world.begin()
    assert ask(world, "Write", txn_id).status == "OK"
    assert ask(world, "Abort", txn_id).status == "OK"
    found = every_call(world, txn_id)
    closed = "FAILED_PRECONDITION TRANSACTION_CLOSED"
    assert found == {**dict.fromkeys(STAGING, closed), "Abort": "OK"}
    assert world.everything() == before


def test_a_committed_transaction_is_committed_once_and_closed() -> None:
    with attacked() as world:
        txn_id = world.begin()
        assert ask(world, "Write", txn_id).status == "OK"
        first = ask(world, "Commit", txn_id).reply(pb.CommitResponse)
        after = world.everything()
        for _ in range(3):
            again = ask(world, "Commit", txn_id).reply(pb.CommitResponse)
            assert again.commit_ts == first.commit_ts
        closed = "FAILED_PRECONDITION TRANSACTION_CLOSED"
        assert [ask(world, call, txn_id).short for call in ("Write", "Delete", "Abort")] == [closed] * 3
        assert world.everything() == after


def test_a_transaction_that_was_committed_in_one_call_cannot_be_staged_to(world: World) -> None:
    before = world.everything()
    assert ask(world, "Commit", TXN).reply(pb.CommitResponse).commit_ts == 1
    assert ask(world, "Abort", TXN).short == "FAILED_PRECONDITION TRANSACTION_CLOSED"
    assert ask(world, "Write", TXN).status == "NOT_FOUND"
    assert world.everything() == before


def name(**more: Any) -> pb.RecordName:
    return pb.RecordName(**{"namespace": NAMESPACE, "agent_id": AGENT, "key": "a", **more})


def change(**more: Any) -> pb.Change:
    payload = {} if "delete" in more or "extension" in more else {"payload": pb.Payload(data=b"0")}
    return pb.Change(**{"namespace": NAMESPACE, "agent_id": AGENT, "key": "a", **payload, **more})


def extension(*parts: pb.Part, **more: Any) -> pb.Change:
    whole = {"base": name(), "base_version": 1, "parts": parts, **more}
    return change(extension=pb.Extension(**whole))


def copied(start: int, stop: int) -> pb.Part:
    return pb.Part(copy=pb.ByteRange(start=start, stop=stop))


NONSENSE: Final = "INVALID_ARGUMENT INVALID_ARGUMENT"
CONTRADICTIONS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "another commit under the same id": ({"txn_id": TXN}, "ALREADY_EXISTS ALREADY_EXISTS"),
    "a key twice": ({"changes": [change(), change(delete=pb.Tombstone())]}, NONSENSE),
    "a key that is absent and has a version": (
        {
            "preconditions": [
                pb.Precondition(name=name(), version=0),
                pb.Precondition(name=name(), version=2),
            ]
        },
        "FAILED_PRECONDITION PRECONDITION_FAILED",
    ),
    "a key with two versions": (
        {
            "preconditions": [
                pb.Precondition(name=name(), version=1),
                pb.Precondition(name=name(), version=2),
            ]
        },
        "FAILED_PRECONDITION PRECONDITION_FAILED",
    ),
    "a precondition that says nothing": ({"preconditions": [pb.Precondition(name=name())]}, NONSENSE),
    "a precondition on nothing": ({"preconditions": [pb.Precondition(version=1)]}, NONSENSE),
    "a change that says nothing": (
        {"changes": [pb.Change(namespace=NAMESPACE, agent_id=AGENT, key="a")]},
        NONSENSE,
    ),
    "a change of nothing": ({"changes": [pb.Change(payload=pb.Payload(data=b"0"))]}, NONSENSE),
    "a range that ends before it begins": (
        {"ranges": [pb.KeyRange(namespace=NAMESPACE, agent_id=AGENT, first="b", last="a")], "read_ts": 1},
        NONSENSE,
    ),
    "reads without their read_ts": ({"reads": [name()]}, NONSENSE),
    "ranges without their read_ts": ({"ranges": [pb.KeyRange(agent_id=AGENT)]}, NONSENSE),
    "a read of the future": ({"reads": [name()], "read_ts": 1000}, NONSENSE),
    "an id made in the future": ({"made_at_ts": 1000}, NONSENSE),
    "a read that has changed since": ({"reads": [name()], "read_ts": 1}, "ABORTED CONFLICT"),
    "a store that is another one": ({"store_id": "0" * 32}, "FAILED_PRECONDITION STORE_CHANGED"),
    "a store that is none": ({"store_id": "0" * 31}, NONSENSE),
    "an epoch to come": ({"epoch": 7}, "FAILED_PRECONDITION STORE_CHANGED"),
    "no time at all": ({"timeout_ms": 0}, NONSENSE),
    "more than an hour": ({"timeout_ms": 3_600_001}, NONSENSE),
    "no id": ({"txn_id": ""}, NONSENSE),
    "a base that is not there": ({"changes": [extension(base=name(key="none"))]}, "NOT_FOUND NOT_FOUND"),
    "a base that was a delete": (
        {"changes": [extension(base=name(key="ab"), base_version=2)]},
        "NOT_FOUND NOT_FOUND",
    ),
    "a version that never was": ({"changes": [extension(base_version=1000)]}, "NOT_FOUND NOT_FOUND"),
    "a base of another agent": ({"changes": [extension(base=name(agent_id="other"))]}, NONSENSE),
    "bytes beyond the base": ({"changes": [extension(copied(0, 1000))]}, NONSENSE),
    "bytes that end before they begin": ({"changes": [extension(copied(1, 0))]}, NONSENSE),
    "a part that says nothing": ({"changes": [extension(pb.Part())]}, NONSENSE),
    "a copy that grows for ever": (
        {"changes": [extension(*[copied(0, 2**40)] * 1000)]},
        "INVALID_ARGUMENT LIMIT_EXCEEDED",
    ),
}


@pytest.mark.parametrize("fields, answer", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_commit_that_contradicts_itself_or_the_store_is_refused(
    world: World, fields: dict[str, Any], answer: str
) -> None:
    before = world.everything()
    commit = {"txn_id": "contradiction", "changes": [change()], **fields}
    data = pb.CommitTransactionRequest(**commit).SerializeToString()
    assert world.client.call("CommitTransaction", data).short == answer
    assert world.client.item("commit_transaction", data).short == answer
    assert world.everything() == before


INVERTED: Final[dict[str, tuple[str, Message]]] = {
    "Replay": ("Replay", pb.ReplayRequest(namespace=NAMESPACE, agent_id=AGENT, start_ts=2, end_ts=1)),
    "ReplayPage": ("ReplayPage", pb.ReplayPageRequest(from_ts=2, to_ts=1)),
    "ReplayBatches": ("ReplayBatches", pb.ReplayBatchesRequest(from_ts=2, to_ts=1)),
    "ReplayBatches, followed": ("ReplayBatches", pb.ReplayBatchesRequest(from_ts=2, to_ts=1, follow=True)),
    "Replay, far away": (
        "Replay",
        pb.ReplayRequest(namespace=NAMESPACE, agent_id=AGENT, start_ts=2**53 - 1, end_ts=1),
    ),
    "an agent without its namespace": ("ReplayPage", pb.ReplayPageRequest(agent_id=AGENT)),
    "a followed agent without its namespace": (
        "ReplayBatches",
        pb.ReplayBatchesRequest(agent_id=AGENT, follow=True),
    ),
}


@pytest.mark.parametrize("call, request_", INVERTED.values(), ids=INVERTED)
def test_a_range_of_events_that_makes_no_sense_is_refused(world: World, call: str, request_: Message) -> None:
    assert world.client.call(call, request_.SerializeToString()).short == NONSENSE


@pytest.mark.parametrize(
    "call", ["GetState", "ListKeys", "ScanPrefix", "GetMany", "GetHistory", "ListAgents"]
)
def test_a_read_of_the_future_is_refused(world: World, call: str) -> None:
    asked = {
        "GetState": pb.GetStateRequest(namespace=NAMESPACE, agent_id=AGENT, key="a", at_commit_ts=1000),
        "ListKeys": pb.ListKeysRequest(namespace=NAMESPACE, agent_id=AGENT, at_commit_ts=1000),
        "ScanPrefix": pb.ScanPrefixRequest(namespace=NAMESPACE, agent_id=AGENT, at_commit_ts=1000),
        "GetMany": pb.GetManyRequest(names=[name()], at_commit_ts=1000),
        "GetHistory": pb.GetHistoryRequest(namespace=NAMESPACE, agent_id=AGENT, key="a", at_commit_ts=1000),
        "ListAgents": pb.ListAgentsRequest(namespace=NAMESPACE, at_commit_ts=1000),
    }
    assert world.client.call(call, asked[call].SerializeToString()).short == NONSENSE
