"""`debug.diff`: which steps two runs have in common, where they first differ, what they left."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from statehouse import NotFoundError, Run, Statehouse, StepRecord, current_step, debug, step
from statehouse.debug.inspecting.pairing import paired
from tests.debug.purchases import buy, buy_stale, count, order, plan, quote, refuse, search, set_price


def aspects(found: debug.Difference) -> dict[str, tuple[str, ...]]:
    return {pair.step.path: pair.aspects for pair in found.pairs if pair.differs}


def values(pair: debug.Pair | None, aspect: str) -> dict[str, tuple[Any, Any]]:
    assert pair is not None
    return {
        each.name: tuple(side and side.data.decode() for side in (each.left, each.right))  # type: ignore[misc]
        for each in pair.details
        if each.aspect == aspect
    }


def record(path: str, commit_ts: int) -> StepRecord:
    return StepRecord(
        "r", path, path.rpartition("/")[2].partition("#")[0], 1, "executed", {}, commit_ts=commit_ts
    )


def test_a_run_is_like_itself(sh: Statehouse) -> None:
    buy(sh)
    found = debug.diff(sh, "r-42", "r-42")
    assert found.alike
    assert (found.first, found.state) == (None, ())


def test_two_runs_that_did_the_same_are_alike_although_versions_are_not(sh: Statehouse) -> None:
    for number in (1, 2):
        sh.write("tea", 10, agent_id="market")
        with sh.run(f"r-{number}", agent_id="buyer"):
            order("tea", quote("tea"))
    assert debug.diff(sh, "r-1", "r-2").alike


def test_two_agents_that_did_the_same_are_alike(sh: Statehouse) -> None:
    for agent_id in ("a", "b"):
        with sh.run(f"r-{agent_id}", agent_id=agent_id):
            count(3)
    assert debug.diff(sh, "r-a", "r-b").alike


def test_the_first_divergence_is_what_a_step_read(sh: Statehouse) -> None:
    for number, price in ((1, 10), (2, 25)):
        set_price(sh, f"prices-{number}", price)
        with sh.run(f"r-{number}", agent_id="buyer"):
            order("tea", quote("tea"))
    found = debug.diff(sh, "r-1", "r-2")
    assert aspects(found) == {"quote#1": ("reads", "output"), "order#1": ("input", "output", "writes")}
    assert found.first is not None
    assert found.first.step.path == "quote#1"
    assert values(found.first, "reads") == {"market/tea": ("10", "25")}
    assert values(found.pairs[1], "input") == {"price": ("10", "25")}
    [state] = found.state
    assert state.name.key == "order"


def test_a_step_that_only_one_run_has_is_told(sh: Statehouse) -> None:
    for words in (["tea"], ["tea", "milk"]):
        with sh.run(f"r-{len(words)}", agent_id="a"):
            plan(words)
    found = debug.diff(sh, "r-1", "r-2")
    alone = [pair for pair in found.pairs if pair.left is None]
    assert [pair.step.path for pair in alone] == ["plan#1/search#2"]
    assert aspects(found)["plan#1"] == ("input", "output")
    assert not found.alike


def test_a_step_that_moved_is_still_that_step(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="a"):
        search("tea")
    with sh.run("r-2", agent_id="a"):
        plan(["tea"])
    found = debug.diff(sh, "r-1", "r-2")
    assert aspects(found) == {"search#1": ("path",), "plan#1": ()}


def test_a_failure_is_compared_by_its_type_and_text(sh: Statehouse) -> None:
    for why in ("no", "never"):
        with contextlib.suppress(ValueError), sh.run(f"r-{why}", agent_id="a"):
            refuse(why)
    found = debug.diff(sh, "r-no", "r-never")
    assert aspects(found) == {"refuse#1": ("input", "error")}
    assert values(found.first, "error") == {"": ('"ValueError: no"', '"ValueError: never"')}


def test_time_and_chance_do_not_count(sh: Statehouse) -> None:
    for number in (1, 2):
        with sh.run(f"r-{number}", agent_id="a") as run:
            run.now(), run.random()
    found = debug.diff(sh, "r-1", "r-2")
    assert found.alike
    assert [pair.is_chance for pair in found.pairs] == [True, True]
    assert found.pairs[1].details


def test_a_value_that_is_stored_by_its_hash_is_compared_whole(sh: Statehouse) -> None:
    for number, end in ((1, "a"), (2, "a"), (3, "b")):
        with sh.run(f"r-{number}", agent_id="a"):
            search("x" * 20_000 + end)
    assert debug.diff(sh, "r-1", "r-2").alike
    assert aspects(debug.diff(sh, "r-1", "r-3")) == {"search#1": ("input", "output")}


def test_a_key_that_only_one_run_left_is_told(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="a"):
        count(1)
    with sh.run("r-2", agent_id="b"):
        pass
    [state] = debug.diff(sh, "r-1", "r-2").state
    assert (str(state.name), state.left.exists, state.right.exists) == ("default/a/count", True, False)


def fixed(run: Run) -> None:
    """The purchase as it should have been."""
    del run
    order("tea", quote("tea"))


def test_a_fork_is_compared_by_what_it_left_in_its_own_state(sh: Statehouse) -> None:
    buy_stale(sh)
    forked = debug.fork(sh, "r-42", fixed, step="order", set_output={"quote#1": 25}, effects="live")
    assert forked.error is None
    found = debug.diff(sh, "r-42", forked.run_id)
    assert found.first is not None
    assert (found.first.step.path, found.first.aspects) == ("quote#1", ("output",))
    [state] = found.state
    assert state.left.payload is not None
    assert state.right.payload is not None
    assert (state.left.payload.data, state.right.payload.data) == (
        b'{"what":"tea","price":10}',
        b'{"what":"tea","price":25}',
    )


def test_what_a_fork_deleted_is_gone_and_what_it_did_not_touch_shines_through(sh: Statehouse) -> None:
    gone: list[bool] = []

    @step
    def tidy() -> None:
        state = current_step().state
        state["kept"] = 1
        if gone:
            state.discard("old")

    def program(run: Run) -> None:
        del run
        tidy()

    sh.write("old", 1, agent_id="a")
    with sh.run("r-1", agent_id="a") as run:
        program(run)
    gone.append(True)
    forked = debug.fork(sh, "r-1", program, step="tidy#1")
    assert forked.error is None
    sh.write("old", 2, agent_id="a")
    [state] = debug.diff(sh, "r-1", forked.run_id).state
    assert state.left.payload is not None
    assert (state.name.key, state.left.payload.data, state.right.exists) == ("old", b"1", False)


def test_a_run_that_is_not_there_is_not_found(sh: Statehouse) -> None:
    buy(sh)
    with pytest.raises(NotFoundError, match="no run r-7"):
        debug.diff(sh, "r-42", "r-7")


def test_pairs_come_in_the_order_of_the_left_run() -> None:
    left = [record("a#1", 1), record("b#1", 2), record("c#1", 3)]
    right = [record("x#1", 1), record("a#1", 2), record("y#1", 3), record("c#1", 4)]
    paths = [tuple(side and side.path for side in pair) for pair in paired(left, right)]
    assert paths == [
        (None, "x#1"),
        ("a#1", "a#1"),
        (None, "y#1"),
        ("b#1", None),
        ("c#1", "c#1"),
    ]
