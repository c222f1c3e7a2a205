"""What ``statehouse-langgraph`` exits with: the codes of ``statehousectl``.

====  =============  =====================================================================================
code  name           meaning
====  =============  =====================================================================================
0     OK             done; for ``diff``: no difference
1     FINDINGS       ``diff`` found differences; ``import`` could not take every thread
2     USAGE          the command line makes no sense
3     NOT_FOUND      no such thread or checkpoint
4     CONFLICT       somebody else wrote at the same time
5     UNAVAILABLE    no store or no database there, no daemon, held by another process, out of time
6     DAMAGED        what is on disk is not what was written
70    DEFECT         an error nobody foresaw
130   INTERRUPTED    Ctrl-C
141   BROKEN_PIPE    who read the output went away, as ``head`` does
====  =============  =====================================================================================
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import statehouse
from statehouse_langgraph import errors


class Exit(IntEnum):
    """The exit codes; the module's table says what they mean."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNAVAILABLE = 5
    DAMAGED = 6
    DEFECT = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141


# The first class that an error is an instance of decides.
_EXITS: Final[tuple[tuple[type[statehouse.StatehouseError], Exit], ...]] = (
    (statehouse.InvalidArgumentError, Exit.USAGE),
    (statehouse.LimitExceededError, Exit.USAGE),
    (statehouse.NotFoundError, Exit.NOT_FOUND),
    (statehouse.CompactedError, Exit.NOT_FOUND),
    (statehouse.ErasedError, Exit.NOT_FOUND),
    (errors.LeaseHeldError, Exit.UNAVAILABLE),
    (errors.ThreadChangedError, Exit.CONFLICT),
    (errors.ConcurrentWriteError, Exit.CONFLICT),
    (errors.ContentError, Exit.DAMAGED),
    (statehouse.TransactionError, Exit.CONFLICT),
    (statehouse.AlreadyExistsError, Exit.CONFLICT),
    (statehouse.StoreChangedError, Exit.CONFLICT),
    (statehouse.UnauthenticatedError, Exit.UNAVAILABLE),
    (statehouse.PermissionDeniedError, Exit.UNAVAILABLE),
    (statehouse.ConnectionError, Exit.UNAVAILABLE),
    (statehouse.DeadlineExceededError, Exit.UNAVAILABLE),
    (statehouse.OverloadedError, Exit.UNAVAILABLE),
    (statehouse.OutcomeUnknownError, Exit.UNAVAILABLE),
    (statehouse.DirectoryLockedError, Exit.UNAVAILABLE),
    (statehouse.EngineError, Exit.DAMAGED),
)


def exit_of(error: statehouse.StatehouseError) -> Exit:
    """Gives the exit code of an error."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.DEFECT)


class Refusal(Exception):
    """What the program cannot do, in words for the person who started it.

    Args:
        message: What happened, with which value, and what to do about it.
        code: What the program exits with.
    """

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code
