"""Which code is ours: told by where it is installed, since a program may lie in a directory of our name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_HERE: Final = str(Path(__file__).parents[1]) + os.sep
_INTEGRATIONS: Final = ("statehouse_langgraph",)


def is_ours(filename: str) -> bool:
    """Whether a file belongs to Statehouse, or to an integration of it that is loaded."""
    if filename.startswith(_HERE):
        return True
    loaded = [sys.modules[name] for name in _INTEGRATIONS if name in sys.modules]
    places = [place + os.sep for module in loaded for place in getattr(module, "__path__", ())]
    return filename.startswith(tuple(places))
