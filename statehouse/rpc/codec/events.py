"""Events: their pages, by replay and by origin, and their times."""

from __future__ import annotations

from typing import Final, cast

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.limits import COMMIT_TS_MAX, DEFAULT_LIMITS, check_integer, check_seconds
from statehouse.protocol.names import DEFAULT_NAMESPACE
from statehouse.protocol.origin import NO_ORIGIN
from statehouse.protocol.replies import Event, EventPage, Located, Operation, OperationKind
from statehouse.protocol.requests import FindEvents, LocateTime, OriginKind, Replay
from statehouse.rpc.codec.names import integer, limit_in, milliseconds, text
from statehouse.rpc.codec.origins import origin_in, say_origin
from statehouse.rpc.codec.values import AS_PAYLOAD, KINDS, LEFT_OUT, check_form, payload_in, say_value

_WAIT_S_MAX: Final = 3600.0

_ORIGIN_KINDS: Final[dict[int, OriginKind]] = {
    pb.ORIGIN_TRACE: "trace",
    pb.ORIGIN_SPAN: "span",
    pb.ORIGIN_RUN: "run",
    pb.ORIGIN_TXN: "txn",
}
_ORIGIN_NUMBERS: Final = {
    "trace": pb.ORIGIN_TRACE,
    "span": pb.ORIGIN_SPAN,
    "run": pb.ORIGIN_RUN,
    "txn": pb.ORIGIN_TXN,
}


def say_event(
    message: pb.ReplayEvent,
    event: Event,
    form: pb.ValueForm,
    *,
    namespace: str | None = None,
    agent_id: str | None = None,
) -> None:
    """Writes an event.

    Args:
        message: Where to.
        event: What happened.
        form: How to answer the values.
        namespace: The one that was asked for, which its operations need not repeat.
        agent_id: As `namespace`.
    """
    message.txn_id = event.txn_id
    message.commit_ts = event.commit_ts
    message.committed_at_us = event.committed_at_us
    if event.origin:
        say_origin(message.origin, event.origin)
    operations = message.operations
    for operation in event.operations:
        said = operations.add()
        said.key = operation.key
        said.version = operation.version
        say_value(said, operation.kind, operation.payload, form)
        if operation.namespace != namespace:
            said.namespace = operation.namespace
        if operation.agent_id != agent_id:
            said.agent_id = operation.agent_id


def event_in(
    message: pb.ReplayEvent, *, namespace: str | None, agent_id: str | None, payloads: bool = True
) -> Event:
    """An event; see `say_event`."""
    operations = []
    of_namespace, of_agent = namespace or DEFAULT_NAMESPACE, agent_id or ""
    for said in message.operations:
        kind = KINDS[said.kind]
        operations.append(
            Operation(
                said.namespace or of_namespace,
                said.agent_id or of_agent,
                said.key,
                cast("OperationKind", kind),
                said.version,
                payload_in(said.payload) if payloads and kind == "write" else None,
            )
        )
    origin = origin_in(message.origin) if message.HasField("origin") else NO_ORIGIN
    return Event(message.txn_id, message.commit_ts, message.committed_at_us, origin, tuple(operations))


def encode_replay(request: Replay) -> pb.ReplayPageRequest:
    """See `Method.encode`."""
    check_integer("limit", request.limit, 1, DEFAULT_LIMITS.page_rows_max)
    check_integer("from_ts", request.from_ts, 0)
    check_seconds("wait", request.wait_s, 0, _WAIT_S_MAX)
    message = pb.ReplayPageRequest(
        from_ts=request.from_ts,
        limit=request.limit,
        wait_ms=milliseconds(request.wait_s),
        values=AS_PAYLOAD if request.payloads else LEFT_OUT,
    )
    if request.namespace is not None:
        message.namespace = text("namespace", request.namespace, empty=False)
    if request.agent_id is not None:
        message.agent_id = text("agent_id", request.agent_id, empty=False)
    if request.to_ts is not None:
        message.to_ts = integer("to_ts", request.to_ts)
    _say_place(message, request.store_id, request.epoch)
    return message


def decode_replay(message: pb.ReplayPageRequest) -> Replay:
    """See `Method.decode`."""
    check_form(message)
    return Replay(
        message.namespace or DEFAULT_NAMESPACE if message.HasField("namespace") else None,
        message.agent_id if message.HasField("agent_id") else None,
        integer("from_ts", message.from_ts),
        integer("to_ts", message.to_ts) if message.HasField("to_ts") else None,
        limit_in(message),
        message.wait_ms / 1000,
        message.values != LEFT_OUT,
        message.store_id,
        integer("epoch", message.epoch),
    )


def encode_replay_reply(asked: pb.ReplayPageRequest, request: Replay, reply: EventPage) -> pb.EventPage:
    """See `Method.encode_reply`."""
    return page_of(reply, asked.values, namespace=request.namespace, agent_id=request.agent_id)


def decode_replay_reply(request: Replay, message: pb.EventPage) -> EventPage:
    """See `Method.decode_reply`."""
    namespace, agent_id, payloads = request.namespace, request.agent_id, request.payloads
    events = [
        event_in(each, namespace=namespace, agent_id=agent_id, payloads=payloads) for each in message.events
    ]
    return _page_in(message, events)


def page_of(
    reply: EventPage, form: pb.ValueForm, *, namespace: str | None = None, agent_id: str | None = None
) -> pb.EventPage:
    """A page of events as a message; see `say_event`."""
    message = pb.EventPage(
        through_commit_ts=reply.through_commit_ts,
        done=reply.done,
        store_id=reply.store_id,
        epoch=reply.epoch,
    )
    for event in reply.events:
        say_event(message.events.add(), event, form, namespace=namespace, agent_id=agent_id)
    return message


def encode_find(request: FindEvents) -> pb.FindEventsRequest:
    """See `Method.encode`."""
    check_integer("limit", request.limit, 1, DEFAULT_LIMITS.page_rows_max)
    by: object = request.by
    number = _ORIGIN_NUMBERS.get(by) if isinstance(by, str) else None
    if number is None:
        raise InvalidArgumentError(f"events are found by trace, span, run or txn, not {request.by!r:.80}")
    message = pb.FindEventsRequest(
        by=number,
        id=text("id", request.id),
        from_ts=integer("from_ts", request.from_ts),
        limit=request.limit,
        values=AS_PAYLOAD,
    )
    _say_place(message, request.store_id, request.epoch)
    return message


def decode_find(message: pb.FindEventsRequest) -> FindEvents:
    """See `Method.decode`."""
    check_form(message)
    by = _ORIGIN_KINDS.get(message.by)
    if by is None:
        raise InvalidArgumentError(
            f"by = {message.by} is not a kind of id: 1 is a trace, 2 a span, 3 a run, 4 a transaction"
        )
    return FindEvents(
        by,
        message.id,
        integer("from_ts", message.from_ts),
        limit_in(message),
        message.store_id,
        integer("epoch", message.epoch),
    )


def encode_find_reply(asked: pb.FindEventsRequest, _: FindEvents, reply: EventPage) -> pb.EventPage:
    """See `Method.encode_reply`."""
    return page_of(reply, asked.values)


def decode_find_reply(_: FindEvents, message: pb.EventPage) -> EventPage:
    """See `Method.decode_reply`."""
    return _page_in(message, [event_in(each, namespace=None, agent_id=None) for each in message.events])


def _page_in(message: pb.EventPage, events: list[Event]) -> EventPage:
    return EventPage(tuple(events), message.through_commit_ts, message.done, message.store_id, message.epoch)


def _say_place(message: pb.ReplayPageRequest | pb.FindEventsRequest, store_id: str, epoch: int) -> None:
    """Writes in which store and history a position is."""
    message.store_id = text("store_id", store_id)
    message.epoch = integer("epoch", epoch)


def encode_locate(request: LocateTime) -> pb.LocateTimeRequest:
    """See `Method.encode`."""
    check_integer("time_us (microseconds since 1970)", request.time_us, -COMMIT_TS_MAX)
    return pb.LocateTimeRequest(time_us=max(request.time_us, 0))


def decode_locate(message: pb.LocateTimeRequest) -> LocateTime:
    """See `Method.decode`."""
    return LocateTime(integer("time_us", message.time_us))


def encode_locate_reply(_asked: pb.LocateTimeRequest, _: LocateTime, reply: Located) -> pb.LocateTimeResponse:
    """See `Method.encode_reply`."""
    return pb.LocateTimeResponse(commit_ts=reply.commit_ts, committed_at_us=reply.committed_at_us)


def decode_locate_reply(request: LocateTime, message: pb.LocateTimeResponse) -> Located:
    """See `Method.decode_reply`."""
    if request.time_us < 0:
        # Before 1970 there was no commit; the wire, which cannot say so, was asked about 1970 itself.
        return Located(0, 0)
    return Located(message.commit_ts, message.committed_at_us)
