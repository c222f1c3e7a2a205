"""What is to be erased, and what was."""

from __future__ import annotations

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.names import DEFAULT_NAMESPACE
from statehouse.protocol.replies import Erased
from statehouse.protocol.requests import Erase
from statehouse.rpc.codec.names import cursor_in, limit_in, say_page, sequence, text


def encode_erase(request: Erase) -> pb.EraseRequest:
    """See `Method.encode`."""
    if not isinstance(request.dry_run, bool):
        raise InvalidArgumentError(f"dry_run must be a bool, not {type(request.dry_run).__name__}")
    message = pb.EraseRequest(
        namespace=text("namespace", request.namespace, empty=False),
        agent_id=text("agent_id", request.agent_id, empty=False),
        keys=[text("key", key, empty=False) for key in sequence("keys", request.keys)],
        prefixes=[text("prefix", prefix) for prefix in sequence("prefixes", request.prefixes)],
        dry_run=request.dry_run,
    )
    say_page(message, request.limit, request.cursor)
    return message


def decode_erase(message: pb.EraseRequest) -> Erase:
    """See `Method.decode`."""
    return Erase(
        message.namespace or DEFAULT_NAMESPACE,
        message.agent_id,
        tuple(message.keys),
        tuple(message.prefixes),
        message.dry_run,
        limit_in(message),
        cursor_in(message),
    )


def encode_erase_reply(_asked: pb.EraseRequest, _: Erase, reply: Erased) -> pb.EraseResponse:
    """See `Method.encode_reply`."""
    return pb.EraseResponse(
        versions=reply.versions,
        shared_versions=reply.shared_versions,
        shared_keys=reply.shared_keys,
        cursor=reply.cursor,
    )


def decode_erase_reply(_: Erase, message: pb.EraseResponse) -> Erased:
    """See `Method.decode_reply`."""
    return Erased(message.versions, message.shared_versions, tuple(message.shared_keys), cursor_in(message))
