"""A fork is gone on with as a fork, or not at all."""

from __future__ import annotations

import pytest

from statehouse import Run, Statehouse, StepError, current_step, step
from statehouse.debug import fork


@step(effect="none")
def spend(amount: int) -> int:
    state = current_step().state
    if amount > state["money"]:
        raise ValueError("too much")
    state["money"] -= amount
    return int(state["money"])


def main(run: Run) -> int:
    return spend(run.input)


def test_a_fork_that_is_resumed_as_a_run_of_its_own_is_refused_and_changes_nothing() -> None:
    with Statehouse("memory:") as sh:
        sh.write("money", 100, agent_id="a")
        with pytest.raises(ValueError, match="too much"), sh.run("r-1", agent_id="a", input=150) as run:
            main(run)
        assert isinstance(fork(sh, "r-1", main, step="spend", fork_id="f-1").error, ValueError)
        sh.write("money", 200, agent_id="a")
        before = sh.status().commit_ts
        with pytest.raises(StepError, match="f-1 is a fork of r-1"), sh.run("f-1") as run:
            main(run)
        assert sh.status().commit_ts == before
