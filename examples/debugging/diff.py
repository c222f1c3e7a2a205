"""Diff: two runs side by side, step by step, and what state each of them left.

python -m examples.debugging.diff
"""

from __future__ import annotations

import sys

from examples.debugging import fixed, scenario
from statehouse import Statehouse
from statehouse.debug import diff, fork


def main() -> int:
    """Plays the purchase, forks it with the mend, and compares the two; gives the exit code."""
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        mended = fork(sh, scenario.PURCHASE, fixed.main, step="order#1")
        found = diff(sh, scenario.PURCHASE, mended.run_id)
        for pair in found.pairs:
            aspects = ", ".join(dict.fromkeys(detail.aspect for detail in pair.details))
            print(f"{pair.step.path}: {aspects if pair.differs else 'the same'}")
        for key in found.state:
            print(f"left otherwise: {key.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
