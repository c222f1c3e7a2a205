"""Blame: who made a value what it is, in which step, and what that had read.

python -m examples.debugging.blame
"""

from __future__ import annotations

import sys

from examples.debugging import scenario, shop
from statehouse import Statehouse
from statehouse.debug import blame


def main() -> int:
    """Plays the purchase, and asks who changed the price; gives the exit code."""
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        found = blame(sh, f"price/{scenario.ITEM}", agent_id=shop.PRICER)
        print(f"{found.name}  version {found.held.version} = {found.held.value}")
        print(f"was written by @{found.held.commit_ts}, {found.held.author}")
        print(f"which was given {found.input}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
