"""Who asked and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.limits import DEFAULT_LIMITS
from statehouse.protocol.origin import NO_ORIGIN, Origin, check_origin
from statehouse.rpc.codec.names import ANY_SIZE

_ANY_SIZE: Final = replace(
    DEFAULT_LIMITS, agent_id_bytes_max=ANY_SIZE, key_bytes_max=ANY_SIZE, origin_bytes_max=ANY_SIZE
)


def check_sayable(origin: Origin) -> None:
    """Raises InvalidArgumentError for what is no origin."""
    if not isinstance(origin, Origin):
        raise InvalidArgumentError(
            f"an origin must be an Origin, not {type(origin).__name__}: {origin!r:.80}"
        )
    check_origin(origin, _ANY_SIZE)


def say_origin(message: pb.Origin, origin: Origin) -> None:
    """Writes an origin that was checked; leave out the message where nobody said anything."""
    # What is empty was not checked.
    if origin.trace_id:
        message.trace_id = origin.trace_id
    if origin.span_id:
        message.span_id = origin.span_id
    message.agent_id = origin.agent_id
    message.run_id = origin.run_id
    message.step = origin.step
    if origin.attributes:
        message.attributes.update(origin.attributes)


def origin_in(message: pb.Origin) -> Origin:
    """An origin; the engine checks it."""
    # A map has no order on the wire.
    attributes = dict(sorted(message.attributes.items())) if message.attributes else {}
    origin = Origin(
        message.trace_id, message.span_id, message.agent_id, message.run_id, message.step, attributes
    )
    return origin or NO_ORIGIN
