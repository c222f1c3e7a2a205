"""Verify: does the program still go the way that the run went? No effect takes place, nothing is written.

python -m examples.debugging.verify
"""

from __future__ import annotations

import sys

from examples.debugging import fixed, scenario, shop
from statehouse import Statehouse
from statehouse.debug import Verification, verify


def main() -> int:
    """Plays the purchase, and verifies it with the program that ran and with another; gives the exit code."""
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        newest = sh.status().commit_ts
        for name, program in (("shop", shop.main), ("fixed", fixed.main)):
            print(f"{name}: {_said(verify(sh, scenario.PURCHASE, program))}")
        print(f"{sh.status().commit_ts - newest} commits were made by that")
    return 0


def _said(found: Verification) -> str:
    if found.divergence is None:
        return f"goes the recorded way; {found.answered} steps were answered, {found.reran} ran again"
    return f"goes another way at {found.divergence.path}: {found.divergence}"


if __name__ == "__main__":
    sys.exit(main())
