"""Commits that reach a daemon at once are one group, written in its event loop."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest
from opentelemetry.trace import SpanKind

from statehouse._generated import statehouse_pb2 as pb
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import KIB, MIB
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Get, Status, Write
from statehouse.rpc.serving.admission import Admission
from statehouse.rpc.serving.answers import Answers
from statehouse.rpc.serving.meter import Meter, MeteredEngine
from statehouse.rpc.serving.spans import answering
from statehouse.testing.daemon import serving
from statehouse.testing.faults import Call, Fault, refusal
from statehouse.testing.reference import ReferenceEngine
from tests.engine_faults.disks import WitnessedStore
from tests.engine_faults.workload import SMALL, assert_sound, events_of, open_on, transaction, value
from tests.rpc.daemons import eventually
from tests.rpc.raw import ALONE, Outcome, RawClient, batch, item, raw
from tests.tracing.collected import Collected

GROUP: Final = [Call.WRITE, Call.SYNC]
"""What reaches the disk of one group."""


class Daemon:
    """A daemon of this process, and what is around its engine.

    Attributes:
        store: Where its engine writes.
        engine: The engine, without what is around it.
        client: A client of it.
        target: Where it listens.
    """

    def __init__(self, target: str, store: WitnessedStore, engine: Engine, client: RawClient) -> None:
        self.target = target
        self.store = store
        self.engine = engine
        self.client = client

    @property
    def calls(self) -> list[Call]:
        """The writes and syncs so far."""
        return [call for call, _ in self.store.done]

    @property
    def threads(self) -> set[str]:
        """The names of the threads that made them."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        return {names[thread] for _, thread in self.store.done}


Around = Callable[[Engine], Engine]


@contextmanager
def daemon(around: Around | None = None, *, sound: bool = True) -> Iterator[Daemon]:
    store = WitnessedStore()
    # By its clock every sync is short.
    engine = open_on(store)
    store.done.clear()
    with serving(engine if around is None else around(engine)) as target, raw(target) as client:
        yield Daemon(target, store, engine, client)
    if sound:
        assert_sound(engine)
    engine.close()


def metered(engine: Engine) -> Engine:
    return MeteredEngine(engine, Meter())


def traced(engine: Engine) -> Engine:
    return answering(engine, Collected().provider)


def both(engine: Engine) -> Engine:
    """As `statehoused` does it, when it is monitored."""
    return traced(metered(engine))


def bare(engine: Engine) -> Engine:
    return engine


AROUND: Final = pytest.mark.parametrize(
    "around", [bare, metered, traced, both], ids=lambda around: around.__name__
)


def change(number: int, value: bytes = b"v") -> pb.CommitTransactionRequest:
    request = pb.CommitTransactionRequest(txn_id=f"txn {number}")
    request.changes.add(agent_id="a", key=f"key {number}").payload.data = value
    return request


def commit(number: int, value: bytes = b"v") -> bytes:
    """A commit as an item of a pipeline, of its own id."""
    return item("commit_transaction", change(number, value).SerializeToString(), ident=number)


def get(ident: int, key: str) -> bytes:
    request = pb.GetStateRequest(agent_id="a", key=key)
    return item("get_state", request.SerializeToString(), ident=ident)


def commit_ts(outcomes: dict[int, Outcome], idents: Iterable[int]) -> list[int]:
    """The commit_ts of each of these items."""
    return [outcomes[ident].reply(pb.CommitTransactionResponse).commit_ts for ident in idents]


LOOP: Final = {"background-loop"}


@AROUND
@pytest.mark.parametrize("count", [8, 32, 40])
def test_a_batch_of_commits_is_one_group_of_the_loop(around: Around, count: int) -> None:
    with daemon(around) as served:
        answers = served.client.items(*map(commit, range(1, count + 1)))
        assert commit_ts(answers, range(1, count + 1)) == list(range(1, count + 1))
        assert (served.calls, served.threads) == (GROUP, LOOP)


def test_batch_after_batch_is_a_group_each() -> None:
    with daemon() as served:
        for first in range(1, 161, 32):
            answers = served.client.items(*map(commit, range(first, first + 32)))
            assert commit_ts(answers, range(first, first + 32)) == list(range(first, first + 32))
        assert (served.calls, served.threads) == (GROUP * 5, LOOP)


@AROUND
def test_a_few_commits_are_the_writers(around: Around) -> None:
    with daemon(around) as served:
        answers = served.client.items(*map(commit, range(1, 8)))
        assert commit_ts(answers, range(1, 8)) == list(range(1, 8))
        assert served.threads == {"statehouse-writer"}


def test_a_long_batch_is_several_groups() -> None:
    with daemon() as served:
        answers = served.client.items(*map(commit, range(1, 501)))
        assert commit_ts(answers, range(1, 501)) == list(range(1, 501))
        assert len(served.calls) <= 2 * 500 / 8


@AROUND
def test_what_is_refused_among_them_is_refused_alone(around: Around) -> None:
    late = change(17)
    late.preconditions.add(name=pb.RecordName(agent_id="a", key="key 3"), version=0)
    other = change(3, b"other")
    with daemon(around) as served:
        answers = served.client.items(
            *map(commit, range(1, 17)),
            item("commit_transaction", late.SerializeToString(), ident=17),
            item("commit_transaction", other.SerializeToString(), ident=18),
            item("commit_transaction", change(4).SerializeToString(), ident=19),
        )
        assert commit_ts(answers, [*range(1, 17), 19]) == [*range(1, 17), 4]
        assert answers[17].short == "FAILED_PRECONDITION PRECONDITION_FAILED"
        assert answers[18].short == "ALREADY_EXISTS ALREADY_EXISTS"
        assert served.calls == GROUP


@AROUND
def test_reads_between_them_are_answered(around: Around) -> None:
    with daemon(around) as served:
        served.client.items(commit(1000, b"before"))
        items = [each for number in range(1, 21) for each in (commit(number), get(100 + number, "key 1000"))]
        answers = served.client.items(*items)
        assert commit_ts(answers, range(1, 21)) == list(range(2, 22))
        read = [answers[100 + number].reply(pb.GetStateResponse) for number in range(1, 21)]
        assert {each.commit_ts for each in read} == {1}


@AROUND
@pytest.mark.parametrize("place", [0, 5, 15, 30])
def test_a_large_one_among_them_is_whole(around: Around, place: int) -> None:
    large = bytes(range(256)) * (200 * KIB // 256)
    numbers = [number for number in range(1, 32) if number != place + 1]
    items = [commit(number) for number in numbers]
    items.insert(place, commit(place + 1, large))
    with daemon(around) as served:
        answers = served.client.items(*items)
        assert sorted(commit_ts(answers, range(1, 32))) == list(range(1, 32))
        entry = served.engine.execute(Get(RecordKey("default", "a", f"key {place + 1}"))).entry
        assert entry.payload is not None
        assert entry.payload.data == large


@AROUND
def test_calls_of_many_clients_are_answered_once_each(around: Around) -> None:
    with daemon(around) as served, ExitStack() as stack, ThreadPoolExecutor(16) as threads:
        clients = [stack.enter_context(raw(served.target, ALONE)) for _ in range(16)]

        def ask(number: int) -> int:
            data = change(number).SerializeToString()
            reply = clients[number % 16].call("CommitTransaction", data).reply(pb.CommitTransactionResponse)
            return int(reply.commit_ts)

        assert sorted(threads.map(ask, range(320))) == list(range(1, 321))
        assert len(served.calls) <= 2 * 320
        assert len(events_of(served.engine)) == 320


async def asked(engine: Engine, commits: Sequence[Commit]) -> list[Committed]:
    """Asks as calls do that are taken in one pass of the loop; which calls are, is gRPC's own affair."""
    # Then it says so when it is touched by another thread.
    asyncio.get_running_loop().set_debug(True)
    answers = Answers(engine, Admission(requests_max=1000, bytes_max=MIB))
    try:
        return await asyncio.gather(*map(answers.ask, commits))
    finally:
        answers.close()


def test_calls_of_one_pass_of_the_loop_are_one_group() -> None:
    store = WitnessedStore()
    engine = open_on(store)
    store.done.clear()
    commits = [transaction(number, Write(SMALL, value(f"{number}"))) for number in range(1, 33)]
    committed = asyncio.run(asked(engine, commits))
    assert [each.commit_ts for each in committed] == list(range(1, 33))
    assert store.done == [(call, threading.get_ident()) for call in GROUP]
    engine.close()


def test_a_commit_of_many_operations_is_begun_in_another_thread_and_holds_nothing() -> None:
    engine = open_on(WitnessedStore())
    writes = [Write(RecordKey("default", "a", f"key {number}"), value("v")) for number in range(2000)]
    [committed] = asyncio.run(asked(engine, [transaction(1, *writes)]))
    assert committed.commit_ts == 1
    engine.close()


def test_streams_and_calls_at_once_are_answered_once_each() -> None:
    with daemon() as served, ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        clients = [stack.enter_context(raw(served.target, ALONE)) for _ in range(8)]

        def ask(turn: int) -> list[int]:
            numbers, client = range(turn * 20, turn * 20 + 20), clients[turn % 8]
            if turn % 3:
                return commit_ts(client.items(*map(commit, numbers)), numbers)
            called = [client.call("CommitTransaction", change(each).SerializeToString()) for each in numbers]
            return [each.reply(pb.CommitTransactionResponse).commit_ts for each in called]

        assert sorted(itertools.chain(*threads.map(ask, range(24)))) == list(range(1, 481))


def test_commits_are_counted_however_they_were_written() -> None:
    meter = Meter()
    with daemon(lambda engine: MeteredEngine(engine, meter)) as served:
        served.client.items(*map(commit, range(1, 33)))
        served.client.items(*map(commit, range(31, 34)))
        assert (meter.transactions["committed"], meter.transactions["repeated"]) == (33, 2)


def test_each_commit_of_a_group_has_its_span() -> None:
    collected = Collected()
    with daemon(lambda engine: answering(engine, collected.provider)) as served:
        served.client.items(*map(commit, range(1, 33)))
        assert served.calls == GROUP
    assert len(collected.settled().of(SpanKind.SERVER)) == 32


def test_an_engine_that_holds_nothing_is_served_as_well() -> None:
    engine = ReferenceEngine()
    with serving(engine) as target, raw(target) as client:
        assert commit_ts(client.items(*map(commit, range(1, 33))), range(1, 33)) == list(range(1, 33))
    engine.close()


def test_a_group_that_is_refused_by_the_disk_is_refused_and_the_next_is_written() -> None:
    with daemon() as served:
        served.store.arm(refusal())
        answers = served.client.items(*map(commit, range(1, 33)))
        assert {answer.code for answer in answers.values()} == {"OVERLOADED"}
        again = served.client.items(*map(commit, range(1, 33)))
        assert commit_ts(again, range(1, 33)) == list(range(1, 33))


def test_after_a_sync_that_failed_everybody_is_told_that_nobody_knows() -> None:
    """G8: and the loop, in whose thread it failed, goes on."""
    with daemon(sound=False) as served:
        served.store.arm(Fault(Call.SYNC, 1, OSError))
        answers = served.client.items(*map(commit, range(1, 33)))
        assert {answer.code for answer in answers.values()} == {"OUTCOME_UNKNOWN"}
        later = served.client.items(*map(commit, range(100, 132)))
        assert {answer.code for answer in later.values()} == {"REFUSING_WRITES"}
        assert served.client.call("Health", b"").status == "OK"
        found = served.client.call("Status", b"").reply(pb.StatusResponse)
        assert found.commit_ts == 0


def test_a_client_that_goes_while_its_group_is_written_leaves_it_whole() -> None:
    with daemon() as served:
        served.store.shut(Call.WRITE)
        with raw(served.target, ALONE) as client:
            stream = client.open("Pipeline", iter([batch(map(commit, range(1, 33)))]))
            served.store.await_arrival(Call.WRITE)
            stream.cancel()
        served.store.lift(Call.WRITE)
        answers = served.client.items(*map(commit, range(100, 132)))
        assert commit_ts(answers, range(100, 132)) == list(range(33, 65))
        assert served.threads == LOOP


def test_nothing_acknowledged_is_lost_when_clients_go_in_the_middle() -> None:
    acknowledged: set[int] = set()
    with daemon() as served:
        for first in range(0, 3000, 100):
            numbers = range(first, first + 100)
            with raw(served.target, ALONE) as client:
                # Of several turns, with one for another thread in the middle.
                items = [*map(commit, numbers[:60]), commit(first + 60, bytes(100 * KIB))]
                stream = client.open("Pipeline", iter([batch([*items, *map(commit, numbers[61:])])]))
                replies = pb.ReplyBatch.FromString(next(stream)).items
                acknowledged |= {each.id for each in replies if each.WhichOneof("reply") != "error"}
                stream.cancel()
        eventually(lambda: served.engine.execute(Status()).queued_commits == 0)
        last = served.client.items(*map(commit, range(5000, 5032)))
        assert len(set(commit_ts(last, range(5000, 5032)))) == 32
        logged = [int(event.txn_id.removeprefix("txn ")) for event in events_of(served.engine)]
    assert len(logged) == len(set(logged))
    assert acknowledged
    assert acknowledged <= set(logged)


def test_a_daemon_that_ends_writes_what_it_has_taken() -> None:
    with daemon() as served:
        served.client.items(*map(commit, range(1, 33)))
        stored = served.store
    again = open_on(stored.after_crash())
    assert len(events_of(again)) == 32
    again.close()
