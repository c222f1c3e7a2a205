"""Whatever was sent to a daemon, and however often: the memory that it took is there again."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from statehouse._generated import statehouse_pb2 as pb
from statehouse.protocol.limits import MIB
from statehouse.rpc.sizes import MESSAGE_BYTES_MAX
from tests.daemon.processes import daemon
from tests.rpc.memory import measured, peak_bytes, resident_bytes
from tests.rpc.raw import ALONE, Outcome, RawClient, batch, item, raw, tagged
from tests.rpc.surfaces import SURFACES, World, attacked, struct
from tests.rpc.test_hostile_port import METADATA, NOISE

GET: Final = pb.GetStateRequest(agent_id="a", key="k").SerializeToString()
WAIT: Final = pb.ReplayPageRequest(from_ts=1000, wait_ms=3_000_000).SerializeToString()


def large_commit(**more: object) -> bytes:
    """A commit of 4 MiB that is refused."""
    commit = pb.CommitTransactionRequest(txn_id="refused", **more)  # type: ignore[arg-type]
    commit.changes.add(agent_id="a", key="k").payload.data = bytes(4 * MIB)
    commit.preconditions.add(name=pb.RecordName(agent_id="a", key="k"), version=9)
    return commit.SerializeToString()


REFUSED: Final[dict[str, tuple[str, bytes]]] = {
    "a precondition": ("CommitTransaction", large_commit()),
    "a name": ("CommitTransaction", large_commit(read_ts=2**53)),
    "no message": ("CommitTransaction", large_commit() + b"\xff"),
    "no transaction": (
        "Write",
        pb.WriteRequest(
            txn_id="none", agent_id="a", key="k", value=struct(text="x" * 4 * MIB)
        ).SerializeToString(),
    ),
    "no batch": ("Pipeline", large_commit()),
    "an item": ("Pipeline", batch([item("commit_transaction", large_commit())])),
    "a name in a read": (
        "GetState",
        pb.GetStateRequest(agent_id="\0", key="x" * 4 * MIB).SerializeToString(),
    ),
    "a range of events": (
        "Replay",
        pb.ReplayRequest(agent_id="a", start_ts=2, end_ts=1).SerializeToString()
        + tagged(1999, bytes(4 * MIB)),
    ),
}
"""Requests of 4 MiB, each refused for another reason and in another place."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with attacked() as world:
        yield world


@pytest.mark.slow
@measured
@pytest.mark.parametrize("call, data", REFUSED.values(), ids=REFUSED)
def test_a_request_that_was_refused_is_let_go_at_once(world: World, call: str, data: bytes) -> None:
    """And not when the garbage collector comes by, which counts objects and not what they are."""

    def refuse() -> None:
        outcome: Outcome = world.client.call(call, data)
        assert outcome.status != "OK" or call == "Pipeline", outcome

    refuse()
    gc.collect()
    gc.disable()
    try:
        before = resident_bytes(os.getpid())
        for _ in range(30):
            refuse()
        assert resident_bytes(os.getpid()) - before < 40 * MIB
    finally:
        gc.enable()


def too_large(target: str) -> None:
    """More than a message may be, to every call."""
    with raw(target, ALONE) as client:
        for surface in SURFACES:
            data = tagged(1999, bytes(MESSAGE_BYTES_MAX))
            assert client.call(surface.call, data).status == "RESOURCE_EXHAUSTED"


def all_that_a_message_may_be(target: str) -> None:
    """As large as a message may be, of bytes and of parts that mean nothing, to every call."""
    with raw(target, ALONE) as client:
        for surface in SURFACES:
            for data in (tagged(1999, bytes(MESSAGE_BYTES_MAX - 10)), b"\x0a\x00" * (MESSAGE_BYTES_MAX // 2)):
                client.call(surface.call, data, timeout=10)


def noise(target: str) -> None:
    """What is no gRPC."""
    host, _, port = target.rpartition(":")
    for _ in range(5):
        for said in NOISE.values():
            with contextlib.suppress(OSError), socket.create_connection((host, int(port))) as speaking:
                speaking.settimeout(0.05)
                speaking.sendall(said)
                while speaking.recv(65_536):
                    pass


def metadata(target: str) -> None:
    """More metadata than there may be."""
    with raw(target, ALONE) as client:
        for each in METADATA.values():
            client.call("GetState", GET, metadata=each)


def silence(target: str) -> None:
    """A thousand connections and a thousand calls that say nothing."""
    host, _, port = target.rpartition(":")
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(socket.create_connection((host, int(port))))
        client = stack.enter_context(raw(target, ALONE))
        for _ in range(1000):
            client.open("Pipeline", iter([]))


def waits(target: str) -> None:
    """Ten thousand waits for what never comes, and the client goes."""
    with ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(raw(target, ALONE))
            call = client.open("Pipeline", [batch(item("replay_page", WAIT, ident=n) for n in range(1000))])
            stack.callback(call.cancel)


def staged(target: str) -> None:
    """Transactions that write and are never ended, until the daemon takes no more."""
    value = struct(text="x" * MIB)
    begin = pb.BeginTransactionRequest(timeout_ms=500).SerializeToString()
    with raw(target, ALONE) as client:
        for _ in range(40):
            txn_id = client.call("BeginTransaction", begin).reply(pb.BeginTransactionResponse).txn_id
            write = pb.WriteRequest(txn_id=txn_id, agent_id="a", key="k", value=value)
            client.call("Write", write.SerializeToString())


ATTACKS: Final[tuple[Callable[[str], None], ...]] = (
    too_large,
    all_that_a_message_may_be,
    noise,
    metadata,
    silence,
    waits,
    staged,
)


@pytest.mark.slow
@measured
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_after_an_attack_the_daemon_answers_and_has_its_memory_back(
    tmp_path: Path, attack: Callable[[str], None]
) -> None:
    with ExitStack() as stack:
        flags = ("--memory", "--log", "warning", "--staged-bytes-max", str(64 * MIB))
        server = stack.enter_context(daemon(tmp_path / "log", *flags))
        client = stack.enter_context(raw(server.target))
        idle = resident_bytes(server.process.pid)
        taken = []
        for _ in range(4):
            attack(server.target)
            well(client)
            taken.append(resident_bytes(server.process.pid) - idle)
        # What the first time took stays with the process, for the next time; it is not taken again.
        assert min(taken[2:]) < max(taken[:2]) + 32 * MIB, taken
        assert peak_bytes(server.process.pid) - idle < 256 * MIB, taken
        assert not [line for line in server.log if "Traceback" in line]


def well(client: RawClient) -> None:
    """Asserts that a daemon is well, and has nothing to do."""
    assert client.call("Health", b"", timeout=1).status == "OK"
    # Its turn comes behind thousands of calls that an attack left; Health's does not.
    assert client.call("GetState", GET).status == "OK"
    status = client.call("Status", b"").reply(pb.StatusResponse)
    assert (status.state, status.commit_ts, status.queued_commits) == ("ok", 0, 0)
