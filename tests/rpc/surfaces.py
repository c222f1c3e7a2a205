"""Everything that can be sent to a daemon: one row for each RPC, with requests that are answered.

A test that changes one thing about a good request knows what the answer is about. The good requests of an RPC
set, together, every field that its message has: a test says which field of the contract is missing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from statehouse._generated import statehouse_pb2 as pb
from statehouse.engine import open_engine
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Event
from statehouse.protocol.requests import Check, Commit, Delete, Replay, Status, Write
from statehouse.protocol.values import encode
from statehouse.rpc.serving import ServerOptions
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.rpc.raw import RawClient, raw

NAMESPACE: Final = "house"
AGENT: Final = "planner"
TRACE: Final = "0123456789abcdef" * 2
SPAN: Final = "fedcba9876543210"
TXN: Final = "the-first"


def history(limits: Limits = DEFAULT_LIMITS) -> Engine:
    """A short history: keys that begin alike, a delete, an origin, several agents and namespaces."""
    engine = open_engine(MemoryStore(), durability="none", limits=limits)
    origin = Origin(TRACE, SPAN, AGENT, "run-1", "step-1", {"why": "because"})
    commits: list[dict[str, Any]] = [
        {"a": 1, "ab": {"n": 2}, "abc": [3]},
        {"a": {"n": 4}, "ab": None},
        {"b": {}},
    ]
    for number, values in enumerate(commits):
        operations = [
            Delete(key) if value is None else Write(key, encode(value))
            for key, value in ((RecordKey(NAMESPACE, AGENT, name), value) for name, value in values.items())
        ]
        other = Write(RecordKey(NAMESPACE, "other", "a"), encode({"n": number}))
        engine.execute(Commit(TXN if not number else f"txn-{number}", (*operations, other), origin=origin))
    engine.execute(Commit("elsewhere", (Write(RecordKey("elsewhere", AGENT, "a"), encode(0)),)))
    return engine


class World:
    """A daemon, and all that is known of it.

    Args:
        engine: What it serves.
        client: To it.
        target: Where it is.
    """

    def __init__(self, engine: Engine, client: RawClient, target: str) -> None:
        self.engine = engine
        self.client = client
        self.target = target

    def everything(self) -> object:
        """All that ever happened in the store, and what it says of itself."""
        status = self.engine.execute(Status())
        assert status.state == "ok", status
        events: list[Event] = []
        through_ts = 0
        while through_ts < status.commit_ts:
            page = self.engine.execute(Replay(from_ts=through_ts + 1))
            events += page.events
            through_ts = page.through_commit_ts
        return events, status.store_id, status.epochs, status.head_digest

    def problems(self) -> Sequence[object]:
        """What a check of the whole store finds."""
        page = self.engine.execute(Check(limit=10_000))
        found = list(page.problems)
        while page.cursor is not None:
            page = self.engine.execute(Check(page.cursor, limit=10_000))
            found += page.problems
        return found

    def ask(self, call: str, request: Message, kind: type[Message]) -> Any:
        """The reply to a good request."""
        return self.client.call(call, request.SerializeToString()).reply(kind)

    def begin(self, timeout_ms: int = 30_000) -> str:
        """An open transaction."""
        asked = pb.BeginTransactionRequest(timeout_ms=timeout_ms)
        reply = self.ask("BeginTransaction", asked, pb.BeginTransactionResponse)
        txn_id: str = reply.txn_id
        return txn_id

    def cursor(self, call: str, request: Message, kind: type[Message]) -> str:
        """Where the second page of a request begins."""
        cursor: str = self.ask(call, request, kind).cursor
        assert cursor, f"{call} has no second page"
        return cursor


@contextmanager
def attacked(options: ServerOptions = ServerOptions()) -> Iterator[World]:  # noqa: B008 - frozen
    """Gives a daemon with a short history, in this process; all that was staged in it goes with it."""
    engine = history(options.limits)
    try:
        with serving(engine, options, grace_s=1.0) as target, raw(target) as client:
            yield World(engine, client, target)
    finally:
        engine.close()


def struct(**members: Any) -> Struct:
    """A JSON object as a Struct."""
    made = Struct()
    made.update(members)
    return made


def _key(**more: Any) -> dict[str, Any]:
    return {"namespace": NAMESPACE, "agent_id": AGENT, "key": "a", **more}


def _here(world: World) -> dict[str, Any]:
    """The history that a position is in."""
    status = world.ask("Status", pb.StatusRequest(), pb.StatusResponse)
    return {"store_id": status.store_id, "epoch": status.epoch}


_VALUES: Final = pb.VALUES_AS_PAYLOAD
_EVENTS: Final[dict[str, Any]] = {"namespace": NAMESPACE, "agent_id": AGENT, "from_ts": 1}


def _write(world: World) -> list[Message]:
    return [pb.WriteRequest(txn_id=world.begin(), **_key(value=struct(n=1, deep={"list": [1, None]})))]


def _keys(world: World) -> list[Message]:
    first: dict[str, Any] = {"namespace": NAMESPACE, "agent_id": AGENT, "limit": 1, "prefix": "a"}
    cursor = world.cursor("ListKeys", pb.ListKeysRequest(**first), pb.ListKeysResponse)
    return [pb.ListKeysRequest(**first, at_commit_ts=1), pb.ListKeysRequest(**first, cursor=cursor)]


def _scan(world: World) -> list[Message]:
    first: dict[str, Any] = {
        "namespace": NAMESPACE,
        "agent_id": AGENT,
        "limit": 1,
        "prefix": "a",
        "values": _VALUES,
        "reverse": True,
    }
    cursor = world.cursor("ScanPrefix", pb.ScanPrefixRequest(**first), pb.ScanPrefixResponse)
    return [
        pb.ScanPrefixRequest(**first, at_commit_ts=1, after="ab"),
        pb.ScanPrefixRequest(**first, cursor=cursor),
    ]


def _versions(world: World) -> list[Message]:
    first = _key(limit=1, values=_VALUES, reverse=True)
    cursor = world.cursor("GetHistory", pb.GetHistoryRequest(**first), pb.GetHistoryResponse)
    return [pb.GetHistoryRequest(**first, at_commit_ts=1), pb.GetHistoryRequest(**first, cursor=cursor)]


def _agents(world: World) -> list[Message]:
    first: dict[str, Any] = {"namespace": NAMESPACE, "limit": 1}
    cursor = world.cursor("ListAgents", pb.ListAgentsRequest(**first), pb.ListAgentsResponse)
    return [pb.ListAgentsRequest(**first, at_commit_ts=1), pb.ListAgentsRequest(**first, cursor=cursor)]


def _namespaces(world: World) -> list[Message]:
    cursor = world.cursor("ListNamespaces", pb.ListNamespacesRequest(limit=1), pb.ListNamespacesResponse)
    return [
        pb.ListNamespacesRequest(limit=1, at_commit_ts=1),
        pb.ListNamespacesRequest(limit=1, cursor=cursor),
    ]


def _check(world: World) -> list[Message]:
    cursor = world.cursor("Check", pb.CheckRequest(limit=1), pb.CheckResponse)
    return [pb.CheckRequest(limit=1, cursor=cursor)]


def _erase(world: World) -> list[Message]:
    """Of an agent who never wrote anything: whatever becomes of the request, it erases nothing."""
    first: dict[str, Any] = {"namespace": NAMESPACE, "agent_id": "nobody", "prefixes": ["a"], "keys": ["k"]}
    cursor = world.cursor("Erase", pb.EraseRequest(**first, limit=1), pb.EraseResponse)
    return [pb.EraseRequest(**first, limit=1, cursor=cursor), pb.EraseRequest(**first, dry_run=True)]


def _commit(world: World) -> list[Message]:
    """Refused, whatever is right about it: a precondition that does not hold is the last thing looked at."""
    status = world.ask("Status", pb.StatusRequest(), pb.StatusResponse)
    origin = pb.Origin(
        trace_id=TRACE, span_id=SPAN, agent_id=AGENT, run_id="run", step="step", attributes={"why": "so"}
    )
    copied = pb.Part(copy=pb.ByteRange(start=1, stop=2))
    extension = pb.Extension(
        base=pb.RecordName(**_key()),
        base_version=2,
        parts=[copied, pb.Part(data=b"0")],
        content_type="application/json",
    )
    return [
        pb.CommitTransactionRequest(
            txn_id="refused",
            changes=[change],
            read_ts=status.commit_ts,
            reads=[pb.RecordName(**_key())],
            ranges=[
                pb.KeyRange(
                    namespace=NAMESPACE, agent_id=AGENT, prefix="a", first="a", last="b", keys_only=True
                )
            ],
            preconditions=[condition],
            origin=origin,
            made_at_ts=1,
            **_here(world),
            committed_at_us=1,
            timeout_ms=30_000,
        )
        for change, condition in (
            (
                pb.Change(**_key(payload=pb.Payload(content_type="text/plain", data=b"x"))),
                pb.Precondition(name=pb.RecordName(**_key()), version=7),
            ),
            (
                pb.Change(**_key(value=struct(n=1, deep={"list": [1, None]}))),
                pb.Precondition(name=pb.RecordName(**_key()), commit_ts=1),
            ),
            (
                pb.Change(**_key(extension=extension)),
                pb.Precondition(name=pb.RecordName(**_key()), version=7),
            ),
            (
                pb.Change(**_key(delete=pb.Tombstone())),
                pb.Precondition(name=pb.RecordName(**_key()), version=7),
            ),
        )
    ]


def _pipeline(world: World) -> list[Message]:
    """Every kind of item, each of them good."""
    items = [
        pb.RequestItem(
            id=number,
            timeout_ms=30_000,
            traceparent=f"00-{TRACE}-{SPAN}-01",
            **{surface.field: request},  # type: ignore[arg-type]
        )
        for number, (surface, request) in enumerate(
            ((surface, request) for surface in SURFACES if surface.field for request in surface.good(world)),
            1,
        )
    ]
    return [pb.RequestBatch(items=[*items, pb.RequestItem(id=len(items), cancel=pb.Cancel())])]


@dataclass(frozen=True, slots=True)
class Surface:
    """An RPC, and how it is asked.

    Attributes:
        call: Its name.
        asked: What is sent.
        good: Requests that are answered, each once; what they change is never committed.
        field: Its name as an item of a pipeline.
        refused: What the good ones are answered where an answer would change the store.
    """

    call: str
    asked: type[Message]
    good: Callable[[World], Sequence[Message]]
    field: str | None = None
    refused: str = "OK"


SURFACES: Final = (
    Surface("Health", pb.HealthRequest, lambda _: [pb.HealthRequest()], "health"),
    Surface("Version", pb.VersionRequest, lambda _: [pb.VersionRequest()], "version"),
    Surface(
        "BeginTransaction",
        pb.BeginTransactionRequest,
        lambda _: [pb.BeginTransactionRequest(timeout_ms=1)],
    ),
    Surface("Write", pb.WriteRequest, _write),
    Surface(
        "Delete",
        pb.DeleteRequest,
        lambda world: [pb.DeleteRequest(txn_id=world.begin(), **_key())],
    ),
    Surface("Commit", pb.CommitRequest, lambda world: [pb.CommitRequest(txn_id=world.begin())]),
    Surface("Abort", pb.AbortRequest, lambda world: [pb.AbortRequest(txn_id=world.begin())]),
    Surface(
        "GetState",
        pb.GetStateRequest,
        lambda _: [pb.GetStateRequest(**_key(at_commit_ts=1, values=_VALUES))],
        "get_state",
    ),
    Surface(
        "GetStateAtVersion",
        pb.GetStateAtVersionRequest,
        lambda _: [pb.GetStateAtVersionRequest(**_key(version=1, values=_VALUES))],
        "get_state_at_version",
    ),
    Surface("ListKeys", pb.ListKeysRequest, _keys),
    Surface("ScanPrefix", pb.ScanPrefixRequest, _scan, "scan_prefix"),
    Surface(
        "Replay",
        pb.ReplayRequest,
        lambda _: [pb.ReplayRequest(namespace=NAMESPACE, agent_id=AGENT, start_ts=1, end_ts=2)],
    ),
    Surface(
        "CommitTransaction",
        pb.CommitTransactionRequest,
        _commit,
        "commit_transaction",
        refused="FAILED_PRECONDITION PRECONDITION_FAILED",
    ),
    Surface(
        "LookupTransaction",
        pb.LookupTransactionRequest,
        lambda _: [pb.LookupTransactionRequest(txn_id=TXN)],
        "lookup_transaction",
    ),
    Surface(
        "GetMany",
        pb.GetManyRequest,
        lambda _: [pb.GetManyRequest(names=[pb.RecordName(**_key())], at_commit_ts=1, values=_VALUES)],
        "get_many",
    ),
    Surface("GetHistory", pb.GetHistoryRequest, _versions, "get_history"),
    Surface("ListAgents", pb.ListAgentsRequest, _agents, "list_agents"),
    Surface("ListNamespaces", pb.ListNamespacesRequest, _namespaces, "list_namespaces"),
    Surface(
        "ReplayPage",
        pb.ReplayPageRequest,
        lambda world: [
            pb.ReplayPageRequest(**_EVENTS, **_here(world), to_ts=2, limit=10, wait_ms=1, values=_VALUES)
        ],
        "replay_page",
    ),
    Surface(
        "ReplayBatches",
        pb.ReplayBatchesRequest,
        lambda world: [
            pb.ReplayBatchesRequest(**_EVENTS, **_here(world), to_ts=2, follow=True, values=_VALUES)
        ],
    ),
    Surface(
        "FindEvents",
        pb.FindEventsRequest,
        lambda world: [
            pb.FindEventsRequest(
                by=pb.ORIGIN_TRACE, id=TRACE, from_ts=1, limit=10, values=_VALUES, **_here(world)
            )
        ],
        "find_events",
    ),
    Surface("LocateTime", pb.LocateTimeRequest, lambda _: [pb.LocateTimeRequest(time_us=1)], "locate_time"),
    Surface("Status", pb.StatusRequest, lambda _: [pb.StatusRequest()], "status"),
    Surface("Check", pb.CheckRequest, _check, "check"),
    Surface("Erase", pb.EraseRequest, _erase, "erase"),
    Surface("Pipeline", pb.RequestBatch, _pipeline),
)

BY_CALL: Final = {surface.call: surface for surface in SURFACES}
