"""A cursor is of one store, one epoch and one request: any other is refused, however it was made."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from statehouse._generated import statehouse_pb2 as pb
from tests.rpc.surfaces import AGENT, NAMESPACE, World, attacked


@dataclass(frozen=True, slots=True)
class Paged:
    """A call that is answered in pages.

    Attributes:
        call: Its name.
        field: Its name as an item; None where it is none.
        answer: What it is answered with.
        ask: Gives its request, with these fields besides.
        others: Fields that make it another request.
    """

    call: str
    field: str | None
    answer: type[Message]
    ask: Callable[..., Message]
    others: tuple[dict[str, Any], ...]


def _of_agent(kind: type[Message], **fixed: Any) -> Callable[..., Message]:
    def ask(**more: Any) -> Message:
        return kind(**{"namespace": NAMESPACE, "agent_id": AGENT, "limit": 1, **fixed, **more})

    return ask


PAGED: Final = (
    Paged(
        "ListKeys",
        None,
        pb.ListKeysResponse,
        _of_agent(pb.ListKeysRequest),
        ({"agent_id": "other"}, {"namespace": "elsewhere"}, {"prefix": "a"}),
    ),
    Paged(
        "ScanPrefix",
        "scan_prefix",
        pb.ScanPrefixResponse,
        _of_agent(pb.ScanPrefixRequest),
        (
            {"agent_id": "other"},
            {"namespace": "elsewhere"},
            {"prefix": "a"},
            {"reverse": True},
            {"values": 2},
        ),
    ),
    Paged(
        "GetHistory",
        "get_history",
        pb.GetHistoryResponse,
        _of_agent(pb.GetHistoryRequest, key="a"),
        ({"agent_id": "other"}, {"key": "ab"}, {"reverse": True}),
    ),
    Paged(
        "ListAgents",
        "list_agents",
        pb.ListAgentsResponse,
        lambda **more: pb.ListAgentsRequest(**{"namespace": NAMESPACE, "limit": 1, **more}),
        ({"namespace": "elsewhere"},),
    ),
    Paged(
        "ListNamespaces",
        "list_namespaces",
        pb.ListNamespacesResponse,
        lambda **more: pb.ListNamespacesRequest(**{"limit": 1, **more}),
        (),
    ),
    Paged(
        "Check",
        "check",
        pb.CheckResponse,
        lambda **more: pb.CheckRequest(**{"limit": 1, **more}),
        (),
    ),
    Paged(
        "Erase",
        "erase",
        pb.EraseResponse,
        _of_agent(pb.EraseRequest, prefixes=["a"], dry_run=True),
        (
            {"namespace": "elsewhere"},
            {"agent_id": "other"},
            {"keys": ["k"]},
            {"prefixes": ["ab"]},
            {"dry_run": False},
        ),
    ),
)

every: Final = pytest.mark.parametrize("paged", PAGED, ids=lambda paged: paged.call)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with attacked() as world:
        yield world


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[World]:
    """Another daemon, with the same history in a store of its own."""
    with attacked() as world:
        yield world


def answers(world: World, paged: Paged, **more: Any) -> list[str]:
    """What a request is answered, by itself and as an item."""
    data = paged.ask(**more).SerializeToString()
    found = [world.client.call(paged.call, data)]
    if paged.field:
        found.append(world.client.item(paged.field, data))
    return [outcome.short for outcome in found]


def cursor_of(world: World, paged: Paged) -> str:
    return world.cursor(paged.call, paged.ask(), paged.answer)


@every
def test_its_own_cursor_gives_the_next_page(world: World, paged: Paged) -> None:
    assert set(answers(world, paged, cursor=cursor_of(world, paged))) == {"OK"}


@every
def test_a_cursor_with_any_bit_flipped_is_refused(world: World, paged: Paged) -> None:
    cursor = cursor_of(world, paged)
    data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))

    @given(st.integers(0, 8 * len(data) - 1))
    @settings(max_examples=50)
    def send(bit: int) -> None:
        forged = bytearray(data)
        forged[bit // 8] ^= 1 << bit % 8
        text = urlsafe_b64encode(forged).decode().rstrip("=")
        assert set(answers(world, paged, cursor=text)) == {"INVALID_ARGUMENT INVALID_ARGUMENT"}

    before = world.everything()
    send()
    assert world.everything() == before


@every
def test_a_cursor_that_is_none_is_refused(world: World, paged: Paged) -> None:
    cursor = cursor_of(world, paged)
    shorter = [cursor[:size] for size in range(0, len(cursor), 5)]
    for text in (*shorter, cursor * 2, "=", "....", "é", "x" * 100_000, " " + cursor, "AAAA" * 20):
        assert set(answers(world, paged, cursor=text)) == {"INVALID_ARGUMENT INVALID_ARGUMENT"}, text[:100]


@every
def test_a_cursor_of_another_store_is_refused(world: World, elsewhere: World, paged: Paged) -> None:
    found = set(answers(world, paged, cursor=cursor_of(elsewhere, paged)))
    assert found == {"FAILED_PRECONDITION STORE_CHANGED"}


@every
def test_a_cursor_of_another_request_is_refused(world: World, paged: Paged) -> None:
    cursor = cursor_of(world, paged)
    for other in paged.others:
        found = set(answers(world, paged, cursor=cursor, **other))
        assert found == {"INVALID_ARGUMENT INVALID_ARGUMENT"}, other


@every
def test_a_cursor_of_another_call_is_refused(world: World, paged: Paged) -> None:
    for other in PAGED:
        # A list of keys is a scan without values, and the two may take each other's.
        if {paged.call, other.call} != {"ListKeys", "ScanPrefix"} and paged is not other:
            found = set(answers(world, paged, cursor=cursor_of(world, other)))
            assert found == {"INVALID_ARGUMENT INVALID_ARGUMENT"}, other.call


@pytest.mark.parametrize(
    "paged", [each for each in PAGED if each.call not in ("Check", "Erase")], ids=lambda paged: paged.call
)
def test_a_cursor_together_with_a_commit_ts_is_refused(world: World, paged: Paged) -> None:
    found = set(answers(world, paged, cursor=cursor_of(world, paged), at_commit_ts=1))
    assert found == {"INVALID_ARGUMENT INVALID_ARGUMENT"}
