"""One step of a run runs again, as it ran: on the state that it saw, in pdb if wanted. Nothing is written."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from statehouse import Statehouse, StatehouseAsync, current_step, step
from statehouse.debug import Change, Debugged, debug
from statehouse.errors import InvalidArgumentError, NotFoundError
from statehouse.extend import RecordKey


class Shop:
    """An agent that orders what another one prices; that one may act in between."""

    def __init__(self, sh: Statehouse) -> None:
        self.sh = sh
        self.bodies: list[str] = []

    @step
    def quote(self, item: str) -> int:
        """Reads the price."""
        self.bodies.append("quote")
        price: int = current_step().state.agent("pricer")[item]
        return price

    @step
    def order(self, item: str, cents: int) -> int:
        """Orders at a price."""
        self.bodies.append("order")
        state = current_step().state
        state["orders"] = [*state.get("orders", []), [item, cents]]
        return int(self.confirm(cents)) + len(state["orders"])

    @step
    def confirm(self, cents: int) -> int:
        """Acts on the world."""
        self.bodies.append("confirm")
        return cents

    @step
    def thank(self) -> None:
        """Comes after the order."""
        self.bodies.append("thank")

    def main(self, run: Any) -> None:
        """The program."""
        self.order("tea", self.quote("tea"))
        self.thank()


@pytest.fixture
def shop(sh: Statehouse) -> Shop:
    """A shop that has made the run r-1; since then the price and the orders have changed."""
    made = Shop(sh)
    sh.write("tea", 5, agent_id="pricer")
    with sh.run("r-1", agent_id="buyer") as run:
        made.main(run)
    sh.write("tea", 9, agent_id="pricer")
    sh.write("orders", ["changed"], agent_id="buyer")
    made.bodies.clear()
    return made


def of(shop: Shop, name: str, **options: Any) -> Debugged:
    """Debugs a step of r-1, and looks whether that changed the store."""
    before = shop.sh.status().commit_ts
    found = debug(shop.sh, "r-1", options.pop("program", shop.main), step=name, **options)
    assert shop.sh.status().commit_ts == before
    return found


def talked(shop: Shop, name: str, *commands: str, **options: Any) -> tuple[Debugged, str]:
    """Debugs with pdb, by these commands, and gives what it said."""
    out = io.StringIO()
    stdin = io.StringIO("".join(f"{command}\n" for command in commands))
    return of(shop, name, pdb=True, stdin=stdin, stdout=out, **options), out.getvalue()


def test_a_step_runs_again_on_the_state_that_it_saw(shop: Shop) -> None:
    found = of(shop, "order#1")
    assert found.divergence is None
    assert found.rerun is not None
    assert found.rerun.output == 6
    orders = RecordKey("default", "buyer", "orders")
    assert found.rerun.changes == {orders: Change(None, [["tea", 5]], [["tea", 5]])}
    assert found.rerun.reads == {orders: 0}


def test_only_the_bodies_of_the_step_and_of_those_around_it_run(shop: Shop) -> None:
    of(shop, "order#1")
    assert shop.bodies == ["order"]
    shop.bodies.clear()
    of(shop, "order#1/confirm#1")
    assert shop.bodies == ["order", "confirm"]


def test_another_body_is_compared_with_what_was_recorded(shop: Shop) -> None:
    class Other(Shop):
        @step
        def order(self, item: str, cents: int) -> int:
            current_step().state["orders"] = []
            return 6

    found = of(shop, "order", program=Other(shop.sh).main)
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.path) == ("writes", "order#1")
    assert [name.rpartition(".")[2] for name in found.changed] == ["order"]


def test_what_the_body_raises_is_given(shop: Shop) -> None:
    class Other(Shop):
        @step
        def order(self, item: str, cents: int) -> int:
            raise ValueError(item)

    found = of(shop, "order", program=Other(shop.sh).main)
    assert found.rerun is not None
    assert isinstance(found.rerun.error, ValueError)
    assert found.divergence is not None
    assert found.divergence.kind == "failure"


def test_a_program_that_does_not_get_to_the_step_says_where_it_went(shop: Shop) -> None:
    found = of(shop, "order#1", program=lambda run: shop.quote("milk"))
    assert (found.rerun, found.was_left) == (None, False)
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.path) == ("input", "quote#1")


def test_pdb_stops_at_the_first_line_of_the_body_with_its_arguments_and_state(shop: Shop) -> None:
    found, said = talked(shop, "order#1", "p item, cents", "n", "n", "p dict(state)", "c")
    assert "order#1 of run r-1" in said
    assert '-> self.bodies.append("order")' in said
    assert "('tea', 5)" in said
    assert "{}" in said
    assert found.divergence is None
    assert found.rerun is not None
    assert found.rerun.output == 6


def test_what_is_changed_in_pdb_is_compared_too(shop: Shop) -> None:
    found, _ = talked(shop, "order#1", "!cents = 7", "c")
    # Its child is called with the other price, which was not recorded.
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.path) == ("input", "order#1/confirm#1")


def test_whoever_leaves_pdb_leaves_the_program(shop: Shop) -> None:
    for commands in (("q",), ()):
        found, _ = talked(shop, "order#1", *commands)
        assert (found.was_left, found.rerun, found.divergence) == (True, None, None)
    assert shop.bodies == []


def test_a_step_inside_a_step_is_stopped_in(shop: Shop) -> None:
    found, said = talked(shop, "order#1/confirm#1", "p cents", "c")
    assert '-> self.bodies.append("confirm")' in said
    assert found.rerun is not None
    assert found.rerun.output == 5


def test_a_step_that_calls_itself_in_a_thread_of_its_own_has_no_timeout_in_pdb(sh: Statehouse) -> None:
    @step(timeout=0.05)
    def slow(number: int) -> int:
        return number

    with sh.run("r-1", agent_id="a"):
        slow(1)
    out = io.StringIO()
    asked = "import time\n!time.sleep(0.1)\nc\n"
    found = debug(sh, "r-1", lambda run: slow(1), step="slow", pdb=True, stdin=io.StringIO(asked), stdout=out)
    assert found.divergence is None


def test_an_async_step_is_stopped_in(sh: Statehouse) -> None:
    @step
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        result = 2 * number
        return result  # noqa: RET504 - a line to stop at

    async def main(run: Any) -> None:
        await asyncio.gather(double(1), double(2))

    async def live(aio: StatehouseAsync) -> None:
        async with aio.run("r-1", agent_id="a") as run:
            await main(run)

    asyncio.run(live(sh.aio))
    out = io.StringIO()
    stdin = io.StringIO("p number\nn\nn\np result\nc\n")
    found = debug(sh, "r-1", main, step="double#2", pdb=True, stdin=stdin, stdout=out)
    assert "-> await asyncio.sleep(0)" in out.getvalue()
    assert "(step) 2" in out.getvalue()
    assert "(step) 4" in out.getvalue()
    assert found.rerun is not None
    assert found.rerun.output == 4


def test_time_is_the_recorded_time(sh: Statehouse) -> None:
    @step
    def stamp() -> str:
        return str(current_step().now())

    with sh.run("r-1", agent_id="a"):
        then = stamp()
    found = debug(sh, "r-1", lambda run: stamp(), step="stamp")
    assert found.rerun is not None
    assert found.rerun.output == then


@pytest.mark.parametrize("wrong", ["orders", "quote#2", ""])
def test_a_step_that_is_not_there_is_answered_with_those_that_are(shop: Shop, wrong: str) -> None:
    with pytest.raises((NotFoundError, InvalidArgumentError), match=r"(quote|order)#1"):
        of(shop, wrong)
