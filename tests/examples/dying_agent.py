"""The research agent in a process that kills itself at a chosen moment of a chosen step.

    python -m tests.examples.dying_agent STORE LEDGER CACHE QUESTION MOMENT STEP

MOMENT is ``begun`` (the step is decided), ``done`` (its tool has answered, nothing is committed),
``committed`` (the commit was acknowledged), or ``never``. The ledger gets a synced line ``begun N`` before a
step and ``committed N`` after it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from examples.research_agent.__main__ import write_ledger
from examples.research_agent.agent import ResearchAgent
from examples.research_agent.library import Library
from examples.research_agent.notebook import Notebook
from examples.research_agent.planner import RulePlanner
from examples.research_agent.run_log import RunLog
from examples.research_agent.runs import Call, Step
from examples.research_agent.toolbox import Outcome, Toolbox
from statehouse import Statehouse


class DyingAgent:
    """Hooks and tools that note what happens, and die when it is time."""

    def __init__(self, tools: Toolbox, ledger: Path, moment: str, step: int) -> None:
        self._tools = tools
        self._ledger = ledger
        self._death = (moment, step)
        self._step = 0

    def begun(self, number: int, _: Call) -> None:
        self._step = number
        write_ledger(self._ledger, f"begun {number}")
        self._die_at("begun")

    def committed(self, step: Step, _: int) -> None:
        write_ledger(self._ledger, f"committed {step.number}")
        self._die_at("committed")

    def describe(self) -> dict[str, str]:
        return self._tools.describe()

    def call(self, tool: str, arguments: dict[str, Any]) -> Outcome:
        outcome = self._tools.call(tool, arguments)
        self._die_at("done")
        return outcome

    def _die_at(self, moment: str) -> None:
        if (moment, self._step) == self._death:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    store, ledger, cache, question, moment, step = sys.argv[1:]
    with Statehouse(store) as sh:
        agent = sh.agent("researcher")
        tools = Toolbox(lambda: Library.open(Path(cache)), Notebook(agent))
        dying = DyingAgent(tools, Path(ledger), moment, int(step))
        ResearchAgent(
            RunLog(agent, "r"), dying, RulePlanner(), before_step=dying.begun, after_step=dying.committed
        ).run(question)


if __name__ == "__main__":
    main()
