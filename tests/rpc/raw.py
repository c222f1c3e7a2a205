"""A client that sends bytes, so that what it sends can be wrong in any way, and reads what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from statehouse._generated import statehouse_pb2 as pb
from statehouse.rpc.status import from_message, status_of

SERVICE: Final = pb.DESCRIPTOR.services_by_name["StatehouseService"]
TIMEOUT_S: Final = 20.0
ALONE: Final = (("grpc.use_local_subchannel_pool", 1),)
"""The option of a channel that shares its connection with no other."""

_LARGE: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 1 << 20),
    ("grpc.absolute_max_metadata_size", 1 << 20),
    # One call is one call.
    ("grpc.enable_retries", 0),
    # A daemon may hang up on what it is sent.
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 100),
)

Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call.

    Attributes:
        status: The name of its gRPC status.
        code: The name of the `ErrorCode` in its details; empty where there is none.
        message: What the error says.
        replies: What was answered before that.
    """

    status: str
    code: str = ""
    message: str = ""
    replies: tuple[bytes, ...] = ()

    @property
    def short(self) -> str:
        """Status and code."""
        return f"{self.status} {self.code}".strip()

    def reply(self, kind: type[Message]) -> Any:
        """The one reply, as a message."""
        assert self.status == "OK", (self.status, self.code, self.message)
        [data] = self.replies
        return kind.FromString(data)


class RawClient:
    """Calls with bytes.

    Args:
        target: Where the daemon is.
        options: More for the channel.
    """

    def __init__(self, target: str, options: Sequence[tuple[str, int]] = ()) -> None:
        self._channel = grpc.insecure_channel(target, (*_LARGE, *options))

    def close(self) -> None:
        """Ends every call."""
        self._channel.close()

    def call(self, name: str, data: bytes, *, timeout: float = TIMEOUT_S, metadata: Metadata = ()) -> Outcome:
        """Sends one message, to a call of any kind, and reads all that is answered."""
        return self.calls(name, [data], timeout=timeout, metadata=metadata)

    def calls(
        self, name: str, data: Iterable[bytes], *, timeout: float = TIMEOUT_S, metadata: Metadata = ()
    ) -> Outcome:
        """Sends messages, also where one is expected, and reads all that is answered."""
        replies: list[bytes] = []
        try:
            replies.extend(self.open(name, data, timeout=timeout, metadata=metadata))
        except grpc.RpcError as error:
            return _failed(error, tuple(replies))
        return Outcome("OK", replies=tuple(replies))

    def open(
        self, name: str, data: Iterable[bytes], *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Any:
        """Begins a call and gives it, to be iterated or cancelled."""
        # On the wire a call of one message is a stream of one.
        start = self._channel.stream_stream(f"/{SERVICE.full_name}/{name}")
        return start(iter(data), timeout=timeout, metadata=tuple(metadata))

    def item(self, field: str, data: bytes, *, ident: int = 1, timeout: float = TIMEOUT_S) -> Outcome:
        """Sends one message as the only item of a pipeline."""
        return self.items(item(field, data, ident=ident), timeout=timeout).get(ident, _nothing)

    def items(self, *items: bytes, timeout: float = TIMEOUT_S) -> dict[int, Outcome]:
        """Sends items as one batch of a pipeline; gives the outcome of each, by its id.

        An end of the stream that is no good one is the outcome of all that have no other.
        """
        ended = self.call("Pipeline", batch(items), timeout=timeout)
        found = {
            ident: Outcome(ended.status, ended.code, ended.message)
            for ident in (_ident(each) for each in items)
            if ended.status != "OK"
        }
        for data in ended.replies:
            for reply in pb.ReplyBatch.FromString(data).items:
                found[reply.id] = _answered(reply)
        return found


@contextmanager
def raw(target: str, options: Sequence[tuple[str, int]] = ()) -> Iterator[RawClient]:
    """Gives a client that is closed at the end."""
    client = RawClient(target, options)
    try:
        yield client
    finally:
        client.close()


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


def tagged(number: int, data: bytes) -> bytes:
    """Bytes as a field of a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def item(field: str, data: bytes, *, ident: int = 1, timeout_ms: int = 0) -> bytes:
    """Bytes as an item of a pipeline."""
    number = pb.RequestItem.DESCRIPTOR.fields_by_name[field].number
    said = b"\x08" + varint(ident)
    if timeout_ms:
        said += b"\x10" + varint(timeout_ms)
    return said + tagged(number, data)


def batch(items: Iterable[bytes]) -> bytes:
    """Items as what travels together."""
    return b"".join(tagged(1, each) for each in items)


def _ident(item: bytes) -> int:
    ident = shift = 0
    for byte in item[1:11]:
        ident |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return ident


_nothing: Final = Outcome("UNANSWERED")


def _answered(reply: pb.ReplyItem) -> Outcome:
    kind = reply.WhichOneof("reply")
    if kind == "error":
        error = reply.error
        return Outcome(status_of(from_message(error)).name, pb.ErrorCode.Name(error.code), error.message)
    assert kind is not None
    return Outcome("OK", replies=(getattr(reply, kind).SerializeToString(),))


def _failed(error: Any, replies: tuple[bytes, ...]) -> Outcome:
    details = {item.key: item.value for item in error.trailing_metadata() or ()}.get(
        "grpc-status-details-bin"
    )
    said = pb.StatehouseError()
    if details is not None:
        [packed] = Status.FromString(details).details
        assert packed.Unpack(said)
    code = pb.ErrorCode.Name(said.code) if said.code else ""
    return Outcome(error.code().name, code, said.message or error.details() or "", replies)
