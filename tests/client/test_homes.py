"""One engine a directory and process: shared, counted, closed with the last handle, dead after a fork."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from statehouse import DirectoryLockedError, EngineError, InvalidArgumentError, Statehouse, StatehouseAsync
from statehouse.client import homes
from tests.client.programs import run


def engine_of(handle: Statehouse) -> object:
    """The engine behind the spans around it."""
    traced: Any = handle.connection.engine
    return traced.engine


def close_what_was_dropped() -> None:
    """Waits until the closing thread has done what was put before this."""
    gc.collect()
    done = threading.Event()

    class Last(homes.Lease):
        def __init__(self) -> None:
            """A lease of nothing."""

        def release(self) -> None:
            done.set()

    homes._registry.dropped.put(Last())
    assert done.wait(timeout=30)


@pytest.mark.parametrize("where", ["file:{}/data", "memory:shared"])
def test_two_handles_share_one_engine_until_the_last_is_closed(where: str, tmp_path: Path) -> None:
    url = where.format(tmp_path)
    first, second = Statehouse(url), Statehouse(url, namespace="other")
    assert engine_of(first) is engine_of(second)
    first.write("k", 1, agent_id="a")
    first.close()
    first.close()
    assert second.get_state("k", agent_id="a", namespace="default").value == 1
    second.close()
    with Statehouse(url) as third:
        assert third.status().commit_ts == (1 if where.startswith("file:") else 0)


def test_spellings_and_links_of_one_directory_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    with Statehouse("file:data") as a, Statehouse(Path("link")) as b, Statehouse("file:./link/../data") as c:
        assert engine_of(a) is engine_of(b) is engine_of(c)


def test_private_memories_are_private() -> None:
    with Statehouse("memory:") as a, Statehouse("memory:") as b, Statehouse("memory:x") as c:
        assert len({engine_of(each) for each in (a, b, c)}) == 3


def test_options_that_contradict_are_refused(tmp_path: Path) -> None:
    with Statehouse(tmp_path, durability="none") as first:
        for options in ({"durability": "sync"}, {"read_only": True}):
            with pytest.raises(InvalidArgumentError, match="open in this process with"):
                Statehouse(tmp_path, **options)
        with (
            Statehouse(tmp_path) as whatever,
            Statehouse(tmp_path, durability="none", read_only=False) as same,
        ):
            assert engine_of(first) is engine_of(whatever) is engine_of(same)
    with Statehouse(tmp_path, durability="sync") as again:
        assert again.status().durability == "sync"


@pytest.mark.parametrize(
    "options", [{"durability": "fast"}, {"read_only": 1.5}, {"accept_data_loss": "yes"}, {"timeout": 0}]
)
def test_bad_options_are_refused_and_open_nothing(options: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError):
        Statehouse(tmp_path / "data", **options)  # type: ignore[arg-type]
    assert not homes._registry.homes


def test_a_home_that_could_not_be_opened_can_be_opened_later(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    for _ in range(2):
        with pytest.raises(InvalidArgumentError):
            Statehouse(tmp_path / "data")
    (tmp_path / "data").unlink()
    with Statehouse(tmp_path / "data") as sh:
        assert sh.health() == "ok"


def test_a_cell_run_twice_works(tmp_path: Path) -> None:
    for n in range(3):
        sh = Statehouse(tmp_path)
        sh.write("runs", n, agent_id="a")
    assert sh.get_state("runs", agent_id="a").version == 3
    assert len(homes._registry.homes) == 1
    sh.close()


def test_a_dropped_handle_gives_up_its_share(tmp_path: Path) -> None:
    sh = Statehouse(tmp_path)
    agent = sh.agent("a")
    del sh
    close_what_was_dropped()
    agent.write("k", 1)
    del agent
    close_what_was_dropped()
    assert not homes._registry.homes


def test_a_dropped_cycle_gives_up_its_share(tmp_path: Path) -> None:
    class Program:
        pass

    program = Program()
    program.handle, program.self = Statehouse(tmp_path), program  # type: ignore[attr-defined]
    del program
    close_what_was_dropped()
    assert not homes._registry.homes


def test_opening_at_once_in_many_threads_opens_one(tmp_path: Path) -> None:
    for _ in range(5):
        start = threading.Barrier(8)

        def opened(start: threading.Barrier = start) -> Statehouse:
            start.wait()
            return Statehouse(tmp_path)

        with ThreadPoolExecutor(8) as threads:
            handles = [each.result() for each in [threads.submit(opened) for _ in range(8)]]
            assert len({engine_of(each) for each in handles}) == 1
            for each in [threads.submit(handle.close) for handle in handles]:
                each.result()
        assert not homes._registry.homes


def test_opening_and_closing_at_once_never_meets_half_an_engine(tmp_path: Path) -> None:
    def work(n: int) -> int:
        with Statehouse(tmp_path) as sh:
            return sh.write("k", n, agent_id="a")

    with ThreadPoolExecutor(4) as threads:
        stamps = list(threads.map(work, range(24)))
    assert sorted(stamps) == list(range(1, 25))


def test_views_of_both_colours_are_one_connection(tmp_path: Path) -> None:
    with Statehouse(tmp_path, namespace="ns") as sh:
        assert sh.aio.sync.connection is sh.connection
        assert asyncio.run(sh.aio.write("k", 1, agent_id="a")) == 1
        assert sh.get_state("k", agent_id="a", namespace="ns").value == 1
        asyncio.run(sh.aio.close())
        assert sh.closed


def test_threads_and_event_loops_at_once(tmp_path: Path) -> None:
    with Statehouse(tmp_path, durability="none") as sh:

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
        stamps = [event.commit_ts for event in sh.replay()]
        assert stamps == list(range(1, 3 * 20 + 3 * 10 + 1))


def test_an_engine_of_the_callers_stays_open(tmp_path: Path) -> None:
    with Statehouse(tmp_path) as owner:
        engine = owner.connection.engine
        with Statehouse.from_engine(engine) as guest:
            guest.write("k", 1, agent_id="a")
        assert owner.get_state("k", agent_id="a").value == 1
    with pytest.raises(EngineError):
        Statehouse.from_engine(engine).status()


def test_another_process_has_the_directory(tmp_path: Path) -> None:
    with Statehouse(tmp_path):
        out = run(
            """
            import statehouse, sys
            try:
                statehouse.Statehouse("file:" + sys.argv[1])
            except statehouse.DirectoryLockedError as error:
                print(type(error).__name__, error.path == sys.argv[1])
            """,
            tmp_path,
        )
    assert out == "DirectoryLockedError True"


def test_a_program_that_forgot_to_close_exits_and_loses_nothing(tmp_path: Path) -> None:
    out = run(
        """
        import asyncio, statehouse, sys, threading
        sh = statehouse.Statehouse("file:" + sys.argv[1])
        memory = statehouse.Statehouse("memory:")
        sh.write("k", 1, agent_id="a")
        asyncio.run(sh.aio.write("k", 2, agent_id="a"))
        follower = threading.Thread(target=lambda: list(sh.replay(follow=True)), daemon=True)
        follower.start()
        tx = sh.agent("a").transaction()
        tx.write("k", 3)
        print("end")
        """,
        tmp_path,
    )
    assert out == "end"
    with Statehouse(tmp_path) as sh:
        assert sh.get_state("k", agent_id="a").value == 2
        assert sh.status().epoch == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_told_and_the_parent_goes_on(tmp_path: Path) -> None:
    out = run(
        """
        import os, statehouse, sys
        url = "file:" + sys.argv[1]
        sh = statehouse.Statehouse(url)
        memory = statehouse.Statehouse("memory:")
        tx = sh.agent("a").transaction()
        sh.write("k", 1, agent_id="a")
        read, write = os.pipe()
        if os.fork() == 0:
            said = []
            def names(call):
                try:
                    call()
                except statehouse.StatehouseError as error:
                    said.append(type(error).__name__)
                else:
                    said.append("nothing")
            names(lambda: sh.get_state("k", agent_id="a"))
            names(lambda: sh.write("k", 2, agent_id="a"))
            names(lambda: memory.status())
            names(lambda: sh.begin_transaction())
            names(lambda: tx.write("k", 2))
            names(lambda: statehouse.Statehouse(url))
            with statehouse.Statehouse("memory:") as own:
                own.write("k", 1, agent_id="a")
            sh.close()
            os.write(write, " ".join(said).encode())
            sys.exit(0)
        os.close(write)
        print(os.read(read, 1000).decode(), os.wait()[1])
        print(sh.write("k", 3, agent_id="a"), sh.check().ok)
        sh.close()
        with statehouse.Statehouse(url) as again:
            print(again.get_state("k", agent_id="a").value, again.check().ok)
        """,
        tmp_path,
    )
    refused = " ".join(["ForkedProcessError"] * 5)
    assert out.splitlines() == [f"{refused} DirectoryLockedError 0", "2 True", "3 True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_process_that_had_a_directory_open_can_open_none(tmp_path: Path) -> None:
    out = run(
        """
        import os, statehouse, sys
        url = "file:" + sys.argv[1]
        with statehouse.Statehouse(url) as sh:
            sh.write("k", 1, agent_id="a")
        if os.fork() == 0:
            try:
                statehouse.Statehouse(url)
            except statehouse.ForkedProcessError as error:
                print("spawn" in str(error), flush=True)
            if os.fork() == 0:
                try:
                    statehouse.Statehouse(url + "-other")
                except statehouse.ForkedProcessError as error:
                    print("spawn" in str(error), flush=True)
                os._exit(0)
            os.wait()
            # RocksDB's own threads are not here to be joined by a C++ destructor.
            os._exit(0)
        os.wait()
        """,
        tmp_path,
    )
    assert out == "True\nTrue"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_may_open_what_the_parent_never_did(tmp_path: Path) -> None:
    out = run(
        """
        import os, statehouse, sys
        memory = statehouse.Statehouse("memory:")
        memory.write("k", 1, agent_id="a")
        if os.fork() == 0:
            with statehouse.Statehouse("file:" + sys.argv[1]) as sh:
                sh.write("k", 2, agent_id="a")
            sys.exit(0)
        os.wait()
        with statehouse.Statehouse("file:" + sys.argv[1]) as sh:
            print(sh.get_state("k", agent_id="a").value)
        """,
        tmp_path,
    )
    assert out == "2"


def test_the_locked_error_pickles_and_names_the_directory(tmp_path: Path) -> None:
    import pickle

    error = DirectoryLockedError("held", path=str(tmp_path))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.path, str(again)) == (DirectoryLockedError, str(tmp_path), "held")


def test_an_async_handle_opens_and_closes_its_own(tmp_path: Path) -> None:
    async def main() -> object:
        async with StatehouseAsync(tmp_path) as sh:
            await sh.write("k", 1, agent_id="a")
            return (await sh.get_state("k", agent_id="a")).value

    assert asyncio.run(main()) == 1
    assert not homes._registry.homes


def test_another_process_may_read_only(tmp_path: Path) -> None:
    with Statehouse(tmp_path) as sh:
        sh.write("k", 1, agent_id="a")
        out = run(
            """
            import statehouse, sys
            with statehouse.Statehouse("file:" + sys.argv[1], read_only=True) as sh:
                print(sh.get_state("k", agent_id="a").value, sh.status().state)
                try:
                    sh.write("k", 2, agent_id="a")
                except statehouse.RefusingWritesError as error:
                    print(type(error).__name__)
            """,
            tmp_path,
        )
    assert out.split() == ["1", "read_only", "RefusingWritesError"]
