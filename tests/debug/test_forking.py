"""A fork is a run of its own, from a point of another one, on the state of then. That one does not change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from statehouse import Statehouse, StepRecord, current_step, step
from statehouse.debug import Answer, Forked, Question, debug, fork, verify
from statehouse.errors import InvalidArgumentError, NotFoundError, StepError, StepMismatchError
from statehouse.extend import run as run_flow
from statehouse.steps.reading import read_run, read_steps


class Shop:
    """An agent that orders at the price that it was quoted; what its bodies did is kept."""

    def __init__(self, sh: Statehouse) -> None:
        self.sh = sh
        self.bodies: list[str] = []
        self.meanwhile: Any = None

    @step
    def quote(self, item: str) -> int:
        """Reads the price."""
        self.bodies.append("quote")
        return int(current_step().state.agent("pricer")[item])

    @step
    def order(self, item: str, cents: int) -> int:
        """Orders at a price."""
        self.bodies.append("order")
        state = current_step().state
        state["orders"] = [*state.get("orders", []), [item, cents]]
        return cents

    @step
    def tell(self, cents: int) -> str:
        """Acts on the world, by what was ordered."""
        self.bodies.append("tell")
        state = current_step().state
        state["told"] = len(state["orders"])
        return f"{cents} cents"

    @step(effect="none")
    def add_up(self) -> int:
        """Acts on nothing."""
        self.bodies.append("add_up")
        state = current_step().state
        state["sum"] = sum(cents for _, cents in state["orders"])
        return int(state["sum"])

    def main(self, run: Any) -> str:
        """The program."""
        cents = self.quote("tea")
        if self.meanwhile is not None:
            self.meanwhile()
        self.order("tea", cents)
        self.add_up()
        return str(self.tell(cents))


class Fixed(Shop):
    """It looks at the price when it orders."""

    @step
    def order(self, item: str, cents: int) -> int:
        """Orders at today's price."""
        self.bodies.append("order")
        state = current_step().state
        today = int(state.agent("pricer")[item])
        state["orders"] = [*state.get("orders", []), [item, today]]
        return today


@pytest.fixture
def shop(sh: Statehouse) -> Iterator[Shop]:
    """A shop with the run r-1, in which the price changes between quote and order; looks that nothing of it
    changes.
    """
    made = Shop(sh)
    sh.write("tea", 5, agent_id="pricer")
    made.meanwhile = lambda: sh.write("tea", 9, agent_id="pricer")
    with sh.run("r-1", agent_id="buyer", input="go") as run:
        made.main(run)
    made.meanwhile = None
    made.bodies.clear()
    before = everything(sh)
    yield made
    assert everything(sh) == before


def everything(sh: Statehouse) -> Any:
    """All the state, and the records of r-1."""
    state = [record for agent in ("buyer", "pricer") for record in sh.agent(agent).scan_prefix("")]
    return state, run_flow(sh, read_steps("default", "r-1")), run_flow(sh, read_run("default", "r-1"))


def of(shop: Shop, name: str, **options: Any) -> Forked:
    """Forks r-1 at a step."""
    return fork(shop.sh, "r-1", options.pop("program", shop.main), step=name, **options)


def state_of(sh: Statehouse, forked: Forked, key: str) -> Any:
    """What a fork made of a key of the buyer's."""
    return sh.get_state(key, agent_id=f"{forked.run_id}/buyer", namespace="default.forks", default=None).value


def steps_of(sh: Statehouse, forked: Forked) -> dict[str, StepRecord]:
    """What a fork recorded."""
    return {record.path: record for record in run_flow(sh, read_steps("default", forked.run_id))}


def test_a_fork_of_unchanged_code_does_what_its_parent_did(shop: Shop) -> None:
    forked = of(shop, "order")
    assert forked.error is None
    assert forked.ran == ("order#1",)
    assert forked.taken == ("quote#1", "add_up#1", "tell#1")
    assert shop.bodies == ["order"]
    assert state_of(shop.sh, forked, "orders") == [["tea", 5]]
    assert (forked.value, state_of(shop.sh, forked, "told")) == ("5 cents", 1)


def test_a_fork_sees_the_state_as_of_its_point(shop: Shop) -> None:
    # The price was 5 when it was quoted, and 9 when it was ordered at.
    forked = of(shop, "order", program=Fixed(shop.sh).main, effects="live")
    assert state_of(shop.sh, forked, "orders") == [["tea", 9]]
    earlier = of(shop, "quote", program=Fixed(shop.sh).main, effects="live")
    assert state_of(shop.sh, earlier, "orders") == [["tea", 5]]


def test_a_fork_is_recorded_as_a_run_that_says_where_it_comes_from(shop: Shop) -> None:
    forked = of(shop, "order", set_state={"note": 1}, fork_id="f-1")
    record = run_flow(shop.sh, read_run("default", "f-1"))
    assert forked.run_id == "f-1"
    assert (record.status, record.agent_id) == ("finished", "buyer")
    at = steps_of(shop.sh, forked)["order#1"].read_ts
    assert at is not None
    assert record.fork == {
        "run_id": "r-1",
        "step": "order#1",
        "at": forked.at,
        "effects": "recorded",
        "set_state": {"note": 1},
    }
    assert state_of(shop.sh, forked, "note") == 1


def test_steps_that_are_taken_say_from_where_and_keep_what_they_wrote(shop: Shop) -> None:
    forked = of(shop, "order")
    parents = {record.path: record for record in run_flow(shop.sh, read_steps("default", "r-1"))}
    mine = steps_of(shop.sh, forked)
    assert mine["order#1"].taken is None
    for path in ("quote#1", "add_up#1", "tell#1"):
        assert mine[path].taken == {"run_id": "r-1", "commit_ts": parents[path].commit_ts}
        assert (mine[path].output, mine[path].writes) == (parents[path].output, parents[path].writes)


def test_recorded_effects_refuse_what_no_record_answers(shop: Shop) -> None:
    forked = of(shop, "order", program=Fixed(shop.sh).main)
    # What add_up sees is another state, and it acts on nothing; tell acts on the world.
    assert forked.ran == ("order#1", "add_up#1")
    assert isinstance(forked.error, StepError)
    assert "no record answers the step tell#1 (it sees another state than the parent's did)" in str(
        forked.error
    )
    assert run_flow(shop.sh, read_run("default", forked.run_id)).status == "failed"


def test_live_effects_run_everything_from_the_point_on(shop: Shop) -> None:
    fixed = Fixed(shop.sh)
    forked = of(shop, "order", program=fixed.main, effects="live")
    assert (forked.taken, forked.ran) == (("quote#1",), ("order#1", "add_up#1", "tell#1"))
    assert fixed.bodies == ["order", "add_up", "tell"]
    assert state_of(shop.sh, forked, "sum") == 9


def test_stub_effects_take_what_is_recorded_all_the_same(shop: Shop) -> None:
    fixed = Fixed(shop.sh)
    forked = of(shop, "order", program=fixed.main, effects="stub")
    assert fixed.bodies == ["order"]
    assert forked.taken == ("quote#1", "add_up#1", "tell#1")
    assert state_of(shop.sh, forked, "sum") == 5


def test_somebody_is_asked_about_what_no_record_answers(shop: Shop) -> None:
    asked: list[Question] = []

    def answer(question: Question) -> Answer:
        asked.append(question)
        return Answer("output", "told by hand")

    forked = of(shop, "order", program=Fixed(shop.sh).main, effects="ask", ask=answer)
    assert forked.value == "told by hand"
    [question] = asked
    assert (question.path, question.arguments) == ("tell#1", {"cents": 5})
    assert question.record is not None
    assert "sees another state" in question.why


@pytest.mark.parametrize("do", ["run", "take"])
def test_whoever_is_asked_may_let_it_run_or_take_the_record(shop: Shop, do: Any) -> None:
    fixed = Fixed(shop.sh)
    forked = of(shop, "order", program=fixed.main, effects="ask", ask=lambda question: Answer(do))
    assert forked.value == "5 cents"
    assert ("tell" in fixed.bodies) is (do == "run")


def test_a_result_may_be_given_to_a_step(shop: Shop) -> None:
    forked = of(shop, "quote", effects="live", set_output={"quote#1": 7})
    assert (forked.value, forked.taken) == ("7 cents", ("quote#1",))
    assert state_of(shop.sh, forked, "orders") == [["tea", 7]]
    assert steps_of(shop.sh, forked)["quote#1"].output == {"json": 7}


def test_state_may_be_given_at_the_beginning(shop: Shop) -> None:
    forked = of(shop, "order", effects="live", set_state={"orders": [["milk", 1]]})
    assert state_of(shop.sh, forked, "orders") == [["milk", 1], ["tea", 5]]
    assert state_of(shop.sh, forked, "sum") == 6


def test_a_fork_is_verified_debugged_and_forked_like_any_run(shop: Shop) -> None:
    fixed = Fixed(shop.sh)
    forked = of(shop, "order", program=fixed.main, effects="live")
    assert verify(shop.sh, forked.run_id, fixed.main, bodies="all").is_clean
    again = debug(shop.sh, forked.run_id, fixed.main, step="tell")
    assert (again.divergence, again.rerun is not None) == (None, True)
    second = fork(shop.sh, forked.run_id, fixed.main, step="add_up", effects="live")
    assert (second.error, second.taken) == (None, ("quote#1", "order#1"))
    assert state_of(shop.sh, second, "sum") == 9
    assert verify(shop.sh, second.run_id, fixed.main, bodies="all").is_clean


def test_a_fork_that_was_cut_off_goes_on(shop: Shop) -> None:
    class Cut(Fixed):
        @step
        def tell(self, cents: int) -> str:
            raise KeyboardInterrupt

    cut, fixed = Cut(shop.sh), Fixed(shop.sh)
    options: dict[str, Any] = {"effects": "live", "fork_id": "f-1", "set_state": {"orders": []}}
    with pytest.raises(KeyboardInterrupt):
        of(shop, "order", program=cut.main, **options)
    forked = of(shop, "order", program=fixed.main, **options)
    assert (forked.error, forked.value) == (None, "5 cents")
    assert fixed.bodies == ["tell"]
    assert state_of(shop.sh, forked, "orders") == [["tea", 9]]


def test_an_id_that_another_run_has_is_refused(shop: Shop) -> None:
    of(shop, "order", fork_id="f-1")
    for wrong in ("r-1", "f-1"):
        with pytest.raises(StepMismatchError, match="take another id"):
            of(shop, "add_up", fork_id=wrong)


def test_what_the_program_writes_by_other_handles_is_beside_the_state_too(shop: Shop) -> None:
    def program(run: Any) -> None:
        cents = shop.quote("tea")
        shop.sh.write("seen", cents, agent_id="buyer")
        shop.order("tea", cents)

    forked = of(shop, "order", program=program, effects="live", every_handle=True)
    assert forked.error is None
    assert shop.sh.get_state("seen", agent_id="buyer", default=None).value is None
    assert state_of(shop.sh, forked, "seen") == 5


def test_a_step_that_deletes_a_key_deletes_it_in_the_fork_only(sh: Statehouse) -> None:
    @step
    def forget() -> bool:
        state = current_step().state
        was_there = "note" in state
        state.discard("note")
        return was_there

    def main(run: Any) -> list[Any]:
        return [forget(), forget()]

    sh.write("note", "tea", agent_id="a")
    with sh.run("r-1", agent_id="a") as run:
        assert main(run) == [True, False]
    sh.write("note", "later", agent_id="a")
    forked = fork(sh, "r-1", main, step="forget#1", effects="live")
    assert forked.value == [True, False]
    assert sh.get_state("note", agent_id="a").value == "later"


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"effects": "all"}, InvalidArgumentError, "effects must be one of recorded, stub, live, ask"),
        ({"effects": "ask"}, InvalidArgumentError, "wants somebody to ask"),
        ({"step": "nothing"}, NotFoundError, r"order#1"),
    ],
)
def test_what_makes_no_sense_is_said(shop: Shop, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fork(shop.sh, "r-1", shop.main, **{"step": "order", **options})


def test_whether_a_fork_came_to_its_step_and_used_its_results_is_told(sh: Statehouse) -> None:
    @step
    def inner(number: int) -> int:
        return number + 1

    @step
    def outer(number: int) -> int:
        return inner(number)

    with sh.run("r-1", agent_id="counter"):
        outer(1)
    elsewhere = fork(sh, "r-1", lambda run: None, step="inner", set_output={"outer#2": 1}, fork_id="f-1")
    assert (elsewhere.step, elsewhere.is_reached, elsewhere.unused) == (
        "outer#1/inner#1",
        False,
        ("outer#2",),
    )
    for _ in range(2):
        # The second time outer#1 is answered from the fork's own record.
        there = fork(sh, "r-1", lambda run: outer(1), step="inner", fork_id="f-2")
        assert (there.is_reached, there.unused, there.error) == (True, (), None)
    with pytest.raises(NotFoundError, match="there is no step outr in the run r-1; there are: outer#1"):
        fork(sh, "r-1", lambda run: outer(1), step="inner", set_output={"outr": 1})
