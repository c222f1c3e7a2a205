"""How the purchase goes wrong, the same each time: the price changes while somebody approves the plan.

1. The pricer says that a kilo of beans costs 4; the buyer may spend 100.
2. The buyer is told 4, and plans 25 kilos. It waits for an approval.
3. The pricer says 5.
4. Ada approves. The buyer orders 25 kilos, which are 125: it fails.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from examples.debugging import shop
from statehouse import Statehouse

ITEM: Final = "beans"
PURCHASE: Final = "purchase-7"
MORNING: Final = "prices-morning"
NOON: Final = "prices-noon"


def open_shop(sh: Statehouse) -> None:
    """Says what beans cost in the morning, and what the buyer may spend."""
    sh.write("budget", 100, agent_id=shop.BUYER)
    reprice(sh, MORNING, 4)


def reprice(sh: Statehouse, run_id: str, price: int) -> None:
    """Lets the pricer say what beans cost."""
    with sh.run(run_id, agent_id=shop.PRICER):
        shop.reprice(ITEM, price)


def buy(sh: Statehouse) -> dict[str, int]:
    """Lets the buyer buy.

    Raises:
        OverBudgetError: It ordered more than it may pay.
    """
    with sh.run(PURCHASE, agent_id=shop.BUYER, input={"item": ITEM}) as run:
        return shop.main(run)


def wait_until_planned(sh: Statehouse) -> None:
    """Waits until the buyer has planned, or has ended without."""
    for event in sh.replay(agent_id=PURCHASE, namespace="default.runs", follow=True):
        record = sh.get_state("run", agent_id=PURCHASE, namespace="default.runs").value
        if event.origin.step == "plan#1" or record["status"] != "running":
            return


def approve(sh: Statehouse) -> None:
    """Lets the purchase go on."""
    sh.signal(PURCHASE, shop.APPROVAL, {"by": "Ada"})


def play(sh: Statehouse) -> BaseException | None:
    """Plays all of it in this process, and gives what the purchase failed with."""
    open_shop(sh)
    with ThreadPoolExecutor(1, "buyer") as threads:
        buying = threads.submit(buy, sh)
        wait_until_planned(sh)
        reprice(sh, NOON, 5)
        approve(sh)
        return buying.exception()
