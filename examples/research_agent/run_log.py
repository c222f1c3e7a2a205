"""What a run leaves in Statehouse: one transaction a step, the step's record and its effects together.

::

    run/<id>              question, trace_id, phase, steps done; one version a step
    run/<id>/plan         the goals
    run/<id>/step/<nnn>   the call, its result, who decided it
    run/<id>/answer       text and citations
    notebook/<id>/<nnn>   the note that step nnn took

* I1. A step is finished when its transaction is committed. Nothing of it is visible before, so a killed
  process leaves whole steps only, and whoever goes on begins with the first that is not there.
* I2. A step is written only on top of the one before it (``if_version``): of two agents that go on with one
  run, one fails with `PreconditionFailedError`.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import asdict
from typing import Any, Final

from examples.research_agent.notebook import Notebook
from examples.research_agent.runs import Goal, Note, Run, Step, goal_from_json
from statehouse import Agent, Origin, Transaction

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RunLog:
    """The record of one run.

    Args:
        agent: The agent that runs.
        run_id: Letters, digits, dots, underscores and hyphens, at most 64.

    Raises:
        ValueError: The run id is something else.
    """

    def __init__(self, agent: Agent, run_id: str) -> None:
        if not _RUN_ID.fullmatch(run_id):
            raise ValueError(f"a run id has letters, digits, '.', '_' and '-' only, at most 64: {run_id!r}")
        self.run_id = run_id
        self._agent = agent
        self._key = f"run/{run_id}"
        self._notebook = Notebook(agent)

    def load(self) -> Run | None:
        """Gives the run as far as it is finished; None if it never began."""
        with self._agent.transaction() as tx:
            head = tx.get_state(self._key, default=None).value
            if head is None:
                return None
            goals = tuple(goal_from_json(goal) for goal in tx.get_state(f"{self._key}/plan").value)
            steps = tuple(Step.from_json(record.value) for record in tx.scan_prefix(f"{self._key}/step/"))
        return Run(self.run_id, head["question"], head["trace_id"], goals, steps)

    def begin(self, question: str, goals: tuple[Goal, ...], plan: Step) -> tuple[Run, int]:
        """Commits the plan as the first step, and gives the run and the commit_ts."""
        run = Run(self.run_id, question, secrets.token_hex(16), goals, (plan,))
        with self._agent.transaction(origin=self._origin(run, plan)) as tx:
            self._write_head(tx, run, "planned")
            tx.write(f"{self._key}/plan", [asdict(goal) for goal in goals], if_version=0)
            self._write_step(tx, plan)
        return run, tx.committed_ts()

    def append(self, run: Run, step: Step, note: Note | None = None) -> tuple[Run, int]:
        """Commits a step with all that it did, and gives the run and the commit_ts."""
        run = Run(run.run_id, run.question, run.trace_id, run.goals, (*run.steps, step))
        with self._agent.transaction(origin=self._origin(run, step)) as tx:
            self._write_head(tx, run, "researching" if run.answer is None else "answered")
            self._write_step(tx, step)
            if note is not None:
                self._notebook.keep(tx, run.run_id, step.number, note)
            if run.answer is not None:
                tx.write(f"{self._key}/answer", run.answer, if_version=0)
        return run, tx.committed_ts()

    def _write_head(self, tx: Transaction, run: Run, phase: str) -> None:
        head: dict[str, Any] = {
            "question": run.question,
            "trace_id": run.trace_id,
            "phase": phase,
            "steps": len(run.steps),
        }
        # I2. The head has one version a step.
        tx.write(self._key, head, if_version=len(run.steps) - 1)

    def _write_step(self, tx: Transaction, step: Step) -> None:
        tx.write(f"{self._key}/step/{step.number:03}", step.to_json(), if_version=0)

    def _origin(self, run: Run, step: Step) -> Origin:
        return Origin(
            trace_id=run.trace_id,
            span_id=secrets.token_hex(8),
            agent_id=self._agent.agent_id,
            run_id=run.run_id,
            step=step.label,
            attributes={"tool": step.call.tool, "decided_by": step.by[:200]},
        )


def runs_of(agent: Agent) -> list[tuple[str, dict[str, Any]]]:
    """Gives the runs of an agent, each with its head, in order of id."""
    return [
        (record.key.removeprefix("run/"), record.value)
        for record in agent.scan_prefix("run/")
        if record.key.count("/") == 1
    ]
