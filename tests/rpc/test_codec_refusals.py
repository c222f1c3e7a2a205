"""What cannot be said is refused where it is asked, and what makes no sense where it is read."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from statehouse._generated import statehouse_pb2 as pb
from statehouse.engine import open_engine
from statehouse.errors import InvalidArgumentError, LimitExceededError, StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Page
from statehouse.protocol.requests import (
    Check,
    Commit,
    Copy,
    Erase,
    Extend,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    History,
    ListAgents,
    ListNamespaces,
    LocateTime,
    LookupTxn,
    Replay,
    Request,
    Scan,
)
from statehouse.protocol.values import JSON
from statehouse.rpc.methods import BY_REQUEST, METHODS, Method, parse
from statehouse.storage.memory import MemoryStore
from tests.rpc.messages import messages
from tests.rpc.spoken import asked, some

KEY = RecordKey("default", "planner", "k")
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.call)


NO_INTEGERS: list[Any] = [-1, True, 1.0, "1", [1], 2**53, 2**64]
BAD_REQUESTS: dict[str, Any] = {
    "at": lambda value: [
        Get(KEY, value),
        GetMany((KEY,), value),
        Scan("default", "planner", at=value),
        History(KEY, value),
        ListAgents("default", value),
        ListNamespaces(value),
    ],
    "limit": lambda value: [
        Scan("default", "planner", limit=value),
        History(KEY, limit=value),
        ListAgents("default", limit=value),
        ListNamespaces(limit=value),
        Replay(limit=value),
        FindEvents("run", "r", limit=value),
        Check(limit=value),
        Erase("default", "planner", ("k",), limit=value),
    ],
    "version": lambda value: [GetAtVersion(KEY, value)],
    "from_ts and to_ts": lambda value: [
        Replay(from_ts=value),
        Replay(to_ts=value),
        FindEvents("run", "r", from_ts=value),
    ],
    "epoch": lambda value: [Replay(epoch=value), FindEvents("run", "r", epoch=value)],
    "parts": lambda value: [
        Commit("t", (Extend(KEY, KEY, 1, (Copy(value, 9),), JSON),)),
        Commit("t", (Extend(KEY, KEY, 1, (Copy(0, value),), JSON),)),
    ],
}


class TestWhatCannotBeSaid:
    """What protobuf would swallow, coerce or choke on; the contract of the engine has more of it."""

    @pytest.mark.parametrize("value", NO_INTEGERS, ids=repr)
    @pytest.mark.parametrize("what", BAD_REQUESTS)
    def test_numbers_that_are_none(self, what: str, value: Any) -> None:
        for request in BAD_REQUESTS[what](value):
            with pytest.raises(InvalidArgumentError):
                BY_REQUEST[type(request)].encode(request)

    @pytest.mark.parametrize("value", [0, -1, True, 10_001], ids=repr)
    def test_limits_that_are_none(self, value: Any) -> None:
        for request in BAD_REQUESTS["limit"](value):
            with pytest.raises(InvalidArgumentError):
                BY_REQUEST[type(request)].encode(request)

    @pytest.mark.parametrize("value", [7, b"cursor", "\ud800", ["c"], True], ids=repr)
    def test_cursors_that_are_none(self, value: Any) -> None:
        for request in (
            Scan("default", "planner", cursor=value),
            History(KEY, cursor=value),
            ListAgents("default", cursor=value),
            ListNamespaces(cursor=value),
            Check(value),
            Erase("default", "planner", ("k",), cursor=value),
        ):
            with pytest.raises(InvalidArgumentError):
                BY_REQUEST[type(request)].encode(request)

    @pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), -float("inf"), "1", True, None, 1e9])
    def test_waits_that_are_none(self, value: Any) -> None:
        with pytest.raises(InvalidArgumentError):
            BY_REQUEST[Replay].encode(Replay(wait_s=value))

    @pytest.mark.parametrize("value", [0, 0.0009, -1.0, float("nan"), float("inf"), "30", None, True, 3600.1])
    def test_timeouts_that_are_none(self, value: Any) -> None:
        with pytest.raises(InvalidArgumentError):
            BY_REQUEST[Commit].encode(Commit("t", timeout_s=value))

    @pytest.mark.parametrize("by", ["", "spans", None, 1, ["run"]], ids=repr)
    def test_kinds_of_id_that_are_none(self, by: Any) -> None:
        with pytest.raises(InvalidArgumentError):
            BY_REQUEST[FindEvents].encode(FindEvents(by, "r"))

    @pytest.mark.parametrize(
        "asking",
        [
            GetMany(None),  # type: ignore[arg-type]
            GetMany("keys"),  # type: ignore[arg-type]
            Erase("default", "planner", "keys"),  # type: ignore[arg-type]
            Erase("default", "planner", ("k", None)),  # type: ignore[arg-type]
            Erase("default", "planner", ("k",), None),  # type: ignore[arg-type]
            Erase("default", "planner", ("k",), dry_run="yes"),  # type: ignore[arg-type]
            Commit("t", None),  # type: ignore[arg-type]
            Commit("t", reads={KEY}),  # type: ignore[arg-type]
            Commit("t", ranges=7),  # type: ignore[arg-type]
            Commit("t", ranges=(KEY,)),  # type: ignore[arg-type]
            Commit("t", preconditions=(KEY,)),  # type: ignore[arg-type]
            Commit("t", origin=None),  # type: ignore[arg-type]
            Commit("t", origin={"run_id": "r"}),  # type: ignore[arg-type]
            Commit("t", origin=Origin(attributes=[])),  # type: ignore[arg-type]
            Commit("t", origin=Origin(attributes={"a": b"b"})),  # type: ignore[dict-item]
            Commit("t", store_id=None),  # type: ignore[arg-type]
            Commit("t", store_id=b"0" * 32),  # type: ignore[arg-type]
            Commit("t", (Extend(KEY, KEY, 1, b"parts", JSON),)),  # type: ignore[arg-type]
            LookupTxn(""),
            LookupTxn(b"t"),  # type: ignore[arg-type]
            Replay(""),
            Replay("default", ""),
            Replay(b"default"),  # type: ignore[arg-type]
            LocateTime(True),
            LocateTime(-(2**53)),
            ListAgents(""),
        ],
        ids=lambda asking: f"{asking!r:.70}",
    )
    def test_what_is_something_else(self, asking: Request[Any]) -> None:
        with pytest.raises(InvalidArgumentError):
            BY_REQUEST[type(asking)].encode(asking)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return open_engine(MemoryStore())


class TestHostileMessages:
    @every_method
    @given(data=st.binary(max_size=60))
    def test_random_bytes_are_refused_or_understood(self, method: Method, data: bytes) -> None:
        with suppress(InvalidArgumentError, LimitExceededError):
            method.decode(parse(method.asked, data))

    @every_method
    @some
    @given(data=st.data())
    def test_a_message_that_was_cut_or_changed_is_refused_or_understood(
        self, method: Method, data: st.DataObject
    ) -> None:
        whole = bytearray(method.encode(data.draw(asked[method.request])).SerializeToString())
        if whole:
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
        with suppress(InvalidArgumentError, LimitExceededError):
            method.decode(parse(method.asked, cut))

    @every_method
    @some
    @given(data=st.data())
    def test_a_message_of_anything_is_answered_or_refused_by_an_error_of_ours(
        self, engine: Engine, method: Method, data: st.DataObject
    ) -> None:
        message = data.draw(messages(method.asked))
        with suppress(InvalidArgumentError, LimitExceededError):
            request = method.decode(message)
            if isinstance(request, Replay):
                request = replace(request, wait_s=0.0)
            with suppress(StatehouseError):
                method.encode_reply(message, request, engine.execute(request)).SerializeToString()

    @every_method
    @some
    @given(data=st.data())
    def test_an_answer_of_anything_is_a_reply_or_an_error_of_ours(
        self, method: Method, data: st.DataObject
    ) -> None:
        request = data.draw(asked[method.request])
        message = data.draw(messages(method.answered))
        with suppress(StatehouseError):
            method.decode_reply(request, message)

    @pytest.mark.parametrize(
        "data",
        [b"\xff", b"\x0a\x05abc", b"\x0a\x01\xff", b"\x08\x01\x0a", b"\x0a\xff\xff\xff\xff\x0f"],
        ids=["noise", "cut", "no UTF-8", "cut again", "4 GiB"],
    )
    def test_bytes_that_are_no_message_are_refused_by_name(self, data: bytes) -> None:
        with pytest.raises(InvalidArgumentError, match="not a GetStateRequest"):
            parse(pb.GetStateRequest, data)

    @pytest.mark.parametrize(
        "message",
        [
            pb.GetStateRequest(agent_id="a", key="k", at_commit_ts=2**53),
            pb.GetStateAtVersionRequest(agent_id="a", key="k", version=2**63),
            pb.GetStateAtVersionRequest(agent_id="a", key="k", version=0),
            pb.GetManyRequest(at_commit_ts=2**53),
            pb.ScanPrefixRequest(agent_id="a", at_commit_ts=2**64 - 1),
            pb.GetHistoryRequest(agent_id="a", key="k", at_commit_ts=2**53),
            pb.ListAgentsRequest(at_commit_ts=2**53),
            pb.ListNamespacesRequest(at_commit_ts=2**53),
            pb.ReplayPageRequest(from_ts=2**53),
            pb.ReplayPageRequest(to_ts=2**53),
            pb.FindEventsRequest(by=pb.ORIGIN_RUN, id="r", from_ts=2**53),
            pb.FindEventsRequest(id="r"),
            pb.LocateTimeRequest(time_us=2**53),
            pb.CommitTransactionRequest(txn_id="t", read_ts=2**53),
            pb.CommitTransactionRequest(txn_id="t", made_at_ts=2**53),
            pb.CommitTransactionRequest(txn_id="t", epoch=2**53),
            pb.CommitTransactionRequest(txn_id="t", committed_at_us=2**53),
            pb.CommitTransactionRequest(txn_id="t", timeout_ms=0),
            pb.CommitTransactionRequest(txn_id="t", timeout_ms=3_600_001),
            pb.CommitTransactionRequest(txn_id="t", changes=[pb.Change(agent_id="a", key="k")]),
            pb.CommitTransactionRequest(txn_id="t", preconditions=[pb.Precondition()]),
            pb.CommitTransactionRequest(txn_id="t", preconditions=[pb.Precondition(version=2**53)]),
            pb.CommitTransactionRequest(
                txn_id="t", changes=[pb.Change(extension=pb.Extension(parts=[pb.Part()]))]
            ),
        ],
        ids=lambda message: f"{type(message).__name__} {message!s:.60}".replace("\n", " "),
    )
    def test_numbers_that_are_none_and_choices_not_made_are_refused(self, message: Message) -> None:
        (method,) = (method for method in METHODS if isinstance(message, method.asked))
        with pytest.raises(InvalidArgumentError):
            method.decode(message)

    @pytest.mark.parametrize(
        "method", [method for method in METHODS if "values" in method.asked.DESCRIPTOR.fields_by_name]
    )
    @pytest.mark.parametrize("number", [3, -1, 2**31 - 1])
    def test_a_form_of_values_that_there_is_not_is_refused(self, method: Method, number: int) -> None:
        message: Any = method.asked()
        message.values = number
        with pytest.raises(InvalidArgumentError, match="form of values"):
            method.decode(message)

    @pytest.mark.parametrize("count", [0, 3])
    def test_more_entries_than_keys_or_none_are_no_answer(self, count: int) -> None:
        message = pb.GetManyResponse(entries=[pb.StateEntry()] * count)
        with pytest.raises(StatehouseError, match="entries for 2 keys"):
            BY_REQUEST[GetMany].decode_reply(GetMany((KEY, KEY)), message)

    def test_no_key_is_answered_by_no_entry(self) -> None:
        method = BY_REQUEST[GetMany]
        assert method.decode_reply(GetMany(()), pb.GetManyResponse(read_ts=5)) == Page((), None, 5)

    def test_a_kind_of_write_that_a_newer_daemon_has_is_named(self) -> None:
        method = BY_REQUEST[Get]
        message = parse(pb.GetStateResponse, b"\x60\x07")
        with pytest.raises(StatehouseError, match="kind 7"):
            method.decode_reply(Get(KEY), message)
