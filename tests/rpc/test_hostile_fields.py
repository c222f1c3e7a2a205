"""Whatever is wrong about one field of a request is refused as the contract says, and changes nothing.

Every field of every message that can be sent is tried, in a call of its own and as an item of a pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from _pytest.mark import ParameterSet
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from statehouse._generated import statehouse_pb2 as pb
from tests.rpc.mutations import Path, Wrong, has, paths, wrongs
from tests.rpc.raw import SERVICE
from tests.rpc.surfaces import BY_CALL, SURFACES, Surface, World, attacked

NONSENSE: Final = "INVALID_ARGUMENT INVALID_ARGUMENT"
TOO_LARGE: Final = "INVALID_ARGUMENT LIMIT_EXCEEDED"

TOO_LONG_IS_NONSENSE: Final = frozenset({"cursor", "trace_id", "span_id", "store_id", "id"})
"""Texts of a form: what is too long has another one."""

FACTS_ARE_ANY_TEXT: Final = ("CommitTransaction", "attributes", "control")
"""What only looks wrong: by call, last name of the field, and kind."""


def expected(call: str, path: Path, wrong: Wrong) -> str:
    """What a request with one thing wrong about it is answered."""
    name = path[-1]
    if (call, name, wrong.what) == FACTS_ARE_ANY_TEXT:
        return BY_CALL[call].refused
    if wrong.what == "too deep" or (wrong.what == "too long" and name not in TOO_LONG_IS_NONSENSE):
        return TOO_LARGE
    return NONSENSE


FIELDS: Final = [
    (surface, path, field)
    for surface in SURFACES
    if surface.call != "Pipeline"
    for path, field in paths(surface.asked.DESCRIPTOR)
]


def named(fields: list[tuple[Surface, Path, FieldDescriptor]]) -> list[ParameterSet]:
    """Fields, each a test of its own."""
    return [
        pytest.param(surface, path, field, id=".".join((surface.call, *path)))
        for surface, path, field in fields
    ]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with attacked() as world:
        yield world


def good(world: World, surface: Surface, path: Path) -> Message:
    """A good request that sets a field."""
    found = [request for request in surface.good(world) if has(request, path)]
    assert found, f"no good request of {surface.call} sets {'.'.join(path)}: add one to tests/rpc/surfaces.py"
    return found[0]


def test_every_rpc_of_the_contract_is_attacked() -> None:
    assert [surface.call for surface in SURFACES] == [method.name for method in SERVICE.methods]
    assert all(
        surface.asked.DESCRIPTOR.full_name == SERVICE.methods_by_name[surface.call].input_type.full_name
        for surface in SURFACES
    )


def test_every_item_of_a_pipeline_is_attacked() -> None:
    kinds = pb.RequestItem.DESCRIPTOR.oneofs_by_name["request"].fields
    assert {surface.field for surface in SURFACES if surface.field} == {kind.name for kind in kinds} - {
        "cancel"
    }


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.call)
def test_good_requests_are_answered(world: World, surface: Surface) -> None:
    """So that what the others are refused for is what is wrong about them."""
    before = world.everything()
    for request in surface.good(world):
        outcome = world.client.call(surface.call, request.SerializeToString())
        assert outcome.short == surface.refused, outcome
    for request in surface.good(world) if surface.field else ():
        outcome = world.client.item(surface.field or "", request.SerializeToString())
        assert outcome.short == surface.refused, outcome
    assert world.everything() == before


@pytest.mark.parametrize("surface, path, field", named(FIELDS))
def test_what_is_wrong_about_a_field_is_refused(
    world: World, surface: Surface, path: Path, field: FieldDescriptor
) -> None:
    before = world.everything()
    for wrong in wrongs(good(world, surface, path), path, field):
        outcome = world.client.call(surface.call, wrong.data)
        assert outcome.short == expected(surface.call, path, wrong), (wrong, outcome)
    assert world.everything() == before


@pytest.mark.parametrize("surface, path, field", named([each for each in FIELDS if each[0].field]))
def test_what_is_wrong_about_a_field_of_an_item_is_refused(
    world: World, surface: Surface, path: Path, field: FieldDescriptor
) -> None:
    before = world.everything()
    for wrong in wrongs(good(world, surface, path), path, field):
        outcome = world.client.item(surface.field or "", wrong.data)
        answer = expected(surface.call, path, wrong)
        # Within an item an object of 33 levels is deeper than protobuf itself goes.
        assert outcome.short == (NONSENSE if wrong.what == "too deep" else answer), (wrong, outcome)
    assert world.everything() == before
