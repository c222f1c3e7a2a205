"""A client that knows nothing of Statehouse: it asks the daemon what can be called, as grpcurl does."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

STATEHOUSE: Final = "statehouse.v1.StatehouseService"
ERROR: Final = "statehouse.v1.StatehouseError"

_TIMEOUT_S: Final = 30.0
_DETAILS: Final = "grpc-status-details-bin"

Json = dict[str, Any]


class ReflectedError(Exception):
    """A call failed: with this status, and with a StatehouseError as JSON, if there was one."""

    def __init__(self, status: grpc.StatusCode, message: str, error: Json | None) -> None:
        super().__init__(f"{status.name}: {message}")
        self.status = status
        self.message = message
        self.error = error


class ReflectedClient:
    """Calls what it finds, in JSON as protobuf writes it.

    Args:
        channel: To the daemon.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._found = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self._found)

    def services(self) -> list[str]:
        """Gives the names of the services."""
        return sorted(self._found.get_services())

    def methods(self, service: str = STATEHOUSE) -> list[str]:
        """Gives the names of the methods of a service."""
        return [method.name for method in self._pool.FindServiceByName(service).methods]

    def message(self, name: str) -> type[Message]:
        """Gives the class of a message."""
        return GetMessageClass(self._pool.FindMessageTypeByName(name))

    def call(self, method: str, request: Json | None = None, *, service: str = STATEHOUSE) -> Json:
        """Gives the one answer to one request.

        Raises:
            ReflectedError: The call failed.
        """
        [answer] = self.stream(method, [request or {}], service=service)
        return answer

    def stream(
        self, method: str, requests: Sequence[Json], *, service: str = STATEHOUSE
    ) -> Generator[Json, None, None]:
        """Gives each answer of a call of any kind; one that is no longer iterated is cancelled.

        Raises:
            ReflectedError: The call failed.
        """
        described = self._pool.FindServiceByName(service).FindMethodByName(method)
        asked = GetMessageClass(described.input_type)
        call = self._begin(described, [json_format.ParseDict(request, asked()) for request in requests])
        try:
            for answer in call:
                yield json_format.MessageToDict(answer, descriptor_pool=self._pool)
        except grpc.RpcError as error:
            self._raise(error)
        finally:
            call.cancel()

    def _begin(self, method: MethodDescriptor, requests: list[Message]) -> Any:
        # One message is a stream of one: on the wire a unary call looks the same.
        start = self._channel.stream_stream(
            f"/{method.containing_service.full_name}/{method.name}",
            GetMessageClass(method.input_type).SerializeToString,
            GetMessageClass(method.output_type).FromString,
        )
        return start(iter(requests), timeout=_TIMEOUT_S)

    def _raise(self, error: grpc.RpcError) -> NoReturn:
        trailers = {item.key: item.value for item in error.trailing_metadata() or ()}
        details = trailers.get(_DETAILS)
        raise ReflectedError(error.code(), error.details() or "", self._error(details)) from None

    def _error(self, details: str | bytes | None) -> Json | None:
        if not isinstance(details, bytes):
            return None
        [packed] = Status.FromString(details).details
        error = self.message(ERROR)()
        assert packed.Unpack(error)
        return json_format.MessageToDict(error)


@contextmanager
def reflected(target: str) -> Iterator[ReflectedClient]:
    """Gives a client of a daemon, as grpcurl would be one."""
    with grpc.insecure_channel(target) as channel:
        yield ReflectedClient(channel)
