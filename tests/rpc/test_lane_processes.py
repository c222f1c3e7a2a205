"""Programs whose event loops have lanes: however they leave, they end at once and complain of nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from statehouse.engine import LocalEngine, open_engine
from statehouse.protocol.requests import Status
from statehouse.storage.memory import MemoryStore
from tests.rpc.daemons import eventually, within
from tests.rpc.proxy import Proxy
from tests.rpc.test_client_processes import Program

BEGINNING = """
    import gc
    from tests.rpc.lanes import warmed

    async def main(close=False):
        sh = StatehouseAsync(target)
        lane = await warmed(sh)
        await asyncio.gather(*(sh.write(f"{n}", n, agent_id="a") for n in range(20)))
        assert lane.is_open, lane
        if close:
            await sh.close()
        return sh

    def by_hand(close=False):
        loop = asyncio.new_event_loop()
        return loop, loop.run_until_complete(main(close))
"""


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """What the daemon serves."""
    engine = open_engine(MemoryStore())
    yield engine
    engine.close()


def ends(script: str, target: str) -> tuple[int, str]:
    """Runs a program that ends in time and complains of nothing; its exit code, and what it said."""
    with within(5):
        code, out, err = Program(BEGINNING + script, target).end()
    assert err == ""
    return code, out


LEAVING = {
    "closing": "asyncio.run(main(close=True))",
    "forgetting": "asyncio.run(main())",
    "forgetting, and keeping the handle": "kept = asyncio.run(main())",
    "forgetting again and again": "for _ in range(3): asyncio.run(main())",
    "closing again and again": "for _ in range(3): asyncio.run(main(close=True))",
    "leaving a loop as it is": "loop, sh = by_hand()",
    "closing only the loop": "loop, sh = by_hand(); loop.close()",
    "closing the loop at once": "loop, sh = by_hand(close=True); loop.close()",
    "closing the loop, then the handle": "loop, sh = by_hand(); loop.close(); sh.sync.close()",
    "closing the handle of a loop that stands still": "loop, sh = by_hand(); sh.sync.close()",
    "closing the handle from outside, then the loop": "loop, sh = by_hand(); sh.sync.close(); loop.close()",
    "collecting a loop that was closed at once": """
    loop, sh = by_hand(close=True)
    loop.close()
    del loop, sh
    gc.collect()
    """,
    "collecting a loop whose handle was not closed": """
    loop, sh = by_hand()
    loop.close()
    del loop, sh
    gc.collect()
    """,
    "asking by another loop after the first was closed": """
    loop, sh = by_hand()
    loop.close()
    del loop
    async def again():
        await warmed(sh)
        await sh.close()
    asyncio.run(again())
    gc.collect()
    """,
    "a loop in a daemon thread": """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(main(), loop).result()
    """,
    "four threads": """
    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    """,
    "four threads that close": """
    threads = [threading.Thread(target=asyncio.run, args=(main(close=True),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    """,
    "with a follower": """
    async def follow(sh):
        async for _ in sh.replay(from_ts=10_000, whole_store=True, follow=True):
            pass
    async def leave():
        sh = await main()
        lane = await warmed(sh)
        following = asyncio.create_task(follow(sh))
        while not lane.unanswered:
            await asyncio.sleep(0)
    asyncio.run(leave())
    """,
}


@pytest.mark.parametrize("how", LEAVING)
def test_a_program_with_a_lane_ends_at_once_and_says_nothing(
    engine: LocalEngine, proxy: Proxy, how: str
) -> None:
    script = "\n    " + LEAVING[how].strip() + "\n"
    assert ends(script, proxy.url) == (0, "")
    assert engine.execute(Status()).commit_ts % 20 == 0
    assert engine.execute(Status()).commit_ts > 0
    eventually(lambda: proxy.connections == 0)


def test_a_program_that_leaves_from_inside_a_coroutine_has_its_exit_code(proxy: Proxy) -> None:
    script = """
    async def leave():
        await main()
        sys.exit(3)
    asyncio.run(leave())
    """
    assert ends(script, proxy.url) == (3, "")


def test_one_that_fails_inside_a_coroutine_shows_its_own_error_alone(proxy: Proxy) -> None:
    script = """
    async def fail():
        await main()
        raise KeyError("mine")
    asyncio.run(fail())
    """
    with within(5):
        code, out, err = Program(BEGINNING + script, proxy.url).end()
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "Traceback (most recent call last):"
    assert err.splitlines()[-1] == "KeyError: 'mine'"
    assert err.count("Traceback") == 1
    assert "grpc" not in err


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="there is no fork")
def test_a_child_that_was_forked_inside_a_coroutine_is_refused_and_the_parent_goes_on(
    engine: LocalEngine, proxy: Proxy
) -> None:
    script = """
    async def fork():
        sh = await main()
        child = os.fork()
        if not child:
            try:
                await sh.status()
            except ForkedProcessError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        await asyncio.gather(*(sh.write(f"{n}", n, agent_id="a") for n in range(20)))
        assert (await warmed(sh)).is_open
        await sh.close()
    asyncio.run(fork())
    """
    assert ends(script, proxy.url) == (0, "")
    assert engine.execute(Status()).commit_ts == 40


def test_calls_of_a_loop_that_ended_by_itself_do_not_hold_another_one(proxy: Proxy) -> None:
    script = """
    loop, sh = by_hand()
    for n in range(5):
        loop.create_task(sh.write(f"{n}", n, agent_id="a"))
    # They are asked, and not waited for.
    loop.run_until_complete(asyncio.sleep(0))
    async def again():
        await warmed(sh)
        await sh.close()
    asyncio.run(again())
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()
    """
    assert ends(script, proxy.url) == (0, "")
