"""What steps warn of: nothing is wrong yet, and something may not be meant."""

from __future__ import annotations

import os
import warnings
from inspect import currentframe
from pathlib import Path
from typing import Final

from statehouse.steps.ours import is_ours

# What runs the tasks of a program, and is not the program.
_ASYNCIO: Final = str(Path(os.__file__).with_name("asyncio")) + os.sep


class StepWarning(UserWarning):
    """A step was called outside a run, its source changed since it was recorded, or nobody asked for it
    again.
    """


def warn(message: str) -> None:
    """Warns of something at the line of the program that led to it, through whatever is between."""
    level, frame = 1, currentframe()
    while frame is not None and _is_between(frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, StepWarning, stacklevel=level)


def _is_between(filename: str) -> bool:
    return is_ours(filename) or filename.startswith(_ASYNCIO)
