"""The daemon's spans: one around each request, below the span of whoever asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar

import grpc

from statehouse._generated import statehouse_pb2 as pb
from statehouse.errors import StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Request
from statehouse.rpc.methods import BY_REQUEST
from statehouse.rpc.status import status_of
from statehouse.tracing import TracedEngine
from statehouse.tracing import attributes as names
from statehouse.tracing.propagation import asked_by
from statehouse.tracing.side import Attributes, Side, operation_of

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

T = TypeVar("T")

_SERVICE: Final = pb.DESCRIPTOR.services_by_name["StatehouseService"].full_name

# Of all that a server can answer, what is its own fault, as the conventions for gRPC have it.
_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


def answering(engine: Engine, provider: TracerProvider | None = None) -> TracedEngine:
    """Gives an engine with a server's spans around its requests, for a `Server`.

    Args:
        engine: What answers.
        provider: What makes the spans; None for the program's.
    """
    side = Side(server=True, begun=_begun, ended=_ended, is_fault=_is_fault)
    return TracedEngine(engine, side, provider=provider)


def _begun(kind: type[Request[Any]]) -> tuple[str, Attributes]:
    method = BY_REQUEST.get(kind)
    name = f"{_SERVICE}/{operation_of(kind) if method is None else method.call}"
    return name, {names.RPC_SYSTEM_NAME: "grpc", names.RPC_METHOD: name}


def _ended(error: BaseException | None) -> Attributes:
    return {names.RPC_RESPONSE_STATUS_CODE: "OK" if error is None else _status(error).name}


def _status(error: BaseException) -> grpc.StatusCode:
    if isinstance(error, StatehouseError):
        return status_of(error)
    if isinstance(error, CancelledError) or not isinstance(error, Exception):
        return grpc.StatusCode.CANCELLED
    return grpc.StatusCode.INTERNAL


def _is_fault(error: BaseException) -> bool:
    return _status(error) in _FAULTS


Asker = Callable[[str], AbstractContextManager[None]]

_NOTHING: Final = nullcontext()


def asker(engine: Engine) -> Asker:
    """Gives what makes the span of a ``traceparent`` current while its request is begun."""
    return asked_by if isinstance(engine, TracedEngine) else lambda _: _NOTHING


def under_caller(call: Callable[[Any, Any], Awaitable[T]]) -> Callable[[Any, Any], Awaitable[T]]:
    """Gives the handler of a call, run below the span that the call's metadata names."""

    async def traced(data: Any, context: Any) -> T:
        found = [value for name, value in context.invocation_metadata() or () if name == "traceparent"]
        with asked_by(found[0] if found and isinstance(found[0], str) else ""):
            running = call(data, context)
            # See `guarded`: the request is not kept by whoever waits for its answer.
            del data
            return await running

    return traced
