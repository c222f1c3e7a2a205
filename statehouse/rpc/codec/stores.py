"""The store itself: its health, its status, what lives in it, what a check finds in it."""

from __future__ import annotations

from typing import Any, cast

from statehouse._generated import statehouse_pb2 as pb
from statehouse.protocol.names import DEFAULT_NAMESPACE
from statehouse.protocol.replies import (
    AgentCounts,
    AgentPage,
    CheckPage,
    EngineVersion,
    Epoch,
    NamespaceCounts,
    NamespacePage,
    Problem,
    StoreStatus,
)
from statehouse.protocol.requests import Check, Health, ListAgents, ListNamespaces, Status, Version
from statehouse.rpc.codec.names import cursor_in, integer, limit_in, say_page, text


def encode_health(_: Health) -> pb.HealthRequest:
    """See `Method.encode`."""
    return pb.HealthRequest()


def decode_health(_: pb.HealthRequest) -> Health:
    """See `Method.decode`."""
    return Health()


def encode_health_reply(_asked: pb.HealthRequest, _: Health, reply: str) -> pb.HealthResponse:
    """See `Method.encode_reply`."""
    return pb.HealthResponse(status=reply)


def decode_health_reply(_: Health, message: pb.HealthResponse) -> str:
    """See `Method.decode_reply`."""
    return message.status


def encode_version(_: Version) -> pb.VersionRequest:
    """See `Method.encode`."""
    return pb.VersionRequest()


def decode_version(_: pb.VersionRequest) -> Version:
    """See `Method.decode`."""
    return Version()


def encode_version_reply(_asked: pb.VersionRequest, _: Version, reply: EngineVersion) -> pb.VersionResponse:
    """See `Method.encode_reply`."""
    return pb.VersionResponse(version=reply.version, git_sha=reply.git_sha)


def decode_version_reply(_: Version, message: pb.VersionResponse) -> EngineVersion:
    """See `Method.decode_reply`."""
    return EngineVersion(message.version, message.git_sha)


def encode_status(_: Status) -> pb.StatusRequest:
    """See `Method.encode`."""
    return pb.StatusRequest()


def decode_status(_: pb.StatusRequest) -> Status:
    """See `Method.decode`."""
    return Status()


def encode_status_reply(_asked: pb.StatusRequest, _: Status, reply: StoreStatus) -> pb.StatusResponse:
    """See `Method.encode_reply`."""
    epochs = [
        pb.Epoch(number=epoch.number, first_commit_ts=epoch.first_commit_ts, reason=epoch.reason)
        for epoch in reply.epochs
    ]
    return pb.StatusResponse(
        state=reply.state,
        reason=reply.reason,
        store_id=reply.store_id,
        epoch=reply.epoch,
        epochs=epochs,
        format=reply.format,
        commit_ts=reply.commit_ts,
        committed_at_us=reply.committed_at_us,
        horizon=reply.horizon,
        dedup_horizon=reply.dedup_horizon,
        head_digest=reply.head_digest,
        durability=reply.durability,
        storage=reply.storage,
        size_bytes=reply.size_bytes,
        queued_commits=reply.queued_commits,
        followers=reply.followers,
        details=reply.details,
    )


def decode_status_reply(_: Status, message: pb.StatusResponse) -> StoreStatus:
    """See `Method.decode_reply`."""
    # Words that a newer daemon may add are for people; they go on as they are.
    words: Any = cast("Any", message)
    return StoreStatus(
        state=words.state,
        reason=message.reason,
        store_id=message.store_id,
        epoch=message.epoch,
        epochs=tuple([Epoch(each.number, each.first_commit_ts, each.reason) for each in message.epochs]),
        format=message.format,
        commit_ts=message.commit_ts,
        committed_at_us=message.committed_at_us,
        horizon=message.horizon,
        dedup_horizon=message.dedup_horizon,
        head_digest=message.head_digest,
        durability=words.durability,
        storage=message.storage,
        size_bytes=message.size_bytes,
        queued_commits=message.queued_commits,
        followers=message.followers,
        # A map has no order on the wire.
        details=dict(sorted(message.details.items())),
    )


def encode_list_agents(request: ListAgents) -> pb.ListAgentsRequest:
    """See `Method.encode`."""
    message = pb.ListAgentsRequest(namespace=text("namespace", request.namespace, empty=False))
    say_page(message, request.limit, request.cursor)
    if request.at is not None:
        message.at_commit_ts = integer("at", request.at)
    return message


def decode_list_agents(message: pb.ListAgentsRequest) -> ListAgents:
    """See `Method.decode`."""
    return ListAgents(
        message.namespace or DEFAULT_NAMESPACE,
        at=integer("at_commit_ts", message.at_commit_ts) if message.HasField("at_commit_ts") else None,
        limit=limit_in(message),
        cursor=cursor_in(message),
    )


def encode_list_agents_reply(
    _asked: pb.ListAgentsRequest, _: ListAgents, reply: AgentPage
) -> pb.ListAgentsResponse:
    """See `Method.encode_reply`."""
    message = pb.ListAgentsResponse(cursor=reply.cursor, read_ts=reply.read_ts)
    for agent in reply.agents:
        message.agents.add(
            namespace=agent.namespace,
            agent_id=agent.agent_id,
            keys=agent.keys,
            events=agent.events,
            last_commit_ts=agent.last_commit_ts,
        )
    return message


def decode_list_agents_reply(_: ListAgents, message: pb.ListAgentsResponse) -> AgentPage:
    """See `Method.decode_reply`."""
    agents = [
        AgentCounts(each.namespace, each.agent_id, each.keys, each.events, each.last_commit_ts)
        for each in message.agents
    ]
    return AgentPage(tuple(agents), cursor_in(message), message.read_ts)


def encode_list_namespaces(request: ListNamespaces) -> pb.ListNamespacesRequest:
    """See `Method.encode`."""
    message = pb.ListNamespacesRequest()
    say_page(message, request.limit, request.cursor)
    if request.at is not None:
        message.at_commit_ts = integer("at", request.at)
    return message


def decode_list_namespaces(message: pb.ListNamespacesRequest) -> ListNamespaces:
    """See `Method.decode`."""
    at = integer("at_commit_ts", message.at_commit_ts) if message.HasField("at_commit_ts") else None
    return ListNamespaces(at=at, limit=limit_in(message), cursor=cursor_in(message))


def encode_list_namespaces_reply(
    _asked: pb.ListNamespacesRequest, _: ListNamespaces, reply: NamespacePage
) -> pb.ListNamespacesResponse:
    """See `Method.encode_reply`."""
    message = pb.ListNamespacesResponse(cursor=reply.cursor, read_ts=reply.read_ts)
    for each in reply.namespaces:
        message.namespaces.add(
            namespace=each.namespace,
            agents=each.agents,
            keys=each.keys,
            events=each.events,
            last_commit_ts=each.last_commit_ts,
        )
    return message


def decode_list_namespaces_reply(_: ListNamespaces, message: pb.ListNamespacesResponse) -> NamespacePage:
    """See `Method.decode_reply`."""
    namespaces = [
        NamespaceCounts(each.namespace, each.agents, each.keys, each.events, each.last_commit_ts)
        for each in message.namespaces
    ]
    return NamespacePage(tuple(namespaces), cursor_in(message), message.read_ts)


def encode_check(request: Check) -> pb.CheckRequest:
    """See `Method.encode`."""
    message = pb.CheckRequest()
    say_page(message, request.limit, request.cursor)
    return message


def decode_check(message: pb.CheckRequest) -> Check:
    """See `Method.decode`."""
    return Check(cursor_in(message), limit_in(message))


def encode_check_reply(_asked: pb.CheckRequest, _: Check, reply: CheckPage) -> pb.CheckResponse:
    """See `Method.encode_reply`."""
    message = pb.CheckResponse(
        checked=reply.checked,
        done_fraction=reply.done_fraction,
        cursor=reply.cursor,
        head_digest=reply.head_digest,
    )
    for problem in reply.problems:
        message.problems.add(commit_ts=problem.commit_ts, table=problem.table, what=problem.what)
    return message


def decode_check_reply(_: Check, message: pb.CheckResponse) -> CheckPage:
    """See `Method.decode_reply`."""
    problems = [Problem(each.commit_ts, each.table, each.what) for each in message.problems]
    return CheckPage(
        tuple(problems), message.checked, message.done_fraction, cursor_in(message), message.head_digest
    )
