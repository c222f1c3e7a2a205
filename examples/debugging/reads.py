"""Reads: what a step had to go on, and what of that was stale.

python -m examples.debugging.reads
"""

from __future__ import annotations

import sys

from examples.debugging import scenario
from statehouse import Statehouse
from statehouse.debug import reads


def main() -> int:
    """Plays the purchase, and shows what its last step had to go on; gives the exit code."""
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        found = reads(sh, scenario.PURCHASE, "order#1")
        for read in found.keys:
            print(f"read   {read.name}  version {read.seen.version} = {read.seen.value}")
        for stale in found.stale:
            readers = ", ".join(step.path for step in stale.readers)
            print(f"stale  {stale.name}  {readers} read version {stale.seen.version} = {stale.seen.value}")
            print(f"       and it had become version {stale.newer.version} = {stale.newer.value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
