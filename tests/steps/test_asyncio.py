"""What only asyncio has: cancellation, timeouts that end a body, reads that are awaited."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from statehouse import DeadlineExceededError, InvalidArgumentError, Statehouse, StepError, current_step, step


def run(memory: Statehouse, call: Any) -> Any:
    async def main() -> Any:
        async with memory.aio.run("r-1", agent_id="a"):
            return await call()

    return asyncio.run(main())


def test_an_async_step_is_a_coroutine_function_to_frameworks() -> None:
    @step
    async def work() -> int:
        return 1

    @step
    def plain() -> int:
        return 1

    assert (inspect.iscoroutinefunction(work), asyncio.iscoroutinefunction(work)) == (True, True)
    assert (inspect.iscoroutinefunction(plain), asyncio.iscoroutinefunction(plain)) == (False, False)


def test_an_async_timeout_cancels_the_body(memory: Statehouse) -> None:
    cancelled: list[bool] = []

    @step(timeout=0.01)
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(DeadlineExceededError, match=r"longer than its timeout of 0\.01 s; it was cancelled"):
        run(memory, slow)
    assert cancelled == [True]
    record = memory.get_state("step/slow#1", agent_id="r-1", namespace="default.runs").value
    assert (record["status"], record["error"]["code"]) == ("failed", "deadline_exceeded")


def test_a_timeout_of_the_bodys_own_stays_its_own(memory: Statehouse) -> None:
    @step(timeout=60)
    async def impatient() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as caught:
        run(memory, impatient)
    assert type(caught.value) is TimeoutError


def test_a_blocking_timeout_is_recorded_while_the_body_goes_on(memory: Statehouse) -> None:
    go, gone = threading.Event(), threading.Event()
    late: list[type[Exception]] = []

    @step(timeout=0.01)
    def slow() -> None:
        running = current_step()
        go.wait(10)
        try:
            running.state["x"] = 1
        except Exception as error:  # noqa: BLE001 - what it is, is the question
            late.append(type(error))
        gone.set()

    with memory.run("r-1", agent_id="a"), pytest.raises(DeadlineExceededError, match="cannot be stopped"):
        slow()
    go.set()
    gone.wait(10)
    assert [each.__name__ for each in late] == ["StepError"]
    assert memory.get_state("x", agent_id="a", default=None).value is None


def test_a_blocking_step_with_a_timeout_is_in_its_run(memory: Statehouse) -> None:
    @step(timeout=60)
    def work() -> str:
        current_step().state["x"] = 1
        return current_step().path

    with memory.run("r-1", agent_id="a"):
        assert work() == "work#1"
    assert memory.get_state("x", agent_id="a").value == 1


def test_state_is_read_by_awaiting(memory: Statehouse) -> None:
    memory.write("x", 1, agent_id="a")
    memory.write("z", 3, agent_id="b")

    @step
    async def work() -> list[Any]:
        state = current_step().state.aio
        state["y"] = 2
        found = [await state.get("x"), await state.get("y"), await state.get("none", 0), await state.keys()]
        found += [[each.key async for each in state.records("x")], await state.agent("b").get("z")]
        del state["x"]
        assert (await state.record("y")).value == 2
        return found

    assert run(memory, work) == [1, 2, 0, ["x", "y"], ["x"], 3]
    assert memory.list_keys(agent_id="a") == ["y"]


def test_a_read_that_would_block_the_loop_is_refused(memory: Statehouse) -> None:
    @step
    async def work() -> None:
        state = current_step().state
        for read in (
            lambda: state["x"],
            lambda: state.get("x"),
            lambda: list(state),
            state.records,
        ):
            with pytest.raises(StepError, match="would block its event loop"):
                read()
        with pytest.raises(InvalidArgumentError, match=r"await state\.get"):
            state.aio["x"]

    run(memory, work)


def test_a_thread_of_an_async_step_may_block(memory: Statehouse) -> None:
    @step
    async def work() -> int:
        return await asyncio.to_thread(lambda: int(current_step().state.get("x", 7)))

    assert run(memory, work) == 7


def test_a_blocking_step_in_an_async_run_is_a_step_too(memory: Statehouse) -> None:
    @step
    def plain() -> str:
        return current_step().path

    async def both() -> list[str]:
        return [plain(), await asyncio.to_thread(plain)]

    assert run(memory, both) == ["plain#1", "plain#2"]


def test_a_cancelled_step_records_nothing_and_runs_again(memory: Statehouse) -> None:
    attempts: list[int] = []
    begun = threading.Event()

    @step
    async def work() -> str:
        attempts.append(1)
        current_step().state["x"] = len(attempts)
        begun.set()
        if len(attempts) == 1:
            await asyncio.Event().wait()
        return "done"

    async def cancelled() -> None:
        task = asyncio.ensure_future(_coroutine(work()))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(memory, cancelled)
    assert memory.list_keys(agent_id="a") == []
    assert run(memory, work) == "done"


async def _coroutine(work: Coroutine[Any, Any, str]) -> str:
    return await work


def test_two_loops_may_take_part_in_one_run(memory: Statehouse) -> None:
    @step
    async def work(number: int) -> int:
        return number

    with memory.run("r-1", agent_id="a") as run:
        assert [asyncio.run(_number(work(number))) for number in range(2)] == [0, 1]
        assert [each.path for each in run.steps()] == ["work#1", "work#2"]


async def _number(work: Coroutine[Any, Any, int]) -> int:
    return await work
