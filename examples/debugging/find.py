"""Find: from the id of a span, as a tracing backend shows it, to the step, and to what it saw and made.

python -m examples.debugging.find
"""

from __future__ import annotations

import sys

from examples.debugging import scenario
from statehouse import Statehouse
from statehouse.debug import find
from statehouse.otel import configure


def main() -> int:
    """Plays the purchase, and finds the step that failed by its span; gives the exit code."""
    configure("none")
    with Statehouse("memory:") as sh:
        scenario.play(sh)
        # What somebody would copy from a span.
        span_id = sh.run(scenario.PURCHASE).steps()[-1].span_id
        found = find(sh, span_id)
        if found is None:
            print(f"nothing is known of {span_id}")
            return 1
        [step] = found.steps
        print(f"it is step {step.path} of run {step.run_id}, which {step.status}")
        print(f"it saw the state as of @{step.read_ts}, and made @{step.commit_ts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
