"""The limits, over the wire: one less is taken, and all of it, and one more is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest
from google.protobuf.message import Message

from statehouse._generated import statehouse_pb2 as pb
from statehouse.protocol.limits import DEFAULT_LIMITS, KIB, MIB
from statehouse.rpc.serving import ServerOptions
from statehouse.rpc.serving.received import MESSAGE_PARTS_MAX
from tests.rpc.mutations import BYTES_MAX, Path, has, paths
from tests.rpc.raw import Outcome, tagged
from tests.rpc.surfaces import SURFACES, Surface, World, attacked, struct

NONSENSE: Final = "INVALID_ARGUMENT INVALID_ARGUMENT"
TOO_LARGE: Final = "INVALID_ARGUMENT LIMIT_EXCEEDED"
OVERLOADED: Final = "RESOURCE_EXHAUSTED OVERLOADED"

NAMES: Final = [
    pytest.param(surface, path, BYTES_MAX[path[-1]], id=".".join((surface.call, *path)))
    for surface in SURFACES
    if surface.call != "Pipeline"
    for path, _ in paths(surface.asked.DESCRIPTOR)
    if path[-1] in BYTES_MAX
]
"""Every name in every request, and how many bytes it may have."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with attacked() as world:
        yield world


def named(world: World, surface: Surface, path: Path, name: str) -> bytes:
    """A good request with another name in it; a cursor would be of the old one."""
    request: Any = next(each for each in surface.good(world) if has(each, path) and not has_cursor(each))
    holder = request
    for step in path[:-1]:
        inside = getattr(holder, step)
        holder = inside[0] if holder.DESCRIPTOR.fields_by_name[step].is_repeated else inside
    setattr(holder, path[-1], name)
    data: bytes = request.SerializeToString()
    return data


def has_cursor(request: Any) -> bool:
    return "cursor" in request.DESCRIPTOR.fields_by_name and request.HasField("cursor")


@pytest.mark.parametrize("surface, path, size", NAMES)
@pytest.mark.parametrize("letter", ["x", "é", "𓀀"])
def test_a_name_may_have_so_many_bytes(
    world: World, surface: Surface, path: Path, size: int, letter: str
) -> None:
    for more in (-1, 0, 1):
        text = letter * (size // len(letter.encode()))
        text += "x" * (size + more - len(text.encode())) if more >= 0 else ""
        text = text if more >= 0 else text[:-1]
        outcome = world.client.call(surface.call, named(world, surface, path, text))
        # Whatever else is said of it: nothing has that name.
        assert (outcome.short == TOO_LARGE) == (more == 1), (more, outcome)


def committed(world: World, txn_id: str, **fields: Any) -> Outcome:
    request = pb.CommitTransactionRequest(txn_id=txn_id, **fields)
    return world.client.call("CommitTransaction", request.SerializeToString())


def change(key: str, size: int) -> pb.Change:
    payload = pb.Payload(content_type="application/octet-stream", data=bytes(size))
    return pb.Change(agent_id="a", key=key, payload=payload)


EDGE: Final = pytest.mark.parametrize(
    "more, answer", [(-1, "OK"), (0, "OK"), (1, TOO_LARGE)], ids=["one less", "all", "one more"]
)


@pytest.mark.slow
@EDGE
def test_a_payload_may_have_16_mib(world: World, more: int, answer: str) -> None:
    assert committed(world, f"payload-{more}", changes=[change("k", 16 * MIB + more)]).short == answer


@pytest.mark.slow
@EDGE
def test_an_object_may_have_16_mib_as_json(world: World, more: int, answer: str) -> None:
    value = struct(x="y" * (16 * MIB + more - len('{"x":""}')))
    assert (
        committed(world, f"object-{more}", changes=[pb.Change(agent_id="a", key="k", value=value)]).short
        == answer
    )
    write = pb.WriteRequest(txn_id=world.begin(), agent_id="a", key="k", value=value)
    assert world.client.call("Write", write.SerializeToString()).short == answer


@pytest.mark.slow
@EDGE
def test_a_transaction_may_have_32_mib(world: World, more: int, answer: str) -> None:
    """Of values and of names, each with what it takes to tell them apart."""
    sizes = (16 * MIB, 8 * MIB, 8 * MIB + more - 3 * len(b"default\0" + b"a\0" + b"k"))
    changes = [change(str(number), size) for number, size in enumerate(sizes)]
    assert committed(world, f"transaction-{more}", changes=changes).short == answer


@pytest.mark.slow
@EDGE
def test_a_transaction_may_have_10_000_operations(world: World, more: int, answer: str) -> None:
    changes = [pb.Change(agent_id="a", key=str(n), delete=pb.Tombstone()) for n in range(10_000 + more)]
    assert committed(world, f"operations-{more}", changes=changes).short == answer


@pytest.mark.slow
@EDGE
def test_a_transaction_may_have_read_100_000_keys(world: World, more: int, answer: str) -> None:
    reads = [pb.RecordName(agent_id="nobody", key=str(n)) for n in range(100_000 + more)]
    assert committed(world, f"reads-{more}", reads=reads, read_ts=1).short == answer


@EDGE
def test_a_staged_transaction_may_have_as_many_operations(more: int, answer: str) -> None:
    """Of a daemon that takes a hundred: ten thousand calls are more than there is time for."""
    limits = replace(DEFAULT_LIMITS, transaction_operations_max=100)
    with attacked(ServerOptions(limits=limits)) as world:
        txn_id = world.begin()
        for number in range(100 + more):
            delete = pb.DeleteRequest(txn_id=txn_id, agent_id="a", key=str(number))
            outcome = world.client.call("Delete", delete.SerializeToString())
        assert outcome.short == answer


@EDGE
def test_an_origin_may_have_8_kib(world: World, more: int, answer: str) -> None:
    origin = pb.Origin(step="s", attributes={"name": "v" * (8 * KIB + more - len("sname"))})
    assert committed(world, f"origin-{more}", origin=origin).short == answer


@EDGE
def test_a_content_type_may_have_128_bytes(world: World, more: int, answer: str) -> None:
    payload = pb.Payload(content_type="x" * (128 + more), data=b"")
    changes = [pb.Change(agent_id="a", key="k", payload=payload)]
    assert committed(world, f"type-{more}", changes=changes).short == answer


@pytest.mark.slow
@EDGE
def test_a_read_may_ask_for_10_000_keys(world: World, more: int, answer: str) -> None:
    names = [pb.RecordName(agent_id="nobody", key=str(n)) for n in range(10_000 + more)]
    assert world.client.call("GetMany", pb.GetManyRequest(names=names).SerializeToString()).short == answer


PAGED: Final = [surface for surface in SURFACES if "limit" in surface.asked.DESCRIPTOR.fields_by_name]


@pytest.mark.parametrize("surface", PAGED, ids=lambda surface: surface.call)
@pytest.mark.parametrize("limit, answer", [(1, "OK"), (9_999, "OK"), (10_000, "OK"), (10_001, NONSENSE)])
def test_a_page_may_have_10_000_rows(world: World, surface: Surface, limit: int, answer: str) -> None:
    request: Any = surface.good(world)[0]
    request.limit = limit
    assert world.client.call(surface.call, request.SerializeToString()).short == answer


@pytest.mark.parametrize(
    "timeout_ms, answer",
    [(0, NONSENSE), (1, "OK"), (2, "OK"), (3_599_999, "OK"), (3_600_000, "OK"), (3_600_001, NONSENSE)],
)
def test_a_transaction_may_be_open_from_a_millisecond_to_an_hour(
    world: World, timeout_ms: int, answer: str
) -> None:
    asked = pb.BeginTransactionRequest(timeout_ms=timeout_ms)
    assert world.client.call("BeginTransaction", asked.SerializeToString()).short == answer


@pytest.mark.parametrize(
    "timeout_ms, answer", [(0, NONSENSE), (3_599_999, "OK"), (3_600_000, "OK"), (3_600_001, NONSENSE)]
)
def test_a_commit_may_wait_for_an_hour(world: World, timeout_ms: int, answer: str) -> None:
    assert committed(world, f"timeout-{timeout_ms}", timeout_ms=timeout_ms).short == answer


@pytest.mark.parametrize(
    "call, data",
    [
        ("Write", tagged(5, tagged(1, tagged(1, b"x") + tagged(2, tagged(6, b"\x0a\x00" * 300_000))))),
        ("CommitTransaction", b"\x12\x00" * 300_000),
        ("CommitTransaction", b"\x22\x00" * 300_000),
        ("GetMany", b"\x0a\x00" * 300_000),
        ("Pipeline", b"\x0a\x00" * 300_000),
    ],
    ids=["values", "changes", "reads", "names", "items"],
)
def test_a_message_may_have_so_many_parts(world: World, call: str, data: bytes) -> None:
    """Each takes two bytes on the way and some hundred at its end."""
    before = world.everything()
    outcome = world.client.call(call, data)
    assert outcome.short == TOO_LARGE
    assert f"more than {MESSAGE_PARTS_MAX} parts" in outcome.message
    assert world.everything() == before


def test_an_object_of_two_hundred_thousand_members_is_taken(world: World) -> None:
    changes = [pb.Change(agent_id="a", key="k", value=struct(x=[None] * 200_000))]
    assert committed(world, "members", changes=changes).short == "OK"


def test_one_open_transaction_too_many_is_refused_until_another_ends() -> None:
    with attacked(ServerOptions(staged_count_max=3)) as world:
        opened = [world.begin() for _ in range(3)]
        refused = world.client.call("BeginTransaction", b"")
        assert (refused.short, "3 transactions are open already" in refused.message) == (OVERLOADED, True)
        world.client.call("Abort", pb.AbortRequest(txn_id=opened[0]).SerializeToString())
        assert world.client.call("BeginTransaction", b"").status == "OK"


def test_one_staged_byte_too_many_is_refused_until_another_transaction_ends() -> None:
    with attacked(ServerOptions(staged_bytes_max=1 * MIB)) as world:
        first, second = world.begin(), world.begin()
        held: list[Message] = [
            pb.WriteRequest(txn_id=txn_id, agent_id="a", key="k", value=struct(x="y" * (500 * KIB)))
            for txn_id in (first, second)
        ]
        assert [world.client.call("Write", each.SerializeToString()).status for each in held] == ["OK"] * 2
        more = pb.WriteRequest(txn_id=second, agent_id="a", key="more", value=struct(x="y" * (50 * KIB)))
        assert world.client.call("Write", more.SerializeToString()).short == OVERLOADED
        world.client.call("Abort", pb.AbortRequest(txn_id=first).SerializeToString())
        assert world.client.call("Write", more.SerializeToString()).status == "OK"
