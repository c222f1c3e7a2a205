"""As of: what each step of a run saw, and what it made, whatever has changed since.

python -m examples.debugging.as_of
"""

from __future__ import annotations

import sys

from examples.debugging import scenario, shop
from statehouse import Statehouse

PRICE = f"price/{scenario.ITEM}"


def main() -> int:
    """Plays the purchase, and shows what the price was to each of its steps; gives the exit code."""
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        pricer = sh.agent(shop.PRICER)
        pricer.write(PRICE, 7)
        # The same id again: nothing runs as long as no step is called, and its steps can be read.
        for step in sh.run(scenario.PURCHASE).steps():
            if step.read_ts is not None:
                seen = pricer.get_state(PRICE, at=step.read_ts)
                print(
                    f"{step.path:<7} saw @{step.read_ts:<2}  {PRICE} = {seen.value}, version {seen.version}"
                )
        now = pricer.get_state(PRICE)
        print(f"now         @{now.commit_ts}  {PRICE} = {now.value}, version {now.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
