"""Export: a run as one file, which another machine looks into, verifies and debugs without the store.

python -m examples.debugging.export
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from examples.debugging import scenario, shop
from statehouse import Statehouse
from statehouse.debug import debug, export, verify
from statehouse.debug import open as open_export


def main() -> int:
    """Plays the purchase, exports it, and debugs it out of the file; gives the exit code."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "purchase.shrun"
        with Statehouse("memory:") as sh:
            scenario.play(sh)
            done = export(sh, scenario.PURCHASE, file)
        print(f"{file.name} holds {done.events} commits and {done.keys} keys of state")
        # The store is gone.
        with open_export(file) as sh:
            price = sh.get_state(f"price/{scenario.ITEM}", agent_id=shop.PRICER, at=5)
            print(f"at @5 the price was {price.value}")
            print(f"verified: {verify(sh, scenario.PURCHASE, shop.main).is_clean}")
            found = debug(sh, scenario.PURCHASE, shop.main, step="order#1")
            print(f"reproduced: {found.divergence is None}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
