"""Runs to look into: a buyer that asks for a price, and orders at it, while the market changes it."""

from __future__ import annotations

from collections.abc import Callable

from statehouse import Origin, Statehouse, current_step, step, use_origin

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@step
def quote(what: str) -> int:
    return int(current_step().state.agent("market")[what])


@step
def order(what: str, price: int) -> str:
    current_step().state["order"] = {"what": what, "price": price}
    return f"{what} for {price}"


@step
def count(by: int) -> int:
    state = current_step().state
    state["count"] = state.get("count", 0) + by
    return int(state["count"])


@step
def plan(words: list[str]) -> list[str]:
    return [search(word) for word in words]


@step
def search(word: str) -> str:
    return word.upper()


@step
def refuse(why: str) -> None:
    current_step().state.get("count")
    raise ValueError(why)


@step
def reprice(what: str, price: int) -> None:
    current_step().state[what] = price


def set_price(sh: Statehouse, run_id: str, price: int) -> None:
    """Lets the market say what tea costs."""
    with sh.run(run_id, agent_id="market"):
        reprice("tea", price)


def buy(sh: Statehouse, run_id: str = "r-42", meanwhile: Callable[[], None] | None = None) -> None:
    """Commits 1 to 3: the price. 4: the run. 5: the quote. Then what happens meanwhile, and the order."""
    set_price(sh, f"{run_id}-morning", 10)
    with use_origin(Origin(TRACE, SPAN)), sh.run(run_id, agent_id="buyer"):
        price = quote("tea")
        if meanwhile is not None:
            with use_origin(Origin()):
                meanwhile()
        order("tea", price)


def buy_stale(sh: Statehouse) -> None:
    """The market changes the price (commits 6 to 8) before the order (9)."""
    buy(sh, meanwhile=lambda: set_price(sh, "r-42-noon", 25))
