"""From a trace to the state that the agent saw: looking into runs, and running their code again.

Names are loaded when they are used: looking into a run needs nothing of what runs one again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statehouse.debug.exporting import Exported, export, export_to
    from statehouse.debug.exports.coverage import NotExportedError
    from statehouse.debug.finding import Finding, events_of, find
    from statehouse.debug.listing import runs
    from statehouse.debug.opened import open

__all__ = [
    "Exported",
    "Finding",
    "NotExportedError",
    "events_of",
    "export",
    "export_to",
    "find",
    "open",
    "runs",
]

_LATER = {
    "Exported": "statehouse.debug.exporting",
    "Finding": "statehouse.debug.finding",
    "NotExportedError": "statehouse.debug.exports.coverage",
    "events_of": "statehouse.debug.finding",
    "export": "statehouse.debug.exporting",
    "export_to": "statehouse.debug.exporting",
    "find": "statehouse.debug.finding",
    "open": "statehouse.debug.opened",
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
