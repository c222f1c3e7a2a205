"""What LangGraph serialized is shown as people think of it, whatever the bytes are; nothing is imported."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, RemoveMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Interrupt, Send
from pydantic import BaseModel

from statehouse import InvalidArgumentError, Payload
from statehouse.extend import Entry, RecordKey, codec_for
from statehouse_langgraph.cache_rows import CACHED_TYPE, CacheRecord
from statehouse_langgraph.codec import CODECS, FORMAT
from statehouse_langgraph.overview import overview
from statehouse_langgraph.saver import records
from statehouse_langgraph.serde import CONTENT_TYPE_PREFIX
from statehouse_langgraph.showing import DEPTH_MAX, ENCRYPTED, VALUES_MAX, show_msgpack, show_typed
from statehouse_langgraph.store.records import VECTORS_TYPE, VectorRecord

CALL = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}


class Color(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    where: dict[str, int]


class Plan(BaseModel):
    goal: str
    points: list[Any]


@st.composite
def checkpoints(draw: st.DrawFn) -> bytes:
    """Records that look like checkpoints, of which nothing need be right."""
    name = st.sampled_from(["x", "a", ""])
    inside = draw(
        st.dictionaries(
            st.sampled_from(["channel_versions", "ts"]), st.one_of(name, st.dictionaries(name, name))
        )
    )
    metadata = draw(
        st.dictionaries(
            st.sampled_from(["step", "counters_since_delta_snapshot"]),
            st.one_of(name, st.dictionaries(name, name)),
        )
    )
    packed = [["msgpack", ormsgpack.packb(each)] for each in (inside, metadata)]
    parent = draw(st.one_of(st.none(), name, st.just("b")))
    fields = [
        draw(name),
        draw(st.sampled_from(["a", "b"])),
        parent,
        draw(st.integers(0, 1)),
        *packed,
        "",
        ["x"],
    ]
    return ormsgpack.packb([FORMAT, *fields])


def shown(value: Any) -> Any:
    found = show_typed(*JsonPlusSerializer().dumps_typed(value))
    json.dumps(found, allow_nan=False)
    return found


@pytest.mark.parametrize(
    "message, expected",
    [
        (HumanMessage("hello", id="1"), {"type": "human", "content": "hello", "id": "1"}),
        (
            AIMessage("", tool_calls=[CALL]),
            {"type": "ai", "content": "", "tool_calls": [{"name": "add", "args": {"a": 1}, "id": "c1"}]},
        ),
        (
            ToolMessage("3", tool_call_id="c1", name="add", status="error"),
            {"type": "tool", "content": "3", "name": "add", "tool_call_id": "c1", "status": "error"},
        ),
        (RemoveMessage(id="1"), {"type": "remove", "content": "", "id": "1"}),
        (AIMessageChunk(content="part"), {"type": "ai", "content": "part"}),
    ],
)
def test_a_message_is_shown_as_a_message(message: Any, expected: dict[str, Any]) -> None:
    found = shown([message])[0]
    assert {name: value for name, value in found.items() if name in expected} == expected
    assert list(found)[:2] == ["type", "content"]


def test_objects_are_shown_by_class_and_fields() -> None:
    assert shown(Plan(goal="tea", points=[Point(1, {"a": 2})])) == {
        "@class": "Plan",
        "goal": "tea",
        "points": [{"x": 1, "where": {"a": 2}}],
    }
    assert shown(Point(1, {"a": 2})) == {"@class": "Point", "x": 1, "where": {"a": 2}}
    assert shown(Color.RED) == {"@class": "Color", "value": "red"}


def test_what_has_an_ordinary_form_is_shown_in_it() -> None:
    values = [
        UUID(int=7),
        Decimal("1.50"),
        datetime(2026, 1, 2, tzinfo=UTC),
        date(2026, 1, 2),
        timedelta(days=1, seconds=2),
        Path("/var/log/x"),
        {"one"},
        Send("node", 3),
        Interrupt(value="ok?", id="i"),
    ]
    assert shown(values) == [
        "00000000-0000-0000-0000-000000000007",
        "1.50",
        "2026-01-02T00:00:00+00:00",
        "2026-01-02",
        "1 d 2 s",
        "/var/log/x",
        ["one"],
        {"@class": "Send", "node": "node", "arg": 3},
        {"@class": "Interrupt", "value": "ok?", "id": "i"},
    ]


def test_what_json_cannot_say_is_said_in_text() -> None:
    found = shown({1: float("nan"), None: float("inf"), "bytes": b"\x00\xff"})
    assert found == {"1": "nan", "null": "inf", "bytes": {"@bytes": "AP8="}}


def test_an_array_of_numpy_is_shown_by_type_and_shape() -> None:
    found = shown(np.zeros((2, 300), dtype="float32"))
    assert (found["@class"], found["dtype"], found["shape"]) == ("numpy.ndarray", "<f4", [2, 300])
    assert found["data"]["…"] == "1,888 more bytes"


@pytest.mark.parametrize(
    "kind, data, expected",
    [
        ("null", b"", None),
        ("bytes", b"a", {"@bytes": "YQ=="}),
        ("bytearray", b"a", {"@bytes": "YQ=="}),
        ("json", b'{"a":[1]}', {"a": [1]}),
        ("msgpack+aes", b"\x00" * 40, ENCRYPTED),
        ("null+kms", b"\x00", ENCRYPTED),
        ("pickle", b"cos\nsystem\n(S'false'\ntR.", "(pickle, 24 bytes, never loaded)"),
    ],
)
def test_every_format_of_a_serializer_is_shown(kind: str, data: bytes, expected: Any) -> None:
    assert show_typed(kind, data) == expected


def nested(levels: int, inside: bytes = b"\xc0") -> bytes:
    """Extensions in extensions, as objects in objects are packed."""
    for _ in range(levels):
        inside = ormsgpack.packb(ormsgpack.Ext(5, b"\x93\xa1m\xa1C" + inside))
    return inside


@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 5_000 + b"\xc0",
        b"\x81\xa1a" * 5_000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff" + b"\xc0" * (VALUES_MAX + 10),
        b"\xdd\x00\x0f\x42\x40" + b"\x80" * 1_000_000,
        nested(200),
    ],
    ids=["lists", "maps", "endless", "many", "extensions"],
)
def test_a_bomb_is_cut_off(data: bytes) -> None:
    found = show_msgpack(data)
    assert "…" in json.dumps(found, ensure_ascii=False)
    assert not isinstance(found, list) or len(found) <= VALUES_MAX


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0)


@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(list(range(0x80, 0x100)))).map(bytes)))
def test_any_bytes_are_shown_or_refused(data: bytes) -> None:
    for codec in CODECS:
        try:
            found = codec.show(data)
        except InvalidArgumentError:
            continue
        json.dumps(found, allow_nan=False).encode()
        assert depth(found) <= DEPTH_MAX + 4


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.text(),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_ordinary_values_are_shown_as_they_are(value: Any) -> None:
    assert show_msgpack(ormsgpack.packb(value)) == value


@given(st.integers(0, 300), st.binary(min_size=1, max_size=3))
def test_damaged_bytes_are_shown_or_refused(place: int, other: bytes) -> None:
    kind, data = JsonPlusSerializer().dumps_typed([HumanMessage("hello", id="1"), {"a": Point(1, {})}])
    place %= len(data)
    with suppress(InvalidArgumentError):
        json.dumps(show_typed(kind, data[:place] + other + data[place + len(other) :]), allow_nan=False)


def test_showing_imports_nothing_that_data_names() -> None:
    data = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(["antigravity", "fly", "now"])))
    program = (
        "import sys; from statehouse.extend import codec_for\n"
        f"print(codec_for('application/vnd.langgraph+msgpack').show({data!r}))\n"
        "assert 'antigravity' not in sys.modules\n"
        "assert not any(name.startswith(('langchain', 'langgraph')) for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "{'@class': 'fly', 'value': 'now'}\n"


def test_the_codecs_are_found_by_their_content_types() -> None:
    for codec in CODECS:
        found: object = codec_for(codec.content_type)
        assert found is codec


def test_the_codecs_know_what_is_written() -> None:
    written = {
        records.CHECKPOINT_TYPE,
        records.WRITES_TYPE,
        records.FOLD_TYPE,
        records.LEFTOVER_TYPE,
        VECTORS_TYPE,
        CACHED_TYPE,
        *(CONTENT_TYPE_PREFIX + kind for kind in ("null", "bytes", "bytearray", "msgpack", "msgpack+aes")),
    }
    assert written <= {codec.content_type for codec in CODECS}
    assert records.FORMAT == FORMAT


def test_rows_of_stores_and_caches_are_shown() -> None:
    kind, data = JsonPlusSerializer().dumps_typed([HumanMessage("hello", id="1")])
    cached = CacheRecord(0, (kind, data)).payload()
    vectors = VectorRecord(6, ("text",), struct.pack("<6f", 1, 2, 3, 4, 5, 6)).payload()
    assert shown_payload(cached)["value"] == [{"type": "human", "content": "hello", "id": "1"}]
    assert shown_payload(vectors) == {"dims": 6, "vectors": {"text": [1.0, 2.0, 3.0, 4.0]}}


def shown_payload(payload: Payload) -> Any:
    codec = codec_for(payload.content_type)
    assert codec is not None
    return codec.show(payload.data)


def entry(key: str, payload: Payload) -> Entry:
    return Entry(RecordKey("langgraph", "t", key), payload, 1, 1, "write")


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "checkpoint//a",
                    "checkpoint//b",
                    "value//x/1",
                    "value//x/2",
                    "writes//a/t",
                    "fold//a",
                    "thread",
                ]
            ),
            st.sampled_from([codec.content_type for codec in CODECS]),
            st.one_of(
                st.binary(max_size=40),
                st.lists(st.one_of(st.none(), st.text(max_size=3), st.integers(0, 3)), max_size=9).map(
                    lambda fields: ormsgpack.packb([FORMAT, *fields])
                ),
                checkpoints(),
            ),
        )
    )
)
def test_any_rows_have_an_overview_or_none(rows: list[tuple[str, str, bytes]]) -> None:
    found = overview(entry(key, Payload(content_type, data)) for key, content_type, data in rows)
    json.dumps(found, allow_nan=False)


def test_reading_a_value_gives_the_object() -> None:
    kind, data = JsonPlusSerializer().dumps_typed([HumanMessage("hello", id="1")])
    codec = codec_for(f"application/vnd.langgraph+{kind}")
    assert codec is not None
    assert codec.decode(data) == [HumanMessage("hello", id="1")]


def test_reading_what_is_encrypted_gives_it_as_it_is() -> None:
    codec = codec_for("application/vnd.langgraph+msgpack+aes")
    assert codec is not None
    assert codec.decode(b"secret") == Payload("application/vnd.langgraph+msgpack+aes", b"secret")


def test_reading_what_is_no_value_is_refused() -> None:
    codec = codec_for("application/vnd.langgraph+msgpack")
    assert codec is not None
    with pytest.raises(InvalidArgumentError):
        codec.decode(b"\xc1")
