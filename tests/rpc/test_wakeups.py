"""gRPC's reader in an event loop takes one byte a pass; it is mended as long as it needs to be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import grpc.aio

from statehouse._generated import statehouse_pb2 as pb
from statehouse._generated.statehouse_pb2_grpc import StatehouseServiceStub
from statehouse.protocol.engine import Engine
from statehouse.rpc.serving.wakeups import prompt
from statehouse.testing.daemon import serving
from tests.rpc.foreign import connected

COUNT = 100


def read_in_one_pass(reader: Callable[[socket.socket], object]) -> int:
    """Adds a reader of a socket with so many bytes, as gRPC does; how many are left when it was called."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        failed: list[object] = []
        loop.set_exception_handler(lambda _, context: failed.append(context))
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            called = asyncio.Event()

            def read() -> None:
                called.set()
                reader(ours)

            with prompt(loop):
                loop.add_reader(ours, read)
            theirs.send(b"1" * COUNT)
            await called.wait()
            loop.remove_reader(ours)
            assert failed == []
            try:
                return len(ours.recv(COUNT))
            except BlockingIOError:
                return 0

    return asyncio.run(main())


def test_what_has_gathered_is_gone_in_one_pass() -> None:
    assert read_in_one_pass(lambda source: source.recv(1)) == 0


def test_for_each_byte_that_is_taken_events_are_looked_for() -> None:
    """Or two loops that share them take all there are and each leave the looking to the other."""
    looked = 0

    def read(source: socket.socket) -> None:
        nonlocal looked
        assert source.recv(1) == b"1"
        looked += 1

    assert read_in_one_pass(read) == 0
    assert looked == COUNT


def test_what_another_loop_takes_meanwhile_is_not_missed() -> None:
    def read(source: socket.socket) -> None:
        source.recv(1)
        source.recv(COUNT)

    assert read_in_one_pass(read) == 0


def test_two_servers_in_loops_of_their_own_answer_every_call(
    stub: StatehouseServiceStub, engine: Engine
) -> None:
    with serving(engine) as address, connected(address) as other:
        for _ in range(COUNT):
            asked = [each.Health.future(pb.HealthRequest(), timeout=30) for each in (stub, other, stub)]
            assert [each.result().status for each in asked] == ["ok"] * 3


def test_the_loop_is_itself_again_afterwards() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        before = loop.add_reader
        with prompt(loop):
            assert loop.add_reader != before
        assert loop.add_reader == before

    asyncio.run(main())


def test_grpc_still_adds_a_reader_of_a_socket_with_the_first_server_of_a_loop() -> None:
    """When it no longer does, or takes all bytes itself, `wakeups` can go."""

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        added: list[object] = []
        add_reader = loop.add_reader

        def noting(fd: object, *rest: object) -> None:
            added.append(fd)
            add_reader(fd, *rest)  # type: ignore[arg-type]

        loop.add_reader = noting  # type: ignore[assignment,method-assign]
        await grpc.aio.server().stop(None)
        return added

    [added] = asyncio.run(main())
    assert isinstance(added, socket.socket)
