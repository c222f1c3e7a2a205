"""One class: both colours, any thread, any loop, in each home, over either handle."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig

from statehouse import InvalidArgumentError, Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.saver.chains import Chain, checkpoint, ids, place, tuple_at


async def awaited(saver: StatehouseSaver, thread_id: str) -> list[str]:
    """Puts, writes, reads and lists, awaiting."""
    config = await saver.aput(place(thread_id), checkpoint("1", {"plan": 1}, {"plan": 1}), {}, {"plan": 1})
    await saver.aput_writes(config, [("plan", 2)], "task")
    given = await saver.aput_with_writes(config, checkpoint("2"), {}, {}, [("task-2", [("plan", 3)], "")])
    found = await saver.aget_tuple(given)
    assert found is not None
    history = await saver.aget_delta_channel_history(config=given, channels=["plan"])
    assert history["plan"]["writes"] == [("task", "plan", 2), ("task-2", "plan", 3)]
    return [each.checkpoint["id"] async for each in saver.alist(place(thread_id))]


def test_both_colours_see_the_same(anywhere: StatehouseSaver) -> None:
    assert asyncio.run(awaited(anywhere, "t")) == ["2", "1"] == ids(anywhere)
    Chain(anywhere, head="2").add("3")

    async def newest() -> str:
        found = await anywhere.aget_tuple(place())
        assert found is not None
        return found.checkpoint["id"]

    assert asyncio.run(newest()) == "3"


def test_either_handle_will_do(handle: Statehouse) -> None:
    async def main() -> list[str]:
        return await awaited(StatehouseSaver(handle.aio), "t")

    assert asyncio.run(main()) == ["2", "1"]
    assert ids(StatehouseSaver(handle.aio)) == ids(StatehouseSaver(handle)) == ["2", "1"]


def test_several_loops_and_threads_use_one_saver_at_once(anywhere: StatehouseSaver) -> None:
    def blocking(number: int) -> list[str]:
        chain = Chain(anywhere, f"b{number}")
        for name in "12":
            chain.add(name, {"plan": number})
            chain.write("task", ("plan", 1))
        return ids(anywhere, place(f"b{number}"))

    def looping(number: int) -> list[str]:
        return asyncio.run(awaited(anywhere, f"l{number}"))

    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(work, number) for number in range(6) for work in (blocking, looping)]
        assert all(task.result() == ["2", "1"] for task in tasks)
    assert len([*anywhere.list_threads()]) == 12


def test_many_threads_write_to_one_thread_and_none_is_lost(anywhere: StatehouseSaver) -> None:
    Chain(anywhere).add("00")

    def fork(number: int) -> None:
        chain = Chain(anywhere, head="00")
        chain.add(f"1{number}", {"plan": number})
        chain.write(f"task-{number}", ("plan", number), to="00")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fork, range(8)))
    assert ids(anywhere) == [f"1{number}" for number in reversed(range(8))] + ["00"]
    assert len(tuple_at(anywhere, place(checkpoint_id="00")).pending_writes or ()) == 8


@pytest.mark.parametrize("url", ["memory:", "file:{}/store"])
def test_a_connection_string_opens_for_with_and_for_async_with(url: str, tmp_path: Path) -> None:
    with StatehouseSaver.from_conn_string(url.format(tmp_path)) as saver:
        saver.setup()
        Chain(saver).add("1")
        assert ids(saver) == ["1"]

    async def main() -> list[str]:
        async with StatehouseSaver.from_conn_string(url.format(tmp_path), namespace="other") as other:
            await other.asetup()
            return await awaited(other, "t")

    assert asyncio.run(main()) == ["2", "1"]


def test_what_was_opened_is_closed_also_after_an_error(tmp_path: Path) -> None:
    url = f"file:{tmp_path / 'store'}"
    with pytest.raises(KeyError), StatehouseSaver.from_conn_string(url):
        raise KeyError
    with pytest.raises(InvalidArgumentError), StatehouseSaver.from_conn_string(url, ttl={"wrong": 1}):
        raise AssertionError
    # A directory has one owner: it can be opened again only if it was closed.
    with StatehouseSaver.from_conn_string(url) as saver:
        Chain(saver).add("1")


def test_what_is_open_is_not_opened_again() -> None:
    opened = StatehouseSaver.from_conn_string("memory:")
    with opened, pytest.raises(InvalidArgumentError, match="open already"):
        opened.__enter__()


def test_closing_a_saver_leaves_the_programs_store_open(handle: Statehouse) -> None:
    with StatehouseSaver(handle) as saver:
        Chain(saver).add("1")
    assert ids(saver) == ["1"]

    async def main() -> None:
        async with StatehouseSaver(handle) as again:
            assert await again.aget_tuple(place()) is not None

    asyncio.run(main())


def test_namespaces_keep_savers_apart(handle: Statehouse) -> None:
    one, two = StatehouseSaver(handle, namespace="one"), StatehouseSaver(handle, namespace="two")
    Chain(one).add("1", run_id="r")
    assert (ids(two), [*two.list(None)], [*two.list_threads()]) == ([], [], [])
    two.delete_for_runs(["r"])
    two.delete_thread("t")
    assert ids(one) == ["1"]


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    url = f"file:{tmp_path / 'store'}"
    with StatehouseSaver.from_conn_string(url) as saver:
        chain = Chain(saver)
        for number in range(10, 20):
            chain.delta(f"{number}", number)
            chain.values["plan"] = list(range(number))
        chain.add("20", {"plan": list(range(100))})
        before = [*saver.list(None)]
    with StatehouseSaver.from_conn_string(url) as saver:
        assert [*saver.list(None)] == before
        again = Chain(saver, head="20", versions=chain.versions, values=chain.values)
        again.add("21", {"plan": list(range(101))})
        assert again.state() == list(range(11, 20))
        assert tuple_at(saver, place()).checkpoint["channel_values"]["plan"] == list(range(101))


@pytest.mark.parametrize(
    "config, message",
    [
        ({}, "names no thread"),
        ({"configurable": {}}, "names no thread"),
        ({"configurable": {"thread_id": ""}}, "names no thread"),
        ({"configurable": {"thread_id": "t", "checkpoint_ns": 3}}, "checkpoint_ns must be a string"),
        ({"configurable": {"thread_id": "t", "checkpoint_id": 3}}, "checkpoint_id must be a string"),
        ({"configurable": {"thread_id": "x" * 300}}, "thread_id is 300 bytes long"),
        ({"configurable": {"thread_id": "a\nb"}}, "control character"),
    ],
)
def test_a_config_that_makes_no_sense_is_an_error_that_says_so(
    saver: StatehouseSaver, config: Any, message: str
) -> None:
    given: RunnableConfig = config
    for call in (
        lambda: saver.get_tuple(given),
        lambda: saver.put(given, checkpoint("1"), {}, {}),
        lambda: [*saver.list(given)],
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_limit_and_a_filter_are_what_they_should_be(saver: StatehouseSaver) -> None:
    with pytest.raises(ValueError, match="limit must be an integer"):
        [*saver.list(place(), limit="3")]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="filter must map"):
        [*saver.list(place(), filter=["a"])]  # type: ignore[arg-type]
