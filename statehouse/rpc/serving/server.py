"""The gRPC server around an engine.

What keeps it up under load, from the outside in:

* A connection has so many calls open; a client's own library keeps the others waiting.
* Health, ours and the standard one, has a way in of its own: it never waits behind other calls.
* So many calls are open over all connections (`ServerOptions.calls_max`); gRPC refuses the next.
* So many requests, and bytes of them, are being answered (`admission`); so many streams (`streams`),
  transactions (`staged`) and pages (`answers`) are held.
* Nothing blocks the event loop: what takes longer than a point read is the engine's, or a thread's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc
import grpc.aio

from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import DEFAULT_LIMITS, MIB, Limits
from statehouse.rpc.serving import calls, classic
from statehouse.rpc.serving.addresses import bind
from statehouse.rpc.serving.admission import Admission
from statehouse.rpc.serving.answers import Answers, guarded
from statehouse.rpc.serving.intake import Intake
from statehouse.rpc.serving.meter import Load, Meter, timed
from statehouse.rpc.serving.pipeline import PipelineService
from statehouse.rpc.serving.replays import Replays
from statehouse.rpc.serving.spans import under_caller
from statehouse.rpc.serving.staged import StagedTransactions
from statehouse.rpc.serving.standard import SERVICE, Standard
from statehouse.rpc.serving.streams import Streams
from statehouse.rpc.serving.transactions import Transactions
from statehouse.rpc.serving.wakeups import prompt
from statehouse.rpc.sizes import (
    KEEPALIVE_S,
    KEEPALIVE_TIMEOUT_S,
    MESSAGE_BYTES_MAX,
    METADATA_BYTES_MAX,
    SILENCE_S,
)

T = TypeVar("T")

_CONNECTION_CALLS_MAX: Final = 2048
_PENDING_CALLS_MAX: Final = 20_000
_HANDSHAKE_S: Final = 10

_OPTIONS: Final = (
    # Two daemons on one port would each get half of the clients.
    ("grpc.so_reuseport", 0),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.max_concurrent_streams", _CONNECTION_CALLS_MAX),
    # Else calls count until we have done with them, which is after their client begins the next: one that
    # keeps to the number above would be refused now and then.
    ("grpc.http.overload_protection", 0),
    # Of a message that nobody has asked for yet, 64 KiB are received; gRPC would find out that the network
    # carries more, and receive megabytes for each call that waits. What is asked for comes as fast as it can.
    ("grpc.http2.bdp_probe", 0),
    # Beyond these gRPC ends calls that nobody has looked at yet with CANCELLED, which tells a client nothing;
    # what waits there is bounded by the calls of a connection.
    ("grpc.server.max_pending_requests", _PENDING_CALLS_MAX),
    ("grpc.server.max_pending_requests_hard_limit", 2 * _PENDING_CALLS_MAX),
    # Who connects and says nothing.
    ("grpc.server_handshake_timeout_ms", _HANDSHAKE_S * 1000),
    # A client that is gone without a word is noticed, with calls open or without.
    ("grpc.keepalive_time_ms", round(KEEPALIVE_S * 1000)),
    ("grpc.keepalive_timeout_ms", round(KEEPALIVE_TIMEOUT_S * 1000)),
    # Also of pings that gRPC sends to measure a connection: while one is out, it sends no other.
    ("grpc.http2.ping_timeout_ms", round(SILENCE_S * 1000)),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Clients may ping as often as we do; gRPC's default takes every five minutes and hangs up on others.
    ("grpc.http2.min_ping_interval_without_data_ms", round(KEEPALIVE_S * 1000 / 2)),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", round(KEEPALIVE_S * 1000 / 2)),
)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How much a server takes on.

    Attributes:
        requests_max: The most requests that are being answered at once, items of pipelines included.
        request_bytes_max: The most bytes of such requests.
        calls_max: The most gRPC calls that are open at once, streams included.
        staged_count_max: The most open transactions of BeginTransaction.
        staged_bytes_max: The most bytes that they hold.
        limits: How large each of them may be, and how long it may take; as those of the engine.
        replays_max: The most Replay and ReplayBatches streams.
        stall_s: A client that takes nothing from a stream for so long is cut off, in seconds.
        heartbeat_s: A replay that follows says at least so often how far it has looked, in seconds.
    """

    requests_max: int = 10_000
    request_bytes_max: int = 256 * MIB
    calls_max: int = 12_000
    staged_count_max: int = 10_000
    staged_bytes_max: int = 256 * MIB
    limits: Limits = DEFAULT_LIMITS
    replays_max: int = 1_000
    stall_s: float = 60.0
    heartbeat_s: float = 10.0


DEFAULT_OPTIONS: Final = ServerOptions()


class Server:
    """Serves an engine over gRPC, in the event loop that it is started in.

    The engine belongs to the caller, who closes it after `drain`. It is a local one: its point reads run in
    the event loop.

    Args:
        engine: What answers.
        options: How much is taken on.
        meter: Where what is answered is counted; None counts nothing.
        monotonic: The time that open transactions are measured by.

    Example:
        >>> import asyncio
        >>> from statehouse.engine import open_engine
        >>> from statehouse.storage.memory import MemoryStore
        >>> async def main() -> None:
        ...     engine = open_engine(MemoryStore())
        ...     server = Server(engine)
        ...     addresses = await server.start(["127.0.0.1:0"])
        ...     await server.drain(grace_s=1.0)
        ...     engine.close()
        >>> asyncio.run(main())
    """

    def __init__(
        self,
        engine: Engine,
        options: ServerOptions = DEFAULT_OPTIONS,
        *,
        meter: Meter | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._options = options
        self._meter = meter
        self._monotonic = monotonic
        self._running: _Running | None = None

    async def start(self, listen: Sequence[str]) -> tuple[str, ...]:
        """Listens, and gives the addresses that were bound, with their ports.

        Args:
            listen: ``host:port``, where port 0 is any free one, or ``unix:/path``.

        Raises:
            InvalidArgumentError: An address makes no sense, is in use or is not ours; nothing is bound.
        """
        assert self._running is None, "a server starts once"
        with prompt(asyncio.get_running_loop()):
            running = _Running(self._engine, self._options, self._meter, self._monotonic)
        bound = await running.start(listen)
        self._running = running
        return bound

    def load(self) -> Load:
        """Gives what it has in hand now; from any thread."""
        running = self._running
        return Load() if running is None else running.load()

    async def drain(self, grace_s: float) -> None:
        """Stops: says so to load balancers, takes nothing new, ends what follows, finishes what runs.

        Open transactions are forgotten, for nothing of them is kept. Idempotent.

        Args:
            grace_s: Seconds to finish calls that are running; those that are not by then are cut off.
        """
        running, self._running = self._running, None
        if running is not None:
            await running.drain(grace_s)


def _as_it_is(call: T) -> T:
    return call


class _Running:
    """A server's parts, which belong to one event loop."""

    def __init__(
        self, engine: Engine, options: ServerOptions, meter: Meter | None, monotonic: Callable[[], float]
    ) -> None:
        admission = Admission(requests_max=options.requests_max, bytes_max=options.request_bytes_max)
        self._answers = Answers(engine, admission, meter)
        self._intake = Intake()
        self._staged = Transactions(
            self._answers,
            StagedTransactions(
                count_max=options.staged_count_max,
                bytes_max=options.staged_bytes_max,
                limits=options.limits,
                monotonic=monotonic,
            ),
        )
        self._streams = Streams("replays", count_max=options.replays_max, stall_s=options.stall_s)
        self._replays = Replays(self._answers, self._streams, heartbeat_s=options.heartbeat_s)
        self._pipelines = PipelineService(self._answers, stall_s=options.stall_s)
        self._standard = Standard(Streams("watches", count_max=options.replays_max, stall_s=options.stall_s))
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=options.calls_max)
        self._add_handlers()

    def _add_handlers(self) -> None:
        services = {SERVICE: self._handlers(), **self._standard.services()}
        server = self._server
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(name, dict(each)) for name, each in services.items()]
        )
        for name, handlers in services.items():
            # gRPC keeps a queue of its own for each method that is registered: no kind waits behind another.
            server.add_registered_method_handlers(name, dict(handlers))

    def _handlers(self) -> Mapping[str, grpc.RpcMethodHandler[Any, Any]]:
        # No serializers: bytes that are no message are for us to refuse, and not gRPC's to fail over.
        small = {**calls.calls(self._answers), **classic.calls(self._answers), **self._staged.calls()}
        large = {**calls.large_calls(self._answers), **self._staged.large_calls()}
        traced = under_caller if self._answers.traced else _as_it_is
        return {
            **{
                name: grpc.unary_unary_rpc_method_handler(traced(self._timed(name, call)))
                for name, call in small.items()
            },
            # On the wire a call of one message is a stream of one; of that, we say when it is received.
            **{
                name: grpc.stream_unary_rpc_method_handler(
                    traced(self._timed(name, guarded(name, self._intake.taking(answer))))
                )
                for name, answer in large.items()
            },
            **{
                name: grpc.unary_stream_rpc_method_handler(traced(call))
                for name, call in self._replays.calls().items()
            },
            "Pipeline": grpc.stream_stream_rpc_method_handler(self._pipeline),
        }

    def _timed(
        self, name: str, call: Callable[[Any, Any], Awaitable[bytes]]
    ) -> Callable[[Any, Any], Awaitable[bytes]]:
        meter = self._answers.meter
        return call if meter is None else timed(meter, name, call)

    async def _pipeline(self, _: Any, context: Any) -> None:
        await self._pipelines.serve(context)

    def load(self) -> Load:
        """See `Server.load`."""
        admission = self._answers.admission
        return Load(
            transactions=len(self._staged),
            requests=admission.requests,
            request_bytes=admission.size_bytes,
            replays=len(self._streams),
            pipelines=len(self._pipelines),
        )

    async def start(self, listen: Sequence[str]) -> tuple[str, ...]:
        """See `Server.start`."""
        try:
            bound = tuple([bind(self._server, address) for address in listen])
        except BaseException:
            # gRPC lets go of ports only when a server that was started is stopped.
            await self._server.start()
            await self._server.stop(None)
            self._answers.close()
            raise
        await self._standard.begin()
        await self._server.start()
        return bound

    async def drain(self, grace_s: float) -> None:
        """See `Server.drain`."""
        await self._standard.drain()
        self._staged.drain()
        self._streams.drain()
        self._answers.drain()
        self._pipelines.drain()
        await self._server.stop(grace_s)
        await self._staged.close()
        self._answers.close()
