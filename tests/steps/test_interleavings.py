"""Names, and with them histories, are the same in whatever order things happen at the same time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statehouse import Statehouse, StatehouseAsync, StepRecord, current_step, step
from statehouse.errors import InvalidArgumentError

ORDERS = st.permutations(range(4))


class Turns:
    """Has awaiting bodies go on in one order, however they were begun."""

    def __init__(self, order: list[int]) -> None:
        self._left = list(order)
        self._gates = {number: asyncio.Event() for number in order}
        self._open()

    def _open(self) -> None:
        if self._left:
            self._gates[self._left.pop(0)].set()

    async def wait(self, number: int) -> None:
        await self._gates[number].wait()
        self._open()


def named(records: list[StepRecord]) -> dict[str, object]:
    return {record.path: (record.input, record.output) for record in records}


EXPECTED = {
    f"work#{number + 1}": ({"number": {"json": number}}, {"json": number * number}) for number in range(4)
}


@given(order=ORDERS)
def test_gathered_steps_have_the_names_of_their_calls(order: list[int]) -> None:
    async def program(turns: Turns) -> dict[str, object]:
        @step
        async def work(number: int) -> int:
            await turns.wait(number)
            return number * number

        async with StatehouseAsync("memory:") as sh, sh.run(agent_id="a") as run:
            assert await asyncio.gather(*[work(number) for number in range(4)]) == [0, 1, 4, 9]
            return named(await run.steps())

    async def main() -> dict[str, object]:
        return await program(Turns(order))

    assert asyncio.run(main()) == EXPECTED


@given(order=ORDERS)
def test_a_task_group_gives_the_same_names(order: list[int]) -> None:
    async def main() -> dict[str, object]:
        turns = Turns(order)

        @step
        async def work(number: int) -> int:
            await turns.wait(number)
            return number * number

        async with StatehouseAsync("memory:") as sh, sh.run(agent_id="a") as run:
            async with asyncio.TaskGroup() as group:
                for number in range(4):
                    group.create_task(work(number))
            return named(await run.steps())

    assert asyncio.run(main()) == EXPECTED


@given(order=ORDERS)
def test_branches_that_are_steps_name_what_they_call_by_themselves(order: list[int]) -> None:
    async def main() -> list[str]:
        turns = Turns(order)

        @step
        async def leaf(text: str) -> str:
            return text

        @step
        async def branch(number: int) -> None:
            await turns.wait(number)
            await leaf(f"{number} a")
            await leaf(f"{number} b")

        async with StatehouseAsync("memory:") as sh, sh.run(agent_id="a") as run:
            await asyncio.gather(*[branch(number) for number in range(4)])
            return sorted(f"{each.path} {each.input}" for each in await run.steps() if each.name == "leaf")

    assert asyncio.run(main()) == [
        f"branch#{number + 1}/leaf#{which + 1} {{'text': {{'json': '{number} {letter}'}}}}"
        for number in range(4)
        for which, letter in enumerate("ab")
    ]


@given(order=ORDERS)
def test_a_pool_of_threads_performs_what_was_bound(order: list[int]) -> None:
    gates = [threading.Event() for _ in order]
    left = list(order)
    gates[left.pop(0)].set()

    @step
    def work(number: int) -> int:
        gates[number].wait(10)
        if left:
            gates[left.pop(0)].set()
        return number * number

    with Statehouse("memory:") as sh, sh.run(agent_id="a") as run, ThreadPoolExecutor(4) as pool:
        calls = [work.bind(number) for number in range(4)]
        assert list(pool.map(lambda call: call(), calls)) == [0, 1, 4, 9]
        assert named(run.steps()) == EXPECTED


def test_what_was_bound_in_a_step_is_its_child(memory: Statehouse) -> None:
    @step
    def child(number: int) -> str:
        return current_step().path

    @step
    def parent() -> list[str]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda call: call(), [child.bind(1), child.bind(2)]))

    with memory.run(agent_id="a"):
        assert parent() == ["parent#1/child#1", "parent#1/child#2"]


def test_a_key_names_a_call_whatever_comes_before_it(memory: Statehouse) -> None:
    @step(key=lambda text: text)
    def note(text: str) -> str:
        return current_step().path

    with memory.run("r", agent_id="a"):
        assert [note("tea"), note("a/b~c")] == ["note:tea", "note:a~1b~0c"]
    with memory.run("r"):
        assert [note("a/b~c"), note("tea")] == ["note:a~1b~0c", "note:tea"]
        with pytest.raises(InvalidArgumentError, match="was called already"):
            note("tea")
        assert note.options(key="milk")("tea") == "note:milk"


def test_names_cannot_be_mistaken_for_others(memory: Statehouse) -> None:
    names = ("a", "a#1", "a/b", "a:b", "~now", "a")
    with memory.run(agent_id="a"):
        paths = [step(name=name)(lambda: current_step().path)() for name in names]
    assert paths == ["a#1", "a~21#1", "a~1b#1", "a~3b#1", "~0now#1", "a#2"]


def test_two_tasks_may_read_and_write_in_one_step(memory: Statehouse) -> None:
    memory.write("x", 1, agent_id="a")

    @step
    async def both() -> int:
        state = current_step().state.aio

        async def half(name: str) -> int:
            found: int = await state.get("x")
            state.set(name, found)
            return found

        first, second = await asyncio.gather(half("left"), half("right"))
        return first + second

    async def main() -> int:
        async with memory.aio.run(agent_id="a"):
            return await both()

    assert asyncio.run(main()) == 2
    assert memory.get_state("left", agent_id="a").value == 1
