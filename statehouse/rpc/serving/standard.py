"""The standard services beside ours: ``grpc.health.v1`` for load balancers, reflection for grpcurl."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import aio as reflection

from statehouse._generated import statehouse_pb2 as pb
from statehouse.rpc.serving.streams import Streams

SERVICE: Final = pb.DESCRIPTOR.services_by_name["StatehouseService"].full_name

_LAST_WORD_S: Final = 0.1


class Standard:
    """Serves health and reflection.

    Args:
        streams: Where those who watch and those who reflect are counted.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._health = health.HealthServicer()
        self._reflection = reflection.ReflectionServicer((SERVICE, HEALTH, REFLECTION))

    def services(self) -> Mapping[str, Mapping[str, grpc.RpcMethodHandler[Any, Any]]]:
        """Gives the handlers, by the names of their services and calls."""
        asked = health_pb2.HealthCheckRequest.FromString
        answered = health_pb2.HealthCheckResponse.SerializeToString
        return {
            HEALTH: {
                "Check": grpc.unary_unary_rpc_method_handler(self._health.Check, asked, answered),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch, asked, answered),
            },
            REFLECTION: {
                "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                    self._reflect,
                    reflection_pb2.ServerReflectionRequest.FromString,
                    reflection_pb2.ServerReflectionResponse.SerializeToString,
                )
            },
        }

    async def begin(self) -> None:
        """Says that we serve."""
        await self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Says that we serve no longer, to those who watch too, and ends their streams."""
        await self._health.enter_graceful_shutdown()
        if len(self._streams):
            # Their tasks are woken, and write it.
            await asyncio.sleep(_LAST_WORD_S)
        self._streams.drain()

    async def _watch(self, request: Any, context: Any) -> None:
        await self._streams.serve("Watch", context, lambda: self._health.Watch(request, context))

    async def _reflect(self, requests: Any, context: Any) -> None:
        async def run() -> None:
            async for answer in self._reflection.ServerReflectionInfo(requests, context):
                await self._streams.send(context, answer)

        await self._streams.serve("ServerReflectionInfo", context, run)
