"""Where a program raised something: its own frames, without those of what calls it."""

from __future__ import annotations

import traceback
from pathlib import Path

from statehouse.steps.failures import to_record
from statehouse.steps.ours import is_ours


def own_frames(error: BaseException) -> traceback.StackSummary:
    """Gives the frames of an exception that are not ours; all of them where there are no others."""
    frames = list(traceback.extract_tb(error.__traceback__))
    own = [each for each in frames if not is_ours(each.filename)]
    return traceback.StackSummary.from_list(own or frames)


def told(error: BaseException) -> str:
    """Gives an exception and where the program raised it, in one line: ``ValueError: no tea (shop.py:7)``."""
    facts = to_record(error)
    text = f"{facts['type']}: {facts['message']}"
    frames = own_frames(error)
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else text
