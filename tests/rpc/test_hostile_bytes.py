"""Bytes that are no request: empty, random, cut short, damaged, too many. The daemon says so and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statehouse._generated import statehouse_pb2 as pb
from statehouse.rpc.sizes import MESSAGE_BYTES_MAX
from tests.rpc.raw import Outcome, batch, item, tagged, varint
from tests.rpc.surfaces import BY_CALL, SURFACES, TXN, Surface, World, attacked

ANSWERS: Final = frozenset(
    {
        "OK",
        "INVALID_ARGUMENT INVALID_ARGUMENT",
        "INVALID_ARGUMENT LIMIT_EXCEEDED",
        "NOT_FOUND NOT_FOUND",
        "NOT_FOUND TRANSACTION_NOT_FOUND",
        "ALREADY_EXISTS ALREADY_EXISTS",
        "FAILED_PRECONDITION PRECONDITION_FAILED",
        "FAILED_PRECONDITION STORE_CHANGED",
        "ABORTED CONFLICT",
    }
)
"""What damaged bytes may still mean. Whatever it is, it is not the daemon that failed."""

EMPTY: Final = {
    # No agent, no key, no id, no version, no kind of id: whatever it is, it must be said.
    **dict.fromkeys((surface.call for surface in SURFACES), "INVALID_ARGUMENT INVALID_ARGUMENT"),
    # These can be asked without words.
    **dict.fromkeys(
        "Health Version BeginTransaction GetMany ListAgents ListNamespaces ReplayPage ReplayBatches "
        "LocateTime Status Check Pipeline".split(),
        "OK",
    ),
}

by_call: Final = pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.call)
by_item: Final = pytest.mark.parametrize(
    "surface", [surface for surface in SURFACES if surface.field], ids=lambda surface: surface.field
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with attacked() as world:
        yield world


def sample(world: World, surface: Surface) -> bytes:
    """A good request that changes nothing, whatever is cut off it: its commit has been made already."""
    request = surface.good(world)[0]
    if isinstance(request, pb.CommitTransactionRequest):
        request.txn_id = TXN
    if isinstance(request, pb.ReplayBatchesRequest):
        # Not for ever.
        request.follow = False
    if isinstance(request, pb.RequestBatch):
        for each in request.items:
            if each.HasField("commit_transaction"):
                each.commit_transaction.txn_id = TXN
    return request.SerializeToString()


def in_order(outcome: Outcome) -> bool:
    """Whether an answer is one that may be given to anything."""
    return outcome.short in ANSWERS


@by_call
def test_no_bytes_are_an_empty_request(world: World, surface: Surface) -> None:
    before = world.everything()
    outcome = world.client.call(surface.call, b"")
    assert outcome.short == EMPTY[surface.call], outcome
    assert world.everything() == before


@by_item
def test_no_bytes_are_an_empty_item(world: World, surface: Surface) -> None:
    before = world.everything()
    outcome = world.client.item(surface.field or "", b"")
    assert outcome.short == EMPTY[surface.call], outcome
    assert world.everything() == before


@by_call
def test_a_request_that_was_cut_short_anywhere_is_answered_and_changes_nothing(
    world: World, surface: Surface
) -> None:
    before = world.everything()
    data = sample(world, surface)
    step = 1 + len(data) // 100
    for size in range(0, len(data), step):
        outcome = world.client.call(surface.call, data[:size])
        assert in_order(outcome), (size, outcome)
    assert world.everything() == before


@by_item
def test_an_item_that_was_cut_short_anywhere_is_answered_and_changes_nothing(
    world: World, surface: Surface
) -> None:
    before = world.everything()
    data = sample(world, surface)
    step = 1 + len(data) // 100
    for size in range(0, len(data), step):
        outcome = world.client.item(surface.field or "", data[:size])
        assert in_order(outcome), (size, outcome)
    assert world.everything() == before


@by_call
def test_random_bytes_are_answered_and_change_nothing(world: World, surface: Surface) -> None:
    @given(st.binary(max_size=200))
    @settings(max_examples=25)
    def send(data: bytes) -> None:
        outcome = world.client.call(surface.call, data, timeout=5)
        # Random bytes may well ask to follow a replay, for as long as the client likes.
        assert in_order(outcome) or (surface.call == "ReplayBatches" and outcome.replies), outcome

    before = world.everything()
    send()
    assert world.everything() == before


@by_call
def test_a_damaged_request_is_answered(world: World, surface: Surface) -> None:
    data = sample(world, surface)

    @given(
        st.lists(
            st.tuples(st.integers(0, max(0, len(data) - 1)), st.integers(0, 255)), min_size=1, max_size=3
        )
    )
    @settings(max_examples=25)
    def send(damage: list[tuple[int, int]]) -> None:
        damaged = bytearray(data)
        for at, byte in damage:
            damaged[at : at + 1] = bytes([byte])
        outcome = world.client.call(surface.call, bytes(damaged), timeout=5)
        assert in_order(outcome) or (surface.call == "ReplayBatches" and outcome.replies), outcome

    send()
    assert world.problems() == []


@by_item
def test_random_bytes_as_an_item_are_answered_and_change_nothing(world: World, surface: Surface) -> None:
    @given(st.binary(max_size=200))
    @settings(max_examples=25)
    def send(data: bytes) -> None:
        outcome = world.client.item(surface.field or "", data, timeout=5)
        assert in_order(outcome), outcome

    before = world.everything()
    send()
    assert world.everything() == before


@by_call
def test_a_field_of_another_type_is_refused(world: World, surface: Surface) -> None:
    """A number where a text should be, and a group, which nobody has sent for fifteen years."""
    before = world.everything()
    for data in (b"\x0b\x0c", b"\x0b", b"\x0c", b"\x00\x00", b"\x07", b"\xff" * 11, tagged(1, b"x")[:-1]):
        outcome = world.client.call(surface.call, data)
        assert in_order(outcome), (data, outcome)
    assert world.everything() == before


@by_call
def test_fields_that_nobody_knows_are_ignored(world: World, surface: Surface) -> None:
    """As a client of a newer contract sends them."""
    unknown = tagged(1999, b"new") + varint(1998 << 3) + varint(2**64 - 1)
    for request in surface.good(world):
        outcome = world.client.call(surface.call, request.SerializeToString() + unknown)
        assert outcome.short == surface.refused, outcome


@pytest.mark.slow
@by_call
def test_a_message_that_is_larger_than_one_may_be_is_refused(world: World, surface: Surface) -> None:
    before = world.everything()
    # Which no field is: a client cannot be told more about it than gRPC says.
    data = tagged(1999, bytes(MESSAGE_BYTES_MAX - 8)) + b"\0" * 8
    assert len(data) > MESSAGE_BYTES_MAX
    outcome = world.client.call(surface.call, data)
    assert outcome.status == "RESOURCE_EXHAUSTED", outcome
    assert world.client.call("Health", b"").reply(pb.HealthResponse).status == "ok"
    assert world.everything() == before


def test_a_call_that_does_not_exist_is_refused(world: World) -> None:
    assert world.client.call("DropEverything", b"").status == "UNIMPLEMENTED"


@pytest.mark.parametrize("call", ["GetState", "Replay", "CommitTransaction"])
def test_of_two_requests_where_one_belongs_one_is_answered_at_most(world: World, call: str) -> None:
    before = world.everything()
    outcome = world.client.calls(call, [sample(world, BY_CALL[call])] * 2)
    assert in_order(outcome) or outcome.status in {"UNIMPLEMENTED", "INTERNAL"}, outcome
    assert world.everything() == before


@pytest.mark.parametrize("call", ["GetState", "Replay", "CommitTransaction"])
def test_a_call_that_never_says_what_it_asks_keeps_nobody_else_waiting(world: World, call: str) -> None:
    """gRPC waits for as long as the client does."""
    silent = [world.client.open(call, iter([])) for _ in range(100)]
    assert world.client.call("Health", b"", timeout=1).status == "OK"
    assert world.client.call(call, sample(world, BY_CALL[call]), timeout=1).short in ANSWERS
    for each in silent:
        each.cancel()


def test_an_item_that_is_none_ends_its_stream_and_no_other(world: World) -> None:
    other = world.client.open("Pipeline", iter([]), timeout=10)
    outcome = world.client.call("Pipeline", batch([item("health", b"")]) + b"\x0a\x7f")
    assert outcome.short == "INVALID_ARGUMENT INVALID_ARGUMENT", outcome
    assert list(other) == []
