"""Where a program raised something: its own frames, without those of what calls it."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Final

from statehouse.steps.failures import to_record

_HERE: Final = str(Path(__file__).parents[2])
_INTEGRATIONS: Final = ("statehouse_langgraph",)


def own_frames(error: BaseException) -> traceback.StackSummary:
    """Gives the frames of an exception that are not ours; all of them where there are no others.

    Which files are ours is told by where we are installed: the program's may lie in a directory of our name.
    """
    ours = tuple(each + os.sep for each in _directories())
    frames = list(traceback.extract_tb(error.__traceback__))
    own = [each for each in frames if not each.filename.startswith(ours)]
    return traceback.StackSummary.from_list(own or frames)


def told(error: BaseException) -> str:
    """Gives an exception and where the program raised it, in one line: ``ValueError: no tea (shop.py:7)``."""
    facts = to_record(error)
    text = f"{facts['type']}: {facts['message']}"
    frames = own_frames(error)
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else text


def _directories() -> list[str]:
    loaded = [sys.modules[name] for name in _INTEGRATIONS if name in sys.modules]
    return [_HERE, *[place for module in loaded for place in getattr(module, "__path__", ())]]
