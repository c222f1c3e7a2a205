"""From a trace to the state that the agent saw: looking into runs, and running their code again.

Names are loaded when they are used: looking into a run needs nothing of what runs one again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statehouse.debug.blaming import Blame, blame
    from statehouse.debug.comparing import Detail, Difference, Pair, diff
    from statehouse.debug.debugging import Debugged, debug
    from statehouse.debug.details import StepDetails, show_step
    from statehouse.debug.divergence import Divergence
    from statehouse.debug.exporting import Exported, export, export_to
    from statehouse.debug.exports.coverage import NotExportedError
    from statehouse.debug.finding import Finding, events_of, find
    from statehouse.debug.forking import Answer, Forked, Question, fork
    from statehouse.debug.listing import runs
    from statehouse.debug.opened import open
    from statehouse.debug.reruns import Change, Rerun
    from statehouse.debug.staleness import Reads, StaleRead, reads
    from statehouse.debug.verifying import Verification, verify
    from statehouse.debug.views import state_of
    from statehouse.debug.waterfall import Bar, Waterfall, follow, show

__all__ = [
    "Answer",
    "Bar",
    "Blame",
    "Change",
    "Debugged",
    "Detail",
    "Difference",
    "Divergence",
    "Exported",
    "Finding",
    "Forked",
    "NotExportedError",
    "Pair",
    "Question",
    "Reads",
    "Rerun",
    "StaleRead",
    "StepDetails",
    "Verification",
    "Waterfall",
    "blame",
    "debug",
    "diff",
    "events_of",
    "export",
    "export_to",
    "find",
    "follow",
    "fork",
    "open",
    "reads",
    "runs",
    "show",
    "show_step",
    "state_of",
    "verify",
]

_LATER = {
    "Answer": "statehouse.debug.forking",
    "Bar": "statehouse.debug.waterfall",
    "Blame": "statehouse.debug.blaming",
    "Change": "statehouse.debug.reruns",
    "Debugged": "statehouse.debug.debugging",
    "Detail": "statehouse.debug.comparing",
    "Difference": "statehouse.debug.comparing",
    "Divergence": "statehouse.debug.divergence",
    "Exported": "statehouse.debug.exporting",
    "Finding": "statehouse.debug.finding",
    "Forked": "statehouse.debug.forking",
    "NotExportedError": "statehouse.debug.exports.coverage",
    "Pair": "statehouse.debug.comparing",
    "Question": "statehouse.debug.forking",
    "Reads": "statehouse.debug.staleness",
    "Rerun": "statehouse.debug.reruns",
    "StaleRead": "statehouse.debug.staleness",
    "StepDetails": "statehouse.debug.details",
    "Verification": "statehouse.debug.verifying",
    "Waterfall": "statehouse.debug.waterfall",
    "blame": "statehouse.debug.blaming",
    "debug": "statehouse.debug.debugging",
    "diff": "statehouse.debug.comparing",
    "events_of": "statehouse.debug.finding",
    "export": "statehouse.debug.exporting",
    "export_to": "statehouse.debug.exporting",
    "find": "statehouse.debug.finding",
    "follow": "statehouse.debug.waterfall",
    "fork": "statehouse.debug.forking",
    "open": "statehouse.debug.opened",
    "reads": "statehouse.debug.staleness",
    "runs": "statehouse.debug.listing",
    "show": "statehouse.debug.waterfall",
    "show_step": "statehouse.debug.details",
    "state_of": "statehouse.debug.views",
    "verify": "statehouse.debug.verifying",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module  # noqa: PLC0415 - only for those who use it

        globals()[name] = found = getattr(import_module(_LATER[name]), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
