"""Debug: a step of a run again, as it ran: with its arguments, on the state that it saw.

python -m examples.debugging.debug            what its body does
python -m examples.debugging.debug --pdb      and stop in it
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from examples.debugging import scenario, shop
from statehouse import Statehouse
from statehouse.debug import debug


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays the purchase, and runs its last step again; gives the exit code."""
    parser = argparse.ArgumentParser(description="Runs the step that failed again.")
    parser.add_argument("--pdb", action="store_true", help="stop in the step")
    options = parser.parse_args(arguments)
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        # Since then it has changed again, which the step does not see.
        scenario.reprice(sh, "prices-evening", 7)
        found = debug(sh, scenario.PURCHASE, shop.main, step="order#1", pdb=options.pdb)
        if found.rerun is not None:
            print(f"on the state as of @{found.rerun.at} it raised {found.rerun.error!r}")
        print("as it is recorded" if found.divergence is None else found.divergence)
    return 0


if __name__ == "__main__":
    sys.exit(main())
