"""The wire contract keeps the names, numbers and types that clients were built for."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

PROTO = (Path(__file__).parents[2] / "proto/statehouse/v1/statehouse.proto").read_text()
KEY = "string namespace = 1; string agent_id = 2; string key = 3;"
STAGED_KEY = "string txn_id = 1; string namespace = 2; string agent_id = 3; string key = 4;"
RECORD = (
    "optional google.protobuf.Struct value = 1; uint64 version = 2; uint64 commit_ts = 3; bool exists = 4;"
)

FIELDS = {
    "HealthRequest": "",
    "HealthResponse": "string status = 1;",
    "VersionRequest": "",
    "VersionResponse": "string version = 1; string git_sha = 2;",
    "BeginTransactionRequest": "optional uint64 timeout_ms = 1;",
    "BeginTransactionResponse": "string txn_id = 1;",
    "WriteRequest": f"{STAGED_KEY} google.protobuf.Struct value = 5;",
    "WriteResponse": "",
    "DeleteRequest": STAGED_KEY,
    "DeleteResponse": "",
    "CommitRequest": "string txn_id = 1;",
    "CommitResponse": "uint64 commit_ts = 1;",
    "AbortRequest": "string txn_id = 1;",
    "AbortResponse": "",
    "GetStateRequest": KEY,
    "GetStateResponse": RECORD,
    "GetStateAtVersionRequest": f"{KEY} uint64 version = 4;",
    "GetStateAtVersionResponse": RECORD,
    "ListKeysRequest": "string namespace = 1; string agent_id = 2;",
    "ListKeysResponse": "repeated string keys = 1;",
    "ScanPrefixRequest": "string namespace = 1; string agent_id = 2; string prefix = 3;",
    "ScanPrefixResponse": "repeated StateEntry entries = 1;",
    "StateEntry": (
        "string key = 1; google.protobuf.Struct value = 2; uint64 version = 3; uint64 commit_ts = 4;"
    ),
    "ReplayRequest": (
        "string namespace = 1; string agent_id = 2; optional uint64 start_ts = 3; optional uint64 end_ts = 4;"
    ),
    "ReplayEvent": "string txn_id = 1; uint64 commit_ts = 2; repeated Operation operations = 3;",
    "Operation": "string key = 1; optional google.protobuf.Struct value = 2; uint64 version = 3;",
    "StatehouseError": "ErrorCode code = 1; string message = 2; map<string, string> details = 3;",
}
CALLS = [
    "Health",
    "Version",
    "BeginTransaction",
    "Write",
    "Delete",
    "Commit",
    "Abort",
    "GetState",
    "GetStateAtVersion",
    "ListKeys",
    "ScanPrefix",
]
CODES = {
    "OK": 0,
    "NOT_FOUND": 1,
    "ALREADY_EXISTS": 2,
    "TRANSACTION_EXPIRED": 3,
    "INVALID_ARGUMENT": 4,
    "INTERNAL_ERROR": 5,
}


def body(kind: str, name: str) -> list[str]:
    """Gives the statements of a message or an enum, comments left out."""
    found = re.search(rf"^{kind} {name} {{(.*?)}}$", PROTO, re.MULTILINE | re.DOTALL)
    assert found, f"there is no {kind} {name}"
    lines = [line.strip() for line in found[1].splitlines()]
    return [line for line in lines if line and not line.startswith("//")]


@pytest.mark.parametrize("message", FIELDS)
def test_a_message_has_the_fields_that_clients_know(message: str) -> None:
    known = [f"{field.strip()};" for field in FIELDS[message].split(";") if field.strip()]
    assert set(known) <= set(body("message", message))


@pytest.mark.parametrize("message", [name for name in FIELDS if name != "StatehouseError"])
def test_a_field_of_ours_in_a_known_message_is_numbered_from_10_up(message: str) -> None:
    known = {f"{field.strip()};" for field in FIELDS[message].split(";")}
    ours = [field for field in body("message", message) if field not in known]
    assert [field for field in ours if int(field.rpartition("=")[2].rstrip("; ")) < 10] == []


@pytest.mark.parametrize("call", CALLS)
def test_a_call_takes_and_answers_one_message(call: str) -> None:
    assert f"  rpc {call}({call}Request) returns ({call}Response);\n" in PROTO


def test_replay_answers_a_stream() -> None:
    assert "  rpc Replay(ReplayRequest) returns (stream ReplayEvent);\n" in PROTO


def test_the_package_and_the_service_have_the_names_that_clients_call() -> None:
    assert re.search(r"^package statehouse\.v1;$", PROTO, re.MULTILINE)
    assert re.search(r"^service StatehouseService {$", PROTO, re.MULTILINE)


def test_an_error_code_keeps_its_number() -> None:
    numbers = dict(line.rstrip(";").split(" = ") for line in body("enum", "ErrorCode"))
    assert {name: int(numbers[name]) for name in CODES} == CODES


def test_every_field_is_explained() -> None:
    lines = [line.strip() for line in PROTO.splitlines()]
    bare = [
        line for above, line in pairwise(lines) if re.search(r" = \d+;$", line) and not above.startswith("//")
    ]
    assert bare == []
