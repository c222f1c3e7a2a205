"""Where the state of a run is: what is read of a fork's is what the fork itself sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from statehouse import Run, Statehouse, current_step, debug, step
from statehouse.debug.inspecting.naming import run_named
from statehouse.debug.inspecting.places import place_of
from statehouse.debug.overlay.views import view_of
from statehouse.extend import Get, KeyRange, RecordKey, run

KEYS = ("kept", "changed", "deleted", "new", "never")


@step
def change(number: int) -> None:
    state = current_step().state
    state["changed"] = number
    if number:
        state.discard("deleted")
        state[f"new/{number}"] = number


def program(number: int) -> Callable[[Run], Any]:
    def main(run: Run) -> None:
        del run
        change(number)

    return main


@pytest.fixture
def forks(sh: Statehouse) -> list[str]:
    """A run, a fork of it, and a fork of that; and what somebody writes after each."""
    with sh.transaction() as tx:
        for key in KEYS[:3]:
            tx.write(key, "before", agent_id="a")
    with sh.run("r-0", agent_id="a"):
        change(0)
    for number in (1, 2):
        sh.write("kept", f"after {number}", agent_id="a")
        forked = debug.fork(
            sh, f"r-{number - 1}", program(number), step="change#1", effects="live", fork_id=f"r-{number}"
        )
        assert forked.error is None
    sh.write("never", "in any fork", agent_id="a")
    return ["r-0", "r-1", "r-2"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_is_read_of_a_run_is_what_it_sees(sh: Statehouse, forks: list[str], number: int) -> None:
    record = run(sh, run_named("default", forks[number]))
    place = run(sh, place_of(record))
    names = [RecordKey("default", "a", key) for key in (*KEYS, "new/1", "new/2")]
    view = view_of(sh.connection.engine, record)
    for at in (record.commit_ts, sh.status().commit_ts):
        found = run(sh, place.entries(names, at))
        for name in names:
            seen = view.execute(Get(name, at)).entry
            assert (found[name].payload, found[name].exists) == (seen.payload, seen.exists), name
            if seen.exists:
                assert (found[name].version, found[name].commit_ts) == (seen.version, seen.commit_ts), name


def test_the_keys_of_a_range_are_those_that_the_fork_sees(sh: Statehouse, forks: list[str]) -> None:
    record = run(sh, run_named("default", forks[2]))
    place = run(sh, place_of(record))
    keys, whole = run(sh, place.keys_in(KeyRange("default", "a", ""), None, 100))
    assert (sorted(name.key for name in keys), whole) == (["changed", "kept", "new/2"], True)
