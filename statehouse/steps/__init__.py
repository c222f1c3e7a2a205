"""Runs and steps: what an agent does, recorded so that it happens once.

A step's state changes, its result and what it did are one commit. So state is exactly-once, even with a model
call of half a minute inside the step, and no lock is held meanwhile. See `statehouse.step` and
`Statehouse.run`.
"""

from statehouse.steps.body import Step
from statehouse.steps.record import RunRecord, StepRecord
from statehouse.steps.scope import current_step
from statehouse.steps.shapes import register_step_type
from statehouse.steps.state import State, StateAsync
from statehouse.steps.step import StepFunction, step
from statehouse.steps.warning import StepWarning

__all__ = [
    "RunRecord",
    "State",
    "StateAsync",
    "Step",
    "StepFunction",
    "StepRecord",
    "StepWarning",
    "current_step",
    "register_step_type",
    "step",
]
