"""Tasks that are cancelled while a daemon is asked: what was not begun is not done, nothing is left over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import pytest

from statehouse import StatehouseAsync
from statehouse.engine import LocalEngine
from statehouse.protocol.requests import Get, LookupTxn, Replay, Scan, Status
from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.contracts.engine_phrases import name, put, transaction, write
from statehouse.testing.daemon import serving
from statehouse.testing.faults import Call
from tests.engine_faults.gates import GatedStore, held
from tests.rpc.daemons import WAIT_S, Daemon, HeldEngine, eventually, threads_of_clients


@pytest.fixture
def engine(gated: LocalEngine) -> LocalEngine:
    """What the daemon serves; its commits can be made to wait."""
    return gated


@pytest.fixture(params=["pipeline", "unary"])
def how(request: pytest.FixtureRequest) -> bool:
    """Whether the pipeline is used."""
    pipelined: bool = request.param == "pipeline"
    return pipelined


@pytest.fixture
def remote(how: bool, engine: LocalEngine) -> Iterator[RemoteEngine]:
    """Asks the daemon."""
    with serving(engine) as target:
        remote = RemoteEngine(target, pipelined=how)
        yield remote
        remote.close()


async def cancelled_when(task: asyncio.Task[object], ready: Callable[[], object]) -> None:
    """Cancels a task once something holds."""
    await asyncio.to_thread(eventually, ready)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


def test_a_commit_that_is_cancelled_before_it_was_sent_is_never_applied(
    how: bool, engine: LocalEngine
) -> None:
    daemon = Daemon(engine)
    remote = RemoteEngine(daemon.target, pipelined=how, connect_timeout=WAIT_S)

    async def main() -> None:
        sh = StatehouseAsync.from_engine(remote, local=False)
        tx = sh.begin_transaction(txn_id="t")
        tx.write("k", 1, agent_id="a")
        committing: asyncio.Task[object] = asyncio.create_task(tx.commit())
        await cancelled_when(committing, lambda: remote.unanswered)

    asyncio.run(main())
    with pytest.raises(TimeoutError):
        remote.submit(transaction(write(), txn_id="u")).result(0.01)
    daemon.start()
    eventually(lambda: engine.execute(LookupTxn("u")).outcome == "committed")
    assert engine.execute(LookupTxn("t")).outcome == "absent"
    remote.close()
    daemon.stop()


def test_a_commit_that_waits_in_the_daemon_is_taken_back(
    store: GatedStore, engine: LocalEngine, remote: RemoteEngine
) -> None:
    put(remote)

    async def main() -> None:
        sh = StatehouseAsync.from_engine(remote, local=False)
        await sh.status()
        tx = sh.begin_transaction(txn_id="t")
        tx.write("k", 2, agent_id="planner")
        with held(store, engine):
            committing: asyncio.Task[object] = asyncio.create_task(tx.commit())
            await cancelled_when(committing, lambda: engine.execute(Status()).queued_commits == 1)
            # At once, and not when the time of the commit is over.
            await asyncio.to_thread(eventually, lambda: remote.unanswered == 0, 10.0)
            # The client is done with it; the daemon hears of that in a moment.
            queued: Any = engine._writer._queue[0]
            await asyncio.to_thread(eventually, queued.future.cancelled)

    asyncio.run(main())
    eventually(lambda: engine.execute(Status()).queued_commits == 0)
    assert engine.execute(LookupTxn("t")).outcome == "absent"


def test_a_commit_that_is_being_written_is_applied_and_can_be_asked_for(
    store: GatedStore, engine: LocalEngine, remote: RemoteEngine
) -> None:
    async def main() -> int:
        sh = StatehouseAsync.from_engine(remote, local=False)
        await sh.status()
        tx = sh.begin_transaction(txn_id="t")
        tx.write("k", 2, agent_id="planner")
        store.shut(Call.WRITE)
        committing: asyncio.Task[object] = asyncio.create_task(tx.commit())
        await asyncio.to_thread(store.await_arrival, Call.WRITE)
        await cancelled_when(committing, lambda: True)
        store.lift(Call.WRITE)
        # Known by its id, and applied once.
        return await tx.commit()

    assert asyncio.run(main()) == 1
    assert engine.execute(Status()).commit_ts == 1
    eventually(lambda: remote.unanswered == 0)


def test_reads_that_are_cancelled_leave_nothing_behind(how: bool, engine: LocalEngine) -> None:
    slow = HeldEngine(engine)
    with serving(slow) as target:
        remote = RemoteEngine(target, pipelined=how)

        async def main() -> None:
            sh = StatehouseAsync.from_engine(remote, local=False)
            asking: list[Awaitable[object]] = [sh.status()]
            asking += [sh.list_keys("k", agent_id="a") for _ in range(2)]
            tasks = [asyncio.ensure_future(each) for each in asking]
            await asyncio.to_thread(eventually, lambda: len(slow.asked) == 3)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert all(task.cancelled() for task in tasks)

        asyncio.run(main())
        eventually(lambda: remote.unanswered == 0)
        slow.let_go()
        assert remote.execute(Status()).commit_ts == 0
        remote.close()


def test_a_follower_that_is_cancelled_is_gone_from_the_daemon(
    engine: LocalEngine, remote: RemoteEngine
) -> None:
    async def main() -> None:
        sh = StatehouseAsync.from_engine(remote, local=False)

        async def follow() -> None:
            async for _ in sh.replay(whole_store=True, follow=True):
                pass

        following: asyncio.Task[object] = asyncio.create_task(follow())
        await cancelled_when(following, lambda: engine.execute(Status()).followers == 1)

    asyncio.run(main())
    eventually(lambda: engine.execute(Status()).followers == 0)
    eventually(lambda: remote.unanswered == 0)


def test_a_future_that_is_cancelled_is_done_for_who_waits_for_several(remote: RemoteEngine) -> None:
    waiting = remote.submit(Replay(from_ts=1, wait_s=WAIT_S))
    assert remote.execute(Status()).commit_ts == 0
    assert waiting.cancel()
    assert waiting.cancel()
    assert wait([waiting], timeout=WAIT_S).not_done == set()
    eventually(lambda: remote.unanswered == 0)


def test_many_event_loops_share_one_connection(engine: LocalEngine, remote: RemoteEngine) -> None:
    before = threads_of_clients()["statehouse-link"]

    def run(number: int) -> list[int]:
        async def main() -> list[int]:
            sh = StatehouseAsync.from_engine(remote, local=False)
            return await asyncio.gather(*(sh.write(f"{number} {n}", n, agent_id="a") for n in range(20)))

        return asyncio.run(main())

    with ThreadPoolExecutor(8) as loops:
        reached = [commit_ts for some in loops.map(run, range(8)) for commit_ts in some]
    assert sorted(reached) == list(range(1, 161))
    assert threads_of_clients()["statehouse-link"] == before + 1
    assert engine.execute(Status()).commit_ts == 160


def test_an_event_loop_that_ends_while_it_waits_harms_nobody(how: bool, engine: LocalEngine) -> None:
    slow = HeldEngine(engine)
    with serving(slow) as target:
        remote = RemoteEngine(target, pipelined=how)
        loop = asyncio.new_event_loop()
        sh = StatehouseAsync.from_engine(remote, local=False)
        status = loop.create_task(sh.status())
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        eventually(lambda: slow.asked)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        status.cancel()
        loop.run_until_complete(asyncio.wait([status]))
        loop.close()
        slow.let_go()
        assert remote.execute(Scan("default", "planner")).read_ts == 0
        assert remote.execute(Get(name())).read_ts == 0
        remote.close()
