"""The bytes of the wire are what they were: clients built long ago are understood, and understand."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import StatehouseError
from statehouse.protocol.requests import Request
from statehouse.rpc.methods import BY_REQUEST, parse
from statehouse.rpc.status import from_message
from tests.compat.make_wire import ADDED, GOLDEN, PLACED, SPOKEN, every_error, everything, kept, written

MESSAGES = dict(everything())
every_message = pytest.mark.parametrize("name", MESSAGES)
every_request = pytest.mark.parametrize(
    "request_,reply", [*SPOKEN, *ADDED], ids=[type(request).__name__ for request, _ in (*SPOKEN, *ADDED)]
)


def test_every_message_is_kept() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == MESSAGES.keys()


@every_message
def test_today_s_code_writes_these_bytes(name: str) -> None:
    assert written(MESSAGES[name]).hex() == kept(name).hex()


@every_message
def test_today_s_code_reads_these_bytes(name: str) -> None:
    assert parse(type(MESSAGES[name]), kept(name)) == MESSAGES[name]


@every_request
def test_a_request_is_understood_as_it_was_meant(request_: Request[Any], reply: object) -> None:
    method = BY_REQUEST[type(request_)]
    assert method.decode(parse(method.asked, kept(f"{method.field}.request"))) == request_


@every_request
def test_a_reply_is_understood_as_it_was_meant(request_: Request[Any], reply: object) -> None:
    method = BY_REQUEST[type(request_)]
    message = parse(method.answered, kept(f"{method.field}.reply"))
    assert method.decode_reply(request_, message) == reply


@pytest.mark.parametrize("name", PLACED)
def test_a_position_in_a_store_is_understood_as_it_was_meant(name: str) -> None:
    request, reply = PLACED[name]
    method = BY_REQUEST[type(request)]
    assert method.decode(parse(method.asked, kept(f"{name}.request"))) == request
    assert method.decode_reply(request, parse(method.answered, kept(f"{name}.reply"))) == reply


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
def test_an_error_is_understood_as_it_was_meant(error: StatehouseError) -> None:
    found = from_message(parse(pb.StatehouseError, kept(f"error.{error.code}")))
    assert (type(found), found.message, found.details) == (type(error), error.message, error.details)


def test_every_message_of_the_contract_has_its_every_field_in_them() -> None:
    """So that no field can change its number or its type unseen."""
    met: set[str] = set()
    for message in MESSAGES.values():
        _collect(message, met)
    wanted = {
        field.full_name
        for descriptor in pb.DESCRIPTOR.message_types_by_name.values()
        for field in descriptor.fields
    }
    assert wanted - met == set()


def _collect(message: Message, met: set[str]) -> None:
    for field, value in message.ListFields():
        met.add(field.full_name)
        if field.message_type is None or field.message_type.file is not pb.DESCRIPTOR:
            continue
        if not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                _collect(each, met)
