"""Random histories of several agents: unchanged code is clean, and what is changed is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from statehouse import Statehouse, current_step, step
from statehouse.debug import debug, fork, verify

KEYS = ("x", "y", "z")
AGENTS = ("a", "b")
TASKS = st.fixed_dictionaries(
    {
        "reads": st.lists(st.sampled_from(KEYS), max_size=3, unique=True),
        # What another agent's transaction writes while this one works: a conflict, if it was read.
        "meanwhile": st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(KEYS)), max_size=2),
        "writes": st.lists(st.sampled_from(KEYS), max_size=2, unique=True),
        "nested": st.integers(0, 2),
        "fails": st.sampled_from((False, False, False, True)),
        "chance": st.booleans(),
    }
)
PROGRAMS = st.lists(TASKS, min_size=1, max_size=5)


class World:
    """A program of tasks, whose bodies read, write, fail, are conflicted with, and call others."""

    def __init__(self, sh: Statehouse, tasks: list[dict[str, Any]], *, live: bool = True) -> None:
        self.sh = sh
        self.tasks = tasks
        self.live = live

    @step
    def leaf(self, number: int) -> int:
        """A child that touches a key of its own."""
        state = current_step().state
        state[f"leaf-{number}"] = int(state.get(f"leaf-{number}", 0)) + 1
        return int(state[f"leaf-{number}"])

    @step
    def work(self, number: int, task: dict[str, Any]) -> list[Any]:
        """Does a task."""
        running = current_step()
        state = running.state
        seen: list[Any] = [state.get(key) for key in task["reads"]]
        if self.live and running.attempt == 1:
            for agent_id, key in task["meanwhile"]:
                self.sh.write(key, f"other {number}", agent_id=agent_id)
        seen += [self.leaf(10 * number + child) for child in range(task["nested"])]
        if task["chance"]:
            seen.append(running.random())
        for key in task["writes"]:
            state[key] = [number, len(str(seen))]
        if task["fails"]:
            raise ValueError(f"task {number} after {seen}")
        return seen

    def main(self, run: Any) -> list[Any]:
        """Does all of them."""
        found: list[Any] = []
        for number, task in enumerate(self.tasks):
            try:
                found.append(self.work(number, task))
            except ValueError as error:
                found.append(str(error))
        return found


def with_run(tasks: list[dict[str, Any]], look: Callable[[Statehouse, list[Any]], None]) -> None:
    with Statehouse("memory:") as sh:
        with sh.run("r-1", agent_id="a") as run:
            found = World(sh, tasks).main(run)
        for key in KEYS:
            sh.write(key, "later", agent_id="a")
        before = sh.status().commit_ts
        look(sh, found)
        assert sh.status().commit_ts == before


@settings(max_examples=40)
@given(tasks=PROGRAMS)
def test_unchanged_code_is_clean_with_and_without_its_bodies(tasks: list[dict[str, Any]]) -> None:
    def look(sh: Statehouse, found: list[Any]) -> None:
        for bodies in ("none", "all"):
            verification = verify(sh, "r-1", World(sh, tasks, live=False).main, bodies=bodies)
            assert verification.divergence is None
            assert (verification.is_complete, verification.value) == (True, found)

    with_run(tasks, look)


@settings(max_examples=40)
@given(tasks=PROGRAMS, data=st.data())
def test_one_changed_input_is_always_found(tasks: list[dict[str, Any]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(tasks) - 1))
    changed = [{**task, "more": 1} if number == place else task for number, task in enumerate(tasks)]

    def look(sh: Statehouse, found: list[Any]) -> None:
        divergence = verify(sh, "r-1", World(sh, changed, live=False).main).divergence
        assert divergence is not None
        assert (divergence.kind, divergence.path) == ("input", f"work#{place + 1}")

    with_run(tasks, look)


@settings(max_examples=40)
@given(tasks=PROGRAMS, data=st.data())
def test_a_step_that_is_debugged_does_what_it_did(tasks: list[dict[str, Any]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(tasks) - 1))

    def look(sh: Statehouse, found: list[Any]) -> None:
        debugged = debug(sh, "r-1", World(sh, tasks, live=False).main, step=f"work#{place + 1}")
        assert debugged.divergence is None
        assert debugged.rerun is not None
        now = str(debugged.rerun.error) if debugged.rerun.error else debugged.rerun.given
        assert now == found[place]

    with_run(tasks, look)


@settings(max_examples=30)
@given(tasks=PROGRAMS, data=st.data())
def test_a_fork_of_unchanged_code_ends_as_its_parent_did(
    tasks: list[dict[str, Any]], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(tasks) - 1))
    # What others write and chance happen once: what is left is the same each time.
    tasks = [{**task, "meanwhile": [], "chance": False} for task in tasks]
    with Statehouse("memory:") as sh:
        with sh.run("r-1", agent_id="a") as run:
            found = World(sh, tasks).main(run)
        kept = list(sh.agent("a").scan_prefix(""))
        for effects in ("recorded", "live"):
            forked = fork(sh, "r-1", World(sh, tasks).main, step=f"work#{place + 1}", effects=effects)
            assert (forked.error, forked.value) == (None, found)
            assert list(sh.agent("a").scan_prefix("")) == kept
            for record in kept:
                mine = sh.get_state(
                    record.key, agent_id=f"{forked.run_id}/a", namespace="default.forks", default=None
                )
                assert mine.value in (record.value, None)
