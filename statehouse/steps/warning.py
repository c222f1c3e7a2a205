"""What steps warn of: nothing is wrong yet, and something may not be meant."""

from __future__ import annotations


class StepWarning(UserWarning):
    """A step was called outside a run, its source changed since it was recorded, or nobody asked for it
    again.
    """
