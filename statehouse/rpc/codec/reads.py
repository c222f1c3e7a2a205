"""The reads of state: one key, many keys, a scan, a history."""

from __future__ import annotations

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import StatehouseError
from statehouse.protocol.names import DEFAULT_NAMESPACE, RecordKey, check_text
from statehouse.protocol.replies import Entry, Page, Read
from statehouse.protocol.requests import Get, GetAtVersion, GetMany, History, Scan
from statehouse.rpc.codec.names import (
    ANY_SIZE,
    cursor_in,
    integer,
    key_in,
    limit_in,
    say_key,
    say_page,
    sequence,
    text,
)
from statehouse.rpc.codec.values import AS_PAYLOAD, KINDS, LEFT_OUT, check_form, payload_in, say_value


def encode_get(request: Get) -> pb.GetStateRequest:
    """See `Method.encode`."""
    message = pb.GetStateRequest(values=AS_PAYLOAD)
    say_key(message, request.key)
    if request.at is not None:
        message.at_commit_ts = integer("at", request.at)
    return message


def decode_get(message: pb.GetStateRequest) -> Get:
    """See `Method.decode`."""
    check_form(message)
    if message.HasField("at_commit_ts"):
        return Get(key_in(message), integer("at_commit_ts", message.at_commit_ts))
    return Get(key_in(message))


def encode_get_reply(asked: pb.GetStateRequest, _: Get, reply: Read) -> pb.GetStateResponse:
    """See `Method.encode_reply`."""
    message = pb.GetStateResponse()
    _say_read(message, reply, asked.values)
    return message


def encode_get_at_version(request: GetAtVersion) -> pb.GetStateAtVersionRequest:
    """See `Method.encode`."""
    message = pb.GetStateAtVersionRequest(values=AS_PAYLOAD)
    say_key(message, request.key)
    message.version = integer("version", request.version, 1)
    return message


def decode_get_at_version(message: pb.GetStateAtVersionRequest) -> GetAtVersion:
    """See `Method.decode`."""
    check_form(message)
    return GetAtVersion(key_in(message), integer("version", message.version, 1))


def encode_get_at_version_reply(
    asked: pb.GetStateAtVersionRequest, _: GetAtVersion, reply: Read
) -> pb.GetStateAtVersionResponse:
    """See `Method.encode_reply`."""
    message = pb.GetStateAtVersionResponse()
    _say_read(message, reply, asked.values)
    return message


def decode_read(
    request: Get | GetAtVersion, message: pb.GetStateResponse | pb.GetStateAtVersionResponse
) -> Read:
    """See `Method.decode_reply`."""
    kind = KINDS[message.kind]
    payload = payload_in(message.payload) if kind == "write" else None
    return Read(Entry(request.key, payload, message.version, message.commit_ts, kind), message.read_ts)


def _say_read(
    message: pb.GetStateResponse | pb.GetStateAtVersionResponse, reply: Read, form: pb.ValueForm
) -> None:
    entry = reply.entry
    say_value(message, entry.kind, entry.payload, form)
    message.version = entry.version
    message.commit_ts = entry.commit_ts
    message.exists = entry.exists
    message.read_ts = reply.read_ts


def say_entry(message: pb.StateEntry, entry: Entry, form: pb.ValueForm) -> None:
    """Writes an entry, all but its key."""
    say_value(message, entry.kind, entry.payload, form)
    message.version = entry.version
    message.commit_ts = entry.commit_ts


def entry_in(message: pb.StateEntry, key: RecordKey, *, payloads: bool = True) -> Entry:
    """An entry whose key is known."""
    kind = KINDS[message.kind]
    payload = payload_in(message.payload) if payloads and kind == "write" else None
    return Entry(key, payload, message.version, message.commit_ts, kind)


def encode_get_many(request: GetMany) -> pb.GetManyRequest:
    """See `Method.encode`."""
    message = pb.GetManyRequest(values=AS_PAYLOAD)
    for key in sequence("keys", request.keys):
        say_key(message.names.add(), key)
    if request.at is not None:
        message.at_commit_ts = integer("at", request.at)
    return message


def decode_get_many(message: pb.GetManyRequest) -> GetMany:
    """See `Method.decode`."""
    check_form(message)
    at = integer("at_commit_ts", message.at_commit_ts) if message.HasField("at_commit_ts") else None
    return GetMany(tuple([key_in(name) for name in message.names]), at)


def encode_get_many_reply(asked: pb.GetManyRequest, _: GetMany, reply: Page) -> pb.GetManyResponse:
    """See `Method.encode_reply`."""
    message = pb.GetManyResponse(read_ts=reply.read_ts)
    for entry in reply.entries:
        row = message.entries.add(key=entry.key.key)
        say_entry(row, entry, asked.values)
    return message


def decode_get_many_reply(request: GetMany, message: pb.GetManyResponse) -> Page:
    """See `Method.decode_reply`."""
    rows = message.entries
    if not bool(request.keys) <= len(rows) <= len(request.keys):
        raise StatehouseError(f"the daemon answered {len(rows)} entries for {len(request.keys)} keys")
    # A page ends at its bytes; then there are fewer entries than keys.
    entries = [entry_in(row, key) for key, row in zip(request.keys, rows, strict=False)]
    return Page(tuple(entries), None, message.read_ts)


def encode_scan(request: Scan) -> pb.ScanPrefixRequest:
    """See `Method.encode`."""
    check_text("namespace", request.namespace, ANY_SIZE)
    check_text("agent_id", request.agent_id, ANY_SIZE)
    check_text("prefix", request.prefix, ANY_SIZE, empty=True)
    message = pb.ScanPrefixRequest(
        namespace=request.namespace,
        agent_id=request.agent_id,
        prefix=request.prefix,
        values=LEFT_OUT if request.keys_only else AS_PAYLOAD,
        reverse=bool(request.reverse),
    )
    say_page(message, request.limit, request.cursor)
    if request.at is not None:
        message.at_commit_ts = integer("at", request.at)
    if request.after is not None:
        message.after = text("key", request.after)
    return message


def decode_scan(message: pb.ScanPrefixRequest) -> Scan:
    """See `Method.decode`. A page, also where the message has no limit and a call of its own asks for all."""
    check_form(message)
    return Scan(
        message.namespace or DEFAULT_NAMESPACE,
        message.agent_id,
        message.prefix,
        at=integer("at_commit_ts", message.at_commit_ts) if message.HasField("at_commit_ts") else None,
        reverse=message.reverse,
        keys_only=message.values == LEFT_OUT,
        # Unlike those of the other pages, it can be said to be 0, and means nothing then.
        limit=message.limit if message.HasField("limit") else limit_in(message),
        cursor=cursor_in(message),
        after=message.after if message.HasField("after") else None,
    )


def encode_scan_reply(asked: pb.ScanPrefixRequest, _: Scan, reply: Page) -> pb.ScanPrefixResponse:
    """See `Method.encode_reply`."""
    message = pb.ScanPrefixResponse(cursor=reply.cursor, read_ts=reply.read_ts)
    for entry in reply.entries:
        row = message.entries.add(key=entry.key.key)
        say_entry(row, entry, asked.values)
    return message


def decode_scan_reply(request: Scan, message: pb.ScanPrefixResponse) -> Page:
    """See `Method.decode_reply`."""
    namespace, agent_id, payloads = request.namespace, request.agent_id, not request.keys_only
    entries = [
        entry_in(row, RecordKey(namespace, agent_id, row.key), payloads=payloads) for row in message.entries
    ]
    return Page(tuple(entries), cursor_in(message), message.read_ts)


def encode_history(request: History) -> pb.GetHistoryRequest:
    """See `Method.encode`."""
    message = pb.GetHistoryRequest(values=AS_PAYLOAD, reverse=bool(request.reverse))
    say_key(message, request.key)
    say_page(message, request.limit, request.cursor)
    if request.at is not None:
        message.at_commit_ts = integer("at", request.at)
    return message


def decode_history(message: pb.GetHistoryRequest) -> History:
    """See `Method.decode`."""
    check_form(message)
    return History(
        key_in(message),
        at=integer("at_commit_ts", message.at_commit_ts) if message.HasField("at_commit_ts") else None,
        reverse=message.reverse,
        limit=limit_in(message),
        cursor=cursor_in(message),
    )


def encode_history_reply(asked: pb.GetHistoryRequest, _: History, reply: Page) -> pb.GetHistoryResponse:
    """See `Method.encode_reply`."""
    message = pb.GetHistoryResponse(cursor=reply.cursor, read_ts=reply.read_ts)
    for entry in reply.entries:
        say_entry(message.entries.add(), entry, asked.values)
    return message


def decode_history_reply(request: History, message: pb.GetHistoryResponse) -> Page:
    """See `Method.decode_reply`."""
    entries = [entry_in(row, request.key) for row in message.entries]
    return Page(tuple(entries), cursor_in(message), message.read_ts)
