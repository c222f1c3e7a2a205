"""Random histories with conflicts, retries and nesting: the records of steps say what they saw and made."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from statehouse import Statehouse, StepRecord, current_step, step
from statehouse.extend import run as run_flow
from statehouse.steps.reading import read_slot

KEYS = ("x", "y", "z")
AGENTS = ("a", "b")
# What a body reads, what somebody else writes meanwhile (in its first attempt only), what it then writes, and
# how often it fails after that: after the third time it is not tried again.
TASKS = st.fixed_dictionaries(
    {
        "reads": st.lists(st.sampled_from(KEYS), max_size=3, unique=True),
        "meanwhile": st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(KEYS)), max_size=2),
        "writes": st.lists(st.sampled_from(KEYS), max_size=2, unique=True),
        "nested": st.booleans(),
        "fails": st.integers(0, 3),
    }
)


class World:
    """Some agents at work, and what each attempt that was recorded saw, by its path."""

    def __init__(self, sh: Statehouse) -> None:
        self.sh = sh
        self.saw: dict[str, dict[str, Any]] = {}
        self.made: dict[str, dict[str, Any]] = {}
        self._number = 0
        self._failures = 0

    def next(self) -> int:
        """A value that nobody has written yet."""
        self._number += 1
        return self._number

    @step
    def leaf(self, number: int) -> int:
        """A child that touches a key of its own."""
        current_step().state[f"leaf-{number}"] = number
        self.saw[current_step().path], self.made[current_step().path] = {}, {f"leaf-{number}": number}
        return number

    @step(retries=2, backoff=0)
    def work(self, number: int, task: dict[str, Any]) -> int:
        """Does a task."""
        running = current_step()
        state = running.state
        saw = {key: state.get(key) for key in task["reads"]}
        if running.attempt == 1:
            for agent_id, key in task["meanwhile"]:
                self.sh.write(key, self.next(), agent_id=agent_id)
        if task["nested"]:
            self.leaf(number)
        saw |= {key: state.get(key) for key in task["reads"]}
        made = {key: self.next() for key in task["writes"]}
        state.update(made)
        self.saw[running.path], self.made[running.path] = saw, made
        if self._failures < task["fails"]:
            self._failures += 1
            self.made[running.path] = {}
            raise OSError(number)
        return number


def agrees(world: World, agent_id: str, record: StepRecord) -> None:
    def as_of(key: str, at: int) -> Any:
        return world.sh.get_state(key, agent_id=agent_id, at=at, default=None).value

    seen_at = record.commit_ts - 1 if record.read_ts is None else record.read_ts
    assert {key: as_of(key, seen_at) for key in world.saw[record.path]} == world.saw[record.path]
    assert {key: as_of(key, record.commit_ts) for key in world.made[record.path]} == world.made[record.path]
    if record.status == "failed":
        assert all(as_of(key, record.commit_ts) == as_of(key, record.commit_ts - 1) for key in KEYS)
    read = run_flow(world.sh, read_slot("default", record.run_id, record.reads)) or {"keys": []}
    versions = {key: version for _, _, keys in read["keys"] for key, version in keys.items()}
    assert versions == {
        key: world.sh.get_state(key, agent_id=agent_id, at=seen_at, default=None).version
        for key in world.saw[record.path]
    }


@settings(max_examples=40)
@given(program=st.lists(st.tuples(st.sampled_from(AGENTS), TASKS), min_size=1, max_size=6))
def test_the_state_as_of_read_ts_is_what_the_step_saw(program: list[tuple[str, dict[str, Any]]]) -> None:
    with Statehouse("memory:") as sh:
        for number, (agent_id, task) in enumerate(program):
            world = World(sh)
            with sh.run(agent_id=agent_id) as run:
                with suppress(OSError):
                    world.work(number, task)
                for record in run.steps():
                    agrees(world, agent_id, record)
