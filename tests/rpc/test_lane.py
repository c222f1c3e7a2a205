"""A connection of an event loop's own: when there is one, and that what is asked over it comes back right."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from statehouse import ConflictError, StatehouseAsync
from statehouse._generated import statehouse_pb2 as pb
from statehouse.engine import open_engine
from statehouse.errors import StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import (
    Get,
    Health,
    History,
    ListAgents,
    Precondition,
    Replay,
    Request,
    Scan,
    Status,
)
from statehouse.rpc.calling import RemoteEngine
from statehouse.rpc.calling.lane import ASKED_MIN, lanes_are_quiet
from statehouse.rpc.sizes import ITEM_BYTES_MAX, STREAM_ITEMS_MAX
from statehouse.storage.memory import MemoryStore
from statehouse.testing.contracts.engine_phrases import (
    commit,
    entry,
    keys,
    name,
    put,
    transaction,
    write,
    write_bytes,
)
from statehouse.testing.daemon import serving
from tests.rpc.daemons import Daemon, HeldEngine, serving_without_pipeline
from tests.rpc.lanes import answer, ask, by_lane, eager, goes_by, opened, others, rambling, until, warmed
from tests.rpc.proxy import Proxy


@pytest.fixture
def remote(proxy: Proxy) -> Iterator[RemoteEngine]:
    """Asks the daemon."""
    remote = RemoteEngine(proxy.url)
    yield remote
    remote.close()


# When there is one.


def test_a_loop_that_asks_a_few_times_has_no_connection_of_its_own(
    remote: RemoteEngine, proxy: Proxy
) -> None:
    """N3."""

    async def main() -> None:
        near = remote.in_loop()
        for _ in range(ASKED_MIN - 1):
            await answer(near, Health())
        assert others() == set()
        near.close()

    asyncio.run(main())
    assert proxy.taken == 1


def test_one_that_keeps_asking_has_one_from_then_on(remote: RemoteEngine, proxy: Proxy) -> None:
    async def main() -> None:
        near = remote.in_loop()
        for _ in range(ASKED_MIN - 1):
            await answer(near, Health())
        await answer(near, Health())
        assert "statehouse-lane" in others()
        lane = await opened(near)
        call = ask(near, Get(name()))
        assert goes_by(call, lane)
        await asyncio.wrap_future(call)
        near.close()
        await near.gone()

    asyncio.run(main())
    assert proxy.taken == 2


def test_however_many_coroutines_and_handles_ask_a_loop_has_one(proxy: Proxy) -> None:
    async def main() -> None:
        async with StatehouseAsync(proxy.url) as one, StatehouseAsync(proxy.url, timeout=7.0) as two:

            async def work(sh: StatehouseAsync) -> None:
                for number in range(20):
                    assert (await sh.get_state(f"{number}", agent_id="a", default=None)).version == 0

            await asyncio.gather(*(work(sh) for sh in (one, two) for _ in range(32)))
            assert await warmed(one) is await warmed(two)
            await asyncio.gather(*(work(sh) for sh in (one, two) for _ in range(32)))

    asyncio.run(main())
    assert proxy.taken == 2


def test_loops_in_several_threads_have_one_each(
    remote: RemoteEngine, engine: Engine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    together = Barrier(3)

    def run(number: int) -> list[int]:
        async def main() -> list[int]:
            async with by_lane(remote) as near:
                await asyncio.to_thread(together.wait)
                made = [ask(near, transaction(write(f"{number} {n}"))) for n in range(100)]
                assert {call.carrier for call in made} == {near.lane}
                return [(await asyncio.wrap_future(call)).commit_ts for call in made]

        return asyncio.run(main())

    with ThreadPoolExecutor(3) as threads:
        reached = [commit_ts for some in threads.map(run, range(3)) for commit_ts in some]
    assert sorted(reached) == list(range(1, 301))
    assert proxy.taken == 4
    assert engine.execute(Status()).commit_ts == 300


def test_a_program_that_runs_a_loop_for_each_thing_keeps_no_more_than_the_last(
    remote: RemoteEngine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)

    async def main() -> None:
        async with by_lane(remote) as near:
            await answer(near, Get(name()))

    for _ in range(5):
        asyncio.run(main())
    assert len(remote._lanes) == 1
    assert proxy.taken == 6


@pytest.mark.parametrize(
    "version, quiet",
    [
        ("1.49.1", False),
        ("1.76.0", False),
        ("1.79.9", False),
        ("1.80.0", True),
        ("1.80.0rc1", True),
        ("1.85.0.dev1", True),
        ("1.100.1", True),
        ("2.0", True),
        ("2.0.0", True),
    ],
)
def test_of_grpc_only_what_serves_several_loops_in_silence_gets_lanes(version: str, quiet: bool) -> None:
    assert lanes_are_quiet(version) is quiet


def test_without_such_a_grpc_no_lane_is_opened(
    remote: RemoteEngine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    monkeypatch.setattr("statehouse.rpc.calling.lane.lanes_are_quiet", lambda: False)

    async def main() -> None:
        near = remote.in_loop()
        for _ in range(3 * ASKED_MIN):
            await answer(near, Health())
        assert others() == set()
        near.close()

    asyncio.run(main())
    assert proxy.taken == 1


def test_a_server_without_a_pipeline_gets_none(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    eager(monkeypatch)
    with serving_without_pipeline(engine) as target, Proxy(target) as proxy:
        remote = RemoteEngine(proxy.url)

        async def main() -> None:
            near = remote.in_loop()
            # What is known of the server is known to the link, which asked it first.
            assert await asyncio.gather(*(answer(near, Health()) for _ in range(100))) == ["ok"] * 100
            await until(lambda: near.lane._task is None or near.lane._task.done())
            assert not near.lane.is_open
            taken = proxy.taken
            assert (await answer(near, transaction(write()))).commit_ts == 1
            for _ in range(100):
                assert (await answer(near, Get(name()))).entry.version == 1
            assert others() == set()
            assert proxy.taken == taken <= 2
            near.close()

        asyncio.run(main())
        remote.close()
        assert engine.execute(Status()).commit_ts == 1


def test_a_handle_that_is_to_use_no_pipeline_gets_none(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    eager(monkeypatch)
    remote = RemoteEngine(proxy.url, pipelined=False)

    async def main() -> None:
        near = remote.in_loop()
        for _ in range(3 * ASKED_MIN):
            await answer(near, Health())
        assert others() == set()
        near.close()

    asyncio.run(main())
    remote.close()
    assert proxy.taken == 1


# Servers that are odd.


def _emptied(replies: pb.ReplyBatch) -> bytes:
    return pb.ReplyBatch(items=[pb.ReplyItem(id=item.id) for item in replies.items]).SerializeToString()


def _strange(replies: pb.ReplyBatch) -> bytes:
    items = [pb.ReplyItem(id=item.id, list_agents=pb.ListAgentsResponse()) for item in replies.items]
    return pb.ReplyBatch(items=items).SerializeToString()


def _with_ghosts(replies: pb.ReplyBatch) -> bytes:
    replies.items.add(id=2**60, get_state=pb.GetStateResponse())
    replies.items.append(replies.items[0])
    return replies.SerializeToString()


def test_bytes_that_are_no_batch_end_a_lane_and_the_link_answers(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    with rambling(engine, lambda _: b"\xff\xff") as target:
        remote = RemoteEngine(target)
        # The first conversation is the link's.
        assert remote.execute(Health()) == "ok"

        async def main() -> None:
            async with by_lane(remote) as near:
                lane = near.lane
                for number in range(1, 6):
                    await opened(near)
                    call = ask(near, transaction(write("k", number)))
                    assert goes_by(call, lane)
                    assert (await asyncio.wrap_future(call)).commit_ts == number
                    assert goes_by(call, remote._link)
            assert remote.unanswered == 0

        asyncio.run(main())
        remote.close()
        assert engine.execute(Status()).commit_ts == 5


@pytest.mark.parametrize("said", [_emptied, _strange])
def test_answers_that_make_no_sense_end_the_call_and_not_the_lane(
    engine: Engine, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    with rambling(engine, said) as target:
        remote = RemoteEngine(target)
        # The first conversation is the link's.
        assert remote.execute(Health()) == "ok"

        async def main() -> None:
            async with by_lane(remote) as near:
                for _ in range(3):
                    with pytest.raises(StatehouseError, match="makes no sense"):
                        await answer(near, Get(name()))
                assert near.lane.is_open
            assert remote.unanswered == 0

        asyncio.run(main())
        remote.close()


def test_answers_to_nobody_and_second_ones_are_overheard(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    with rambling(engine, _with_ghosts) as target:
        remote = RemoteEngine(target)
        # The first conversation is the link's.
        assert remote.execute(Health()) == "ok"

        async def main() -> None:
            async with by_lane(remote) as near:
                for number in range(1, 20):
                    assert (await answer(near, transaction(write("k", number)))).commit_ts == number
                assert near.lane.is_open

        asyncio.run(main())
        remote.close()


def test_a_daemon_that_drains_and_another_one_are_asked_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    daemon = Daemon(engine)
    daemon.start()
    remote = RemoteEngine(daemon.target)

    async def main() -> None:
        async with by_lane(remote) as near:
            for number in range(1, 4):
                await opened(near)
                assert (await answer(near, transaction(write("k", number)))).commit_ts == number
                await asyncio.to_thread(daemon.stop)
                daemon.start()

    asyncio.run(main())
    remote.close()
    daemon.stop()
    assert entry(engine).version == 3


# What comes back.


def _error_of(engine: Engine, request: Request[Any]) -> StatehouseError:
    with pytest.raises(StatehouseError) as refused:
        engine.execute(request)
    return refused.value


def test_answers_are_those_of_the_engine_and_so_are_errors(
    engine: Engine, remote: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    for number in range(5):
        put(engine, f"k{number}", {"n": number, "bytes": "x" * number})
    asked: list[Request[Any]] = [
        Get(name("k1")),
        Get(name("absent")),
        Get(name("k1"), at=1),
        Scan("default", "planner", limit=3),
        Replay(limit=3),
        History(name("k1"), limit=3),
        ListAgents("default"),
        Get(name("k1"), at=99),
        Scan("default", "planner", cursor="nonsense", limit=3),
        transaction(write(), preconditions=(Precondition(name("k1"), version=4),)),
        transaction(),
    ]

    async def main() -> None:
        async with by_lane(remote) as near:
            calls = [ask(near, each) for each in asked]
            assert {call.carrier for call in calls} == {near.lane}
            await asyncio.wait([asyncio.wrap_future(call) for call in calls])
        refused = 0
        for call in calls:
            error = call.exception(0)
            if error is None:
                assert call.result(0) == engine.execute(call.request)
                continue
            expected = _error_of(engine, call.request)
            assert isinstance(error, StatehouseError)
            assert (type(error), error.message) == (type(expected), expected.message)
            refused += 1
        assert refused == 3, [call.exception(0) for call in calls]

    asyncio.run(main())


def test_a_conflict_names_the_keys(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    eager(monkeypatch)

    async def main() -> None:
        async with StatehouseAsync(proxy.url) as sh:
            await warmed(sh)
            tx = sh.begin_transaction()
            await tx.get_state("k", agent_id="a", default=None)
            tx.write("k", 2, agent_id="a")
            await sh.write("k", 1, agent_id="a")
            with pytest.raises(ConflictError) as conflict:
                await tx.commit()
            assert [each.key for each in conflict.value.keys] == ["k"]
            assert (await sh.get_state("k", agent_id="a")).value == 1

    asyncio.run(main())


def test_what_is_large_goes_by_the_link(
    engine: Engine, remote: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)

    async def main() -> None:
        async with by_lane(remote) as near:
            call = ask(near, transaction(write_bytes("k", 2 * ITEM_BYTES_MAX)))
            assert goes_by(call, remote._link)
            assert (await asyncio.wrap_future(call)).commit_ts == 1
            assert near.lane.is_open

    asyncio.run(main())
    assert entry(engine).version == 1


def test_what_has_too_large_an_answer_is_asked_again_by_the_link(
    engine: Engine, remote: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    commit(engine, write_bytes("k", 2 * ITEM_BYTES_MAX))

    async def main() -> None:
        async with by_lane(remote) as near:
            call, small = ask(near, Get(name())), ask(near, Get(name("absent")))
            assert goes_by(call, near.lane)
            assert goes_by(small, near.lane)
            assert await asyncio.wrap_future(call) == engine.execute(Get(name()))
            assert goes_by(call, remote._link)
            assert (await asyncio.wrap_future(small)).entry.version == 0
            assert near.lane.is_open

    asyncio.run(main())


def test_more_than_a_stream_takes_at_once_goes_by_the_link(
    remote: RemoteEngine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)

    async def main() -> None:
        async with by_lane(remote) as near:
            calls = [ask(near, transaction(write(f"k{n}", n))) for n in range(STREAM_ITEMS_MAX + 100)]
            by = [call.carrier for call in calls]
            assert by.count(near.lane) == STREAM_ITEMS_MAX
            assert by.count(remote._link) == 100
            reached = [(await asyncio.wrap_future(call)).commit_ts for call in calls]
            assert sorted(reached) == list(range(1, STREAM_ITEMS_MAX + 101))
            # And there is room again.
            call = ask(near, Get(name("k0")))
            assert goes_by(call, near.lane)
            assert (await asyncio.wrap_future(call)).entry.version == 1

    asyncio.run(main())
    assert proxy.taken == 2


def test_a_follower_hears_of_commits_as_they_come(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    eager(monkeypatch)

    async def main() -> None:
        async with StatehouseAsync(proxy.url) as sh:
            lane = await warmed(sh)
            heard: asyncio.Queue[int] = asyncio.Queue()

            async def follow() -> None:
                async for event in sh.replay(agent_id="a", follow=True):
                    heard.put_nowait(event.commit_ts)

            following = asyncio.create_task(follow())
            await until(lambda: lane.unanswered)
            for number in range(1, 20):
                await sh.write("k", number, agent_id="a")
                assert await heard.get() == number
            following.cancel()
            with pytest.raises(asyncio.CancelledError):
                await following
            assert lane.is_open

    asyncio.run(main())


def test_pages_of_a_scan_follow_one_another(
    engine: Engine, remote: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    commit(engine, *(write(f"k{number:03}", number) for number in range(250)))

    async def main() -> list[str]:
        found: list[str] = []
        async with by_lane(remote) as near:
            asked: Scan | None = Scan("default", "planner", limit=60)
            while asked is not None:
                call = ask(near, asked)
                assert goes_by(call, near.lane)
                page = await asyncio.wrap_future(call)
                found += keys(page)
                asked = replace(asked, cursor=page.cursor) if page.cursor else None
        return found

    assert asyncio.run(main()) == [f"k{number:03}" for number in range(250)]


def test_who_blocks_the_loop_does_not_wait_for_what_the_loop_does(
    remote: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)

    async def main() -> None:
        async with by_lane(remote) as near:
            assert near.execute(transaction(write())).commit_ts == 1
            assert near.execute(Get(name())).entry.version == 1
            assert near.lane.is_open

    asyncio.run(main())


def test_a_read_that_is_not_answered_ends_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    eager(monkeypatch)
    engine = open_engine(MemoryStore())
    slow = HeldEngine(engine)
    with serving(slow) as target:

        async def main() -> None:
            async with StatehouseAsync(target, timeout=0.2) as sh:
                lane = await warmed(sh)
                with pytest.raises(TimeoutError):
                    await sh.list_keys(agent_id="a")
                assert lane.unanswered == []
                assert lane.is_open

        asyncio.run(main())
        slow.let_go()
    engine.close()


def test_what_waits_is_bounded_in_bytes(remote: RemoteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is no room for goes by the link."""
    eager(monkeypatch)

    async def main() -> None:
        async with by_lane(remote) as near:
            # The loop does not go on before all have been asked, so nothing is sent.
            calls = [ask(near, transaction(write_bytes(f"k{number}", 200_000))) for number in range(60)]
            ways = [goes_by(call, near.lane) for call in calls]
            assert 30 < ways.index(False) < 50
            assert not any(ways[ways.index(False) :])
            await asyncio.gather(*map(asyncio.wrap_future, calls))
            assert goes_by(ask(near, Health()), near.lane)

    asyncio.run(main())
