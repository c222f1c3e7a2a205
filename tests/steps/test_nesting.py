"""Steps within steps: a child commits alone, and must keep off what the steps around it touch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from statehouse import Statehouse, StepError, StepMismatchError, StepNestingError, current_step
from tests.steps.colours import Colour, Killed
from tests.steps.conftest import Worker


def test_a_child_stands_if_its_parent_fails(worker: Worker, colour: Colour) -> None:
    ran: list[str] = []
    broken = [True]

    def child() -> str:
        ran.append("child")
        current_step().state["child"] = 1
        return "done"

    inner = colour.step(child)

    def parent() -> str:
        found: str = inner()
        ran.append("parent")
        if broken:
            raise Killed
        return found

    outer = colour.step(parent)
    with pytest.raises(Killed), colour.run(worker()):
        outer()
    broken.clear()
    with colour.run(worker()) as run:
        assert outer() == "done"
        assert [each.path for each in run.steps()] == ["parent#1/child#1", "parent#1"]
    assert ran == ["child", "parent", "parent"]
    assert worker().get_state("child", agent_id="a").value == 1


def test_a_finished_parent_answers_for_its_children(worker: Worker, colour: Colour) -> None:
    inner = colour.step(lambda: 1, name="child")
    outer = colour.step(lambda: inner() + 1, name="parent")
    for _ in range(2):
        # Nobody is warned of the child, which is not called the second time.
        with colour.run(worker()):
            assert outer() == 2


def reads(name: str) -> Callable[[Any], object]:
    return lambda state: state.get(name)


def writes(name: str) -> Callable[[Any], object]:
    return lambda state: state.__setitem__(name, 1)


def scans(prefix: str) -> Callable[[Any], object]:
    return lambda state: list(state.records(prefix))


MEETINGS = [
    pytest.param(reads("x"), None, id="read before"),
    pytest.param(writes("x"), None, id="written before"),
    pytest.param(scans("x"), None, id="scanned before"),
    pytest.param(None, reads("x"), id="read after"),
    pytest.param(None, writes("x"), id="written after"),
    pytest.param(None, scans(""), id="scanned after"),
]


@pytest.mark.parametrize("before,after", MEETINGS)
def test_a_child_that_writes_what_its_parent_touches_is_refused_at_once(
    worker: Worker, colour: Colour, before: Any, after: Any
) -> None:
    ran: list[str] = []

    def child() -> None:
        ran.append("child")
        current_step().state["x"] = 2

    inner = colour.step(child)

    def parent() -> None:
        state = current_step().state
        if before is not None:
            before(state)
        inner()
        if after is not None:
            after(state)

    outer = colour.step(parent)
    # Resumed, too: the child is recorded by then where the parent comes after it.
    for _ in range(2):
        with pytest.raises(StepNestingError, match="the step parent#1/child#1 writes"), colour.run(worker()):
            outer()
    assert len(ran) == (2 if after is None else 1)


def test_grandchildren_keep_off_too(sh: Statehouse, colour: Colour) -> None:
    def leaf() -> None:
        current_step().state["x"] = 2

    grandchild = colour.step(leaf)

    def middle() -> None:
        grandchild()

    child = colour.step(middle)

    def parent() -> None:
        child()
        current_step().state.get("x")

    with pytest.raises(StepNestingError, match="parent#1/middle#1/leaf#1"), colour.run(sh):
        colour.step(parent)()


def test_siblings_may_share(sh: Statehouse, colour: Colour) -> None:
    def add() -> int:
        state = current_step().state
        state["x"] = state.get("x", 0) + 1
        return int(state["x"])

    inner = colour.step(add)
    with colour.run(sh):
        assert colour.step(lambda: inner() + inner(), name="parent")() == 3


def test_the_read_ts_of_a_parent_never_moves(sh: Statehouse, colour: Colour) -> None:
    sh.write("x", 1, agent_id="a")

    def child() -> None:
        current_step().state["y"] = 1

    inner = colour.step(child)

    def parent() -> tuple[int, int]:
        step = current_step()
        first = step.state["x"]
        pinned = step.read_ts
        inner()
        assert step.read_ts == pinned
        return first, step.state["x"]

    with colour.run(sh):
        assert list(colour.step(parent)()) == [1, 1]


def test_children_of_a_parent_that_conflicts_are_not_run_again(sh: Statehouse, colour: Colour) -> None:
    ran: list[str] = []

    def child(text: str) -> str:
        ran.append(text)
        return text

    inner = colour.step(child)

    def parent() -> None:
        step = current_step()
        step.state.get("x")
        inner("same")
        if step.attempt == 1:
            sh.write("x", 1, agent_id="a")

    with colour.run(sh):
        colour.step(parent)()
    assert ran == ["same"]


def test_children_are_run_again_where_the_state_that_their_parent_read_has_changed(
    sh: Statehouse, colour: Colour
) -> None:
    sh.write("x", "old", agent_id="a")
    ran: list[str] = []

    def child(text: str) -> str:
        ran.append(text)
        return text.upper()

    inner = colour.step(child)

    def parent() -> str:
        step = current_step()
        found: str = inner(step.state["x"])
        if step.attempt == 1:
            sh.write("x", "new", agent_id="a")
        return found

    with colour.run(sh) as run:
        assert colour.step(parent)() == "NEW"
        versions = {each.path: each.version for each in run.steps()}
    assert (ran, versions) == (["old", "new"], {"parent#1/child#1": 2, "parent#1": 1})


def test_children_of_a_parent_that_read_nothing_must_be_the_same(worker: Worker, colour: Colour) -> None:
    texts = iter(["one", "two"])
    inner = colour.step(lambda text: text, name="child")

    def parent() -> None:
        inner(next(texts))
        raise Killed

    outer = colour.step(parent)
    with pytest.raises(Killed), colour.run(worker()):
        outer()
    with pytest.raises(StepMismatchError), colour.run(worker()):
        outer()


def test_a_parent_that_tries_again_tries_its_failed_child_again(sh: Statehouse, colour: Colour) -> None:
    ran: list[int] = []

    def child() -> int:
        ran.append(1)
        if len(ran) < 3:
            raise OSError("busy")
        return len(ran)

    inner = colour.step(child)

    def parent() -> int:
        return int(inner())

    with colour.run(sh):
        assert colour.step(parent, retries=2, backoff=0)() == 3


def test_a_run_in_a_step_says_where_it_began(sh: Statehouse) -> None:
    from statehouse import step

    @step
    def outer() -> str:
        with sh.run("inner", agent_id="b") as run:
            inner()
            record = run.logic.read()
        from statehouse.extend import run as run_flow

        found = run_flow(sh, record)
        assert found is not None
        return f"{found.parent_run_id} {found.parent_step}"

    @step
    def inner() -> None:
        assert current_step().run_id == "inner"

    with sh.run("outer", agent_id="a"):
        assert outer() == "outer outer#1"


def test_a_step_that_has_ended_takes_no_children(memory: Statehouse) -> None:
    import threading

    from statehouse import step

    go, errors = threading.Event(), list[BaseException]()

    @step
    def child() -> None:
        raise AssertionError("it is refused before it runs")

    @step
    def parent() -> None:
        import contextvars

        context = contextvars.copy_context()

        def later() -> None:
            go.wait()
            try:
                context.run(child)
            except StepError as error:
                errors.append(error)

        threads.append(threading.Thread(target=later))
        threads[0].start()

    threads: list[threading.Thread] = []
    with memory.run(agent_id="a"):
        parent()
        go.set()
        threads[0].join()
    assert ["has ended" in str(error) for error in errors] == [True]
