"""From a trace to the state that the agent saw: looking into runs, and running their code again.

Names are loaded when they are used: looking into a run needs nothing of what runs one again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statehouse.debug.finding import Finding, events_of, find
    from statehouse.debug.listing import runs

__all__ = ["Finding", "events_of", "find", "runs"]

_LATER = {
    "Finding": "statehouse.debug.finding",
    "events_of": "statehouse.debug.finding",
    "find": "statehouse.debug.finding",
    "runs": "statehouse.debug.listing",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module  # noqa: PLC0415 - only for those who use it

        globals()[name] = found = getattr(import_module(_LATER[name]), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
