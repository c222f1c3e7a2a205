"""Every request that an engine answers, as a call and as an item of the pipeline: one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError, Message

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError
from statehouse.protocol import requests
from statehouse.protocol.requests import Request
from statehouse.rpc.codec import commits, erasing, events, reads, stores

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Method:
    """How one request travels.

    Attributes:
        call: The name of its unary RPC.
        field: Its member in ``RequestItem.request`` and ``ReplyItem.reply``.
        request: Its class.
        asked: The message that it becomes.
        answered: The message that its reply becomes.
        encode: For who asks: the message of a request. Raises `InvalidArgumentError` for what cannot be said.
        decode: For the daemon: the request of a message; the engine, which knows the limits, has the last
            word. Raises `InvalidArgumentError` or `LimitExceededError`, and nothing else, whatever is in it.
        encode_reply: For the daemon: the message of a reply, given what was asked, as a message and as a
            request. Values are in the form that the message asks for.
        decode_reply: For who asks: the reply to a request, as an engine of his own gives it. Raises
            `StatehouseError` for an answer that makes no sense.
    """

    call: str
    field: str
    request: type[Request[Any]]
    asked: type[Message]
    answered: type[Message]
    encode: Callable[[Any], Message]
    decode: Callable[[Any], Request[Any]]
    encode_reply: Callable[[Any, Any, Any], Message]
    decode_reply: Callable[[Any, Any], Any]


METHODS: Final = (
    Method(
        "Health",
        "health",
        requests.Health,
        pb.HealthRequest,
        pb.HealthResponse,
        stores.encode_health,
        stores.decode_health,
        stores.encode_health_reply,
        stores.decode_health_reply,
    ),
    Method(
        "Version",
        "version",
        requests.Version,
        pb.VersionRequest,
        pb.VersionResponse,
        stores.encode_version,
        stores.decode_version,
        stores.encode_version_reply,
        stores.decode_version_reply,
    ),
    Method(
        "GetState",
        "get_state",
        requests.Get,
        pb.GetStateRequest,
        pb.GetStateResponse,
        reads.encode_get,
        reads.decode_get,
        reads.encode_get_reply,
        reads.decode_read,
    ),
    Method(
        "GetStateAtVersion",
        "get_state_at_version",
        requests.GetAtVersion,
        pb.GetStateAtVersionRequest,
        pb.GetStateAtVersionResponse,
        reads.encode_get_at_version,
        reads.decode_get_at_version,
        reads.encode_get_at_version_reply,
        reads.decode_read,
    ),
    Method(
        "GetMany",
        "get_many",
        requests.GetMany,
        pb.GetManyRequest,
        pb.GetManyResponse,
        reads.encode_get_many,
        reads.decode_get_many,
        reads.encode_get_many_reply,
        reads.decode_get_many_reply,
    ),
    Method(
        "ScanPrefix",
        "scan_prefix",
        requests.Scan,
        pb.ScanPrefixRequest,
        pb.ScanPrefixResponse,
        reads.encode_scan,
        reads.decode_scan,
        reads.encode_scan_reply,
        reads.decode_scan_reply,
    ),
    Method(
        "GetHistory",
        "get_history",
        requests.History,
        pb.GetHistoryRequest,
        pb.GetHistoryResponse,
        reads.encode_history,
        reads.decode_history,
        reads.encode_history_reply,
        reads.decode_history_reply,
    ),
    Method(
        "ListAgents",
        "list_agents",
        requests.ListAgents,
        pb.ListAgentsRequest,
        pb.ListAgentsResponse,
        stores.encode_list_agents,
        stores.decode_list_agents,
        stores.encode_list_agents_reply,
        stores.decode_list_agents_reply,
    ),
    Method(
        "ListNamespaces",
        "list_namespaces",
        requests.ListNamespaces,
        pb.ListNamespacesRequest,
        pb.ListNamespacesResponse,
        stores.encode_list_namespaces,
        stores.decode_list_namespaces,
        stores.encode_list_namespaces_reply,
        stores.decode_list_namespaces_reply,
    ),
    Method(
        "ReplayPage",
        "replay_page",
        requests.Replay,
        pb.ReplayPageRequest,
        pb.EventPage,
        events.encode_replay,
        events.decode_replay,
        events.encode_replay_reply,
        events.decode_replay_reply,
    ),
    Method(
        "FindEvents",
        "find_events",
        requests.FindEvents,
        pb.FindEventsRequest,
        pb.EventPage,
        events.encode_find,
        events.decode_find,
        events.encode_find_reply,
        events.decode_find_reply,
    ),
    Method(
        "LocateTime",
        "locate_time",
        requests.LocateTime,
        pb.LocateTimeRequest,
        pb.LocateTimeResponse,
        events.encode_locate,
        events.decode_locate,
        events.encode_locate_reply,
        events.decode_locate_reply,
    ),
    Method(
        "LookupTransaction",
        "lookup_transaction",
        requests.LookupTxn,
        pb.LookupTransactionRequest,
        pb.LookupTransactionResponse,
        commits.encode_lookup,
        commits.decode_lookup,
        commits.encode_lookup_reply,
        commits.decode_lookup_reply,
    ),
    Method(
        "CommitTransaction",
        "commit_transaction",
        requests.Commit,
        pb.CommitTransactionRequest,
        pb.CommitTransactionResponse,
        commits.encode_commit,
        commits.decode_commit,
        commits.encode_commit_reply,
        commits.decode_commit_reply,
    ),
    Method(
        "Status",
        "status",
        requests.Status,
        pb.StatusRequest,
        pb.StatusResponse,
        stores.encode_status,
        stores.decode_status,
        stores.encode_status_reply,
        stores.decode_status_reply,
    ),
    Method(
        "Check",
        "check",
        requests.Check,
        pb.CheckRequest,
        pb.CheckResponse,
        stores.encode_check,
        stores.decode_check,
        stores.encode_check_reply,
        stores.decode_check_reply,
    ),
    Method(
        "Erase",
        "erase",
        requests.Erase,
        pb.EraseRequest,
        pb.EraseResponse,
        erasing.encode_erase,
        erasing.decode_erase,
        erasing.encode_erase_reply,
        erasing.decode_erase_reply,
    ),
)

BY_REQUEST: Final[Mapping[type, Method]] = {method.request: method for method in METHODS}
BY_FIELD: Final[Mapping[str, Method]] = {method.field: method for method in METHODS}


def parse(kind: type[M], data: bytes) -> M:
    """Gives the message that bytes are.

    Raises:
        InvalidArgumentError: They are no such message: random, cut short, text that is not UTF-8, too deep.
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InvalidArgumentError(
            f"these {len(data)} bytes are not a {kind.DESCRIPTOR.name}: {error}"
        ) from None
