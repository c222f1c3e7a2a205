"""The two agents at a command line, each in a process of its own.

    python -m examples.debugging open             the shop opens: beans cost 4, the buyer may spend 100
    python -m examples.debugging buy              the buyer plans, and waits for an approval
    python -m examples.debugging reprice 5        the pricer, meanwhile
    python -m examples.debugging approve          and the buyer orders: it fails

`play` does all of it in one process. With ``--spans FILE`` the spans are written to a file, as a tracing
backend would get them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.debugging import scenario
from examples.debugging.shop import OverBudgetError
from examples.debugging.spans import SpanFile
from statehouse import Statehouse
from statehouse.otel import configure


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="A purchase that goes wrong because of a stale price.")
    parser.add_argument("what", choices=["open", "buy", "reprice", "approve", "play"])
    parser.add_argument("price", nargs="?", type=int, default=5, help="of a kilo, for reprice")
    parser.add_argument("--store", default="file:./shop", help="(default: %(default)s)")
    parser.add_argument("--spans", type=Path, metavar="FILE", help="where to write spans to")
    options = parser.parse_args(arguments)
    if options.spans is not None:
        configure(SpanFile(options.spans), service_name="shop")
    with Statehouse(options.store) as sh:
        match options.what:
            case "open":
                scenario.open_shop(sh)
            case "reprice":
                scenario.reprice(sh, scenario.NOON, options.price)
            case "approve":
                scenario.approve(sh)
            case "play":
                return _say(scenario.play(sh))
            case _:
                return _buy(sh)
    return 0


def _buy(sh: Statehouse) -> int:
    try:
        print(scenario.buy(sh))
    except OverBudgetError as error:
        return _say(error)
    return 0


def _say(error: BaseException | None) -> int:
    if error is None:
        return 0
    print(f"the purchase failed: {type(error).__name__}: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
