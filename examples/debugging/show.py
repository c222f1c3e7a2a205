"""Show: what the steps of a run were given, what came of them, and what they saw and made.

python -m examples.debugging.show
"""

from __future__ import annotations

import sys

from examples.debugging import scenario
from statehouse import Statehouse
from statehouse.debug import StepDetails, show, show_step


def main() -> int:
    """Plays the purchase, and shows each step of it; gives the exit code."""
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        waterfall = show(sh, scenario.PURCHASE)
        print(f"{waterfall.run.run_id} of {waterfall.run.agent_id}: {waterfall.run.status}")
        for bar in waterfall.bars:
            print(_line(show_step(sh, scenario.PURCHASE, bar.path)))
    return 0


def _line(details: StepDetails) -> str:
    step = details.step
    arguments = ", ".join(f"{name}={value!r}" for name, value in details.input.items())
    saw = "nothing" if step.read_ts is None else f"@{step.read_ts}"
    came = details.output if step.error is None else step.error["message"]
    return f"{step.path}({arguments}): {came}    saw {saw}, made @{step.commit_ts}"


if __name__ == "__main__":
    sys.exit(main())
