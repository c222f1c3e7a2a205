"""Says one of everything on the wire, with every field set, and keeps the bytes.

``python -m tests.compat.make_wire`` writes ``tests/compat/wire-1/``: a file a message, in hexadecimal. What
is there is never written again: clients that were built long ago say and understand just these bytes. A
message or a field that is new is a file more.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message

from statehouse import errors
from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import StatehouseError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import (
    AgentCounts,
    AgentPage,
    CheckPage,
    Committed,
    EngineVersion,
    Entry,
    Epoch,
    Erased,
    Event,
    EventPage,
    Located,
    NamespaceCounts,
    NamespacePage,
    Operation,
    Page,
    Problem,
    Read,
    StoreStatus,
    TxnOutcome,
)
from statehouse.protocol.requests import (
    Check,
    Commit,
    Copy,
    Delete,
    Erase,
    Extend,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    Health,
    History,
    KeyRange,
    ListAgents,
    ListNamespaces,
    LocateTime,
    LookupTxn,
    Precondition,
    Replay,
    Request,
    Scan,
    Status,
    Version,
    Write,
)
from statehouse.protocol.values import BYTES, JSON, Payload
from statehouse.rpc.codec.values import struct_of
from statehouse.rpc.methods import BY_REQUEST, Method
from statehouse.rpc.status import to_message

GOLDEN: Final = Path(__file__).parent / "wire-1"

KEY: Final = RecordKey("default", "planner", "plan")
OTHER: Final = RecordKey("Ωmega", "агент 🤖", "ключ")
OBJECT: Final = Payload(JSON, b'{"steps":3}')
OCTETS: Final = Payload(BYTES, b"\x00\xff")
ORIGIN: Final = Origin(
    "0123456789abcdef" * 2, "fedcba9876543210", "supervisor", "run 1", "plan/2", {"b": "2", "a": "1", "ä": ""}
)
EVENT: Final = Event(
    "t1",
    7,
    1_700_000_000_000_000,
    ORIGIN,
    (
        Operation(*KEY, "write", 1, OBJECT),
        Operation(KEY.namespace, KEY.agent_id, "raw", "write", 2, OCTETS),
        Operation(KEY.namespace, KEY.agent_id, "gone", "delete", 3),
        Operation(KEY.namespace, KEY.agent_id, "lost", "erased", 4),
    ),
)
EVENTS: Final = EventPage((EVENT,), 9, done=True)
ROWS: Final = (Entry(KEY, OBJECT, 1, 7, "write"), Entry(KEY._replace(key="raw"), OCTETS, 2, 8, "write"))

COMMIT: Final = Commit(
    "t1",
    (
        Write(KEY, OBJECT),
        Write(OTHER, OCTETS),
        Delete(KEY._replace(key="gone")),
        Extend(KEY._replace(key="log"), KEY._replace(key="log"), 4, (Copy(1, 9), b"new", b""), BYTES),
    ),
    read_ts=6,
    reads=(KEY, OTHER),
    ranges=(KeyRange("default", "planner", "p", "pa", "pz", keys_only=True), KeyRange("default", "planner")),
    preconditions=(Precondition(KEY, version=0), Precondition(OTHER, commit_ts=5)),
    origin=ORIGIN,
    made_at_ts=6,
    store_id="00112233445566778899aabbccddeeff",
    epoch=2,
    committed_at_us=1_700_000_000_000_000,
    timeout_s=1.5,
)

STATUS: Final = StoreStatus(
    state="refusing_writes",
    reason="a flush failed",
    store_id="00112233445566778899aabbccddeeff",
    epoch=2,
    epochs=(Epoch(1, 1, "created"), Epoch(2, 5, "restored")),
    format=1,
    commit_ts=9,
    committed_at_us=1_700_000_000_000_000,
    horizon=2,
    dedup_horizon=3,
    head_digest="ab" * 32,
    durability="sync",
    storage="rocksdb",
    size_bytes=2**40,
    queued_commits=4,
    followers=5,
    details={"b": "2", "a": "1"},
)

SPOKEN: Final[tuple[tuple[Request[Any], Any], ...]] = (
    (Health(), "ok"),
    (Version(), EngineVersion("0.2.0", "0123abc")),
    (Get(KEY, 9), Read(ROWS[0], 9)),
    (GetAtVersion(OTHER, 2), Read(Entry(OTHER, OBJECT, 2, 8, "write"), 9)),
    (GetMany((KEY, OTHER), 0), Page((ROWS[0], Entry(OTHER, None, 0, 0, None)), None, 9)),
    (
        Scan("default", "planner", "p", reverse=True, limit=2, cursor="c1"),
        Page(ROWS, "c2", 9),
    ),
    (
        History(KEY, reverse=True, limit=3, cursor="c1"),
        Page(
            (
                Entry(KEY, OCTETS, 3, 9, "write"),
                Entry(KEY, None, 2, 8, "delete"),
                Entry(KEY, None, 1, 7, "erased"),
            ),
            "c2",
            9,
        ),
    ),
    (
        ListAgents("default", limit=2, cursor="c1"),
        AgentPage((AgentCounts("default", "a", 1, 2, 3),), "c2", 9),
    ),
    (ListNamespaces(at=5), NamespacePage((NamespaceCounts("default", 1, 2, 3, 4),), "c2", 5)),
    (Replay("default", "planner", 3, 9, 100, 1.5), EVENTS),
    (FindEvents("trace", ORIGIN.trace_id, 3, 100), EVENTS),
    (LocateTime(1_700_000_000_000_001), Located(9, 1_700_000_000_000_000)),
    (LookupTxn("t1"), TxnOutcome("t1", "committed", 9)),
    (COMMIT, Committed(9, 1_700_000_000_000_000, repeated=True)),
    (Status(), STATUS),
    (Check("c1", 2), CheckPage((Problem(7, "events", "a digest differs"),), 2, 0.5, "c2", "ab" * 32)),
)
"""Every request with a reply to it, as little of them usual as can be."""

_STORE: Final[dict[str, Any]] = {"store_id": STATUS.store_id, "epoch": STATUS.epoch}
PLACED: Final[dict[str, tuple[Request[Any], Any]]] = {
    "replay_page.placed": (Replay("default", from_ts=3, **_STORE), replace(EVENTS, **_STORE)),
    "find_events.placed": (FindEvents("run", "run 1", 3, **_STORE), replace(EVENTS, **_STORE)),
}
"""Positions that say in which store they are: what is above is older, and does not."""

ADDED: Final[tuple[tuple[Request[Any], Any], ...]] = (
    (
        Erase("default", "planner", ("plan", "seen"), ("draft/", ""), dry_run=True, limit=3, cursor="c1"),
        Erased(5, 2, ("fork", "other"), "c2"),
    ),
)
"""Requests that came later: what a pipeline carried before is kept as it was."""

_FACTS: Final[dict[str, dict[str, Any]]] = {
    "limit_exceeded": {"limit": 1024, "actual": 1025},
    "already_exists": {"txn_id": "t1", "commit_ts": 7},
    "compacted": {"oldest": 2},
    "conflict": {"keys": (KEY, KeyRange("default", "planner", "p", None, "pz")), "commit_ts": 9},
    "precondition_failed": {"which": Precondition(KEY, version=0), "version": 3, "commit_ts": 7},
    "overloaded": {"retry_after": 0.25, "reason": "queue_full"},
    "outcome_unknown": {"txn_id": "t1"},
}


def every_error() -> list[StatehouseError]:
    """One of each class."""
    classes = [found for found in vars(errors).values() if isinstance(found, type)]
    return [
        found(f"it is {found.code}", **_FACTS.get(found.code, {}))
        for found in classes
        if issubclass(found, StatehouseError)
    ]


def classic() -> Iterator[tuple[str, Message]]:
    """What clients have always said and heard, and our engine has no request for."""
    value = struct_of(OBJECT)
    yield "begin_transaction.request", pb.BeginTransactionRequest(timeout_ms=1500)
    yield "begin_transaction.reply", pb.BeginTransactionResponse(txn_id="t1")
    yield "write.request", pb.WriteRequest(txn_id="t1", namespace="n", agent_id="a", key="k", value=value)
    yield "delete.request", pb.DeleteRequest(txn_id="t1", namespace="n", agent_id="a", key="k")
    yield "commit.request", pb.CommitRequest(txn_id="t1")
    yield "commit.reply", pb.CommitResponse(commit_ts=9)
    yield "abort.request", pb.AbortRequest(txn_id="t1")
    yield (
        "list_keys.request",
        pb.ListKeysRequest(namespace="n", agent_id="a", at_commit_ts=9, limit=2, cursor="c1", prefix="p"),
    )
    yield "list_keys.reply", pb.ListKeysResponse(keys=["a", "b"], cursor="c2", read_ts=9)
    yield "scan_prefix.after.request", pb.ScanPrefixRequest(agent_id="a", after="k", at_commit_ts=9)
    yield "replay.request", pb.ReplayRequest(namespace="n", agent_id="a", start_ts=3, end_ts=9)
    yield (
        "replay_batches.request",
        pb.ReplayBatchesRequest(
            namespace="n", agent_id="a", from_ts=3, to_ts=9, follow=True, values=pb.VALUES_AS_PAYLOAD
        ),
    )
    yield (
        "replay_batches.placed.request",
        pb.ReplayBatchesRequest(from_ts=3, store_id=STATUS.store_id, epoch=STATUS.epoch),
    )
    yield "get_history.at.request", pb.GetHistoryRequest(agent_id="a", key="k", at_commit_ts=9)
    yield "list_agents.at.request", pb.ListAgentsRequest(at_commit_ts=9)
    yield "list_namespaces.cursor.request", pb.ListNamespacesRequest(limit=2, cursor="c1")
    yield (
        "commit_transaction.struct.request",
        pb.CommitTransactionRequest(txn_id="t1", changes=[pb.Change(agent_id="a", key="k", value=value)]),
    )


def pipeline(name: str, spoken: tuple[tuple[Request[Any], Any], ...]) -> Iterator[tuple[str, Message]]:
    """What waits together and travels together."""
    asked, answered = pb.RequestBatch(), pb.ReplyBatch()
    asked.items.add(id=1, cancel=pb.Cancel())
    answered.items.add(id=1, error=to_message(every_error()[1]))
    answered.items.add(id=2, too_large=pb.TooLarge())
    for number, (request, reply) in enumerate(spoken, 3):
        method = BY_REQUEST[type(request)]
        item = asked.items.add(id=number, timeout_ms=1500, traceparent="00-" + ORIGIN.trace_id)
        message = method.encode(request)
        getattr(item, method.field).CopyFrom(message)
        getattr(answered.items.add(id=number), method.field).CopyFrom(
            method.encode_reply(message, request, reply)
        )
    yield f"{name}.request", asked
    yield f"{name}.reply", answered


def forms(method: Method, asked: Any, request: Request[Any], reply: object) -> Iterator[tuple[str, Message]]:
    """A reply in every form of values that there is."""
    yield f"{method.field}.reply", method.encode_reply(asked, request, reply)
    if "values" in method.asked.DESCRIPTOR.fields_by_name:
        for name, form in (("struct", pb.VALUES_AS_STRUCT), ("left_out", pb.VALUES_LEFT_OUT)):
            asked.values = form
            yield f"{method.field}.{name}.reply", method.encode_reply(asked, request, reply)


def everything() -> Iterator[tuple[str, Message]]:
    """Every message by the name of its file."""
    for request, reply in (*SPOKEN, *ADDED):
        method = BY_REQUEST[type(request)]
        asked = method.encode(request)
        yield f"{method.field}.request", asked
        yield from forms(method, method.encode(request), request, reply)
    for name, (request, reply) in PLACED.items():
        method = BY_REQUEST[type(request)]
        asked = method.encode(request)
        yield f"{name}.request", asked
        yield f"{name}.reply", method.encode_reply(asked, request, reply)
    for error in every_error():
        yield f"error.{error.code}", to_message(error)
    yield from classic()
    yield from pipeline("pipeline", SPOKEN)
    yield from pipeline("pipeline.added", ADDED)


def written(message: Message) -> bytes:
    """Its bytes, with the members of maps in order."""
    return message.SerializeToString(deterministic=True)


def kept(name: str) -> bytes:
    """The bytes in a file."""
    return bytes.fromhex((GOLDEN / f"{name}.hex").read_text())


def main() -> None:
    """Writes the files that are not there yet."""
    GOLDEN.mkdir(exist_ok=True)
    for name, message in everything():
        path = GOLDEN / f"{name}.hex"
        if not path.exists():
            path.write_text(textwrap.fill(written(message).hex(), 100) + "\n")
            sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
