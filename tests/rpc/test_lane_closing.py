"""Handles that are closed while a lane is open: nothing is left in the loop, no outcome is lost."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from statehouse import StatehouseAsync, TransactionAsync
from statehouse.client.connection import HandleClosedError
from statehouse.engine import LocalEngine
from statehouse.protocol.requests import Get, Replay, Status
from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.contracts.engine_phrases import everything, name, transaction, write
from statehouse.testing.daemon import serving
from statehouse.testing.faults import Call
from tests.engine_faults.gates import GatedStore, held
from tests.rpc.daemons import WAIT_S, HeldEngine, eventually, within
from tests.rpc.lanes import answer, ask, by_lane, eager, opened, others, until, warmed
from tests.rpc.proxy import Proxy


@pytest.fixture(autouse=True)
def _lanes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes are opened as soon as somebody asks."""
    eager(monkeypatch)


@pytest.fixture
def engine(gated: LocalEngine) -> LocalEngine:
    """What the daemon serves; its commits can be made to wait."""
    return gated


def writing(sh: StatehouseAsync, txn_id: str) -> TransactionAsync:
    """A transaction to be committed."""
    tx = sh.begin_transaction(txn_id=txn_id)
    tx.write(txn_id, 1, agent_id="planner")
    return tx


def test_close_leaves_no_task_and_no_connection(proxy: Proxy) -> None:
    async def main() -> None:
        for _ in range(20):
            sh = StatehouseAsync(proxy.url)
            await warmed(sh)
            assert others()
            await sh.close()
            assert others() == set()
            await until(lambda: proxy.connections == 0)

    asyncio.run(main())


def test_nor_does_it_while_a_lane_is_being_opened(proxy: Proxy) -> None:
    async def main() -> None:
        for passes in range(20):
            sh = StatehouseAsync(proxy.url)
            await sh.health()
            for _ in range(passes):
                await asyncio.sleep(0)
            await sh.close()
            assert others() == set()
            await until(lambda: proxy.connections == 0)

    asyncio.run(main())


def test_nor_while_others_ask_on(proxy: Proxy) -> None:
    async def ask_on(sh: StatehouseAsync) -> None:
        with suppress(HandleClosedError):
            while True:
                await sh.health()

    async def main() -> None:
        # Keeps the connection that both handles share, but asks nothing in this loop.
        kept = StatehouseAsync(proxy.url)
        for _ in range(20):
            sh = StatehouseAsync(proxy.url)
            await warmed(sh)
            asking = [asyncio.create_task(ask_on(sh)) for _ in range(3)]
            await sh.close()
            left = others()
            await asyncio.gather(*asking)
            assert "statehouse-lane" not in left
        await kept.close()
        assert others() == set()
        await until(lambda: proxy.connections == 0)

    asyncio.run(main())


def test_a_second_handle_of_the_loop_keeps_the_lane(proxy: Proxy) -> None:
    async def main() -> None:
        one, two = StatehouseAsync(proxy.url), StatehouseAsync(proxy.url)
        lane = await warmed(one)
        assert await warmed(two) is lane
        await one.close()
        assert lane.is_open
        await two.write("k", 1, agent_id="a")
        assert lane.is_open
        with pytest.raises(HandleClosedError):
            await one.health()
        await two.close()
        assert others() == set()

    asyncio.run(main())
    assert proxy.taken == 2


def test_closing_again_and_again_harms_nobody(proxy: Proxy) -> None:
    async def main() -> None:
        one, two = StatehouseAsync(proxy.url), StatehouseAsync(proxy.url)
        lane = await warmed(one)
        await warmed(two)
        await asyncio.gather(*(one.close() for _ in range(5)))
        await one.close()
        assert lane.is_open
        assert await two.health() == "ok"
        await two.close()

    asyncio.run(main())


def test_one_loop_that_closes_leaves_the_lane_of_another_alone(proxy: Proxy) -> None:
    remote = RemoteEngine(proxy.url)
    ready, done = threading.Barrier(2), threading.Event()

    async def stay() -> None:
        async with by_lane(remote) as near:
            await asyncio.to_thread(ready.wait)
            await asyncio.to_thread(done.wait)
            assert near.lane.is_open
            assert (await answer(near, transaction(write()))).commit_ts == 1

    async def leave() -> None:
        try:
            async with by_lane(remote):
                await asyncio.to_thread(ready.wait)
        finally:
            done.set()

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(asyncio.run, stay()), threads.submit(asyncio.run, leave())]:
            each.result(WAIT_S)
    remote.close()


def test_a_commit_that_is_being_written_is_acknowledged_all_the_same(
    store: GatedStore, engine: LocalEngine, proxy: Proxy
) -> None:
    async def main() -> None:
        sh = StatehouseAsync(proxy.url)
        await warmed(sh)
        store.shut(Call.WRITE)
        committing = asyncio.create_task(writing(sh, "t").commit())
        await asyncio.to_thread(store.await_arrival, Call.WRITE)
        closing = asyncio.create_task(sh.close())
        await until(lambda: sh.connection.closed)
        store.lift(Call.WRITE)
        assert await committing == 1
        await closing
        assert others() == set()

    asyncio.run(main())
    assert [event.txn_id for event in everything(engine)] == ["t"]


def test_another_thread_may_close_it(store: GatedStore, engine: LocalEngine, proxy: Proxy) -> None:
    async def follow(sh: StatehouseAsync) -> None:
        async for _ in sh.replay(whole_store=True, from_ts=9, follow=True):
            pass

    async def main() -> None:
        sh = StatehouseAsync(proxy.url)
        lane = await warmed(sh)
        following = asyncio.create_task(follow(sh))
        await until(lambda: engine.execute(Status()).followers == 1)
        with held(store, engine):
            committing = asyncio.create_task(writing(sh, "t").commit())
            await until(lambda: engine.execute(Status()).queued_commits)
            assert len(lane.unanswered) == 2
            thread = threading.Thread(target=sh.sync.close)
            thread.start()
            await until(lambda: sh.connection.closed)
        assert await committing == 2
        await following
        await asyncio.to_thread(thread.join)
        await lane.gone()
        assert "statehouse-lane" not in others()

    asyncio.run(main())


def test_the_thread_of_the_loop_may_close_it_with_calls_on_their_way(
    store: GatedStore, engine: LocalEngine, proxy: Proxy
) -> None:
    """Nobody answers by the lane while its loop waits; the link does."""

    async def commit(sh: StatehouseAsync, txn_id: str) -> str:
        await writing(sh, txn_id).commit()
        return txn_id

    def lift(sh: StatehouseAsync) -> None:
        eventually(lambda: sh.connection.closed)
        store.lift(Call.WRITE)

    async def main() -> list[Any]:
        sh = StatehouseAsync(proxy.url)
        lane = await warmed(sh)
        with held(store, engine):
            tasks = [asyncio.create_task(commit(sh, f"{number}")) for number in range(50)]
            await until(lambda: engine.execute(Status()).queued_commits == 50)
            # What the lane has not sent yet, and what has not even begun.
            tasks += [asyncio.create_task(commit(sh, f"late {number}")) for number in range(10)]
            await asyncio.sleep(0)
            tasks += [asyncio.create_task(commit(sh, f"too late {number}")) for number in range(10)]
            assert len(lane.unanswered) >= 50
            threading.Thread(target=lift, args=(sh,)).start()
            with within(3):
                sh.sync.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await lane.gone()
        assert "statehouse-lane" not in others()
        return outcomes

    outcomes = asyncio.run(main())
    acknowledged = [each for each in outcomes if isinstance(each, str)]
    refused = [each for each in outcomes if isinstance(each, HandleClosedError)]
    assert len(acknowledged) + len(refused) == 70
    assert len(acknowledged) >= 50
    found = [event.txn_id for event in everything(engine)][1:]
    assert sorted(found) == sorted(acknowledged)


def test_reads_of_a_daemon_that_is_silent_do_not_hold_the_closing_loop_for_long(engine: LocalEngine) -> None:
    slow = HeldEngine(engine)
    with serving(slow, grace_s=0.1) as target:

        async def main() -> None:
            sh = StatehouseAsync(target)
            await warmed(sh)
            reading = asyncio.create_task(sh.list_keys(agent_id="a"))
            await until(lambda: slow.asked)
            with within(6):
                await sh.close()
            with pytest.raises(HandleClosedError):
                await reading
            assert others() == set()

        asyncio.run(main())
        slow.let_go()


def test_a_loop_that_was_stopped_is_not_waited_for(
    store: GatedStore, engine: LocalEngine, proxy: Proxy
) -> None:
    remote = RemoteEngine(proxy.url)
    loop = asyncio.new_event_loop()
    near = loop.run_until_complete(_entered(remote))
    store.shut(Call.WRITE)
    call = loop.run_until_complete(_begun(near, store))
    # It answers nothing any more; the link does.
    assert call.carrier is near.lane
    store.lift(Call.WRITE)
    with within(3):
        remote.close()
    assert call.result(0).commit_ts == 1
    near.close()
    loop.run_until_complete(near.gone())
    assert "statehouse-lane" not in {task.get_name() for task in asyncio.all_tasks(loop)}
    loop.close()


async def _entered(remote: RemoteEngine) -> Any:
    near = remote.in_loop()
    await opened(near)
    return near


async def _begun(near: Any, store: GatedStore) -> Any:
    call = ask(near, transaction(write(), txn_id="t"))
    await asyncio.to_thread(store.await_arrival, Call.WRITE)
    return call


def test_when_an_engine_is_swapped_the_calls_on_their_way_are_answered(
    store: GatedStore, engine: LocalEngine, proxy: Proxy
) -> None:
    """As when a run is done again on an overlay: the connection asks another engine for a while."""

    async def main() -> None:
        sh = StatehouseAsync(proxy.url)
        lane = await warmed(sh)
        before = sh.connection.engine
        other = RemoteEngine(proxy.url)
        with held(store, engine):
            committing = asyncio.create_task(writing(sh, "t").commit())
            await until(lambda: engine.execute(Status()).queued_commits)
            assert lane.unanswered
            sh.connection.engine = other
            assert await warmed(sh) is not lane
            assert (await sh.get_state("t", agent_id="planner", default=None)).version == 0
            await until(lambda: not lane.is_open)
        assert await committing == 2
        sh.connection.engine = before
        assert (await sh.get_state("t", agent_id="planner")).version == 1
        assert await warmed(sh) is lane
        assert other.unanswered == 0
        await asyncio.to_thread(other.close)
        await sh.close()

    asyncio.run(main())
    assert [event.txn_id for event in everything(engine)][1:] == ["t"]


def test_after_it_was_closed_every_call_is_refused(proxy: Proxy) -> None:
    remote = RemoteEngine(proxy.url)

    async def main() -> None:
        near = remote.in_loop()
        await opened(near)
        await asyncio.to_thread(remote.close)
        with pytest.raises(Exception, match="closed"):
            await answer(near, Get(name()))
        near.close()
        near.close()
        await near.gone()
        assert others() == set()

    asyncio.run(main())
    eventually(lambda: proxy.connections == 0)


def test_nothing_follows_after_the_end(engine: LocalEngine, proxy: Proxy) -> None:
    remote = RemoteEngine(proxy.url)

    async def main() -> None:
        async with by_lane(remote) as near:
            following = ask(near, Replay(from_ts=1, wait_s=600.0))
            await until(lambda: engine.execute(Status()).followers == 1)
            await asyncio.to_thread(remote.close)
            with pytest.raises(Exception, match="closed"):
                await asyncio.wrap_future(following)

    asyncio.run(main())
    eventually(lambda: engine.execute(Status()).followers == 0)


def test_who_leaves_does_not_wait_for_a_follower_which_goes_on_by_the_link(
    engine: LocalEngine, proxy: Proxy
) -> None:
    remote = RemoteEngine(proxy.url)

    async def main() -> None:
        near = remote.in_loop()
        await opened(near)
        following = ask(near, Replay(from_ts=1, wait_s=WAIT_S))
        await until(lambda: engine.execute(Status()).followers == 1)
        near.close()
        await near.gone()
        assert others() == set()
        assert not following.done()
        near.execute(transaction(write()))
        page = await asyncio.wrap_future(following)
        assert [event.commit_ts for event in page.events] == [1]

    asyncio.run(main())
    remote.close()


def test_a_loop_that_left_may_come_back(proxy: Proxy) -> None:
    remote = RemoteEngine(proxy.url)

    async def main() -> None:
        for number in range(1, 6):
            near = remote.in_loop()
            call = ask(near, transaction(write("k", number)))
            await opened(near)
            assert (await asyncio.wrap_future(call)).commit_ts == number
            # At once: what is asked now meets a lane that is just being given up.
            near.close()
        near = remote.in_loop()
        lane = await opened(near)
        task = lane._task
        for _ in range(50):
            await answer(near, Get(name()))
        # And the one that it has then lasts.
        assert lane.is_open
        assert lane._task is task
        near.close()

    asyncio.run(main())
    remote.close()
    eventually(lambda: proxy.connections == 0)


@pytest.mark.parametrize("number", range(3))
def test_what_is_on_its_way_when_the_loop_leaves_is_answered(proxy: Proxy, number: int) -> None:
    remote = RemoteEngine(proxy.url)

    async def main() -> list[int]:
        near = remote.in_loop()
        await opened(near)
        calls = [ask(near, transaction(write(f"k{n}", n))) for n in range(300)]
        # Not sent yet, partly, on its way.
        for _ in range(number):
            await asyncio.sleep(0)
        near.close()
        await near.gone()
        assert others() == set()
        return [(await asyncio.wrap_future(call)).commit_ts for call in calls]

    assert sorted(asyncio.run(main())) == list(range(1, 301))
    assert remote.unanswered == 0
    remote.close()


@pytest.mark.parametrize("passes", range(6))
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "being opened"])
def test_to_leave_and_then_to_close_ends_it_once(proxy: Proxy, passes: int, is_open: bool) -> None:
    """As when a handle is closed: it leaves, and its engine is closed while the lane is being given up."""
    remote = RemoteEngine(proxy.url)

    async def main() -> None:
        near = remote.in_loop()
        await answer(near, Get(name()))
        if is_open:
            await opened(near)
        near.close()
        for _ in range(passes):
            await asyncio.sleep(0)
        near.lane.close()
        await near.gone()
        assert others() == set()
        await asyncio.to_thread(remote.close)
        await until(lambda: proxy.connections == 0)

    asyncio.run(main())


def test_a_lane_that_is_closed_takes_back_what_the_link_asks_again(engine: LocalEngine, proxy: Proxy) -> None:
    remote = RemoteEngine(proxy.url)

    async def main() -> None:
        near = remote.in_loop()
        await opened(near)
        following = ask(near, Replay(from_ts=1, wait_s=600.0))
        await until(lambda: engine.execute(Status()).followers == 1)
        near.lane.close()
        # The daemon ends it, which it does not before it has answered everything.
        async with asyncio.timeout(WAIT_S):
            while "statehouse-lane" in others():  # noqa: ASYNC110 - a task that is not ours
                await asyncio.sleep(0)
        await until(lambda: engine.execute(Status()).followers == 1)
        near.execute(transaction(write()))
        page = await asyncio.wrap_future(following)
        assert [event.commit_ts for event in page.events] == [1]

    asyncio.run(main())
    remote.close()
