"""Values that nobody would like to meet: deep, huge, no JSON at all. What is taken can be read again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from statehouse._generated import statehouse_pb2 as pb
from tests.rpc.mutations import nested
from tests.rpc.raw import Outcome, tagged
from tests.rpc.surfaces import World, attacked, struct

AGENT: Final = "values"

PAYLOADS: Final[dict[str, bytes]] = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"a": "\xff"}',
    "NUL": b"\0",
    "a number that is none": b'{"n": NaN}',
    "an infinity": b'{"n": -Infinity}',
    "a number without end": b'{"n": ' + b"9" * 10_000 + b"}",
    "a number that is no double": b'{"n": 1e999}',
    "2**53 + 1": b'{"n": 9007199254740993}',
    "2**64": b'{"n": 18446744073709551616}',
    "half a pair of surrogates": b'{"s": "\\ud800"}',
    "the same name twice": b'{"a": 1, "a": 2}',
    "32 levels": b'{"x":' * 32 + b"1" + b"}" * 32,
    "33 levels": b'{"x":' * 33 + b"1" + b"}" * 33,
    "100,000 lists in one another": b"[" * 100_000 + b"]" * 100_000,
    "100,000 lists that do not end": b"[" * 100_000,
    "100,000 objects in one another": b'{"x":' * 100_000 + b"1" + b"}" * 100_000,
    "a mark of ours": b'{"@statehouse.erased": true}',
    "another mark of ours": b'{"@statehouse.payload": {"type": "", "base64": "?"}}',
    "a name that is empty": b'{"": {"": []}}',
    "10,000 members": b"{" + b",".join(b'"%d": %d' % (n, n) for n in range(10_000)) + b"}",
}
"""Payloads that say that they are JSON. What they are is the client's business: they are kept as they are."""

READS: Final[dict[str, Message]] = {
    "GetState": pb.GetStateRequest(agent_id=AGENT),
    "GetStateAtVersion": pb.GetStateAtVersionRequest(agent_id=AGENT, version=1),
    "ScanPrefix": pb.ScanPrefixRequest(agent_id=AGENT),
    "GetMany": pb.GetManyRequest(names=[pb.RecordName(agent_id=AGENT)]),
    "GetHistory": pb.GetHistoryRequest(agent_id=AGENT),
    "Replay": pb.ReplayRequest(agent_id=AGENT),
    "ReplayPage": pb.ReplayPageRequest(),
    "ReplayBatches": pb.ReplayBatchesRequest(),
    "FindEvents": pb.FindEventsRequest(by=pb.ORIGIN_TXN),
}
"""Every call that shows values."""

_numbers = count()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with attacked() as world:
        yield world


def commit(world: World, **value: Any) -> tuple[str, Outcome]:
    """Writes a value to a key of its own, in one round trip."""
    key = f"key-{next(_numbers)}"
    change = pb.Change(agent_id=AGENT, key=key, **value)
    request = pb.CommitTransactionRequest(txn_id=key, changes=[change])
    return key, world.client.call("CommitTransaction", request.SerializeToString())


def written(world: World, value: Struct) -> tuple[str, Outcome]:
    """Writes an object to a key of its own, as clients of old do."""
    key = f"key-{next(_numbers)}"
    txn_id = world.begin()
    request = pb.WriteRequest(txn_id=txn_id, agent_id=AGENT, key=key, value=value)
    outcome = world.client.call("Write", request.SerializeToString())
    if outcome.status == "OK":
        outcome = world.client.call("Commit", pb.CommitRequest(txn_id=txn_id).SerializeToString())
    return key, outcome


def state(world: World, key: str, **more: Any) -> pb.GetStateResponse:
    asked = pb.GetStateRequest(agent_id=AGENT, key=key, **more)
    found: pb.GetStateResponse = world.ask("GetState", asked, pb.GetStateResponse)
    return found


def asked_for(read: Message, key: str, commit_ts: int, form: int) -> Message:
    """A read, of just this value."""
    request: Any = type(read)()
    request.CopyFrom(read)
    fields = request.DESCRIPTOR.fields_by_name
    if "names" in fields:
        request.names[0].key = key
    for name, value in {
        "key": key,
        "prefix": key,
        "id": key,
        "values": form,
        "from_ts": commit_ts,
        "to_ts": commit_ts,
        "start_ts": commit_ts,
        "end_ts": commit_ts,
        "limit": 1,
    }.items():
        if name in fields:
            setattr(request, name, value)
    return request  # type: ignore[no-any-return]


@pytest.mark.parametrize("data", PAYLOADS.values(), ids=PAYLOADS)
def test_whatever_a_payload_holds_is_kept_and_shown_by_every_read_in_every_form(
    world: World, data: bytes
) -> None:
    key, outcome = commit(world, payload=pb.Payload(data=data))
    commit_ts = outcome.reply(pb.CommitTransactionResponse).commit_ts
    assert state(world, key, values=pb.VALUES_AS_PAYLOAD).payload.data == data
    for call, read in READS.items():
        for form in (pb.VALUES_AS_STRUCT, pb.VALUES_AS_PAYLOAD, pb.VALUES_LEFT_OUT):
            request = asked_for(read, key, commit_ts, form)
            found = world.client.call(call, request.SerializeToString())
            assert (found.status, bool(found.replies)) == ("OK", True), (call, form, found)


@pytest.mark.parametrize(
    "what",
    sorted(PAYLOADS.keys() - {"the same name twice", "32 levels", "a name that is empty", "10,000 members"}),
)
def test_what_a_struct_would_damage_is_shown_as_bytes(world: World, what: str) -> None:
    key, _ = commit(world, payload=pb.Payload(data=PAYLOADS[what]))
    assert list(state(world, key).value.fields) == ["@statehouse.payload"]


def test_a_number_that_no_double_can_hold_is_the_double_next_to_it(world: World) -> None:
    """The contract says so of Structs, and offers payload bytes."""
    key, _ = written(world, struct(n=2**53 + 1))
    assert state(world, key).value["n"] == 2**53
    assert state(world, key, values=pb.VALUES_AS_PAYLOAD).payload.data == b'{"n":9007199254740992}'


@pytest.mark.parametrize("lists", [False, True], ids=["objects", "lists"])
@pytest.mark.parametrize(
    "depth, answer",
    [
        (31, "OK"),
        (32, "OK"),
        (33, "INVALID_ARGUMENT LIMIT_EXCEEDED"),
    ],
)
def test_an_object_may_be_32_levels_deep(world: World, depth: int, answer: str, lists: bool) -> None:
    value = nested(depth, lists=lists)
    assert written(world, value)[1].short == answer
    key, outcome = commit(world, value=value)
    assert outcome.short == answer
    if answer == "OK":
        assert state(world, key).value == value


def test_an_object_of_a_thousand_levels_is_refused(world: World) -> None:
    """By protobuf's parser, which stops at a hundred messages in one another."""
    before = world.everything()
    deep = b""
    for _ in range(1000):
        deep = tagged(1, tagged(1, b"x") + tagged(2, tagged(5, deep)))
    data = tagged(1, world.begin().encode()) + tagged(3, b"agent") + tagged(4, b"key") + tagged(5, deep)
    assert world.client.call("Write", data).short == "INVALID_ARGUMENT INVALID_ARGUMENT"
    assert world.everything() == before


@pytest.mark.parametrize(
    "first, second", [("a", "ab"), ("a", "a/b"), ("é", "é́"), ("a", "a\u007f"), ("\u2028", "\u2028\u2029")]
)
def test_keys_that_begin_alike_are_two(world: World, first: str, second: str) -> None:
    agent = f"alike-{next(_numbers)}"
    changes = [pb.Change(agent_id=agent, key=key, value=struct(key=key)) for key in (second, first)]
    request = pb.CommitTransactionRequest(txn_id=agent, changes=changes)
    world.ask("CommitTransaction", request, pb.CommitTransactionResponse)
    delete = pb.Change(agent_id=agent, key=first, delete=pb.Tombstone())
    request = pb.CommitTransactionRequest(txn_id=f"{agent}-delete", changes=[delete])
    world.ask("CommitTransaction", request, pb.CommitTransactionResponse)
    found = world.ask("ScanPrefix", pb.ScanPrefixRequest(agent_id=agent, prefix=first), pb.ScanPrefixResponse)
    assert [(entry.key, entry.value["key"]) for entry in found.entries] == [(second, second)]


def test_agents_and_namespaces_that_begin_alike_are_two(world: World) -> None:
    places = [("n", "ab"), ("na", "b"), ("n", "a"), ("n", "a/b"), ("n/a", "b")]
    for number, (namespace, agent) in enumerate(places):
        change = pb.Change(namespace=namespace, agent_id=agent, key="k", value=struct(number=number))
        request = pb.CommitTransactionRequest(txn_id=f"alike-{number}", changes=[change])
        world.ask("CommitTransaction", request, pb.CommitTransactionResponse)
    for number, (namespace, agent) in enumerate(places):
        keys = pb.ScanPrefixRequest(namespace=namespace, agent_id=agent)
        found = world.ask("ScanPrefix", keys, pb.ScanPrefixResponse)
        assert [entry.value["number"] for entry in found.entries] == [number]
