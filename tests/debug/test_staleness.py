"""`debug.reads`: what a step had read, and what of that was no longer so."""

from __future__ import annotations

import contextlib

import pytest

from statehouse import NotFoundError, Statehouse, StepConflictError, current_step, debug, step
from tests.debug.purchases import buy, buy_stale, count, order, plan, quote, refuse, reprice, set_price


def test_what_an_earlier_step_read_and_somebody_changed_is_stale(sh: Statehouse) -> None:
    buy_stale(sh)
    [stale] = debug.reads(sh, "r-42", "order").stale
    assert str(stale.name) == "default/market/tea"
    assert (stale.seen.version, stale.seen.value, stale.newer.version, stale.newer.value) == (1, 10, 2, 25)
    assert [each.path for each in stale.readers] == ["quote#1"]
    author = stale.newer.author
    assert author is not None
    assert (author.origin.agent_id, author.origin.run_id, author.origin.step) == (
        "market",
        "r-42-noon",
        "reprice#1",
    )
    assert author.commit_ts == stale.newer.commit_ts
    assert not stale.reread


def test_nothing_is_stale_when_nobody_changed_it(sh: Statehouse) -> None:
    buy(sh)
    assert debug.reads(sh, "r-42", "order#1").stale == ()


def test_what_changed_after_a_step_saw_the_state_is_not_stale(sh: Statehouse) -> None:
    buy(sh)
    set_price(sh, "r-later", 99)
    assert debug.reads(sh, "r-42", "order").stale == ()
    [read] = debug.reads(sh, "r-42", "quote").keys
    assert read.since is not None
    assert (read.seen.value, read.since.value) == (10, 99)


def test_what_the_run_itself_changed_is_not_stale(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="a"):
        count(1)
        count(1)
    found = debug.reads(sh, "r-1", "count#2")
    assert found.stale == ()
    [read] = found.keys
    assert (read.seen.version, read.seen.value) == (1, 1)
    assert read.seen.author is not None
    assert read.seen.author.origin.step == "count#1"
    assert read.since is not None
    assert read.since.commit_ts == found.step.commit_ts


def test_a_step_that_read_it_again_is_told_of_both(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="buyer"):
        with sh.run("prices-1", agent_id="market"):
            reprice("tea", 10)
        quote("tea")
        with sh.run("prices-2", agent_id="market"):
            reprice("tea", 25)
        quote("tea")
    [stale] = debug.reads(sh, "r-1", "quote#2").stale
    assert (stale.seen.value, stale.newer.value, stale.reread) == (10, 25, True)


def test_the_latest_of_earlier_reads_counts(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="buyer"):
        for number in range(2):
            with sh.run(f"prices-{number}", agent_id="market"):
                reprice("tea", number)
            quote("tea")
        order("tea", 1)
    assert debug.reads(sh, "r-1", "order").stale == ()


def test_a_key_that_appeared_and_one_that_was_deleted_are_stale(sh: Statehouse) -> None:
    sh.write("there", 1, agent_id="other")

    @step
    def look() -> None:
        state = current_step().state.agent("other")
        state.get("there")
        state.get("absent")

    with sh.run("r-1", agent_id="a"):
        look()
        with sh.run("r-2", agent_id="other"):
            sh.delete("there", agent_id="other")
            sh.write("absent", 2, agent_id="other")
        order("tea", 1)
    found = {each.name.key: each for each in debug.reads(sh, "r-1", "order").stale}
    assert (found["there"].newer.version, found["there"].newer.kind) == (0, "delete")
    assert (found["absent"].seen.version, found["absent"].newer.value) == (0, 2)


def test_a_failed_step_is_told_what_had_changed_by_its_commit(sh: Statehouse) -> None:
    sh.write("k", 1, agent_id="other")

    @step
    def fail() -> None:
        current_step().state.agent("other")["k"]
        with sh.run("r-2", agent_id="other"):
            sh.write("k", 2, agent_id="other")
        raise ValueError("no")

    with contextlib.suppress(ValueError), sh.run("r-1", agent_id="a"):
        fail()
    [read] = debug.reads(sh, "r-1", "fail").keys
    assert read.by_commit is not None
    assert read.by_commit.author is not None
    assert (read.seen.value, read.by_commit.value, read.by_commit.author.origin.run_id) == (1, 2, "r-2")


def test_a_conflicted_step_is_told_what_it_conflicted_with(sh: Statehouse) -> None:
    @step(effect="at_most_once")
    def send() -> None:
        state = current_step().state
        state["k"] = state.get("k", 0)
        with sh.run("r-2", agent_id="other"):
            sh.write("k", 5, agent_id="a")

    with contextlib.suppress(StepConflictError), sh.run("r-1", agent_id="a"):
        send()
    found = debug.reads(sh, "r-1", "send")
    assert found.step.status == "conflicted"
    [read] = found.keys
    assert read.by_commit is not None
    assert read.by_commit.value == 5


def test_what_appeared_in_a_range_before_the_commit_is_told(sh: Statehouse) -> None:
    sh.write("p/1", 1, agent_id="a")

    @step
    def scan() -> None:
        current_step().state.keys_with("p/")
        with sh.run("r-2", agent_id="other"):
            sh.write("p/2", 2, agent_id="a")
        raise ValueError("no")

    with contextlib.suppress(ValueError), sh.run("r-1", agent_id="a"):
        scan()
    [span] = debug.reads(sh, "r-1", "scan").ranges
    assert span.range.prefix == "p/"
    assert [name.key for name in span.appeared] == ["p/2"]


def test_what_a_child_is_told_includes_what_the_steps_around_it_had_read(sh: Statehouse) -> None:
    sh.write("k", 1, agent_id="other")

    @step
    def child(value: int) -> None: ...

    @step
    def parent() -> None:
        value = current_step().state.agent("other")["k"]
        with sh.run("r-2", agent_id="other"):
            sh.write("k", 2, agent_id="other")
        child(value)
        raise ValueError("no")

    with contextlib.suppress(ValueError), sh.run("r-1", agent_id="a"):
        parent()
    [stale] = debug.reads(sh, "r-1", "child").stale
    assert [each.path for each in stale.readers] == ["parent#1"]


def test_a_step_that_read_nothing_saw_the_state_before_its_commit(sh: Statehouse) -> None:
    with sh.run("r-1", agent_id="a"):
        plan(["tea"])
    found = debug.reads(sh, "r-1", "plan#1/search#1")
    assert (found.keys, found.saw_ts) == ((), found.step.commit_ts - 1)


def test_a_wrong_step_is_answered_with_those_that_are_there(sh: Statehouse) -> None:
    buy(sh)
    with pytest.raises(NotFoundError, match=r"no step oder in the run r-42; there are: order#1, quote#1"):
        debug.reads(sh, "r-42", "oder")


def test_an_erased_value_is_said_to_be_erased(sh: Statehouse) -> None:
    buy_stale(sh)
    sh.erase(keys=["tea"], agent_id="market")
    [stale] = debug.reads(sh, "r-42", "order").stale
    assert (stale.seen.kind, stale.newer.kind, stale.newer.version) == ("erased", "erased", 2)


def test_a_failed_read_is_not_forgotten(sh: Statehouse) -> None:
    with contextlib.suppress(ValueError), sh.run("r-1", agent_id="a"):
        refuse("no")
    [read] = debug.reads(sh, "r-1", "refuse").keys
    assert (read.name.key, read.seen.version, read.seen.kind) == ("count", 0, None)
