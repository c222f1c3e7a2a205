"""More than a daemon can do: it stays within its memory, answers Health, refuses at once, and recovers."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from statehouse._generated import statehouse_pb2 as pb
from statehouse.engine import open_engine
from statehouse.protocol.limits import KIB, MIB
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import Commit, Write
from statehouse.protocol.values import Payload
from statehouse.rpc.serving import ServerOptions
from statehouse.storage.rocksdb import RocksStore
from tests.daemon.processes import Daemon, daemon
from tests.rpc.daemons import eventually
from tests.rpc.load import ROOT, load, outcomes
from tests.rpc.memory import measured, peak_bytes, resident_bytes
from tests.rpc.raw import ALONE, RawClient, batch, item, raw
from tests.rpc.surfaces import attacked, struct

GET: Final = pb.GetStateRequest(agent_id="a", key="k").SerializeToString()
MEMTABLES_BYTES: Final = 64 * MIB
"""What RocksDB holds of what was written last, besides its cache."""


def healths(target: str, over: Callable[[], bool]) -> Iterator[float]:
    """How long Health takes to say that all is well, ours and the standard one, until something is over."""
    with grpc.insecure_channel(target, ALONE) as channel:
        asked = [
            channel.unary_unary(f"/{service}")
            for service in ("statehouse.v1.StatehouseService/Health", "grpc.health.v1.Health/Check")
        ]
        while not over():
            for ask in asked:
                began = time.monotonic()
                ask(b"", timeout=10)
                yield time.monotonic() - began


def latency(client: RawClient) -> float:
    """How long a read takes, in seconds; the median of a hundred."""
    taken = []
    for _ in range(100):
        began = time.perf_counter()
        assert client.call("GetState", GET).status == "OK"
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def recovered(client: RawClient, before: float, seconds: float = 5.0) -> None:
    """Asserts that reads are soon as fast as before, give or take what a busy machine does."""
    deadline = time.monotonic() + seconds
    while latency(client) > 3 * before + 0.005:
        assert time.monotonic() < deadline, "it is as slow as under load"


def status(client: RawClient) -> pb.StatusResponse:
    found: pb.StatusResponse = client.call("Status", b"").reply(pb.StatusResponse)
    return found


# Ten times of what it can do.


def test_what_is_too_much_is_refused_at_once_with_when_to_try_again() -> None:
    """The same as below, small: ten requests are answered at once, and a hundred wait for events."""
    wait = pb.ReplayPageRequest(from_ts=1000, wait_ms=60_000).SerializeToString()
    with attacked(ServerOptions(requests_max=10)) as world:
        call = world.client.open("Pipeline", [batch(item("replay_page", wait, ident=n) for n in range(100))])
        refused: list[pb.ReplyItem] = []
        while len(refused) < 90:
            refused += pb.ReplyBatch.FromString(next(call)).items
        assert {pb.ErrorCode.Name(reply.error.code) for reply in refused} == {"OVERLOADED"}
        assert all(float(reply.error.details["retry_after"]) > 0 for reply in refused)
        # What is quick is answered beside it.
        asked = iter(range(10))
        assert max(healths(world.target, lambda: next(asked, None) is None)) < 1
        call.cancel()
        eventually(lambda: world.client.item("status", b"").status == "OK")


@pytest.mark.slow
def test_a_client_that_asks_for_more_than_a_connection_carries_waits_and_is_answered() -> None:
    """Its own library has it wait: a daemon that refused it would tell it nothing of use."""
    with attacked() as world, grpc.insecure_channel(world.target, ALONE) as channel:
        get = channel.unary_unary("/statehouse.v1.StatehouseService/GetState")
        get(GET)
        waiting = [get.future(GET) for _ in range(4000)]
        assert {each.code() for each in waiting} == {grpc.StatusCode.OK}


@pytest.mark.slow
@measured
@pytest.mark.parametrize("requests_max", [10_000, 500])
def test_ten_times_of_what_it_can_do_leaves_it_well_within_its_memory_and_quick_again(
    tmp_path: Path, requests_max: int
) -> None:
    """A hundred streams, each with as many unanswered items as a stream may have, in four processes."""
    cache, requests = 32 * MIB, 32 * MIB
    caps = {"cache-bytes": cache, "request-bytes-max": requests, "requests-max": requests_max}
    with ExitStack() as stack:
        server = stack.enter_context(started(tmp_path, caps))
        client = stack.enter_context(raw(server.target))
        before, idle = latency(client), resident_bytes(server.process.pid)
        clients = stack.enter_context(load(server.target, processes=4, streams=25, seconds=5))

        def over() -> bool:
            return all(each.poll() is not None for each in clients)

        assert max(healths(server.target, over)) < 1
        recovered(client, before)
        total = outcomes(clients)
        assert total.keys() <= {"OK", "OVERLOADED, retry_after"}
        assert total["OK"] > 1000
        assert peak_bytes(server.process.pid) - idle < 1.15 * (cache + requests + MEMTABLES_BYTES)


def started(path: Path, settings: Mapping[str, int]) -> Any:
    """A daemon on a store of its own."""
    flags = [flag for name, value in settings.items() for flag in (f"--{name}", str(value))]
    return daemon(path / "log", "--data-dir", str(path / "data"), "--log", "warning", *flags)


# Transactions that are open and do nothing.


@pytest.mark.slow
@measured
def test_ten_thousand_idle_transactions_cost_50_mb_and_one_more_is_refused(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(daemon(tmp_path / "log", "--memory"))
        channel = stack.enter_context(grpc.insecure_channel(server.target))
        begin, write = (
            channel.unary_unary(f"/statehouse.v1.StatehouseService/{name}")
            for name in ("BeginTransaction", "Write")
        )
        # What the first thousand calls make anew is no transaction's.
        for _ in range(1000):
            write.future(b"\xff").exception()
        idle = resident_bytes(server.process.pid)
        opened = [
            begin.future(pb.BeginTransactionRequest(timeout_ms=600_000).SerializeToString())
            for _ in range(10_000)
        ]
        ids = [pb.BeginTransactionResponse.FromString(each.result()).txn_id for each in opened]
        value = struct(note="a small one")
        requests = [
            pb.WriteRequest(txn_id=txn_id, agent_id="a", key="k", value=value).SerializeToString()
            for txn_id in ids
        ]
        for each in [write.future(request) for request in requests]:
            each.result()
        with raw(server.target) as client:
            refused = client.call("BeginTransaction", b"")
        assert refused.short == "RESOURCE_EXHAUSTED OVERLOADED"
        assert resident_bytes(server.process.pid) - idle <= 50_000_000


@pytest.mark.slow
@measured
def test_what_open_transactions_have_written_is_bounded_in_memory(tmp_path: Path) -> None:
    cap = 64 * MIB
    with ExitStack() as stack:
        server = stack.enter_context(daemon(tmp_path / "log", "--memory", "--staged-bytes-max", str(cap)))
        client = stack.enter_context(raw(server.target))
        idle = resident_bytes(server.process.pid)
        value = struct(text="x" * MIB)
        taken = 0
        while True:
            txn_id = client.call("BeginTransaction", b"").reply(pb.BeginTransactionResponse).txn_id
            write = pb.WriteRequest(txn_id=txn_id, agent_id="a", key="k", value=value)
            outcome = client.call("Write", write.SerializeToString())
            if outcome.status != "OK":
                break
            taken += 1
        assert outcome.short == "RESOURCE_EXHAUSTED OVERLOADED"
        assert taken == 63
        assert resident_bytes(server.process.pid) - idle < 1.15 * cap + 32 * MIB


# Readers that do not read.


EVENTS: Final = 200_000


@pytest.fixture(scope="module")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of many events of 1 KiB."""
    path = tmp_path_factory.mktemp("long")
    engine = open_engine(RocksStore.open(path / "data"), durability="none")
    payload = Payload("application/octet-stream", bytes(KIB))
    pending = []
    for number in range(EVENTS):
        write = Write(RecordKey("default", "a", f"k{number % 100}" if number else "k"), payload)
        pending.append(engine.submit(Commit(f"t{number}", (write,))))
        if len(pending) >= 5000:
            pending.pop(0).result()
    for each in pending:
        each.result()
    engine.close()
    return path


PAGE: Final = pb.ReplayPageRequest(limit=200, values=pb.VALUES_AS_PAYLOAD).SerializeToString()
DEAF: Final[dict[str, tuple[str, bytes]]] = {
    "Replay": ("Replay", pb.ReplayRequest(agent_id="a").SerializeToString()),
    "ReplayBatches": ("ReplayBatches", pb.ReplayBatchesRequest().SerializeToString()),
    "Pipeline": ("Pipeline", batch(item("replay_page", PAGE, ident=number) for number in range(1000))),
}


DEAF_OPTIONS: Final = (*ALONE, ("grpc.http2.bdp_probe", 0))
"""Else a client has megabytes sent that it has not asked for yet, which takes a hundred of them a minute."""


@pytest.mark.slow
@measured
@pytest.mark.parametrize("call, data", DEAF.values(), ids=DEAF)
def test_a_hundred_readers_that_do_not_read_hold_little_keep_nobody_waiting_and_are_cut_off(
    long_history: Path, tmp_path: Path, call: str, data: bytes
) -> None:
    with ExitStack() as stack:
        flags = ("--data-dir", str(long_history / "data"), "--cache-bytes", str(16 * MIB), "--stall-s", "5")
        server = stack.enter_context(daemon(tmp_path / "log", *flags))
        client = stack.enter_context(raw(server.target))
        before, idle = latency(client), resident_bytes(server.process.pid)
        clients = [stack.enter_context(raw(server.target, DEAF_OPTIONS)) for _ in range(100)]
        readers = [each.open(call, [data]) for each in clients]
        # While they are sent what they have room for, and while they take nothing.
        during = []
        while not cut_off(server):
            during.append(latency(client))
        assert statistics.median(during) < 5 * before + 0.02
        eventually(lambda: cut_off(server) == len(readers))
        assert peak_bytes(server.process.pid) - idle < 100 * 10 * MIB
        assert {outcome(reader) for reader in readers} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        recovered(client, before)


def cut_off(server: Daemon) -> int:
    """How many readers the daemon says it has cut off."""
    return sum("took nothing" in line or "took no replies" in line for line in server.log)


def outcome(reader: Any) -> grpc.StatusCode:
    """What becomes of a reader that reads at last."""
    with pytest.raises(grpc.RpcError):
        for _ in reader:
            pass
    code: grpc.StatusCode = reader.code()
    return code


# Clients that vanish.


VANISHING: Final = """
    import sys, threading
    from statehouse._generated import statehouse_pb2 as pb
    from tests.rpc.raw import RawClient, batch, item
    client = RawClient(sys.argv[1])
    follow = pb.ReplayBatchesRequest(follow=True).SerializeToString()
    following = [client.open("ReplayBatches", [follow]) for _ in range(50)]
    for each in following:
        next(each)
    def pages():
        wait = pb.ReplayPageRequest(from_ts=1000, wait_ms=3_000_000).SerializeToString()
        yield batch(item("replay_page", wait, ident=number) for number in range(50))
        threading.Event().wait()
    waiting = client.open("Pipeline", pages())
    begin = pb.BeginTransactionRequest(timeout_ms=2000).SerializeToString()
    for _ in range(20):
        client.call("BeginTransaction", begin)
    print("ready", flush=True)
    threading.Event().wait()
"""


@pytest.mark.slow
def test_a_client_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    with ExitStack() as stack:
        flags = ("--memory", "--staged-transactions-max", "20", "--replays-max", "50")
        server = stack.enter_context(daemon(tmp_path / "log", *flags))
        client = stack.enter_context(raw(server.target))
        vanishing = stack.enter_context(started_client(server.target))
        eventually(lambda: status(client).followers == 100)
        begin = pb.BeginTransactionRequest().SerializeToString()
        follow = pb.ReplayBatchesRequest(follow=True, to_ts=0).SerializeToString()
        assert client.call("BeginTransaction", begin).short == "RESOURCE_EXHAUSTED OVERLOADED"
        assert client.call("ReplayBatches", follow).short == "RESOURCE_EXHAUSTED OVERLOADED"
        vanishing.send_signal(signal.SIGKILL)
        eventually(lambda: status(client).followers == 0)
        eventually(lambda: client.call("ReplayBatches", follow).status == "OK")
        # When its transactions' own time is over.
        eventually(lambda: client.call("BeginTransaction", begin).status == "OK")
        assert status(client).queued_commits == 0


def started_client(target: str) -> subprocess.Popen[str]:
    """A client in a process of its own, when it has done all that it does."""
    command = [sys.executable, "-c", textwrap.dedent(VANISHING), target]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    return client
