"""gRPC's reader in an event loop takes one byte a pass; it is mended as long as it needs to be."""

from __future__ import annotations

import asyncio
import socket

import grpc.aio

from statehouse.rpc.serving.wakeups import prompt

COUNT = 100


def test_what_has_gathered_is_gone_in_one_pass() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            took = asyncio.Event()

            def take_one() -> None:
                assert ours.recv(1) == b"1"
                took.set()

            with prompt(loop):
                loop.add_reader(ours, take_one)
            theirs.send(b"1" * COUNT)
            await took.wait()
            loop.remove_reader(ours)
            try:
                return len(ours.recv(COUNT))
            except BlockingIOError:
                return 0

    assert asyncio.run(main()) == 0


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
