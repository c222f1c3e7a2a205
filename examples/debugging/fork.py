"""Fork: a new run from a step of another, with other code, other state or other results, beside its state.

python -m examples.debugging.fork
"""

from __future__ import annotations

import sys

from examples.debugging import fixed, scenario, shop
from statehouse import Statehouse
from statehouse.debug import Forked, fork


def main() -> int:
    """Plays the purchase, and tries three mends of it, each in a fork; gives the exit code."""
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        run_id = scenario.PURCHASE
        _say("other code", fork(sh, run_id, fixed.main, step="order#1"))
        _say("other state", fork(sh, run_id, shop.main, step="order#1", set_state={"budget": 125}))
        _say("another plan", fork(sh, run_id, shop.main, step="plan#1", set_output={"plan#1": 10}))
        _say("nothing else", fork(sh, run_id, shop.main, step="order#1"))
        print(f"the buyer may still spend {sh.get_state('budget', agent_id=shop.BUYER).value}")
    return 0


def _say(what: str, done: Forked) -> None:
    came = done.value if done.error is None else f"{type(done.error).__name__}: {done.error}"
    print(f"{what}: {came}    ran {', '.join(done.ran) or 'nothing'}")


if __name__ == "__main__":
    sys.exit(main())
