"""From a trace to the state that the agent saw: looking into runs, and running their code again.

Names are loaded when they are used: looking into a run needs nothing of what runs one again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statehouse.debug.exports.coverage import NotExportedError
    from statehouse.debug.exports.exporting import Exported, export, export_to
    from statehouse.debug.exports.opened import open
    from statehouse.debug.forks.forking import Answer, Forked, Question, fork
    from statehouse.debug.inspecting.blaming import Blame, blame
    from statehouse.debug.inspecting.comparing import Detail, Difference, Pair, diff
    from statehouse.debug.inspecting.details import StepDetails, show_step
    from statehouse.debug.inspecting.finding import Finding, events_of, find
    from statehouse.debug.inspecting.listing import runs
    from statehouse.debug.inspecting.staleness import Reads, StaleRead, reads
    from statehouse.debug.inspecting.viewing import state_of
    from statehouse.debug.inspecting.waterfall import Bar, Waterfall, follow, show
    from statehouse.debug.rerunning.debugging import Debugged, debug
    from statehouse.debug.rerunning.divergence import Divergence
    from statehouse.debug.rerunning.reruns import Change, Rerun
    from statehouse.debug.rerunning.verifying import Verification, verify

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
    "Answer": "statehouse.debug.forks.forking",
    "Bar": "statehouse.debug.inspecting.waterfall",
    "Blame": "statehouse.debug.inspecting.blaming",
    "Change": "statehouse.debug.rerunning.reruns",
    "Debugged": "statehouse.debug.rerunning.debugging",
    "Detail": "statehouse.debug.inspecting.comparing",
    "Difference": "statehouse.debug.inspecting.comparing",
    "Divergence": "statehouse.debug.rerunning.divergence",
    "Exported": "statehouse.debug.exports.exporting",
    "Finding": "statehouse.debug.inspecting.finding",
    "Forked": "statehouse.debug.forks.forking",
    "NotExportedError": "statehouse.debug.exports.coverage",
    "Pair": "statehouse.debug.inspecting.comparing",
    "Question": "statehouse.debug.forks.forking",
    "Reads": "statehouse.debug.inspecting.staleness",
    "Rerun": "statehouse.debug.rerunning.reruns",
    "StaleRead": "statehouse.debug.inspecting.staleness",
    "StepDetails": "statehouse.debug.inspecting.details",
    "Verification": "statehouse.debug.rerunning.verifying",
    "Waterfall": "statehouse.debug.inspecting.waterfall",
    "blame": "statehouse.debug.inspecting.blaming",
    "debug": "statehouse.debug.rerunning.debugging",
    "diff": "statehouse.debug.inspecting.comparing",
    "events_of": "statehouse.debug.inspecting.finding",
    "export": "statehouse.debug.exports.exporting",
    "export_to": "statehouse.debug.exports.exporting",
    "find": "statehouse.debug.inspecting.finding",
    "follow": "statehouse.debug.inspecting.waterfall",
    "fork": "statehouse.debug.forks.forking",
    "open": "statehouse.debug.exports.opened",
    "reads": "statehouse.debug.inspecting.staleness",
    "runs": "statehouse.debug.inspecting.listing",
    "show": "statehouse.debug.inspecting.waterfall",
    "show_step": "statehouse.debug.inspecting.details",
    "state_of": "statehouse.debug.inspecting.viewing",
    "verify": "statehouse.debug.rerunning.verifying",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module  # noqa: PLC0415 - only for those who use it

        globals()[name] = found = getattr(import_module(_LATER[name]), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
