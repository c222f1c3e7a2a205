"""`debug.blame`: who made a key what it is, and what they had read."""

from __future__ import annotations

import pytest

from statehouse import InvalidArgumentError, NotFoundError, Origin, Statehouse, debug
from tests.debug.purchases import SPAN, TRACE, buy, count, search


def test_a_value_leads_to_its_commit_step_and_trace(sh: Statehouse) -> None:
    buy(sh)
    found = debug.blame(sh, "order", agent_id="buyer")
    assert found.step is not None
    assert found.run is not None
    assert found.held.author is not None
    assert (found.run.run_id, found.step.path, found.step.commit_ts) == (
        "r-42",
        "order#1",
        found.held.commit_ts,
    )
    assert (found.held.author.origin.trace_id, found.held.author.origin.span_id) == (TRACE, SPAN)
    assert found.input == {"what": "tea", "price": 10}
    assert found.held.value == {"what": "tea", "price": 10}


def test_depth_follows_what_was_read_to_who_wrote_that(sh: Statehouse) -> None:
    for number in range(4):
        with sh.run(f"r-{number}", agent_id="a"):
            count(number)
    found = debug.blame(sh, "count", agent_id="a", depth=10)
    runs = []
    while found.step is not None:
        runs.append((found.step.run_id, found.held.value))
        [found] = found.reads
    assert runs == [("r-3", 6), ("r-2", 3), ("r-1", 1), ("r-0", 0)]
    assert (found.held.version, found.held.kind) == (0, None)


def test_without_depth_what_was_read_is_named_and_not_followed(sh: Statehouse) -> None:
    for number in range(3):
        with sh.run(f"r-{number}", agent_id="a"):
            count(number)
    [read] = debug.blame(sh, "count", agent_id="a").reads
    assert (read.step, read.reads, read.held.version) == (None, (), 2)
    assert read.held.author is not None
    assert read.held.author.origin.run_id == "r-1"


def test_blame_is_as_of_a_commit(sh: Statehouse) -> None:
    for number in (1, 2):
        with sh.run(f"r-{number}", agent_id="a"):
            count(number)
    before = debug.blame(sh, "count", agent_id="a").held.commit_ts - 1
    found = debug.blame(sh, "count", agent_id="a", at=before)
    assert found.run is not None
    assert (found.run.run_id, found.held.value) == ("r-1", 1)


def test_a_step_is_told_as_the_commit_recorded_it(sh: Statehouse) -> None:
    for number in (1, 2):
        with sh.run("r-1", agent_id="a", on_mismatch="rerun"):
            count(number)
    first = sh.get_state_at_version("count", 1, agent_id="a")
    found = debug.blame(sh, "count", agent_id="a", at=first.commit_ts)
    assert found.input == {"by": 1}


def test_a_commit_of_no_step_has_who_made_it(sh: Statehouse) -> None:
    sh.write("k", 1, agent_id="a", origin=Origin(agent_id="admin"), txn_id="by-hand")
    found = debug.blame(sh, "k", agent_id="a")
    assert (found.run, found.step) == (None, None)
    assert found.held.author is not None
    assert (found.held.author.origin.agent_id, found.held.author.txn_id) == ("admin", "by-hand")


def test_a_delete_and_an_erased_value_have_an_author_too(sh: Statehouse) -> None:
    sh.write("k", 1, agent_id="a", txn_id="w")
    sh.erase(keys=["k"], agent_id="a")
    assert debug.blame(sh, "k", agent_id="a").held.kind == "erased"
    sh.delete("k", agent_id="a", txn_id="d")
    found = debug.blame(sh, "k", agent_id="a").held
    assert found.author is not None
    assert (found.kind, found.version, found.author.txn_id) == ("delete", 0, "d")


def test_a_key_that_was_never_written_is_nobody_s(sh: Statehouse) -> None:
    with pytest.raises(NotFoundError, match="never written"):
        debug.blame(sh, "k", agent_id="a")


@pytest.mark.parametrize("depth", [-1, 101])
def test_depth_is_bounded(sh: Statehouse, depth: int) -> None:
    with pytest.raises(InvalidArgumentError, match="0 to 100"):
        debug.blame(sh, "k", agent_id="a", depth=depth)


def test_a_version_that_two_ways_lead_to_is_followed_once(sh: Statehouse) -> None:
    from statehouse import current_step, step

    @step
    def copy(source: str, target: str) -> None:
        state = current_step().state
        state[target] = state[source]

    @step
    def join() -> None:
        state = current_step().state
        state["joined"] = [state["left"], state["right"]]

    with sh.run("r-1", agent_id="a"):
        count(1)
        copy("count", "left")
        copy("count", "right")
        join()
        search("x")
    left, right = debug.blame(sh, "joined", agent_id="a", depth=5).reads
    assert not left.reads[0].repeated
    assert left.reads[0].step is not None
    assert right.reads[0].repeated
    assert right.reads[0].step is None
