"""Events as streams: complete, bounded, ended, and no burden to anybody who does not replay."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode as Code

from statehouse._generated import statehouse_pb2 as pb
from statehouse._generated.statehouse_pb2_grpc import StatehouseServiceStub as Stub
from statehouse.engine import open_engine
from statehouse.errors import ConnectionError, InvalidArgumentError, OverloadedError
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import KIB, MIB, Limits
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import Commit, Delete, Replay, Request, Status, Write
from statehouse.protocol.values import JSON, Payload, encode
from statehouse.rpc.serving import ServerOptions
from statehouse.rpc.sizes import CLASSIC_REPLY_BYTES_MAX
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.client.engines import RecordingEngine
from tests.daemon.processes import daemon
from tests.rpc.daemons import eventually
from tests.rpc.foreign import connected, put, refused, struct
from tests.rpc.memory import measured, resident_bytes


def fill(engine: Engine, count: int, *, agent: str = "a", size: int = 0) -> None:
    """Commits so many events, each with a value of about this size."""
    for number in range(count):
        name = RecordKey("default", agent, f"k{number % 10}")
        payload = encode({"n": number, "text": "x" * size})
        engine.execute(Commit(f"{agent}-{number}", (Write(name, payload),)))


def stamps(events: Any) -> list[int]:
    return [event.commit_ts for event in events]


def joined(pages: Any) -> list[pb.ReplayEvent]:
    return [event for page in pages for event in page.events]


# Replay, as the specification has it.


def test_an_event_holds_the_operations_of_the_agent_that_was_asked_for(stub: Stub, engine: Engine) -> None:
    write = Write(RecordKey("default", "a", "x"), encode({"n": 1}))
    other = Write(RecordKey("default", "b", "y"), encode({"n": 2}))
    engine.execute(Commit("both", (write, Delete(RecordKey("default", "a", "z")), other)))
    (event,) = stub.Replay(pb.ReplayRequest(agent_id="a"))
    assert (event.txn_id, event.commit_ts, event.committed_at_us > 0) == ("both", 1, True)
    first, second = event.operations
    assert (first.key, first.value, first.version, first.kind) == ("x", struct({"n": 1}), 1, pb.KIND_WRITE)
    assert (second.key, second.HasField("value"), second.kind) == ("z", False, pb.KIND_DELETE)
    assert {operation.agent_id for operation in event.operations} == {""}
    (event,) = stub.Replay(pb.ReplayRequest(agent_id="b"))
    assert [operation.key for operation in event.operations] == ["y"]


def test_a_value_that_is_no_object_is_shown_and_is_no_delete(stub: Stub, engine: Engine) -> None:
    engine.execute(Commit("t", (Write(RecordKey("default", "a", "x"), encode([1])),)))
    (event,) = stub.Replay(pb.ReplayRequest(agent_id="a"))
    assert "@statehouse.payload" in event.operations[0].value


def test_a_replay_is_in_commit_order_and_includes_both_of_its_bounds(stub: Stub, engine: Engine) -> None:
    fill(engine, 5)
    assert stamps(stub.Replay(pb.ReplayRequest(agent_id="a"))) == [1, 2, 3, 4, 5]
    assert stamps(stub.Replay(pb.ReplayRequest(agent_id="a", start_ts=2, end_ts=4))) == [2, 3, 4]
    assert stamps(stub.Replay(pb.ReplayRequest(agent_id="a", start_ts=4, end_ts=4))) == [4]


@pytest.mark.parametrize("bounds", [{"start_ts": 6}, {"start_ts": 6, "end_ts": 9}, {"end_ts": 0}])
def test_a_replay_of_nothing_ends_at_once(stub: Stub, engine: Engine, bounds: dict[str, Any]) -> None:
    fill(engine, 5)
    assert stamps(stub.Replay(pb.ReplayRequest(agent_id="a", **bounds))) == []
    assert stamps(stub.Replay(pb.ReplayRequest(agent_id="nobody"))) == []


@pytest.mark.parametrize("start", [1, 9])
def test_a_replay_that_ends_before_it_begins_is_refused(stub: Stub, start: int) -> None:
    put(stub, "x", {})
    with refused(Code.INVALID_ARGUMENT, f"start_ts {start} lies after end_ts 0") as refusal:
        stamps(stub.Replay(pb.ReplayRequest(agent_id="a", start_ts=start, end_ts=0)))
    assert type(refusal.error) is InvalidArgumentError


@pytest.mark.parametrize("start", [0, 9])
def test_a_replay_of_no_agent_is_refused(stub: Stub, start: int) -> None:
    with refused(Code.INVALID_ARGUMENT, "agent_id must not be empty"):
        stamps(stub.Replay(pb.ReplayRequest(start_ts=start)))


class Growing(RecordingEngine):
    """Gets another event whenever events are read."""

    def __init__(self) -> None:
        super().__init__(self._grow)
        self.inner = open_engine(MemoryStore(), durability="none", limits=Limits(page_bytes_max=5000))

    def _grow(self, request: Request[Any]) -> None:
        if isinstance(request, Replay):
            number = len(self.asked)
            self.execute(Commit(f"more-{number}", (Delete(RecordKey("default", "a", "x")),)))


@pytest.mark.parametrize("call", ["Replay", "ReplayBatches"])
def test_a_replay_ends_at_the_newest_event_there_was_when_it_began(call: str) -> None:
    engine = Growing()
    fill(engine, 200)
    with serving(engine) as address, connected(address) as stub:
        if call == "Replay":
            found = stamps(stub.Replay(pb.ReplayRequest(agent_id="a")))
        else:
            found = stamps(joined(stub.ReplayBatches(pb.ReplayBatchesRequest())))
    engine.close()
    assert found == list(range(1, 201))
    assert len(engine.commits()) > 203


# ReplayBatches.


def test_batches_hold_every_event_once_and_say_how_far_they_reach(stub: Stub, engine: Engine) -> None:
    fill(engine, 2500)
    pages = list(stub.ReplayBatches(pb.ReplayBatchesRequest(values=pb.VALUES_AS_PAYLOAD)))
    assert [(len(page.events), page.through_commit_ts, page.done) for page in pages] == [
        (1000, 1000, False),
        (1000, 2000, False),
        (500, 2500, True),
    ]
    assert stamps(joined(pages)) == list(range(1, 2501))
    assert json.loads(joined(pages)[7].operations[0].payload.data)["n"] == 7


def test_batches_are_of_an_agent_a_namespace_or_the_whole_store(stub: Stub, engine: Engine) -> None:
    fill(engine, 1, agent="a")
    fill(engine, 1, agent="b")
    engine.execute(Commit("elsewhere", (Write(RecordKey("other", "a", "x"), encode({})),)))
    ask = stub.ReplayBatches
    assert stamps(joined(ask(pb.ReplayBatchesRequest(namespace="", agent_id="a")))) == [1]
    assert stamps(joined(ask(pb.ReplayBatchesRequest(namespace="default")))) == [1, 2]
    assert stamps(joined(ask(pb.ReplayBatchesRequest()))) == [1, 2, 3]
    assert stamps(joined(ask(pb.ReplayBatchesRequest(from_ts=2, to_ts=2)))) == [2]


def test_batches_leave_values_out_if_asked(stub: Stub, engine: Engine) -> None:
    fill(engine, 1)
    (event,) = joined(stub.ReplayBatches(pb.ReplayBatchesRequest(values=pb.VALUES_LEFT_OUT)))
    (operation,) = event.operations
    assert (operation.kind, operation.HasField("value"), operation.HasField("payload")) == (
        pb.KIND_WRITE,
        False,
        False,
    )


def test_batches_of_nothing_are_one_that_is_done(stub: Stub, engine: Engine) -> None:
    (page,) = stub.ReplayBatches(pb.ReplayBatchesRequest())
    assert (len(page.events), page.through_commit_ts, page.done) == (0, 0, True)
    fill(engine, 1)
    (page,) = stub.ReplayBatches(pb.ReplayBatchesRequest(from_ts=2))
    assert (len(page.events), page.through_commit_ts, page.done) == (0, 1, True)


def test_batches_that_make_no_sense_are_refused(stub: Stub) -> None:
    with refused(Code.INVALID_ARGUMENT, "to_ts 1 is before from_ts 9"):
        list(stub.ReplayBatches(pb.ReplayBatchesRequest(from_ts=9, to_ts=1)))
    with refused(Code.INVALID_ARGUMENT, "needs its namespace"):
        list(stub.ReplayBatches(pb.ReplayBatchesRequest(agent_id="a")))


@pytest.mark.slow
def test_a_page_too_large_as_structs_is_sent_in_parts_that_can_be_resumed_from(
    stub: Stub, engine: Engine
) -> None:
    # Each of these numbers is eleven bytes in a Struct.
    for number in range(20):
        data = Payload(JSON, b'{"n":[' + b"0," * 40_000 + b"0]}")
        engine.execute(Commit(f"t{number}", (Write(RecordKey("default", "a", "x"), data),)))
    pages = list(stub.ReplayBatches(pb.ReplayBatchesRequest()))
    assert max(page.ByteSize() for page in pages) <= CLASSIC_REPLY_BYTES_MAX
    assert stamps(joined(pages)) == list(range(1, 21))
    assert all(page.events[-1].commit_ts == page.through_commit_ts for page in pages)
    assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
    status = engine.execute(Status())
    assert {(page.store_id, page.epoch) for page in pages} == {(status.store_id, status.epoch)}


# Following.


def test_a_follower_is_sent_what_comes(stub: Stub, engine: Engine) -> None:
    fill(engine, 2)
    following = stub.ReplayBatches(pb.ReplayBatchesRequest(namespace="default", agent_id="a", follow=True))
    assert stamps(next(following).events) == [1, 2]
    put(stub, "x", {"n": 3}, agent="other")
    put(stub, "x", {"n": 4})
    page = next(following)
    assert (stamps(page.events), page.through_commit_ts) == ([4], 4)
    following.cancel()


def test_a_follower_of_a_quiet_agent_is_told_how_far_was_looked(engine: Engine) -> None:
    with serving(engine, ServerOptions(heartbeat_s=0.02)) as address, connected(address) as stub:
        request = pb.ReplayBatchesRequest(namespace="default", agent_id="a", follow=True)
        following = stub.ReplayBatches(request)
        page = next(following)
        assert (len(page.events), page.through_commit_ts, page.done) == (0, 0, False)
        fill(engine, 7, agent="other")
        assert next(page.through_commit_ts for page in following if page.through_commit_ts) == 7


def test_a_follower_with_an_end_ends(stub: Stub, engine: Engine) -> None:
    following = stub.ReplayBatches(pb.ReplayBatchesRequest(to_ts=3, follow=True))
    assert not next(following).done
    fill(engine, 4)
    pages = list(following)
    assert (stamps(joined(pages)), pages[-1].done) == ([1, 2, 3], True)


def test_a_thousand_commits_are_followed_without_a_gap_or_a_repeat(stub: Stub, engine: Engine) -> None:
    following = stub.ReplayBatches(pb.ReplayBatchesRequest(follow=True, to_ts=1000))
    writing = threading.Thread(target=fill, args=(engine, 1000))
    writing.start()
    assert stamps(joined(following)) == list(range(1, 1001))
    writing.join()


def test_a_follower_that_goes_leaves_nobody_waiting(stub: Stub, engine: Engine) -> None:
    following = stub.ReplayBatches(pb.ReplayBatchesRequest(follow=True))
    next(following)
    eventually(lambda: engine.execute(Status()).followers == 1)
    following.cancel()
    eventually(lambda: engine.execute(Status()).followers == 0)


# Bounds.


def test_one_replay_too_many_is_refused_until_another_ends(engine: Engine) -> None:
    with serving(engine, ServerOptions(replays_max=2)) as address, connected(address) as stub:
        request = pb.ReplayBatchesRequest(follow=True)
        first, second = stub.ReplayBatches(request), stub.ReplayBatches(request)
        assert (next(first).done, next(second).done) == (False, False)
        with refused(Code.RESOURCE_EXHAUSTED, "2 replays are open") as refusal:
            next(stub.ReplayBatches(request))
        assert isinstance(refusal.error, OverloadedError)
        with refused(Code.RESOURCE_EXHAUSTED, "2 replays are open"):
            next(stub.Replay(pb.ReplayRequest(agent_id="a")))
        first.cancel()
        eventually(lambda: _is_let_in(stub))


def _is_let_in(stub: Stub) -> bool:
    try:
        list(stub.Replay(pb.ReplayRequest(agent_id="a")))
    except grpc.RpcError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("call", ["Replay", "ReplayBatches"])
def test_a_reader_that_takes_nothing_is_cut_off_and_goes_on_after_what_it_has(
    engine: Engine, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(engine, 300, size=100 * KIB)
    caplog.set_level(logging.DEBUG, "statehouse.rpc")
    with serving(engine, ServerOptions(stall_s=0.3, replays_max=1)) as address, connected(address) as stub:
        replay: Any = (
            stub.Replay(pb.ReplayRequest(agent_id="a"))
            if call == "Replay"
            else stub.ReplayBatches(pb.ReplayBatchesRequest())
        )
        first = next(replay)
        eventually(lambda: any(getattr(each, "code", "") == "RESOURCE_EXHAUSTED" for each in caplog.records))
        # Its place is taken as long as gRPC holds something for it.
        assert not _is_let_in(stub)
        found = [first]
        with refused(Code.RESOURCE_EXHAUSTED, "nothing was taken from this stream for 0.3 s") as refusal:
            found += replay
        assert isinstance(refusal.error, OverloadedError)
        assert refusal.error.reason == "slow_reader"
        events = found if call == "Replay" else joined(found)
        assert stamps(events) == list(range(1, len(events) + 1))
        assert 1 < len(events) < 300
        eventually(lambda: _is_let_in(stub))


def test_replays_end_when_the_daemon_goes_down(engine: Engine) -> None:
    with connected_to_one_that_goes_down(engine) as (stub, go_down):
        request = pb.ReplayBatchesRequest(follow=True)
        following = [stub.ReplayBatches(request) for _ in range(3)]
        assert [next(each).done for each in following] == [False] * 3
        go_down()
        for each in following:
            with refused(Code.UNAVAILABLE, "going down") as refusal:
                next(each)
            assert type(refusal.error) is ConnectionError


@contextmanager
def connected_to_one_that_goes_down(engine: Engine) -> Iterator[tuple[Stub, Any]]:
    with ExitStack() as stack, ExitStack() as running:
        stub = stack.enter_context(connected(running.enter_context(serving(engine))))
        yield stub, running.close


# What it costs others.


@pytest.mark.slow
@measured
@pytest.mark.parametrize("call", ["Replay", "ReplayBatches"])
def test_a_hundred_readers_that_do_not_read_cost_little_and_keep_nobody_waiting(
    tmp_path: Path, call: str
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(daemon(tmp_path / "log", "--memory"))
        stub = stack.enter_context(connected(server.target))
        data = json.dumps({"text": "x" * 100 * KIB}).encode()
        for number in range(400):
            request = pb.CommitTransactionRequest(txn_id=f"t{number}")
            request.changes.add(agent_id="a", key="x").payload.data = data
            stub.CommitTransaction(request)
        pid = server.process.pid
        before = resident_bytes(pid)
        first = _not_reading(server.target, pid, call)
        assert first - before < 100 * 10 * MIB
        # Once more: nothing of the first hundred is left that another hundred cannot have.
        assert _not_reading(server.target, pid, call) - before < 1.25 * (first - before) + 32 * MIB


def _not_reading(target: str, pid: int, call: str) -> int:
    """Has a hundred readers not read, until the daemon has done what it can; gives the most that it takes."""
    with ExitStack() as stack:
        stub = stack.enter_context(connected(target))
        for _ in range(100):
            reader = stack.enter_context(connected(target))
            if call == "Replay":
                reader.Replay(pb.ReplayRequest(agent_id="a"))
            else:
                reader.ReplayBatches(pb.ReplayBatchesRequest())
        most = settled = 0
        while settled < 1000:
            assert stub.Health(pb.HealthRequest(), timeout=1).status == "ok"
            now = resident_bytes(pid)
            settled = settled + 1 if now <= most else 0
            most = max(most, now)
        # One that reads gets all of it, beside them.
        assert len(list(stub.Replay(pb.ReplayRequest(agent_id="a")))) == 400
        return most
