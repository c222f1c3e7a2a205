"""The gRPC channel to a daemon: its options, and the words for what can become of it."""

from __future__ import annotations

from shlex import quote as quoted
from typing import Final
from urllib.parse import quote

import grpc

from statehouse.errors import ConnectionError, EngineError, StatehouseError
from statehouse.protocol.limits import MIB
from statehouse.rpc.sizes import KEEPALIVE_S, KEEPALIVE_TIMEOUT_S, MESSAGE_BYTES_MAX, SILENCE_S
from statehouse.rpc.status import from_rpc_error

_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_DEFAULTS: Final = frozenset({"localhost:50051", "127.0.0.1:50051"})
SERVICE: Final = "/statehouse.v1.StatehouseService/"
_RECONNECT_MS_FIRST: Final = 50
_RECONNECT_MS_MAX: Final = 1000
_ATTEMPT_MS_MIN: Final = 250
_REPLY_BYTES_MAX: Final = 64 * MIB
"""An event of a transaction at its limits, with the longest names there are, is larger than 36 MiB."""


def open_channel(target: str, connect_timeout: float) -> grpc.Channel:
    """Gives a channel; nothing is connected yet."""
    return grpc.insecure_channel(uri(target), options=channel_options(connect_timeout))


def channel_options(connect_timeout: float) -> tuple[tuple[str, int], ...]:
    """Gives gRPC's options of a connection that waits so many seconds for its daemon."""
    return (
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_receive_message_length", _REPLY_BYTES_MAX),
        ("grpc.keepalive_time_ms", int(KEEPALIVE_S * 1000)),
        ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT_S * 1000)),
        # Also of pings that gRPC sends to measure a connection: while one is out, it sends no other.
        ("grpc.http2.ping_timeout_ms", int(SILENCE_S * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS_FIRST),
        # In spite of its name, how long one attempt may take. From far away that is seconds; and
        # one that breaks without gRPC's notice (`hello`) must leave time for another.
        ("grpc.min_reconnect_backoff_ms", max(_ATTEMPT_MS_MIN, int(connect_timeout * 500))),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS_MAX),
        # A daemon is reached as a database is: directly.
        ("grpc.enable_http_proxy", 0),
        # Each home has its own connection, which is gone when it is closed.
        ("grpc.use_local_subchannel_pool", 1),
    )


def uri(target: str) -> str:
    """What gRPC calls a target: it reads URIs, and would take a host named ``dns`` for the scheme of one."""
    path = target.removeprefix("unix:")
    return f"dns:///{quote(target, safe='[]:')}" if path == target else f"unix:{quote(path)}"


def not_there(target: str, connect_timeout: float, error: grpc.RpcError) -> StatehouseError:
    """Gives what is said when a daemon did not answer the first call.

    Args:
        target: Where it was looked for.
        connect_timeout: For how long, in seconds.
        error: What gRPC said.
    """
    code = error.code()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return ConnectionError(
            f"something answers at {target}, but it is no Statehouse daemon ({error.details()}): is the URL "
            "right?",
            url=target,
        )
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ConnectionError(
            f"no daemon answers at {target} (waited {connect_timeout:g} s). Start one: "
            f"statehoused --data-dir ./agent-data{_listen(target)} - or use a directory without a daemon, "
            "by the URL file:./agent-data",
            url=target,
        )
    return from_rpc_error(error)


def closed_error(target: str) -> EngineError:
    """Gives what is said when a connection is asked for something after its end."""
    return EngineError(f"the connection to the daemon at {target} is closed")


def let_go(error: grpc.RpcError) -> None:
    """Has a call end when nobody needs it any more.

    gRPC raises the call itself, and its traceback holds the frames that hold the call. Only the garbage
    collector would break that circle, at last when the process ends. Then the call asks for a lock that a
    thread of gRPC may have had at its own end a moment before, and the process would wait for it for ever.
    """
    error.__traceback__ = None


def _listen(target: str) -> str:
    """What makes a daemon listen there; nothing for what is not this machine, or where it listens anyway."""
    local = target.startswith("unix:") or target.rpartition(":")[0] in _THIS_MACHINE
    return f" --listen {quoted(target)}" if local and target not in _DEFAULTS else ""
