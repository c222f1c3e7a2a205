"""What is no gRPC at all: noise on the port, connections that say nothing, headers without end."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import grpc
import pytest

from statehouse._generated import statehouse_pb2 as pb
from statehouse.rpc.sizes import MESSAGE_BYTES_MAX, METADATA_BYTES_MAX
from tests.rpc.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    asked,
    call,
    frame,
)
from tests.rpc.raw import SERVICE, RawClient, raw, tagged
from tests.rpc.surfaces import AGENT, NAMESPACE, World, attacked

BEGUN: Final = PREFACE + frame(SETTINGS)
REQUEST: Final = pb.GetStateRequest(namespace=NAMESPACE, agent_id=AGENT, key="a").SerializeToString()
_EVERY_HEADER_AGAIN: Final = b"\xbe"
"""The newest of the headers that both sides remember: one byte stands for all of it."""


def client_hello() -> bytes:
    """How TLS begins."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def remembered(size: int) -> bytes:
    """A header that both sides are to remember."""
    return b"\x40\x01x" + b"\x7f" + bytes([(size - 127) & 0x7F | 0x80, (size - 127) >> 7]) + b"v" * size


NOISE: Final[dict[str, bytes]] = {
    "random bytes": random.Random(7).randbytes(100_000),
    "zeros": bytes(100_000),
    "TLS": client_hello(),
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10,
    "HTTP/1.1 that asks for HTTP/2": b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "half a preface": PREFACE[:12],
    "a preface, and noise": PREFACE + random.Random(8).randbytes(10_000),
    "a frame of 16 MiB": BEGUN + frame(DATA, bytes(1000), stream=1, length=2**24 - 1),
    "a frame of a kind to come": BEGUN + frame(99, bytes(1000)),
    "settings without end": BEGUN + frame(SETTINGS) * 10_000,
    "pings without end": BEGUN + frame(PING, bytes(8)) * 10_000,
    "data for nobody": BEGUN + frame(DATA, bytes(1000), stream=7) * 100,
    "a window that overflows": BEGUN + frame(WINDOW_UPDATE, b"\x7f\xff\xff\xff") * 10,
    "a stream of an even number": BEGUN + call(2),
    "headers that do not end": BEGUN
    + frame(HEADERS, asked(), stream=1)
    + frame(CONTINUATION, b"\0\x01x\x7e" + b"v" * 126, stream=1) * 10_000,
    "headers of 64 MiB in 16 KiB": BEGUN
    + frame(HEADERS, asked() + remembered(4000) + _EVERY_HEADER_AGAIN * 12_000, flags=END_HEADERS, stream=1),
    "headers that are none": BEGUN + frame(HEADERS, b"\xff" * 1000, flags=END_HEADERS, stream=1),
    "calls that are reset at once": BEGUN
    + b"".join(call(stream) + frame(RST_STREAM, bytes(4), stream=stream) for stream in range(1, 10_000, 2)),
    "more calls than are allowed": BEGUN + b"".join(call(stream) for stream in range(1, 10_000, 2)),
    "a message of 4 GiB": BEGUN + call(1) + frame(DATA, b"\0\xff\xff\xff\xff" + bytes(1000), stream=1),
    "a message in a packing that nobody named": BEGUN
    + call(1)
    + frame(DATA, b"\x01\0\0\0\x04" + bytes(4), stream=1),
    "a message that is cut short": BEGUN + call(1) + frame(DATA, b"\0\0\0\0\x10", flags=1, stream=1),
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with attacked() as world:
        yield world


@pytest.fixture
def port(world: World) -> tuple[str, int]:
    host, _, port = world.target.rpartition(":")
    return host, int(port)


def is_well(client: RawClient) -> bool:
    """Whether a daemon says within a second that it is, and answers a read behind what was asked before."""
    health = client.call("Health", b"", timeout=1)
    return health.status == "OK" and client.call("GetState", REQUEST).status == "OK"


def say(port: tuple[str, int], noise: bytes) -> None:
    """Says something, and hangs up when the daemon has hung up or has nothing more to say."""
    with contextlib.suppress(ConnectionError, TimeoutError), socket.create_connection(port) as speaking:
        speaking.settimeout(0.1)
        speaking.sendall(noise)
        while speaking.recv(65_536):
            pass


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_noise_on_the_port_disturbs_nobody(world: World, port: tuple[str, int], noise: bytes) -> None:
    before = world.everything()
    say(port, noise)
    assert is_well(world.client)
    with raw(world.target) as another:
        assert is_well(another)
    assert world.everything() == before


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_noise_that_comes_byte_by_byte_disturbs_nobody(
    world: World, port: tuple[str, int], noise: bytes
) -> None:
    with contextlib.suppress(ConnectionError), socket.create_connection(port) as speaking:
        for byte in noise[:200]:
            speaking.sendall(bytes([byte]))
        assert is_well(world.client)


def test_a_thousand_connections_that_say_nothing_disturb_nobody(world: World, port: tuple[str, int]) -> None:
    with contextlib.ExitStack() as connections:
        for _ in range(1000):
            connections.enter_context(socket.create_connection(port))
        assert is_well(world.client)
        with raw(world.target) as another:
            assert is_well(another)


def test_a_thousand_calls_that_say_nothing_disturb_nobody(world: World) -> None:
    silent = [world.client.open(name, iter([])) for name in ("Pipeline", "GetState") for _ in range(500)]
    with raw(world.target) as another:
        assert is_well(another)
    for each in silent:
        each.cancel()


METADATA: Final[dict[str, list[tuple[str, str | bytes]]]] = {
    "one entry larger than all may be": [("x-large", "v" * (METADATA_BYTES_MAX + 1))],
    "one entry of 200 KB": [("x-large", "v" * 200_000)],
    "bytes larger than all may be": [("x-large-bin", bytes(METADATA_BYTES_MAX))],
    "thousands of entries": [(f"x-{number}", "v") for number in range(3000)],
    "thousands of entries of one name": [("x", "v")] * 3000,
    "a traceparent larger than all may be": [("traceparent", "0" * 10_000)],
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
def test_metadata_that_is_too_large_is_refused(world: World, metadata: list[tuple[str, str | bytes]]) -> None:
    assert world.client.call("GetState", REQUEST, metadata=metadata).status == "RESOURCE_EXHAUSTED"
    assert is_well(world.client)


@pytest.mark.slow
@pytest.mark.parametrize("name", [method.name for method in SERVICE.methods])
def test_metadata_that_is_too_large_is_refused_by_every_call(world: World, name: str) -> None:
    metadata = METADATA["one entry larger than all may be"]
    assert world.client.call(name, b"", metadata=metadata).status == "RESOURCE_EXHAUSTED"
    assert is_well(world.client)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        "00-" + "0" * 32 + "-" + "0" * 16 + "-00",
        "00-" + "x" * 32 + "-" + "0" * 16 + "-00",
        "00-" + "a" * 32 + "-" + "b" * 16 + "-01-more",
        "ff-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "%n%s{}{0}",
    ],
)
def test_what_is_no_traceparent_is_not_one(world: World, traceparent: str) -> None:
    """W3C Trace Context says to go on without."""
    metadata = [("traceparent", traceparent), ("traceparent", traceparent)]
    assert world.client.call("GetState", REQUEST, metadata=metadata).status == "OK"


def unary(target: str, data: bytes) -> str:
    """The status of a GetState whose request was packed before it was sent."""
    options = (("grpc.max_send_message_length", -1),)
    with grpc.insecure_channel(target, options, compression=grpc.Compression.Gzip) as channel:
        done = channel.unary_unary("/statehouse.v1.StatehouseService/GetState").future(data, timeout=20)
        status: str = done.code().name
        return status


@pytest.mark.parametrize(
    "size, status", [(MESSAGE_BYTES_MAX - 64, "OK"), (MESSAGE_BYTES_MAX + 1, "RESOURCE_EXHAUSTED")]
)
def test_a_message_counts_as_what_it_unpacks_to(world: World, size: int, status: str) -> None:
    """36 MiB of the same byte travel as 36 KiB."""
    assert unary(world.target, REQUEST + tagged(1999, bytes(size))) == status
    assert is_well(world.client)
