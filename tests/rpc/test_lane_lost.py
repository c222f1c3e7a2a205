"""Lanes that are lost, and tasks that are cancelled: each call is answered, each commit applied once (G5)."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from statehouse import StatehouseAsync
from statehouse.engine import LocalEngine
from statehouse.errors import DeadlineExceededError, OutcomeUnknownError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Commit, Get, LookupTxn, Replay, Request, Scan, Status
from statehouse.rpc.calling import RemoteEngine
from statehouse.rpc.calling.engine import LoopEngine
from statehouse.rpc.calling.lane import ASKED_MIN
from statehouse.testing.contracts.engine_phrases import everything, name, put, transaction, write
from statehouse.testing.daemon import serving
from statehouse.testing.faults import Call
from tests.daemon.processes import daemon
from tests.engine_faults.gates import GatedStore, held
from tests.rpc.daemons import WAIT_S, Daemon, HeldEngine, eventually, free_target
from tests.rpc.lanes import answer, ask, by_lane, eager, opened, others, until, warmed
from tests.rpc.proxy import Fault, Proxy


@pytest.fixture(autouse=True)
def _lanes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes are opened as soon as somebody asks, and as soon as they are lost."""
    eager(monkeypatch)


@pytest.fixture
def engine(gated: LocalEngine) -> LocalEngine:
    """What the daemon serves; its commits can be made to wait."""
    return gated


@pytest.fixture
def remote(proxy: Proxy) -> Iterator[RemoteEngine]:
    """Asks the daemon."""
    remote = RemoteEngine(proxy.url)
    yield remote
    remote.close()


def applied(engine: Engine) -> Counter[str]:
    """How often each transaction was applied."""
    return Counter(event.txn_id for event in everything(engine))


# Lost.


def test_reads_and_commits_that_are_on_their_way_when_it_is_cut_are_answered_by_the_link(
    engine: LocalEngine,
) -> None:
    slow = HeldEngine(engine)
    with serving(slow) as target, Proxy(target) as proxy:
        remote = RemoteEngine(proxy.url)
        commits = [transaction(write(f"k{number}", number)) for number in range(5)]
        asked: list[Request[Any]] = [*commits, Scan("default", "planner", limit=9)]

        async def main() -> None:
            async with by_lane(remote) as near:
                calls = [ask(near, each) for each in asked]
                assert {call.carrier for call in calls} == {near.lane}
                await until(lambda: len(slow.asked) == 6)
                proxy.inject(Fault("reset"))
                proxy.heal()
                await until(lambda: len(slow.asked) == 12)
                assert {call.carrier for call in calls} == {remote._link}
                slow.let_go()
                answers = [await asyncio.wrap_future(call) for call in calls]
                assert sorted(each.commit_ts for each in answers[:5]) == [1, 2, 3, 4, 5]
                assert [entry.key for entry in answers[5].entries] == sorted(
                    entry.key for entry in answers[5].entries
                )
                # And later on by another lane.
                await opened(near)
                assert proxy.connections == 2
                call = ask(near, Get(name("k4")))
                assert call.carrier is near.lane
                assert (await asyncio.wrap_future(call)).entry.version == 1

        asyncio.run(main())
        assert remote.unanswered == 0
        remote.close()
    assert applied(engine) == Counter(commit.txn_id for commit in commits)


@pytest.mark.parametrize("kind", ["cut request", "cut reply", "lost reply"])
@pytest.mark.parametrize("after_bytes", [0, 1, 30, 200, 3000])
def test_wherever_it_is_cut_everything_is_answered_and_applied_once(
    engine: LocalEngine, remote: RemoteEngine, proxy: Proxy, kind: Any, after_bytes: int
) -> None:
    commits = [transaction(write(f"k{number}", number)) for number in range(60)]

    async def main() -> None:
        async with by_lane(remote) as near:
            proxy.inject(Fault(kind, after_bytes=after_bytes))
            calls = [ask(near, each) for each in commits]
            # Lost replies may be fewer than so many bytes.
            await until(lambda: proxy.cuts or engine.execute(Status()).commit_ts == 60)
            proxy.heal()
            reached = [(await asyncio.wrap_future(call)).commit_ts for call in calls]
            assert sorted(reached) == list(range(1, 61))
            await opened(near)

    asyncio.run(main())
    assert remote.unanswered == 0
    assert applied(engine) == Counter(commit.txn_id for commit in commits)


def test_a_lane_that_cannot_be_opened_delays_nobody(
    remote: RemoteEngine, engine: LocalEngine, proxy: Proxy
) -> None:
    """N3: the link is connected; who comes after it is taken, and hears nothing."""
    assert put(remote, "before") == 1

    async def main() -> None:
        near = remote.in_loop()
        proxy.inject(Fault("refuse"))
        proxy.heal()
        for number in range(2, 40):
            assert (await answer(near, transaction(write("k", number)))).commit_ts == number
        near.close()
        await near.gone()

    asyncio.run(main())
    assert engine.execute(Status()).commit_ts == 39


def test_after_a_lane_was_lost_none_is_opened_for_a_while(
    remote: RemoteEngine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch, pause_s=3600.0)

    async def main() -> None:
        async with by_lane(remote) as near:
            proxy.inject(Fault("reset"))
            proxy.heal()
            await until(lambda: not near.lane.is_open)
            taken = proxy.taken
            for _ in range(50):
                await answer(near, Get(name()))
            await until(lambda: near.lane._task is None or near.lane._task.done())
            assert not near.lane.is_open
            # The link's.
            assert proxy.taken <= taken + 1

    asyncio.run(main())


def test_after_a_lane_was_lost_the_loop_has_to_keep_asking_before_there_is_another(
    remote: RemoteEngine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N3."""
    eager(monkeypatch, asked=ASKED_MIN)

    async def main() -> None:
        async with by_lane(remote) as near:
            proxy.inject(Fault("reset"))
            proxy.heal()
            async with asyncio.timeout(WAIT_S):
                while "statehouse-lane" in others():  # noqa: ASYNC110 - a task that is not ours
                    await asyncio.sleep(0)
            for _ in range(ASKED_MIN - 1):
                await answer(near, Get(name()))
            assert "statehouse-lane" not in others()
            await opened(near)

    asyncio.run(main())


def test_a_follower_does_not_notice_that_it_was_cut(
    engine: LocalEngine, remote: RemoteEngine, proxy: Proxy
) -> None:
    async def main() -> None:
        async with by_lane(remote) as near:
            for number in range(1, 5):
                await opened(near)
                following = ask(near, Replay(from_ts=number, wait_s=WAIT_S))
                assert following.carrier is near.lane
                await until(lambda: engine.execute(Status()).followers == 1)
                proxy.inject(Fault("reset"))
                proxy.heal()
                await until(lambda call=following: call.carrier is remote._link)  # type: ignore[misc]
                await answer(near, transaction(write("k", number)))
                page = await asyncio.wait_for(asyncio.wrap_future(following), WAIT_S)
                assert [event.commit_ts for event in page.events] == [number]

    asyncio.run(main())
    eventually(lambda: engine.execute(Status()).followers == 0)


def test_a_daemon_that_is_gone_for_good_leaves_a_commit_unknown(engine: LocalEngine) -> None:
    slow = HeldEngine(engine)
    running = Daemon(slow)
    running.start()
    with Proxy(running.target) as proxy:
        remote = RemoteEngine(proxy.url, connect_timeout=0.3)

        async def main() -> None:
            async with by_lane(remote) as near:
                call = ask(near, transaction(write(), txn_id="t"))
                await until(lambda: len(slow.asked) == 1)
                proxy.inject(Fault("refuse"))
                with pytest.raises(OutcomeUnknownError):
                    await asyncio.wait_for(asyncio.wrap_future(call), WAIT_S)

        asyncio.run(main())
        assert remote.unanswered == 0
        slow.let_go()
        remote.close()
    running.stop()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_when_a_daemon_is_killed_or_restarted_nothing_is_lost(tmp_path: Path, how: signal.Signals) -> None:
    """G2, G5: what was acknowledged is there; what was on its way is asked of the next daemon."""
    where = ("--data-dir", str(tmp_path / "store"), "--listen", free_target())
    acknowledged: list[int] = []

    async def main() -> None:
        ended = asyncio.Event()

        async def work(sh: StatehouseAsync, number: int) -> int:
            count = 0
            while not ended.is_set():
                await sh.write(f"{number}", count, agent_id="a")
                acknowledged.append(number)
                count += 1
            return count

        with daemon(tmp_path / "first.log", *where) as first:
            sh = StatehouseAsync(first.target, connect_timeout=WAIT_S)
            lane = await warmed(sh)
            tasks = [asyncio.create_task(work(sh, number)) for number in range(16)]
            await until(lambda: len(acknowledged) > 200)
            assert lane.is_open
            await asyncio.to_thread(first.end, how)
        before = len(acknowledged)
        with daemon(tmp_path / "second.log", *where):
            await until(lambda: len(acknowledged) > before + 200)
            await warmed(sh)
            ended.set()
            counts = await asyncio.gather(*tasks)
            for number, count in enumerate(counts):
                record = await sh.get_state(f"{number}", agent_id="a")
                assert (record.version, record.value) == (count, count - 1)
            await sh.close()

    asyncio.run(main())


# Cancelled.


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancels a task, which ends."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


def test_a_commit_that_waits_in_the_daemon_is_taken_back(
    store: GatedStore, engine: LocalEngine, remote: RemoteEngine
) -> None:
    async def main() -> None:
        sh = StatehouseAsync.from_engine(remote, local=False)
        lane = await warmed(sh)
        tx = sh.begin_transaction(txn_id="t")
        tx.write("k", 2, agent_id="planner")
        with held(store, engine):
            committing = asyncio.create_task(tx.commit())
            await until(lambda: engine.execute(Status()).queued_commits == 1)
            assert len(lane.unanswered) == 1
            await cancelled(committing)
            queued: Any = engine._writer._queue[0]
            await until(queued.future.cancelled)
            # At once, and not when the time of the commit is over.
            await until(lambda: remote.unanswered == 0)
        assert lane.is_open
        await sh.close()

    asyncio.run(main())
    eventually(lambda: engine.execute(Status()).queued_commits == 0)
    assert engine.execute(LookupTxn("t")).outcome == "absent"


def test_a_commit_that_is_being_written_is_applied_once(
    store: GatedStore, engine: LocalEngine, remote: RemoteEngine
) -> None:
    async def main() -> None:
        sh = StatehouseAsync.from_engine(remote, local=False)
        lane = await warmed(sh)
        tx = sh.begin_transaction(txn_id="t")
        tx.write("k", 2, agent_id="planner")
        store.shut(Call.WRITE)
        committing = asyncio.create_task(tx.commit())
        await asyncio.to_thread(store.await_arrival, Call.WRITE)
        await cancelled(committing)
        store.lift(Call.WRITE)
        assert await tx.commit() == 1
        await until(lambda: remote.unanswered == 0)
        assert lane.is_open
        await sh.close()

    asyncio.run(main())
    assert applied(engine) == {"t": 1}


def test_a_commit_that_was_not_sent_yet_is_never_applied(engine: LocalEngine, remote: RemoteEngine) -> None:
    async def main() -> None:
        async with by_lane(remote) as near:
            call = ask(near, transaction(write(), txn_id="t"))
            assert call.carrier is near.lane
            # Nothing is sent before the loop goes on.
            assert call.cancel()
            await answer(near, transaction(write(), txn_id="u"))
            assert remote.unanswered == 0

    asyncio.run(main())
    assert applied(engine) == {"u": 1}


@pytest.mark.parametrize("from_thread", [False, True], ids=["by the loop", "by another thread"])
def test_reads_that_are_cancelled_are_taken_back(engine: LocalEngine, from_thread: bool) -> None:
    with serving(engine) as target:
        remote = RemoteEngine(target)

        async def main() -> None:
            async with by_lane(remote) as near:
                calls: list[Future[Any]] = [ask(near, Replay(from_ts=9, wait_s=600.0)) for _ in range(20)]
                await until(lambda: engine.execute(Status()).followers == 20)
                for call in calls:
                    if from_thread:
                        assert await asyncio.to_thread(call.cancel)
                    else:
                        assert call.cancel()
                await until(lambda: engine.execute(Status()).followers == 0)
                await until(lambda: remote.unanswered == 0)
                assert near.lane.is_open

        asyncio.run(main())
        remote.close()


def test_what_was_cancelled_before_a_lane_was_lost_is_not_asked_again(engine: LocalEngine) -> None:
    slow = HeldEngine(engine)
    with serving(slow) as target, Proxy(target) as proxy:
        remote = RemoteEngine(proxy.url)

        async def main() -> None:
            async with by_lane(remote) as near:
                calls = [ask(near, transaction(write(), txn_id=f"{number}")) for number in range(4)]
                calls += [ask(near, Scan("default", "planner", limit=9)) for _ in range(2)]
                await until(lambda: len(slow.asked) == 6)
                for call in calls:
                    call.cancel()
                kept = ask(near, transaction(write(), txn_id="kept"))
                await until(lambda: len(slow.asked) == 7)
                proxy.inject(Fault("reset"))
                proxy.heal()
                await until(lambda: len(slow.asked) == 8)
                assert remote.unanswered == 1
                slow.let_go()
                await asyncio.wrap_future(kept)

        asyncio.run(main())
        assert isinstance(slow.asked[-1], Commit)
        assert slow.asked[-1].txn_id == "kept"
        assert remote.unanswered == 0
        remote.close()


# At random.


class Crowd:
    """Coroutines that commit, read and give up.

    Args:
        near: How they ask.
        dice: What decides.
    """

    def __init__(self, near: LoopEngine, dice: random.Random) -> None:
        self.near = near
        self.dice = dice
        self.acknowledged: list[str] = []
        self.taken_back: list[str] = []

    async def work(self, number: int, count: int) -> None:
        """Asks one thing after the other."""
        for nth in range(count):
            ident = f"{number}-{nth}"
            if self.dice.random() < 0.3:
                await answer(self.near, Get(name(f"k{number}")))
                continue
            call = ask(self.near, transaction(write(f"k{number}", nth), txn_id=ident))
            if self.dice.random() < 0.2:
                # At whatever moment it is: not sent yet, sent, answered.
                for _ in range(self.dice.randrange(6)):
                    await asyncio.sleep(0)
                call.cancel()
            try:
                await asyncio.wrap_future(call)
            except asyncio.CancelledError:
                assert call.cancelled()
            except DeadlineExceededError:
                # It was given up, and the daemon took it back.
                self.taken_back.append(ident)
            except OutcomeUnknownError:
                assert call.abandoned
            else:
                self.acknowledged.append(ident)


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 50))]
)
def test_whatever_happens_what_was_acknowledged_is_there_once(
    engine: LocalEngine, remote: RemoteEngine, proxy: Proxy, seed: int
) -> None:
    dice = random.Random(seed)

    async def main() -> Crowd:
        async with by_lane(remote) as near:
            crowd = Crowd(near, dice)
            tasks = [asyncio.create_task(crowd.work(number, 40)) for number in range(24)]

            def all_wait() -> bool:
                return remote.unanswered >= sum(not task.done() for task in tasks)

            while not all(task.done() for task in tasks):
                kind: Any = dice.choice(["reset", "cut request", "cut reply", "lost reply"])
                before = proxy.cuts
                proxy.inject(Fault(kind, after_bytes=dice.randrange(4000)))
                if kind != "reset":
                    await until(lambda before=before: proxy.cuts > before or all_wait())  # type: ignore[misc]
                proxy.heal()
                # Until then they go by the link.
                await until(lambda: near.lane.is_open or all(task.done() for task in tasks))
            await asyncio.gather(*tasks)
            return crowd

    crowd = asyncio.run(main())
    eventually(lambda: remote.unanswered == 0)
    # What was given up is applied or not, and in any case decided, once this is answered.
    put(engine, "last")
    found = applied(engine)
    assert set(found.values()) == {1}
    assert set(crowd.acknowledged) <= set(found)
    assert not set(crowd.taken_back) & set(found)
    assert len(set(crowd.acknowledged)) == len(crowd.acknowledged)
    assert crowd.acknowledged
