"""What a purchase does, with a mistake in it: two agents share state, and one acts on what it read too early.

The `buyer` asks what something costs, lets a model plan how much to take, waits until somebody approves, and
orders. Meanwhile the `pricer` may change the price. `fixed` is the same purchase without the mistake.

Steps with ``effect="none"`` do nothing to the world outside: whoever looks for the mistake may run them
again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import statehouse

BUYER: Final = "buyer"
PRICER: Final = "pricer"
APPROVAL: Final = "approval"


class OverBudgetError(Exception):
    """What was ordered costs more than the buyer may spend."""


def model(question: str) -> str:
    """Answers as a language model would; this one is scripted, so that everybody gets the same answer."""
    budget, price = map(int, re.findall(r"\d+", question))
    return f"Take {budget // price}."


@statehouse.step(effect="none")
def reprice(item: str, price: int) -> None:
    """Says what a kilo costs from now on. The pricer does that, whenever the market does."""
    statehouse.current_step().state[f"price/{item}"] = price


@statehouse.step(effect="none")
def quote(item: str) -> int:
    """Gives what a kilo costs."""
    return int(statehouse.current_step().state.agent(PRICER)[f"price/{item}"])


@statehouse.step
def plan(item: str, price: int) -> int:
    """Asks the model how many kilos to take."""
    budget = statehouse.current_step().state["budget"]
    answer = model(f"You may spend {budget}. A kilo of {item} costs {price}. How many do you take?")
    return int(answer.removeprefix("Take ").removesuffix("."))


@statehouse.step(effect="none")
def order(item: str, kilos: int) -> dict[str, int]:
    """Takes what was planned, and pays what the shop charges.

    Raises:
        OverBudgetError: That is more than there is.
    """
    state = statehouse.current_step().state
    bill = kilos * state.agent(PRICER)[f"price/{item}"]
    if bill > state["budget"]:
        raise OverBudgetError(f"{kilos} kilos of {item} are {bill}, and {state['budget']} may be spent")
    state["budget"] -= bill
    state[f"stock/{item}"] = state.get(f"stock/{item}", 0) + kilos
    return {"kilos": kilos, "bill": bill}


def purchase(run: statehouse.Run, order: Callable[[str, int], dict[str, int]]) -> dict[str, int]:
    """Buys what the run was given, with a way to order it."""
    item = run.input["item"]
    kilos = plan(item, quote(item))
    run.wait_for(APPROVAL)
    return order(item, kilos)


def main(run: statehouse.Run) -> dict[str, int]:
    """Buys what the run was given.

    Raises:
        OverBudgetError: The price has changed since it was quoted.
    """
    return purchase(run, order)
