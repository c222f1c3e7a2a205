"""Requests and replies come out as they went in, and nothing that a message holds breaks the daemon."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from statehouse._generated import statehouse_pb2 as pb
from statehouse.protocol import requests
from statehouse.protocol.limits import COMMIT_TS_MAX
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import NO_ORIGIN
from statehouse.protocol.replies import Event, EventPage, Located, Operation
from statehouse.protocol.requests import (
    Check,
    Commit,
    Copy,
    Delete,
    Erase,
    Extend,
    FindEvents,
    Get,
    GetMany,
    History,
    KeyRange,
    ListAgents,
    ListNamespaces,
    LocateTime,
    Precondition,
    Replay,
    Request,
    Scan,
    Write,
)
from statehouse.protocol.values import BYTES, JSON, Payload
from statehouse.rpc.methods import BY_FIELD, BY_REQUEST, METHODS, Method, parse
from tests.rpc.spoken import asked, replies, some

KEY = RecordKey("default", "planner", "k")
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.call)


def sent(method: Method, request: Request[Any]) -> Any:
    """The message of a request, as it arrives."""
    return parse(method.asked, method.encode(request).SerializeToString())


def answered(method: Method, message: Message, request: Request[Any], reply: object) -> Any:
    """The message of a reply, as it arrives."""
    return parse(method.answered, method.encode_reply(message, request, reply).SerializeToString())


class TestTheTable:
    @every_method
    def test_its_names_are_those_of_the_contract(self, method: Method) -> None:
        call = pb.DESCRIPTOR.services_by_name["StatehouseService"].methods_by_name[method.call]
        assert call.input_type is method.asked.DESCRIPTOR
        assert call.output_type is method.answered.DESCRIPTOR
        assert pb.RequestItem.DESCRIPTOR.fields_by_name[method.field].message_type is method.asked.DESCRIPTOR
        assert pb.ReplyItem.DESCRIPTOR.fields_by_name[method.field].message_type is method.answered.DESCRIPTOR

    def test_every_request_and_every_item_has_a_row(self) -> None:
        named = [found for found in vars(requests).values() if isinstance(found, type)]
        assert BY_REQUEST.keys() == {each for each in named if issubclass(each, Request)} - {Request}
        (members,) = (oneof for oneof in pb.RequestItem.DESCRIPTOR.oneofs if oneof.name == "request")
        assert BY_FIELD.keys() == {field.name for field in members.fields} - {"cancel"}


class TestRoundTrip:
    @every_method
    @some
    @given(data=st.data())
    def test_a_request_arrives_as_it_was_asked(self, method: Method, data: st.DataObject) -> None:
        request = data.draw(asked[method.request])
        assert method.decode(sent(method, request)) == request

    @every_method
    @some
    @given(data=st.data())
    def test_a_reply_arrives_as_it_was_answered(self, method: Method, data: st.DataObject) -> None:
        request = data.draw(asked[method.request])
        reply = data.draw(replies(request))
        message = answered(method, sent(method, request), request, reply)
        assert method.decode_reply(request, message) == reply

    @pytest.mark.parametrize("seconds", [0.001, 0.07, 0.29, 1 / 3, 1.1, 29.999, 30, 30.0, 3600])
    def test_a_time_is_rounded_up_to_the_millisecond(self, seconds: float) -> None:
        method = BY_REQUEST[Commit]
        found: Any = method.decode(sent(method, Commit("t", timeout_s=seconds)))
        assert seconds <= found.timeout_s < seconds + 0.001
        assert round(found.timeout_s, 3) == found.timeout_s

    def test_before_1970_there_was_no_commit(self) -> None:
        method = BY_REQUEST[LocateTime]
        request = LocateTime(-5)
        message = answered(method, sent(method, request), request, Located(7, 0))
        assert method.decode_reply(request, message) == Located(0, 0)

    def test_what_is_usual_takes_no_bytes(self) -> None:
        method = BY_REQUEST[Commit]
        message = sent(method, Commit("t", (Write(KEY, Payload(JSON, b"1")),)))
        assert not message.changes[0].payload.content_type
        assert not message.HasField("timeout_ms")
        assert not message.HasField("origin")

    @pytest.mark.parametrize(
        "replay,said",
        [
            (Replay("default", "planner"), ("", "")),
            (Replay("default"), ("", "planner")),
            (Replay(), ("default", "planner")),
        ],
        ids=["agent", "namespace", "store"],
    )
    def test_an_event_says_the_names_that_were_not_asked_for(
        self, replay: Replay, said: tuple[str, str]
    ) -> None:
        method = BY_REQUEST[Replay]
        page = EventPage((Event("t", 1, 1, NO_ORIGIN, (Operation(*KEY, "delete", 1),)),), 1, done=False)
        message = answered(method, sent(method, replay), replay, page)
        operation = message.events[0].operations[0]
        assert (operation.namespace, operation.agent_id) == said
        assert not message.events[0].HasField("origin")


class TestWhatWasNotSaid:
    """What a message leaves out, and proto3 cannot tell from what is empty."""

    @pytest.mark.parametrize(
        "message,meant",
        [
            (pb.GetStateRequest(agent_id="a", key="k"), Get(RecordKey("default", "a", "k"))),
            (pb.GetManyRequest(names=[pb.RecordName()]), GetMany((RecordKey("default", "", ""),))),
            (pb.ScanPrefixRequest(agent_id="a"), Scan("default", "a", limit=1000)),
            (
                pb.GetHistoryRequest(agent_id="a", key="k"),
                History(RecordKey("default", "a", "k"), limit=1000),
            ),
            (pb.ListAgentsRequest(), ListAgents("default", limit=1000)),
            (pb.ListNamespacesRequest(), ListNamespaces(limit=1000)),
            (pb.ReplayPageRequest(), Replay(None, None, limit=1000)),
            (pb.ReplayPageRequest(namespace="", agent_id="a"), Replay("default", "a")),
            (pb.FindEventsRequest(by=pb.ORIGIN_RUN, id="r"), FindEvents("run", "r", limit=1000)),
            (pb.CheckRequest(), Check(None, 1000)),
            (pb.EraseRequest(agent_id="a"), Erase("default", "a", limit=1000)),
            (pb.CommitTransactionRequest(txn_id="t"), Commit("t", origin=NO_ORIGIN, timeout_s=30.0)),
            (
                pb.CommitTransactionRequest(
                    changes=[pb.Change(key="k", payload=pb.Payload(data=b"1"))],
                    ranges=[pb.KeyRange(agent_id="a")],
                ),
                Commit(
                    "",
                    (Write(RecordKey("default", "", "k"), Payload(JSON, b"1")),),
                    ranges=(KeyRange("default", "a"),),
                ),
            ),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_means_what_the_contract_says(self, message: Message, meant: Request[Any]) -> None:
        assert BY_REQUEST[type(meant)].decode(message) == meant

    def test_a_cursor_that_is_empty_is_one(self) -> None:
        assert BY_REQUEST[Check].decode(pb.CheckRequest(cursor="")) == Check("", 1000)

    def test_a_precondition_of_zero_is_one(self) -> None:
        method = BY_REQUEST[Commit]
        commit = Commit("t", preconditions=(Precondition(KEY, version=0), Precondition(KEY, commit_ts=0)))
        assert method.decode(sent(method, commit)) == commit

    def test_no_new_bytes_are_a_part(self) -> None:
        method = BY_REQUEST[Commit]
        commit = Commit("t", (Extend(KEY, KEY, 1, (b"", Copy(0, 0)), JSON),))
        assert method.decode(sent(method, commit)) == commit


def test_the_greatest_numbers_travel() -> None:
    method = BY_REQUEST[Commit]
    commit = Commit(
        "t",
        (Write(KEY, Payload(BYTES, b"")), Delete(KEY._replace(key="gone"))),
        read_ts=COMMIT_TS_MAX,
        made_at_ts=COMMIT_TS_MAX,
        epoch=COMMIT_TS_MAX,
        committed_at_us=COMMIT_TS_MAX,
        preconditions=(Precondition(KEY, version=COMMIT_TS_MAX),),
    )
    assert method.decode(sent(method, commit)) == commit
