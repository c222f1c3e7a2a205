"""Where a program that runs again goes another way than the records say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

DivergenceKind = Literal["input", "unrecorded", "missing", "output", "writes", "failure", "ending"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first difference between a run as it is recorded and the program as it is.

    Attributes:
        kind: ``input``: a step is called with other arguments. ``unrecorded``: a step is called that the run
            did not call. ``missing``: one is not called that it did call. ``output``, ``writes``,
            ``failure``: a step whose body ran again returned, wrote or raised something else. ``ending``: the
            run ended otherwise.
        path: The step; empty for the run.
        message: What differs, in words, over several lines.
        recorded: What is recorded, as JSON.
        now: What it is now.
        commit_ts: The commit of the record; 0 for none.
    """

    kind: DivergenceKind
    path: str
    message: str
    recorded: Any = None
    now: Any = None
    commit_ts: int = 0

    def __str__(self) -> str:
        return self.message


class Stopped(BaseException):
    """Ends a program from within, past whatever it catches."""
