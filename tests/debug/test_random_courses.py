"""Random courses of a run among others: what `reads`, `blame` and `diff` say is what an oracle noted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from statehouse import Statehouse, current_step, debug, step

KEYS = ("a", "b", "c")
keys = st.sampled_from(KEYS)
courses = st.lists(
    st.tuples(
        st.sampled_from(["read", "own write", "read and write", "other writes", "other deletes"]), keys
    ),
    max_size=14,
)


@dataclass
class Oracle:
    """What is true of each key, and what the run has last read of it."""

    values: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(KEYS))
    changes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 0))
    writers: dict[str, str] = field(default_factory=dict)
    seen: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    ticks: int = 0

    def read(self, key: str) -> None:
        self.seen[key] = (self.changes[key], self.values[key])

    def change(self, key: str, writer: str, value: int | None) -> None:
        # Where nothing was, nothing is taken away.
        if value is not None or self.values[key] is not None:
            self.changes[key] += 1
        self.values[key], self.writers[key] = value, writer

    def tick(self) -> int:
        self.ticks += 1
        return self.ticks

    def stale(self) -> dict[str, tuple[int | None, int | None, str]]:
        return {
            key: (value, self.values[key], self.writers[key])
            for key, (changes, value) in self.seen.items()
            if self.changes[key] != changes
            and self.writers[key] != "own"
            and (value, self.values[key]) != (None, None)
        }


@step
def read(key: str) -> Any:
    return current_step().state.get(key)


@step
def write(key: str, value: int) -> None:
    current_step().state[key] = value


@step
def read_and_write(key: str, value: int) -> None:
    state = current_step().state
    state.get(key)
    state[key] = value


@step
def act() -> None: ...


def play(sh: Statehouse, course: list[tuple[str, str]]) -> Oracle:
    oracle = Oracle()
    with sh.run("r-1", agent_id="agent"):
        for what, key in course:
            value = oracle.tick()
            match what:
                case "read":
                    read(key)
                    oracle.read(key)
                case "own write":
                    write(key, value)
                    oracle.change(key, "own", value)
                case "read and write":
                    read_and_write(key, value)
                    oracle.read(key)
                    oracle.change(key, "own", value)
                case "other writes":
                    with sh.run(f"other-{value}", agent_id="other"):
                        sh.write(key, value, agent_id="agent")
                    oracle.change(key, f"other-{value}", value)
                case _:
                    with sh.run(f"other-{value}", agent_id="other"):
                        sh.delete(key, agent_id="agent")
                    oracle.change(key, f"other-{value}", None)
        act()
    return oracle


@settings(max_examples=35)
@given(courses)
def test_what_is_stale_is_what_the_run_had_read_and_others_have_changed(
    course: list[tuple[str, str]],
) -> None:
    with Statehouse("memory:") as sh:
        oracle = play(sh, course)
        found = {
            each.name.key: (
                each.seen.value,
                each.newer.value,
                "" if each.newer.author is None else each.newer.author.origin.run_id,
            )
            for each in debug.reads(sh, "r-1", "act").stale
        }
        assert found == oracle.stale()


@settings(max_examples=40)
@given(courses)
def test_whoever_changed_a_key_last_is_to_blame(course: list[tuple[str, str]]) -> None:
    with Statehouse("memory:") as sh:
        oracle = play(sh, course)
        for key, writer in oracle.writers.items():
            found = debug.blame(sh, key, agent_id="agent", depth=20)
            assert found.held.author is not None
            assert found.held.author.origin.run_id == ("r-1" if writer == "own" else writer)
            assert found.held.value == oracle.values[key]
            before = found.held.commit_ts
            while found.reads:
                found = found.reads[0]
                assert found.held.commit_ts < before
                before = found.held.commit_ts


@settings(max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.data())
def test_one_changed_argument_is_the_first_divergence(values: list[int], data: st.DataObject) -> None:
    changed = data.draw(st.integers(0, len(values) - 1))
    with Statehouse("memory:") as sh:
        other = [value + 10 * (at == changed) for at, value in enumerate(values)]
        for run_id, course in (("left", values), ("right", other)):
            with sh.run(run_id, agent_id="agent"):
                for value in course:
                    write("a", value)
        found = debug.diff(sh, "left", "right")
        assert [pair.step.path for pair in found.pairs if pair.differs] == [f"write#{changed + 1}"]
        assert found.first is not None
        assert found.first.aspects == ("input", "writes")
        assert bool(found.state) == (changed == len(values) - 1)
