"""A server: where it listens, what stands beside our service, how it goes down."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode as Code
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from statehouse._generated import statehouse_pb2 as pb
from statehouse._generated.statehouse_pb2_grpc import StatehouseServiceStub
from statehouse.errors import InvalidArgumentError
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import MIB
from statehouse.protocol.requests import Status
from statehouse.rpc.serving import Server, ServerOptions
from statehouse.rpc.sizes import METADATA_BYTES_MAX
from statehouse.testing.daemon import serving
from tests.client.engines import HoldingEngine
from tests.daemon.processes import daemon
from tests.rpc.daemons import eventually
from tests.rpc.foreign import begin, connected, put, refused, struct
from tests.rpc.memory import measured, resident_bytes

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


# Where it listens.


def test_a_server_listens_at_several_addresses(engine: Engine, tmp_path: Path) -> None:
    async def main() -> tuple[str, ...]:
        server = Server(engine)
        bound = await server.start(["127.0.0.1:0", f"unix:{tmp_path}/socket", "127.0.0.1:0"])
        loop = asyncio.get_running_loop()
        for address in bound:
            assert await loop.run_in_executor(None, _status, address) == "ok"
        await server.drain(1)
        return bound

    first, path, second = asyncio.run(main())
    assert path == f"unix:{tmp_path}/socket"
    assert first != second
    assert all(int(address.rpartition(":")[2]) > 0 for address in (first, second))


def _status(address: str) -> str:
    with connected(address) as stub:
        return str(stub.Health(pb.HealthRequest()).status)


def test_a_host_that_is_a_name_or_version_6_is_served(engine: Engine) -> None:
    with serving(engine, listen="localhost:0") as address:
        assert address.startswith("localhost:")
        assert _status(address) == "ok"
    if socket.has_ipv6 and _has_version_6():
        with serving(engine, listen="[::1]:0") as address:
            assert _status(address) == "ok"


def _has_version_6() -> bool:
    with socket.socket(socket.AF_INET6) as tried:
        try:
            tried.bind(("::1", 0))
        except OSError:
            return False
    return True


def test_an_address_that_another_server_has_is_refused_with_what_to_do(
    engine: Engine, tmp_path: Path
) -> None:
    for listen in ("127.0.0.1:0", f"unix:{tmp_path}/socket"):
        with serving(engine, listen=listen) as address:
            with (
                pytest.raises(InvalidArgumentError, match=r"in use.*(choose|listen on) another"),
                serving(engine, listen=address),
            ):
                raise AssertionError("it listens")
            assert _status(address) == "ok"


def test_when_one_address_is_refused_no_other_stays_bound(engine: Engine) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        free = f"127.0.0.1:{found.getsockname()[1]}"
    with serving(engine) as taken:

        async def main() -> None:
            with pytest.raises(InvalidArgumentError, match="in use"):
                await Server(engine).start([free, taken])

        asyncio.run(main())
        with serving(engine, listen=free) as address:
            assert address == free


# What stands beside.


@pytest.mark.parametrize("service", ["", "statehouse.v1.StatehouseService"])
def test_the_standard_health_service_says_that_we_serve(engine: Engine, service: str) -> None:
    with serving(engine) as address, grpc.insecure_channel(address) as channel:
        answer = HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == SERVING


def test_who_watches_our_health_is_told_when_we_go_down(engine: Engine) -> None:
    with ExitStack() as stack, ExitStack() as running:
        address = running.enter_context(serving(engine))
        channel = stack.enter_context(grpc.insecure_channel(address))
        watching = HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watching).status == SERVING
        running.close()
        assert next(watching).status == NOT_SERVING
        with refused(Code.UNAVAILABLE, "going down"):
            next(watching)


# Going down.


class Halted:
    """A daemon whose engine holds commits, and that is told to go down by another thread."""

    def __init__(self, stack: ExitStack, grace_s: float) -> None:
        self.engine = HoldingEngine(begun=True)
        self._running = ExitStack()
        self.address = self._running.enter_context(serving(self.engine, grace_s=grace_s))
        self._threads = stack.enter_context(ThreadPoolExecutor(1))
        self.down: Any = None

    def go_down(self) -> None:
        self.down = self._threads.submit(self._running.close)


def test_what_runs_is_finished_and_nothing_new_is_begun() -> None:
    with ExitStack() as stack:
        halted = Halted(stack, grace_s=30)
        stub = stack.enter_context(connected(halted.address))
        running = stub.CommitTransaction.future(pb.CommitTransactionRequest(txn_id="t"))
        eventually(lambda: halted.engine.held)
        halted.go_down()
        eventually(lambda: _refuses(halted.address))
        assert (running.done(), halted.down.done()) == (False, False)
        halted.engine.release()
        assert running.result(10).commit_ts == 0
        halted.down.result(10)


def _refuses(address: str) -> bool:
    with connected(address) as stub:
        try:
            stub.Health(pb.HealthRequest(), timeout=5)
        except grpc.RpcError as error:
            failed: Any = error
            return bool(failed.code() is Code.UNAVAILABLE)
    return False


def test_what_does_not_finish_in_time_is_cut_off() -> None:
    with ExitStack() as stack:
        halted = Halted(stack, grace_s=0.05)
        stub = stack.enter_context(connected(halted.address))
        running = stub.CommitTransaction.future(pb.CommitTransactionRequest(txn_id="t"))
        eventually(lambda: halted.engine.held)
        halted.go_down()
        halted.down.result(10)
        assert running.code() in (Code.UNAVAILABLE, Code.CANCELLED)


def test_open_transactions_are_forgotten_and_nothing_of_them_was_applied(engine: Engine) -> None:
    with serving(engine) as address, connected(address) as stub:
        txn_id = begin(stub, "x")
    with serving(engine) as address, connected(address) as stub:
        with refused(Code.NOT_FOUND, "what is open when the daemon stops is gone"):
            stub.Commit(pb.CommitRequest(txn_id=txn_id))
        assert stub.ListKeys(pb.ListKeysRequest(agent_id="a")).keys == []


def test_a_server_that_is_drained_twice_or_was_never_started_is_down(engine: Engine) -> None:
    async def main() -> None:
        await Server(engine).drain(1)
        server = Server(engine)
        await server.start(["127.0.0.1:0"])
        await server.drain(1)
        await server.drain(1)

    asyncio.run(main())


def test_an_engine_outlives_its_servers(engine: Engine) -> None:
    for number in range(1, 4):
        with serving(engine) as address, connected(address) as stub:
            assert put(stub, "x", {"n": number}) == number
    assert engine.execute(Status()).commit_ts == 3


# Load, as it looks from outside.


def test_metadata_beyond_its_limit_is_refused(engine: Engine) -> None:
    with serving(engine) as address, connected(address) as stub:
        with refused(Code.RESOURCE_EXHAUSTED):
            stub.Health(pb.HealthRequest(), metadata=[("x", "y" * METADATA_BYTES_MAX)])
        assert (
            stub.Health(pb.HealthRequest(), metadata=[("x", "y" * (METADATA_BYTES_MAX // 2))]).status == "ok"
        )


@pytest.mark.slow
def test_a_request_of_36_mib_is_looked_at_and_a_larger_one_is_not(engine: Engine) -> None:
    with serving(engine) as address, grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/statehouse.v1.StatehouseService/GetState")
        with refused(Code.INVALID_ARGUMENT, "bytes are not a GetStateRequest"):
            call(b"\xff" * 36 * MIB)
        with refused(Code.RESOURCE_EXHAUSTED, "larger than max"):
            call(b"\xff" * (36 * MIB + 1))


def test_one_call_too_many_over_all_connections_is_refused() -> None:
    engine = HoldingEngine(begun=True)
    with serving(engine, ServerOptions(calls_max=2)) as address, connected(address) as stub:
        held = [stub.CommitTransaction.future(pb.CommitTransactionRequest(txn_id=f"t{n}")) for n in range(2)]
        eventually(lambda: len(engine.held) == 2)
        with refused(Code.RESOURCE_EXHAUSTED):
            stub.CommitTransaction(pb.CommitTransactionRequest(txn_id="t"))
        engine.release()
        assert [call.result(10).commit_ts for call in held] == [0, 0]


def test_a_call_without_a_request_is_refused(engine: Engine) -> None:
    with serving(engine) as address, grpc.insecure_channel(address) as channel:
        for call in ("CommitTransaction", "Write"):
            with refused(Code.INVALID_ARGUMENT, "the call has no request"):
                channel.stream_unary(f"/statehouse.v1.StatehouseService/{call}")(iter(()))


def test_a_client_that_does_not_say_what_it_asks_keeps_nobody_waiting_but_itself(engine: Engine) -> None:
    with serving(engine) as address, ExitStack() as stack:
        silent = stack.enter_context(grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]))
        begin_write = silent.stream_unary("/statehouse.v1.StatehouseService/Write")
        talk = threading.Event()
        calls = [begin_write.future(_nothing_until(talk)) for _ in range(20)]
        assert StatehouseServiceStub(silent).Health(pb.HealthRequest(), timeout=10).status == "ok"
        stub = stack.enter_context(connected(address))
        assert [put(stub, "x", {"n": number}) for number in range(10)] == list(range(1, 11))
        assert not any(call.done() for call in calls)
        talk.set()
        for call in calls:
            assert call.code() is Code.INVALID_ARGUMENT


def _nothing_until(event: threading.Event) -> Iterator[bytes]:
    if not event.wait(30):
        yield b""


@pytest.fixture
def crowd(engine: Engine) -> Iterator[str]:
    """A daemon with more calls on their way than it answers in a second."""
    with serving(engine) as address, ExitStack() as stack:
        stop = threading.Event()
        stubs = [stack.enter_context(connected(address)) for _ in range(4)]

        def ask(stub: Any) -> None:
            request = pb.GetStateRequest(agent_id="a", key="x")
            waiting = [stub.GetState.future(request) for _ in range(500)]
            while not stop.is_set():
                waiting.pop(0).result(60)
                waiting.append(stub.GetState.future(request))
            for call in waiting:
                call.result(60)

        threads = [threading.Thread(target=ask, args=(stub,)) for stub in stubs]
        for thread in threads:
            thread.start()
        yield address
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("service", ["ours", "standard"])
def test_health_answers_within_a_second_under_any_load(crowd: str, service: str) -> None:
    with grpc.insecure_channel(crowd, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        standard = channel.unary_unary("/grpc.health.v1.Health/Check")
        ours = channel.unary_unary("/statehouse.v1.StatehouseService/Health")
        ask = ours if service == "ours" else standard
        for _ in range(20):
            assert ask(b"", timeout=1)


@pytest.mark.slow
@measured
@pytest.mark.parametrize("call", ["CommitTransaction", "Write"])
def test_what_many_clients_send_at_once_is_not_in_memory_at_once(tmp_path: Path, call: str) -> None:
    clients, calls, size = 4, 100, 2 * MIB
    caps = {"--request-bytes-max": 32 * MIB, "--staged-bytes-max": 32 * MIB}
    flags = [str(each) for pair in caps.items() for each in pair]
    with ExitStack() as stack:
        server = stack.enter_context(daemon(tmp_path / "log", "--data-dir", str(tmp_path / "data"), *flags))
        stubs = [stack.enter_context(connected(server.target)) for _ in range(clients)]
        before = most = resident_bytes(server.process.pid)
        waiting: list[Any] = []
        for number in range(calls):
            for client, stub in enumerate(stubs):
                if call == "Write":
                    value = struct({"text": "x" * size})
                    write = pb.WriteRequest(txn_id="none", agent_id="a", key="x", value=value)
                    waiting.append(stub.Write.future(write))
                else:
                    request = pb.CommitTransactionRequest(txn_id=f"{client}-{number}")
                    request.changes.add(agent_id="a", key="x").payload.data = bytes(size)
                    waiting.append(stub.CommitTransaction.future(request))
        while waiting:
            assert stubs[0].Health(pb.HealthRequest(), timeout=10).status == "ok"
            most = max(most, resident_bytes(server.process.pid))
            waiting = [each for each in waiting if not each.done()]
        # What is received, in two copies; what is answered, as bytes and as messages; the store.
        assert most - before < 16 * 2 * size + 3 * 32 * MIB + 128 * MIB
        assert most - before < clients * calls * size / 2
