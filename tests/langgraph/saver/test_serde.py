"""Loading a checkpoint runs no code and imports nothing, whatever the bytes say."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import (
    EXT_CONSTRUCTOR_KW_ARGS,
    EXT_CONSTRUCTOR_POS_ARGS,
    EXT_CONSTRUCTOR_SINGLE_ARG,
    EXT_METHOD_SINGLE_ARG,
    EXT_PYDANTIC_V1,
    EXT_PYDANTIC_V2,
    JsonPlusSerializer,
)
from langgraph.types import Interrupt, Send
from pydantic import BaseModel

from statehouse import InvalidArgumentError, Payload, Statehouse
from statehouse_langgraph import AllowlistSerializer, ContentError, StatehouseSaver
from statehouse_langgraph.saver.records import (
    CHECKPOINT_TYPE,
    FOLD_TYPE,
    WRITES_TYPE,
    CheckpointRecord,
    FoldRecord,
    Mark,
    WritesRecord,
)
from tests.langgraph.saver.chains import Chain, place, tuple_at

RAN: list[Any] = []


def run_me(*args: Any, **kwargs: Any) -> str:
    """What hostile bytes would like to call."""
    RAN.append((args, kwargs))
    return "ran"


class Handler:
    """A class that is no data: making one does something."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        RAN.append((args, kwargs))


@dataclass
class Point:
    """Data of the program."""

    x: int
    y: int = 0

    @classmethod
    def run(cls, argument: object) -> str:
        RAN.append(argument)
        return "ran"


class Colour(Enum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: int


class Model(BaseModel):
    name: str


def hostile(code: int, *fields: Any) -> tuple[str, bytes]:
    return "msgpack", ormsgpack.packb({"value": ormsgpack.Ext(code, ormsgpack.packb(list(fields)))})


THIS = __name__
CALLS = [
    ("os", "system"),
    ("builtins", "eval"),
    ("subprocess", "Popen"),
    ("importlib", "import_module"),
    (THIS, "run_me"),
    (THIS, "Handler"),
]


@pytest.mark.parametrize("module, name", CALLS)
@pytest.mark.parametrize(
    "code, argument",
    [
        (EXT_CONSTRUCTOR_SINGLE_ARG, "touch /tmp/x"),
        (EXT_CONSTRUCTOR_POS_ARGS, ["touch /tmp/x"]),
        (EXT_CONSTRUCTOR_KW_ARGS, {"command": "touch /tmp/x"}),
        (EXT_PYDANTIC_V1, {"command": "touch /tmp/x"}),
        (EXT_PYDANTIC_V2, {"command": "touch /tmp/x"}),
        (EXT_METHOD_SINGLE_ARG, "touch /tmp/x"),
    ],
)
def test_nothing_that_the_bytes_name_is_called(module: str, name: str, code: int, argument: Any) -> None:
    RAN.clear()
    found = AllowlistSerializer().loads_typed(hostile(code, module, name, argument, "__call__"))
    assert found == {"value": argument}
    assert RAN == []


def test_no_method_of_the_programs_own_data_is_called() -> None:
    RAN.clear()
    found = AllowlistSerializer().loads_typed(hostile(EXT_METHOD_SINGLE_ARG, THIS, "Point", "x", "run"))
    assert (found, RAN) == ({"value": "x"}, [])


def test_nothing_is_imported_because_the_bytes_name_it() -> None:
    module = "xmlrpc.server"
    assert module not in sys.modules
    AllowlistSerializer().loads_typed(hostile(EXT_CONSTRUCTOR_KW_ARGS, module, "SimpleXMLRPCServer", {}))
    assert module not in sys.modules


VALUES = [
    Point(1, 2),
    Colour.RED,
    Pair(1, 2),
    Model(name="ann"),
    [Point(1), {"inner": Point(2)}],
    HumanMessage("hello", id="1"),
    AIMessage("hello", id="2"),
    Send("node", {"a": 1}),
    Interrupt(value="?", id="1"),
    {"bytes": b"\x00", "set": {1, 2}, "none": None},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_data_of_the_program_comes_back_as_it_was(saver: StatehouseSaver, value: Any) -> None:
    chain = Chain(saver)
    chain.add("1", {"value": value})
    chain.write("task", ("value", value))
    found = tuple_at(saver, place())
    assert found.checkpoint["channel_values"]["value"] == value
    assert found.pending_writes == [("task", "value", value)]


def test_strict_mode_gives_data_that_was_not_allowed_as_plain_values() -> None:
    bytes_ = AllowlistSerializer().dumps_typed(Point(1, 2))
    assert AllowlistSerializer(strict=True).loads_typed(bytes_) == {"x": 1, "y": 2}
    assert AllowlistSerializer([Point], strict=True).loads_typed(bytes_) == Point(1, 2)
    assert AllowlistSerializer([(THIS, "Point")], strict=True).loads_typed(bytes_) == Point(1, 2)


def test_a_saver_takes_what_a_graph_allows(handle: Statehouse) -> None:
    saver = StatehouseSaver(handle, serde=AllowlistSerializer(strict=True))
    Chain(saver).add("1", {"value": Point(1, 2)})
    assert tuple_at(saver, place()).checkpoint["channel_values"] == {"value": {"x": 1, "y": 2}}
    allowed = saver.with_allowlist([(THIS, "Point")])
    assert tuple_at(allowed, place()).checkpoint["channel_values"] == {"value": Point(1, 2)}


@pytest.mark.parametrize("kind", ["pickle", "json", "unknown"])
def test_what_is_never_loaded_is_a_typed_error(kind: str) -> None:
    with pytest.raises(ContentError, match="not loaded") as refused:
        AllowlistSerializer().loads_typed((kind, pickle.dumps(Point(1))))
    assert refused.value.content_type == f"application/vnd.langgraph+{kind}"


def test_pickle_is_refused_from_the_start(handle: Statehouse) -> None:
    with pytest.raises(InvalidArgumentError, match="pickle_fallback"):
        StatehouseSaver(handle, serde=JsonPlusSerializer(pickle_fallback=True))
    with pytest.raises(InvalidArgumentError, match="any function"):
        AllowlistSerializer(True)  # type: ignore[arg-type]


def test_langgraphs_default_serializer_is_replaced_by_the_safe_one(handle: Statehouse) -> None:
    saver = StatehouseSaver(handle, serde=JsonPlusSerializer(allowed_msgpack_modules=True))
    assert isinstance(saver.serde, AllowlistSerializer)


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_bytes_that_are_none_of_ours_are_values_or_typed_errors(data: bytes) -> None:
    try:
        AllowlistSerializer().loads_typed(("msgpack", data))
    except ContentError as error:
        assert error.content_type == "application/vnd.langgraph+msgpack"  # noqa: PT017 - either will do


class Xor(CipherProtocol):
    """A cipher that hides little, and that has what ciphers have."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "xor", bytes(byte ^ 0x5A for byte in plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "xor"
        return bytes(byte ^ 0x5A for byte in ciphertext)


SECRET = "the patient's name is Ann"


@pytest.mark.parametrize("inner", [JsonPlusSerializer(), AllowlistSerializer()])
def test_what_is_encrypted_is_not_in_the_store_and_comes_back(
    handle: Statehouse, inner: JsonPlusSerializer
) -> None:
    saver = StatehouseSaver(handle, serde=EncryptedSerializer(Xor(), inner))
    chain = Chain(saver)
    chain.delta("1", snapshot=[SECRET])
    chain.add("2", {"value": [SECRET, Point(1)]}, note=SECRET)
    chain.delta("3", SECRET)
    found = tuple_at(saver, place(checkpoint_id="2"))
    assert found.checkpoint["channel_values"]["value"] == [SECRET, Point(1)]
    assert found.metadata.get("note") == SECRET
    saver.prune(["t"])
    assert chain.state() == [SECRET, SECRET]
    saver.copy_thread("t", "u")
    stored = [
        repr(row.value)
        for agent_id in "tu"
        for row in handle.scan_prefix("", agent_id=agent_id, namespace="langgraph")
    ]
    assert stored
    assert not any(SECRET in each for each in stored)


def test_what_is_encrypted_is_not_read_without_the_cipher(handle: Statehouse) -> None:
    Chain(StatehouseSaver(handle, serde=EncryptedSerializer(Xor(), AllowlistSerializer()))).add("1")
    with pytest.raises(ContentError, match="msgpack"):
        StatehouseSaver(handle).get_tuple(place())


@pytest.mark.parametrize(
    "record, content_type",
    [(CheckpointRecord, CHECKPOINT_TYPE), (WritesRecord, WRITES_TYPE), (FoldRecord, FOLD_TYPE)],
)
@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", ormsgpack.packb([]), ormsgpack.packb({}), ormsgpack.packb([1]), ormsgpack.packb([9, 1])],
)
def test_records_that_are_none_are_typed_errors(record: Any, content_type: str, data: bytes) -> None:
    with pytest.raises(ContentError):
        record.of(Payload(content_type, data))
    with pytest.raises(ContentError):
        record.of(Payload("text/plain", data))


@pytest.mark.parametrize("data", [b"", b"[]", b'{"unknown": 1}', b"nonsense"])
def test_a_mark_that_is_none_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(ContentError):
        Mark.of(Payload("application/json", data))
