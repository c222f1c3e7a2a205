"""The purchase without the mistake: `order` decides by the price that it reads itself, in its own step.

What a step reads is validated by its commit: if the price changes meanwhile, the step runs again.
"""

from __future__ import annotations

import statehouse
from examples.debugging.shop import PRICER, purchase


@statehouse.step(effect="none")
def order(item: str, kilos: int) -> dict[str, int]:
    """Takes what was planned, or as much of it as may be paid at the price that holds now."""
    state = statehouse.current_step().state
    price = state.agent(PRICER)[f"price/{item}"]
    kilos = min(kilos, state["budget"] // price)
    state["budget"] -= kilos * price
    state[f"stock/{item}"] = state.get(f"stock/{item}", 0) + kilos
    return {"kilos": kilos, "bill": kilos * price}


def main(run: statehouse.Run) -> dict[str, int]:
    """Buys what the run was given."""
    return purchase(run, order)
