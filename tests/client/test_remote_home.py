"""A daemon as a home: one connection a process and address, made by the first call, bounded whatever is."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from statehouse import (
    ConnectionError,
    DeadlineExceededError,
    EngineError,
    InvalidArgumentError,
    OutcomeUnknownError,
    Statehouse,
    StatehouseAsync,
    StoreChangedError,
)
from statehouse.client import homes
from statehouse.engine import open_engine
from statehouse.extend import Scan
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Commit, Replay, Request
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.client.programs import run
from tests.rpc.daemons import HeldEngine, eventually, free_target, within

R = TypeVar("R")


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = open_engine(MemoryStore(), durability="none")
    yield made
    made.close()


@pytest.fixture
def url(engine: Engine) -> Iterator[str]:
    with serving(engine, grace_s=0.0) as address:
        yield address


@contextmanager
def held(engine: Engine) -> Iterator[tuple[HeldEngine, str]]:
    """A daemon that answers point reads only."""
    holding = HeldEngine(engine)
    with serving(holding, grace_s=0.0) as address:
        yield holding, address
        holding.let_go()


class ForgetfulEngine:
    """An engine that never answers a follower who waits."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner

    def execute(self, request: Request[R]) -> R:
        """Answers."""
        return self._inner.execute(request)

    def submit(self, request: Request[R]) -> Future[R]:
        """Answers, unless it is to wait."""
        if isinstance(request, Replay) and request.wait_s:
            return Future()
        return self._inner.submit(request)

    def close(self) -> None:
        """Closes it."""
        self._inner.close()


def engine_of(handle: Statehouse | StatehouseAsync) -> Any:
    """The engine behind the spans around it."""
    traced: Any = handle.connection.engine
    return traced.engine


# Opening.


def test_opening_does_no_io_and_the_first_call_connects(url: str) -> None:
    with Statehouse(url) as sh, Statehouse(free_target()) as nowhere:
        assert not engine_of(sh).connected
        assert not engine_of(nowhere).connected
        assert sh.health() == "ok"
        assert engine_of(sh).connected


def test_a_daemon_that_is_not_there_is_waited_for_and_then_named_with_the_command_that_starts_one() -> None:
    target = free_target()
    with (
        Statehouse(target, connect_timeout=0.1) as sh,
        within(0.1, at_least=0.1),
        pytest.raises(ConnectionError, match="statehoused --data-dir") as caught,
    ):
        sh.health()
    assert caught.value.url == target
    assert target in str(caught.value)


def test_a_daemon_that_starts_while_it_is_waited_for_answers(engine: Engine) -> None:
    target = free_target()
    with Statehouse(target, connect_timeout=30) as sh, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(sh.health)
        eventually(lambda: engine_of(sh).connected)
        with serving(engine, listen=target, grace_s=0.0):
            assert answer.result(30) == "ok"


@pytest.mark.parametrize(
    "options,advice",
    [
        ({"durability": "sync"}, "statehoused --durability sync"),
        ({"durability": "none"}, "statehoused --durability none"),
        ({"read_only": True}, "file:"),
        ({"read_only": False}, "file:"),
        ({"accept_data_loss": True}, "statehoused --accept-data-loss"),
    ],
    ids=str,
)
def test_what_is_the_daemons_to_decide_is_refused_with_where_to_say_it(
    options: dict[str, Any], advice: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{advice}.* Leave {next(iter(options))} out"):
        Statehouse("localhost:50051", **options)
    assert not homes._registry.homes


@pytest.mark.parametrize("where", ["localhost:50051", "memory:"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "5", True, 3601])
def test_a_connect_timeout_that_is_none_is_refused(where: str, seconds: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="connect_timeout"):
        Statehouse(where, connect_timeout=seconds)
    assert not homes._registry.homes


def test_an_embedded_home_takes_a_connect_timeout_and_is_there(tmp_path: Path) -> None:
    with Statehouse(tmp_path, connect_timeout=1) as one, Statehouse(tmp_path, connect_timeout=2) as other:
        assert engine_of(one) is engine_of(other)


# URLs.


@pytest.mark.parametrize("name", ["s", "with space", "a%20b", "q?x#y", "é"])
def test_a_socket_may_have_any_name(engine: Engine, tmp_path: Path, name: str) -> None:
    listen = f"unix:{tmp_path / name}"
    with serving(engine, listen=listen, grace_s=0.0), Statehouse(listen) as sh:
        assert sh.health() == "ok"


def test_every_form_of_a_url_reaches_the_daemon(engine: Engine, tmp_path: Path) -> None:
    with serving(engine, listen=f"unix:{tmp_path}/s", grace_s=0.0), serving(engine, grace_s=0.0) as address:
        port = address.rpartition(":")[2]
        relative = os.path.relpath(tmp_path / "s")
        for url in (
            f"localhost:{port}",
            f"statehouse://127.0.0.1:{port}",
            f"statehouse://localhost:{port}/",
            f"unix:{tmp_path}/s",
            f"unix://{tmp_path}/s",
            f"unix:{relative}",
        ):
            with Statehouse(url, connect_timeout=1) as sh:
                assert (sh.url, sh.health()) == (url, "ok")


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_address_of_ipv6_reaches_the_daemon(engine: Engine) -> None:
    with serving(engine, listen="[::1]:0", grace_s=0.0) as address:
        port = address.rpartition(":")[2]
        for host in ("[::1]", "statehouse://[::1]", "[0:0::1]"):
            with Statehouse(f"{host}:{port}", connect_timeout=1) as sh:
                assert sh.health() == "ok"


# Sharing.


def test_handles_on_one_address_share_one_connection_until_the_last_is_closed(url: str) -> None:
    first, second = Statehouse(url, timeout=1), Statehouse(f"statehouse://{url}", namespace="other")
    assert engine_of(first)._link is engine_of(second)._link
    assert (engine_of(first).timeout, engine_of(second).timeout) == (1, 30)
    first.write("k", 1, agent_id="a")
    link = engine_of(first)._link
    first.close()
    first.close()
    assert second.get_state("k", agent_id="a", namespace="default").value == 1
    second.close()
    assert not homes._registry.homes
    assert "closed" in repr(link)
    with pytest.raises(EngineError, match="closed"):
        second.health()


def test_handles_that_wait_for_a_daemon_differently_have_connections_of_their_own(url: str) -> None:
    with Statehouse(url, connect_timeout=1) as one, Statehouse(url) as other:
        assert engine_of(one)._link is not engine_of(other)._link
        one.write("k", 1, agent_id="a")
        assert other.get_state("k", agent_id="a").value == 1


def test_a_cell_run_twice_works(url: str) -> None:
    for n in range(3):
        sh = Statehouse(url)
        sh.write("runs", n, agent_id="a")
    assert sh.get_state("runs", agent_id="a").version == 3
    assert len(homes._registry.homes) == 1
    sh.close()


def test_threads_and_event_loops_at_once_over_one_handle(url: str) -> None:
    with Statehouse(url) as sh:

        async def from_loop(n: int) -> None:
            async def add(agent: str) -> None:
                for each in range(5):
                    await sh.aio.write(f"{n}/{each}", each, agent_id=agent)

            await asyncio.gather(*(add(f"loop{m}") for m in range(4)))
            assert len([row async for row in sh.aio.scan_prefix(f"{n}/", agent_id="loop1")]) == 5

        def from_thread(n: int) -> None:
            for each in range(10):
                sh.write(f"{n}/{each}", each, agent_id="thread")

        with ThreadPoolExecutor(6) as threads:
            work = [threads.submit(asyncio.run, from_loop(n)) for n in range(3)]
            work += [threads.submit(from_thread, n) for n in range(3)]
            for each in work:
                each.result()
        assert [event.commit_ts for event in sh.replay()] == list(range(1, 3 * 20 + 3 * 10 + 1))


def test_event_loops_that_have_ended_are_not_kept(url: str) -> None:
    with Statehouse(url) as sh:
        loops = []

        async def ask() -> None:
            loops.append(weakref.ref(asyncio.get_running_loop()))
            await sh.aio.get_state("k", agent_id="a", default=None)

        for _ in range(4):
            asyncio.run(ask())
        gc.collect()
        assert [loop() for loop in loops[:-1]] == [None, None, None]
        assert len(sh.connection.loops) == 1


# Another store at the same address.


def test_a_handle_does_not_commit_to_another_store_at_its_address(engine: Engine) -> None:
    target = free_target()
    other = open_engine(MemoryStore(), durability="none")
    with closing(other), Statehouse(target) as sh:
        with serving(engine, listen=target, grace_s=0.0):
            sh.write("k", 1, agent_id="a")
        with serving(other, listen=target, grace_s=0.0):
            for _ in range(2):
                with pytest.raises(StoreChangedError):
                    sh.write("k", 2, agent_id="a")
            # A cell run again must not need the kernel to be restarted.
            with Statehouse(target) as again:
                assert again.write("k", 3, agent_id="a") == 1


# Time.


def test_a_read_that_is_not_answered_ends_in_time(engine: Engine) -> None:
    with held(engine) as (_, url), Statehouse(url, timeout=0.1) as sh:
        with within(0.1, at_least=0.1), pytest.raises(DeadlineExceededError):
            sh.list_keys(agent_id="a")
        with within(0.1, at_least=0.1), pytest.raises(DeadlineExceededError):
            asyncio.run(sh.aio.list_keys(agent_id="a"))


def test_reads_that_began_at_different_times_end_each_in_its_own(engine: Engine) -> None:
    async def read(sh: StatehouseAsync, after: float) -> float:
        await asyncio.sleep(after)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(DeadlineExceededError):
            await sh.list_keys(agent_id="a")
        return loop.time() - began

    async def main(url: str) -> list[float]:
        async with StatehouseAsync(url, timeout=0.1) as sh:
            return await asyncio.gather(*(read(sh, each / 100) for each in range(10)))

    with held(engine) as (_, url):
        times = asyncio.run(main(url))
    assert min(times) >= 0.1
    assert max(times) < 2


def test_a_commit_that_is_not_answered_is_unknown_in_time(engine: Engine) -> None:
    with held(engine) as (holding, url), Statehouse(url) as sh:
        sh.connection.seen.commit(0, sh.connection.monotonic())
        for write in (sh.write, lambda *args, **more: asyncio.run(sh.aio.write(*args, **more))):
            with within(0.1), pytest.raises((OutcomeUnknownError, DeadlineExceededError)):
                write("k", 1, agent_id="a", timeout=0.1)
        assert sum(isinstance(each, Commit) for each in holding.asked) == 2


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_followers_page_that_is_not_answered_ends_in_time(
    engine: Engine, colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statehouse.client.pages.WAIT_S", 0.05)

    async def first(sh: StatehouseAsync) -> object:
        return await anext(sh.replay(follow=True))

    def follow(sh: Statehouse) -> object:
        return next(sh.replay(follow=True)) if colour == "sync" else asyncio.run(first(sh.aio))

    with (
        serving(ForgetfulEngine(engine), grace_s=0.0) as url,
        Statehouse(url, timeout=0.1) as sh,
        within(0.15, at_least=0.15),
        pytest.raises(DeadlineExceededError),
    ):
        follow(sh)


# Giving up.


@pytest.mark.parametrize("shared", [False, True], ids=["the last handle", "not the last handle"])
def test_closing_a_handle_ends_its_followers_in_either_colour(url: str, engine: Engine, shared: bool) -> None:
    with ThreadPoolExecutor(3) as threads, Statehouse(url) as other:
        sh = Statehouse(url) if shared else other
        sh.write("k", 1, agent_id="a")

        async def follow() -> int:
            return len([event async for event in sh.aio.replay(follow=True)])

        found = [threads.submit(lambda: len(list(sh.replay(follow=True)))) for _ in range(2)]
        found.append(threads.submit(asyncio.run, follow()))
        eventually(lambda: other.status().followers == 3)
        sh.close()
        assert [each.result(30) for each in found] == [1, 1, 1]


def test_closing_a_handle_ends_what_it_waits_for_in_an_event_loop(engine: Engine) -> None:
    async def main(url: str) -> None:
        sh = StatehouseAsync(url)
        reads = [asyncio.create_task(sh.list_keys(agent_id="a")) for _ in range(3)]
        await asyncio.to_thread(eventually, lambda: len(holding.asked) == 3)
        async with StatehouseAsync(url):
            sh.connection.close()
            for each in reads:
                with pytest.raises(EngineError, match="is closed"):
                    await each

    with held(engine) as (holding, url):
        asyncio.run(main(url))


def test_a_cancelled_task_takes_its_read_back_and_leaves_nothing(engine: Engine) -> None:
    async def main(url: str) -> None:
        async with StatehouseAsync(url) as sh:
            for _ in range(3):
                task = asyncio.create_task(sh.list_keys(agent_id="a"))
                await asyncio.to_thread(eventually, lambda: holding.asked)
                holding.asked.clear()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            (waits,) = sh.connection.loops.values()
            assert not waits._reads
            assert engine_of(sh).unanswered == 0
            assert await sh.health() == "ok"

    with held(engine) as (holding, url):
        asyncio.run(main(url))


def test_a_remote_read_can_be_cancelled_and_a_commit_that_was_sent_cannot(engine: Engine) -> None:
    with held(engine) as (holding, url), Statehouse(url) as sh:
        read = engine_of(sh).submit(Scan("default", "a"))
        commit = engine_of(sh).submit(Commit("t-1"))
        eventually(lambda: len(holding.asked) == 2)
        assert (read.cancel(), commit.cancel()) == (True, False)


# Processes.


def test_a_program_that_forgot_to_close_exits_at_once(url: str) -> None:
    with within(10):
        out = run(
            """
            import asyncio, statehouse, sys, threading
            sh = statehouse.Statehouse(sys.argv[1])
            sh.write("k", 1, agent_id="a")
            asyncio.run(sh.aio.write("k", 2, agent_id="a"))
            follower = threading.Thread(target=lambda: list(sh.replay(follow=True)), daemon=True)
            follower.start()
            print("end")
            """,
            url,
        )
    assert out == "end"


@pytest.mark.slow
def test_a_program_that_asks_a_daemon_that_is_not_there_exits_before_it_has_waited_for_it() -> None:
    with within(10):
        out = run(
            """
            import contextlib, statehouse, sys, threading
            sh = statehouse.Statehouse(sys.argv[1], connect_timeout=60)
            def ask():
                with contextlib.suppress(statehouse.EngineError):
                    sh.health()
            threading.Thread(target=ask, daemon=True).start()
            print("end")
            """,
            free_target(),
        )
    assert out == "end"


FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@FORKS
def test_a_forked_child_is_told_and_the_parent_goes_on(url: str) -> None:
    out = run(
        """
        import asyncio, os, statehouse, sys
        sh = statehouse.Statehouse(sys.argv[1])
        tx = sh.agent("a").transaction()
        sh.write("k", 1, agent_id="a")
        if os.fork() == 0:
            def names(call):
                try:
                    call()
                except statehouse.StatehouseError as error:
                    return type(error).__name__
                return "nothing"
            said = [
                names(lambda: sh.get_state("k", agent_id="a")),
                names(lambda: asyncio.run(sh.aio.write("k", 2, agent_id="a"))),
                names(lambda: tx.write("k", 2)),
                names(lambda: statehouse.Statehouse(sys.argv[1])),
            ]
            sh.close()
            with statehouse.Statehouse("memory:") as own:
                own.write("k", 1, agent_id="a")
            print(*said, flush=True)
            sys.exit(0)
        print(os.wait()[1], flush=True)
        tx.write("k", 3)
        print(tx.commit(), sh.get_state("k", agent_id="a").value)
        """,
        url,
    )
    assert out == " ".join(["ForkedProcessError"] * 4) + "\n0\n2 3"


@FORKS
def test_children_may_connect_to_what_the_parent_only_named(url: str) -> None:
    out = run(
        """
        import os, statehouse, sys
        sh = statehouse.Statehouse(sys.argv[1])
        for n in range(3):
            if os.fork() == 0:
                with statehouse.Statehouse(sys.argv[1]) as own:
                    own.write("k", n, agent_id="a")
                sys.exit(0)
            os.wait()
        print(sh.get_state("k", agent_id="a").version)
        """,
        url,
    )
    assert out == "3"


@FORKS
def test_ids_of_transactions_are_not_given_again_in_a_child() -> None:
    out = run(
        """
        import os, statehouse
        with statehouse.Statehouse("memory:") as sh:
            sh.begin_transaction()
            if os.fork():
                os.wait()
        with statehouse.Statehouse("memory:") as sh:
            print(*[sh.begin_transaction().txn_id for _ in range(300)], flush=True)
        """
    )
    ids = out.split()
    assert (len(ids), len(set(ids))) == (600, 600)


def test_importing_the_sdk_loads_no_grpc() -> None:
    out = run(
        """
        import sys, statehouse
        statehouse.Statehouse("memory:").close()
        print([name for name in ("grpc", "google.protobuf", "statehouse.rpc") if name in sys.modules])
        """
    )
    assert out == "[]"
