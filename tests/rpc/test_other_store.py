"""A replay goes on in the history that it began in, whatever answers at its address by then (G7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from grpc import StatusCode as Code

from statehouse import Statehouse, StoreChangedError
from statehouse._generated import statehouse_pb2 as pb
from statehouse.client import pages
from statehouse.engine import open_engine
from statehouse.protocol.engine import Engine
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Event, EventPage
from statehouse.protocol.requests import Commit, Request, Status, Write
from statehouse.protocol.values import encode
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.rpc.daemons import WAIT_S, eventually, free_target
from tests.rpc.foreign import connected, refused

R = TypeVar("R")


def fill(engine: Engine, what: str, count: int) -> None:
    """Commits so many events, by which one can tell whose they are."""
    for number in range(count):
        name = RecordKey("default", "a", f"k{number}")
        engine.execute(Commit(f"{what}-{number}", (Write(name, encode(what)),), origin=Origin(run_id="run")))


def opened(what: str, count: int) -> Iterator[Engine]:
    made = open_engine(MemoryStore(), durability="none")
    fill(made, what, count)
    yield made
    made.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    yield from opened("ours", 3)


@pytest.fixture
def other() -> Iterator[Engine]:
    """Another store, with more history than ours."""
    yield from opened("theirs", 9)


@pytest.fixture
def rows_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ROWS_AT_ONCE", 2)


class SilentEngine:
    """An engine of an earlier version: its pages do not say which store they are of."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner

    def execute(self, request: Request[R]) -> R:
        """Answers."""
        return self._silenced(self._inner.execute(request))

    def submit(self, request: Request[R]) -> Future[R]:
        """Answers."""
        future: Future[R] = Future()
        future.set_result(self.execute(request))
        return future

    def close(self) -> None:
        """Closes it."""
        self._inner.close()

    def _silenced(self, reply: R) -> R:
        return replace(reply, store_id="", epoch=0) if isinstance(reply, EventPage) else reply


READS: dict[str, Callable[[Statehouse], Iterator[Event]]] = {
    "a replay": lambda sh: sh.replay(agent_id="a"),
    "a replay of the whole store": lambda sh: sh.replay(whole_store=True, payloads=False),
    "a replay up to a commit": lambda sh: sh.replay(to_ts=9),
    "a follower": lambda sh: sh.replay(follow=True),
    "events of a run": lambda sh: sh.find_events(run_id="run"),
}


@pytest.mark.usefixtures("rows_of_two")
@pytest.mark.parametrize("what", READS)
def test_what_is_read_in_pages_never_goes_on_in_another_store(
    engine: Engine, other: Engine, what: str
) -> None:
    target = free_target()
    with Statehouse(target) as sh:
        with serving(engine, listen=target, grace_s=0.0):
            events = iter(READS[what](sh))
            assert [next(events).txn_id for _ in range(2)] == ["ours-0", "ours-1"]
        with serving(other, listen=target, grace_s=0.0):
            with pytest.raises(StoreChangedError, match="begin again from the start"):
                next(events)
            # From the start it may be read.
            assert next(iter(READS[what](sh))).txn_id == "theirs-0"


@pytest.mark.usefixtures("rows_of_two")
@pytest.mark.parametrize("what", READS)
def test_what_is_read_in_pages_goes_on_when_the_same_store_comes_back(engine: Engine, what: str) -> None:
    target = free_target()
    with Statehouse(target) as sh:
        with serving(engine, listen=target, grace_s=0.0):
            events = iter(READS[what](sh))
            assert [next(events).txn_id for _ in range(2)] == ["ours-0", "ours-1"]
        with serving(engine, listen=target, grace_s=0.0):
            assert next(events).txn_id == "ours-2"


def test_a_follower_that_waits_is_told_when_another_store_comes(engine: Engine, other: Engine) -> None:
    target = free_target()

    seen: list[str] = []

    def follow() -> None:
        with Statehouse(target) as sh:
            seen.extend(event.txn_id for event in sh.replay(follow=True))

    with ThreadPoolExecutor(1) as threads:
        with serving(engine, listen=target, grace_s=0.0):
            following = threads.submit(follow)
            eventually(lambda: engine.execute(Status()).followers == 1)
        with serving(other, listen=target, grace_s=0.0), pytest.raises(StoreChangedError):
            following.result(WAIT_S)
    assert seen == ["ours-0", "ours-1", "ours-2"]


@pytest.mark.usefixtures("rows_of_two")
@pytest.mark.parametrize("what", READS)
def test_a_daemon_that_does_not_say_its_store_is_read_as_ever(engine: Engine, what: str) -> None:
    with serving(SilentEngine(engine), grace_s=0.0) as target, Statehouse(target) as sh:
        events = iter(READS[what](sh))
        assert [next(events).txn_id for _ in range(3)] == ["ours-0", "ours-1", "ours-2"]


# Streams of pages, for clients in any language.


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("from_ts", [0, 4, 99])
def test_a_stream_of_pages_does_not_go_on_in_another_store(
    engine: Engine, other: Engine, from_ts: int, follow: bool
) -> None:
    place: dict[str, Any] = {}
    with serving(engine, grace_s=0.0) as address, connected(address) as stub:
        for page in stub.ReplayBatches(pb.ReplayBatchesRequest(from_ts=from_ts)):
            place = {"store_id": page.store_id, "epoch": page.epoch}
        asked = pb.ReplayBatchesRequest(from_ts=from_ts, to_ts=from_ts + 5, follow=follow, **place)
        if not follow:
            assert [page.store_id for page in stub.ReplayBatches(asked)] == [place["store_id"]]
    with serving(other, grace_s=0.0) as address, connected(address) as stub:
        with refused(Code.FAILED_PRECONDITION, "begin again from the start") as refusal:
            list(stub.ReplayBatches(asked))
        assert type(refusal.error) is StoreChangedError
