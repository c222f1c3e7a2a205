"""Values as Structs, for clients that know nothing else: nothing is damaged, each thing means one thing."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import NO_ORIGIN
from statehouse.protocol.replies import Entry, Event, EventPage, Operation, OperationKind, Page, Read
from statehouse.protocol.requests import Commit, Get, GetAtVersion, GetMany, History, Replay, Scan, Write
from statehouse.protocol.values import BYTES, JSON, Payload, decode, encode
from statehouse.rpc.codec.values import payload_of, struct_of
from statehouse.rpc.methods import BY_REQUEST, parse
from tests.rpc.spoken import payloads

KEY = RecordKey("default", "planner", "k")
OBJECT = Payload(JSON, b'{"a":1}')
MIGHTY = 2**53
DEPTH = 32

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-MIGHTY, MIGHTY)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
objects = st.dictionaries(
    names,
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def written(value: Any) -> Payload:
    return Payload(JSON, json.dumps(value).encode())


def shown(payload: Payload) -> Any:
    """What a client in another language sees."""
    return json_format.MessageToDict(struct_of(payload))


def hidden(payload: Payload) -> Any:
    return {"@statehouse.payload": {"type": payload.content_type, "base64": b64encode(payload.data).decode()}}


def nested(depth: int, *, lists: bool = False) -> Any:
    """An object that is so many containers deep."""
    value: Any = 1
    for _ in range(depth - 1):
        value = [value] if lists else {"a": value}
    return {"a": value}


class TestShowing:
    @given(value=objects)
    def test_an_object_is_shown_as_itself(self, value: dict[str, Any]) -> None:
        assert shown(encode(value)) == value

    @given(value=objects)
    def test_an_object_that_is_copied_is_the_same(self, value: dict[str, Any]) -> None:
        assert decode(payload_of(struct_of(encode(value)))) == value

    @given(payload=payloads)
    def test_a_value_of_any_kind_that_is_copied_is_the_same(self, payload: Payload) -> None:
        assert payload_of(Struct.FromString(struct_of(payload).SerializeToString())) == payload

    @pytest.mark.parametrize(
        "payload",
        [
            Payload(BYTES, b"\x00\xff"),
            Payload(BYTES, b""),
            Payload("application/msgpack", b"\x81\xa1x\x01"),
            written([1, 2]),
            written("text"),
            written(7),
            written(None),
            Payload(JSON, b"no JSON"),
            Payload(JSON, b""),
            Payload(JSON, b"\xff"),
            Payload(JSON, b'{"a":NaN}'),
            Payload(JSON, b'{"a":1e999}'),
            Payload(JSON, b'{"a":"\\ud800"}'),
            Payload(JSON, b'{"\\ud800":1}'),
            Payload(JSON, b'{"a":' * 2000 + b"1" + b"}" * 2000),
            Payload(JSON, b'{"a":' + b"1" * 5000 + b"}"),
        ],
        ids=lambda payload: f"{payload!r:.50}",
    )
    def test_what_is_not_an_object_or_that_a_struct_would_damage_is_shown_as_bytes(
        self, payload: Payload
    ) -> None:
        assert shown(payload) == hidden(payload)
        assert payload_of(struct_of(payload)) == payload

    @pytest.mark.parametrize("number", [MIGHTY, -MIGHTY])
    def test_an_integer_up_to_two_to_the_53_is_a_number(self, number: int) -> None:
        assert shown(written({"a": number})) == {"a": number}
        assert payload_of(struct_of(written({"a": number}))).data == b'{"a":%d}' % number

    @pytest.mark.parametrize("number", [MIGHTY + 1, -MIGHTY - 1, 2**60, 10**400])
    def test_a_greater_integer_is_not_damaged(self, number: int) -> None:
        payload = written({"a": [{"b": number}]})
        assert shown(payload) == hidden(payload)

    @pytest.mark.parametrize("lists", [False, True])
    def test_an_object_of_the_greatest_depth_is_shown_and_parsed_wherever_it_stands(
        self, *, lists: bool
    ) -> None:
        value = nested(DEPTH, lists=lists)
        struct = struct_of(written(value))
        assert json_format.MessageToDict(struct) == value
        operation = pb.Operation(value=struct)
        page = pb.EventPage(events=[pb.ReplayEvent(operations=[operation])])
        batch = pb.ReplyBatch(items=[pb.ReplyItem(replay_page=page)])
        assert parse(pb.ReplyBatch, batch.SerializeToString()) == batch

    @pytest.mark.parametrize("lists", [False, True])
    def test_a_deeper_object_is_shown_as_bytes(self, *, lists: bool) -> None:
        payload = written(nested(DEPTH + 1, lists=lists))
        assert shown(payload) == hidden(payload)

    @pytest.mark.parametrize(
        "value",
        [
            {"@statehouse.erased": True},
            {"@statehouse.payload": {"type": "text/plain", "base64": "aGk="}},
            {"@statehouse.payload": 7},
        ],
        ids=repr,
    )
    def test_an_object_that_looks_like_a_mark_is_not_taken_for_one(self, value: Any) -> None:
        payload = written(value)
        assert shown(payload) == hidden(payload)
        assert payload_of(struct_of(payload)) == payload

    def test_a_mark_beside_something_else_is_an_object_like_any(self) -> None:
        value = {"@statehouse.erased": True, "a": 1}
        assert shown(written(value)) == value
        assert decode(payload_of(struct_of(written(value)))) == value


class TestWriting:
    def test_members_are_sorted_so_that_a_commit_sent_again_is_the_same(self) -> None:
        value = {name: {"z": 1, "y": 2} for name in "qwertyuiopasdfghjklzxcvbnm"}
        assert (
            payload_of(struct_of(written(value))).data
            == json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
        )

    @pytest.mark.parametrize(
        "number,text",
        [(1.0, b"1"), (-0.0, b"0"), (1.5, b"1.5"), (2.0**53, b"9007199254740992"), (1e300, b"1e+300")],
    )
    def test_a_whole_number_is_an_integer(self, number: float, text: bytes) -> None:
        struct = Struct(fields={"a": Value(number_value=number)})
        assert payload_of(struct) == Payload(JSON, b'{"a":%b}' % text)

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
    def test_a_number_that_is_not_finite_is_refused(self, number: float) -> None:
        struct = Struct(fields={"a": Value(list_value=ListValue(values=[Value(number_value=number)]))})
        with pytest.raises(InvalidArgumentError, match="NaN and infinities"):
            payload_of(struct)

    def test_a_value_that_says_nothing_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="null_value"):
            payload_of(Struct(fields={"a": Value()}))

    @pytest.mark.parametrize("lists", [False, True])
    def test_the_greatest_depth_may_be_written(self, *, lists: bool) -> None:
        value = nested(DEPTH, lists=lists)
        assert decode(payload_of(json_format.ParseDict(value, Struct()))) == value

    @pytest.mark.parametrize("lists", [False, True])
    def test_a_greater_depth_is_refused(self, *, lists: bool) -> None:
        with pytest.raises(LimitExceededError) as caught:
            payload_of(json_format.ParseDict(nested(DEPTH + 1, lists=lists), Struct()))
        assert (caught.value.limit, caught.value.actual) == (DEPTH, DEPTH + 1)

    def test_bytes_too_deep_for_the_parser_are_refused(self) -> None:
        message = pb.CommitTransactionRequest(txn_id="t", changes=[pb.Change(agent_id="a", key="k")])
        value = message.changes[0].value.fields["a"]
        for _ in range(60):
            value = value.list_value.values.add()
        with pytest.raises(InvalidArgumentError):
            parse(pb.CommitTransactionRequest, message.SerializeToString())

    @pytest.mark.parametrize(
        "value",
        [
            {"@statehouse.erased": True},
            {"@statehouse.payload": 7},
            {"@statehouse.payload": {}},
            {"@statehouse.payload": {"type": "text/plain"}},
            {"@statehouse.payload": {"type": "text/plain", "base64": 7}},
            {"@statehouse.payload": {"type": "text/plain", "base64": "no!"}},
            {"@statehouse.payload": {"type": "text/plain", "base64": "ä"}},
            {"@statehouse.payload": {"type": "text/plain", "base64": "", "more": 1}},
        ],
        ids=repr,
    )
    def test_a_mark_that_makes_no_sense_is_refused(self, value: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="@statehouse"):
            payload_of(json_format.ParseDict(value, Struct()))

    def test_a_commit_may_hold_a_struct(self) -> None:
        change = pb.Change(agent_id="planner", key="k", value=struct_of(OBJECT))
        message = pb.CommitTransactionRequest(txn_id="t", changes=[change])
        assert BY_REQUEST[Commit].decode(message) == Commit("t", (Write(KEY, OBJECT),))

    def test_an_empty_struct_is_an_empty_object(self) -> None:
        message = pb.CommitTransactionRequest(txn_id="t", changes=[pb.Change(agent_id="a", value=Struct())])
        (operation,) = BY_REQUEST[Commit].decode(message).operations  # type: ignore[attr-defined]
        assert operation.payload == Payload(JSON, b"{}")


FORMS = [pb.VALUES_AS_STRUCT, pb.VALUES_AS_PAYLOAD, pb.VALUES_LEFT_OUT]
DONE: list[tuple[OperationKind, Payload | None]] = [
    ("write", OBJECT),
    ("write", Payload(BYTES, b"\x00")),
    ("write", Payload(JSON, b"{}")),
    ("delete", None),
    ("erased", None),
]


@pytest.mark.parametrize("kind,payload", DONE, ids=["object", "bytes", "empty object", "delete", "erased"])
@pytest.mark.parametrize("form", FORMS, ids=["struct", "payload", "left out"])
class TestForms:
    """A reply holds values in the form that was asked for, in every message that has values."""

    def _check(self, message: Any, form: int, kind: OperationKind, payload: Payload | None) -> None:
        as_struct = form == pb.VALUES_AS_STRUCT
        if payload is not None:
            assert message.HasField("value") == as_struct
            assert message.HasField("payload") == (form == pb.VALUES_AS_PAYLOAD)
            if as_struct:
                assert message.value == struct_of(payload)
        else:
            assert not message.HasField("payload")
            # An absent Struct is a delete and nothing else.
            assert message.HasField("value") == (as_struct and kind != "delete")
        if as_struct and kind == "erased":
            assert json_format.MessageToDict(message.value) == {"@statehouse.erased": True}
        assert pb.OperationKind.Name(message.kind) == f"KIND_{kind.upper()}"

    def _replied(self, request: Any, reply: Any, form: pb.ValueForm) -> Any:
        method = BY_REQUEST[type(request)]
        asked: Any = method.encode(request)
        asked.values = form
        return parse(method.answered, method.encode_reply(asked, request, reply).SerializeToString())

    def test_of_one_key(self, form: pb.ValueForm, kind: OperationKind, payload: Payload | None) -> None:
        entry = Entry(KEY, payload, 3, 7, kind)
        for request in (Get(KEY), GetAtVersion(KEY, 3)):
            message = self._replied(request, Read(entry, 9), form)
            self._check(message, form, kind, payload)
            assert (message.version, message.commit_ts, message.read_ts) == (3, 7, 9)
            assert message.exists == (kind != "delete")

    def test_of_many_keys(self, form: pb.ValueForm, kind: OperationKind, payload: Payload | None) -> None:
        page = Page((Entry(KEY, payload, 3, 7, kind),), None, 9)
        for request in (GetMany((KEY,)), Scan("default", "planner"), History(KEY)):
            (entry,) = self._replied(request, page, form).entries
            self._check(entry, form, kind, payload)
            assert (entry.version, entry.commit_ts) == (3, 7)

    def test_of_events(self, form: pb.ValueForm, kind: OperationKind, payload: Payload | None) -> None:
        operations = (Operation(*KEY, kind, 3, payload),)
        page = EventPage((Event("t", 7, 8, NO_ORIGIN, operations),), 9, done=True)
        message = self._replied(Replay("default", "planner"), page, form)
        self._check(message.events[0].operations[0], form, kind, payload)
