"""Errors survive the wire: their class, their words and their facts, in a pipeline and in a gRPC status."""

from __future__ import annotations

import math
import re
import urllib.parse
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from statehouse import errors
from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import StatehouseError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import KeyRange, Precondition
from statehouse.rpc.sizes import METADATA_BYTES_MAX
from statehouse.rpc.status import (
    DETAILS_TRAILER,
    PUSHBACK_TRAILER,
    from_message,
    from_rpc_error,
    status_of,
    to_message,
    trailers,
    words,
)

CONTRACT = Path(__file__).parents[2] / "proto/statehouse/v1/statehouse.proto"
KEY = RecordKey("default", "planner", "k")
RANGE = KeyRange("default", "planner", "p", None, "z", keys_only=True)

FACTS: dict[str, dict[str, Any]] = {
    "limit_exceeded": {"limit": 1024, "actual": 1025},
    "not_found": {"key": KEY, "version": 7},
    "already_exists": {"txn_id": "t", "commit_ts": 7},
    "compacted": {"oldest": 12},
    "erased": {"key": KEY, "version": 7, "commit_ts": 3, "read_ts": 9},
    "store_changed": {"expected": "0" * 32, "actual": "1" * 32},
    "conflict": {"keys": (KEY, RANGE), "commit_ts": 2**53 - 1},
    "precondition_failed": {"which": Precondition(KEY, version=0), "version": 3, "commit_ts": 9},
    "deadline_exceeded": {"txn_id": "t"},
    "overloaded": {"retry_after": 0.1, "reason": "queue_full"},
    "outcome_unknown": {"txn_id": "ключ"},
    "directory_locked": {"path": "/data", "holder": "pid 7 on här"},
    "format_version": {"found": 2, "supported": 1},
    "corruption": {"missing": 3, "commit_ts": 5, "expected_commit_ts": 8},
}


def leaves(cls: type[StatehouseError] = StatehouseError) -> list[type[StatehouseError]]:
    """Every class of the tree that is ours."""
    below = [leaf for each in cls.__subclasses__() for leaf in leaves(each)]
    return [cls, *below] if cls.__module__ == errors.__name__ else below


EVERY: list[StatehouseError] = [
    cls("what happened: 'ä', \"b\"\n", **FACTS.get(cls.code, {})) for cls in leaves()
]
every_error = pytest.mark.parametrize("error", EVERY, ids=lambda error: error.code)


class Failed(grpc.RpcError):  # type: ignore[misc] # grpcio has no types
    """A call that failed, as gRPC shows it."""

    def __init__(
        self, code: grpc.StatusCode, details: str | None = "", *metadata: tuple[str, str | bytes]
    ) -> None:
        self._code, self._details, self._metadata = code, details, metadata

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...] | None:
        return self._metadata or None


def received(error: StatehouseError) -> StatehouseError:
    """An error after a unary call."""
    return from_rpc_error(Failed(status_of(error), words(error), *trailers(error)))


class TestEveryError:
    @every_error
    def test_survives_as_a_message(self, error: StatehouseError) -> None:
        found = from_message(pb.StatehouseError.FromString(to_message(error).SerializeToString()))
        assert (type(found), found.message, found.details) == (type(error), error.message, error.details)

    @every_error
    def test_survives_as_a_status(self, error: StatehouseError) -> None:
        found = received(error)
        assert (type(found), found.message, found.details) == (type(error), error.message, error.details)
        assert found.retry is error.retry

    @every_error
    def test_has_the_number_and_the_status_of_the_contract(self, error: StatehouseError) -> None:
        said = re.findall(r"Status ([A-Z_]+)\.\n\s+([A-Z_]+) = \d+;", CONTRACT.read_text(encoding="utf-8"))
        name = pb.ErrorCode.Name(to_message(error).code)
        assert {code: status for status, code in said}[name] == status_of(error).name
        assert name == ("INTERNAL_ERROR" if error.code == "error" else error.code.upper())

    def test_has_a_number_of_its_own(self) -> None:
        numbers = {to_message(error).code for error in EVERY}
        assert len(numbers) == len(EVERY)
        assert numbers == {*pb.ErrorCode.values()} - {pb.OK}

    def test_of_somebody_s_own_travels_as_the_nearest_of_ours(self) -> None:
        class MineError(errors.NotFoundError):
            code = "mine"

        assert type(received(MineError("m"))) is errors.NotFoundError

    @pytest.mark.parametrize("code", [0, 31, 99, -1])
    def test_that_nobody_here_knows_is_of_no_particular_kind(self, code: int) -> None:
        message = pb.StatehouseError(message="m", details={"a": "1"})
        message.code = code  # type: ignore[assignment]
        found = from_message(message)
        assert (type(found), found.message, found.a) == (StatehouseError, "m", 1)


plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
names = st.text(max_size=5)
keys = st.builds(RecordKey, names, names, names)
ranges = st.builds(KeyRange, names, names, names, st.none() | names, st.none() | names, st.booleans())
preconditions = st.builds(Precondition, keys, version=st.integers()) | st.builds(
    Precondition, keys, commit_ts=st.integers()
)
facts = st.recursive(
    plain | keys | ranges | preconditions, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5
)


class TestFacts:
    @given(value=facts)
    def test_come_back_equal(self, value: Any) -> None:
        found = from_message(to_message(StatehouseError("m", fact=value)))
        assert found.fact == value
        assert type(found.fact) is type(value)

    @pytest.mark.parametrize(
        "value,text", [(Path("/data"), "/data"), (math.inf, "inf"), (ValueError("v"), "v"), (b"b", "b'b'")]
    )
    def test_of_other_kinds_come_back_as_text(self, value: Any, text: str) -> None:
        assert from_message(to_message(StatehouseError("m", fact=value))).fact == text

    @pytest.mark.parametrize("text", ["", "{", "nul", "[" * 100_000, "1" * 5000, '{"a":1}x'])
    def test_that_are_no_json_are_shown_as_they_are(self, text: str) -> None:
        message = pb.StatehouseError(code=pb.CONFLICT, details={"keys": text})
        assert from_message(message).keys == text

    @pytest.mark.parametrize(
        "text", ['{"namespace":1,"agent_id":"a","key":"k"}', '{"key":{},"version":"1"}', '{"a":{"b":[1]}}']
    )
    def test_that_only_look_like_a_name_are_what_they_are(self, text: str) -> None:
        assert isinstance(from_message(pb.StatehouseError(details={"which": text})).which, dict)

    def test_may_be_tables(self) -> None:
        fact = {"a": {"b": (KEY, 1)}}
        assert from_message(to_message(StatehouseError("m", fact=fact))).fact == fact

    def test_may_be_called_as_our_own_are(self) -> None:
        message = pb.StatehouseError(message="m", details={"message": "1", "self": "2", "details": "3"})
        found = from_message(message)
        assert (found.message, found.details) == ("m", {"details": 3, "message": 1, "self": 2})

    def test_half_a_surrogate_pair_does_not_break_an_error(self) -> None:
        found = received(errors.NotFoundError("no \ud800", key=KEY._replace(key="\ud800")))
        assert found.message == "no \\ud800"
        assert found.details == {"key": KEY._replace(key="\ud800")}


def metadata_bytes(error: StatehouseError) -> int:
    """What the trailers of a failed call weigh, as HTTP/2 counts them."""
    found = {**dict(trailers(error)), "grpc-message": urllib.parse.quote(words(error)), "grpc-status": "13"}
    return sum(
        len(name) + 32 + (math.ceil(len(value) / 3) * 4 if isinstance(value, bytes) else len(value))
        for name, value in found.items()
    )


LONG = RecordKey("n" * 128, "a" * 256, '"' * 1024)


class TestTrailers:
    def test_are_a_status_with_our_message_in_its_details(self) -> None:
        error = errors.ConflictError("changed", keys=(KEY,), commit_ts=7)
        ((name, data),) = trailers(error)
        assert name == DETAILS_TRAILER == "grpc-status-details-bin"
        status = Status.FromString(data)
        assert (status.code, status.message) == (grpc.StatusCode.ABORTED.value[0], "changed")
        assert status.details[0].type_url == "type.googleapis.com/statehouse.v1.StatehouseError"
        assert pb.StatehouseError.FromString(status.details[0].value) == to_message(error)

    @pytest.mark.parametrize("seconds,text", [(0.1, "100"), (1.0, "1000"), (0.0001, "1")])
    def test_of_an_overloaded_daemon_say_when_to_try_again(self, seconds: float, text: str) -> None:
        error = errors.OverloadedError("busy", retry_after=seconds, reason="queue_full")
        assert dict(trailers(error))[PUSHBACK_TRAILER] == text

    @pytest.mark.parametrize(
        "error",
        [
            errors.ConflictError("é" * 5000, keys=(LONG,) * 1000, commit_ts=7),
            errors.ConflictError("\x01" * 5000, keys=(RANGE,) * 1000, commit_ts=7),
            errors.PreconditionFailedError("m" * 5000, which=Precondition(LONG, version=3), version=1),
            errors.EngineError("m", **{f"fact {number}": "x" * 100 for number in range(500)}),
            errors.EngineError("m", fact="x" * 100_000),
        ],
        ids=["keys", "ranges", "precondition", "many facts", "a long fact"],
    )
    def test_stay_below_what_every_client_takes(self, error: StatehouseError) -> None:
        assert metadata_bytes(error) < METADATA_BYTES_MAX
        found = received(error)
        assert type(found) is type(error)
        assert found.message == words(error)

    def test_keep_as_many_keys_as_there_is_room_for(self) -> None:
        keys = tuple(KEY._replace(key=f"{number:04}") for number in range(1000))
        found = received(errors.ConflictError("changed", keys=keys, commit_ts=7))
        assert found.cut == ("keys",)
        assert found.keys == keys[: len(found.keys)]
        assert 20 < len(found.keys) < 100
        assert found.commit_ts == 7

    def test_keep_what_fits(self) -> None:
        error = errors.PreconditionFailedError("m" * 5000, which=Precondition(LONG, version=3), version=1)
        found = received(error)
        assert found.details == error.details
        assert found.message.endswith("…")

    def test_say_the_words_of_the_status_whole_or_cut_between_letters(self) -> None:
        assert words(StatehouseError("é" * 256)) == "é" * 256
        assert words(StatehouseError("é" * 257)) == "é" * 254 + "…"


class TestErrorsOfGrpc:
    """Those that no daemon of ours has explained."""

    @pytest.mark.parametrize(
        "code,details,kind",
        [
            (grpc.StatusCode.UNAVAILABLE, "failed to connect", errors.ConnectionError),
            (grpc.StatusCode.CANCELLED, "CANCELLED", errors.ConnectionError),
            (grpc.StatusCode.UNKNOWN, "Stream removed", errors.ConnectionError),
            (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", errors.ConnectionError),
            (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", errors.DeadlineExceededError),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!", errors.OverloadedError),
            (grpc.StatusCode.UNAUTHENTICATED, "no token", errors.UnauthenticatedError),
            (grpc.StatusCode.PERMISSION_DENIED, "no", errors.PermissionDeniedError),
            (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", StatehouseError),
            (grpc.StatusCode.UNKNOWN, "Unexpected <class 'KeyError'>", StatehouseError),
            (grpc.StatusCode.INTERNAL, None, StatehouseError),
        ],
        ids=lambda value: value.name if isinstance(value, grpc.StatusCode) else None,
    )
    def test_are_what_their_status_means(
        self, code: grpc.StatusCode, details: str | None, kind: type[StatehouseError]
    ) -> None:
        found = from_rpc_error(Failed(code, details))
        assert type(found) is kind
        assert (details or "no reason given") in str(found)

    @pytest.mark.parametrize(
        "details",
        [
            "CLIENT: Received message larger than max (5000000 vs. 4194304)",
            "SERVER: Sent message larger than max (5000000 vs. 4194304)",
            "received metadata size exceeds hard limit (5000000 vs. 4194304)",
        ],
    )
    def test_about_a_size_say_which(self, details: str) -> None:
        found = from_rpc_error(Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, details))
        assert isinstance(found, errors.LimitExceededError)
        assert (found.actual, found.limit) == (5_000_000, 4_194_304)

    @pytest.mark.parametrize("text,seconds", [("250", 0.25), ("-1", 0.1), ("soon", 0.1), ("9" * 50, 0.1)])
    def test_about_too_much_work_say_when_to_try_again(self, text: str, seconds: float) -> None:
        error = Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", (PUSHBACK_TRAILER, text))
        found = from_rpc_error(error)
        assert isinstance(found, errors.OverloadedError)
        assert (found.retry_after, found.reason) == (seconds, "queue_full")

    @given(data=st.binary(max_size=40))
    def test_with_somebody_else_s_details_are_what_their_status_means(self, data: bytes) -> None:
        found = from_rpc_error(Failed(grpc.StatusCode.UNAVAILABLE, "gone", (DETAILS_TRAILER, data)))
        assert isinstance(found, StatehouseError)

    def test_with_details_of_another_type_are_what_their_status_means(self) -> None:
        status = Status(code=14, message="gone")
        status.details.add().Pack(pb.Payload(data=b"x"))
        trailer = (DETAILS_TRAILER, status.SerializeToString())
        found = from_rpc_error(Failed(grpc.StatusCode.UNAVAILABLE, "gone", trailer))
        assert type(found) is errors.ConnectionError

    def test_of_no_call_at_all_are_errors_of_ours_too(self) -> None:
        assert "odd" in str(from_rpc_error(grpc.RpcError("odd")))
