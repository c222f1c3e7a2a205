"""A gRPC server that does nothing, and a client that asks it to: what a call costs before anybody works.

python -m benchmarks.baselines.empty_calls    serves, and says on which port
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio

CALL = "/benchmarks.Empty/Nothing"


async def _serve() -> None:
    async def nothing(_: bytes, __: Any) -> bytes:
        return b""

    service, name = CALL[1:].split("/")
    server = grpc.aio.server()
    handlers = {name: grpc.unary_unary_rpc_method_handler(nothing)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


@contextmanager
def serving() -> Iterator[str]:
    """A server in a process of its own; gives its address."""
    command = [sys.executable, "-m", "benchmarks.baselines.empty_calls"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


async def _seconds(address: str, count: int, in_flight: int) -> float:
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(CALL)
        await call(b"")

        async def some() -> None:
            for _ in range(count // in_flight):
                await call(b"")

        began = time.perf_counter()
        await asyncio.gather(*[some() for _ in range(in_flight)])
        return time.perf_counter() - began


def calls_per_second(address: str, count: int, *, in_flight: int) -> float:
    """Makes so many calls, some of them at once, and says how many were answered in a second."""
    return count / asyncio.run(_seconds(address, count, in_flight))


if __name__ == "__main__":
    asyncio.run(_serve())
