"""What ``statehousectl`` and ``statehoused`` exit with, in one table, and which error means which.

====  =============  =====================================================================================
code  name           meaning
====  =============  =====================================================================================
0     OK             done; for ``diff``: no difference
1     FINDINGS       a negative answer: ``check`` found problems, ``diff`` differences (as diff(1) says it)
2     USAGE          the command line, a value or a name makes no sense, or is larger than a limit
3     NOT_FOUND      no such key, version, commit or reference; or it was compacted or erased
4     CONFLICT       a precondition does not hold, a conflict, other history than the dump's
5     UNAVAILABLE    no store there, held by another process, overloaded, out of time, the disk is full;
                     for ``statehoused``: an address is in use
6     DAMAGED        what is on disk (or in a dump) is not what was written; writes are refused
70    DEFECT         an error nobody foresaw, which is a defect of Statehouse
130   INTERRUPTED    Ctrl-C; for ``statehoused``: a second one, before it had ended
141   BROKEN_PIPE    who read the output went away, as ``head`` does
143   TERMINATED     ``statehoused``: a second SIGTERM, before it had ended
====  =============  =====================================================================================
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from statehouse import errors

__all__ = ["Exit", "Refusal", "exit_of"]


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
    TERMINATED = 143


# The first class that an error is an instance of decides.
_EXITS: Final[tuple[tuple[type[errors.StatehouseError], Exit], ...]] = (
    (errors.InvalidArgumentError, Exit.USAGE),
    (errors.LimitExceededError, Exit.USAGE),
    (errors.NotFoundError, Exit.NOT_FOUND),
    (errors.CompactedError, Exit.NOT_FOUND),
    (errors.ErasedError, Exit.NOT_FOUND),
    (errors.TransactionNotFoundError, Exit.NOT_FOUND),
    (errors.TransactionExpiredError, Exit.UNAVAILABLE),
    (errors.TransactionError, Exit.CONFLICT),
    (errors.AlreadyExistsError, Exit.CONFLICT),
    (errors.StoreChangedError, Exit.CONFLICT),
    (errors.StepError, Exit.CONFLICT),
    (errors.UnauthenticatedError, Exit.UNAVAILABLE),
    (errors.PermissionDeniedError, Exit.UNAVAILABLE),
    (errors.ConnectionError, Exit.UNAVAILABLE),
    (errors.DeadlineExceededError, Exit.UNAVAILABLE),
    (errors.OverloadedError, Exit.UNAVAILABLE),
    (errors.OutcomeUnknownError, Exit.UNAVAILABLE),
    (errors.DirectoryLockedError, Exit.UNAVAILABLE),
    (errors.EngineError, Exit.DAMAGED),
)


def exit_of(error: errors.StatehouseError) -> Exit:
    """Gives the exit code of an error."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.DEFECT)


class Refusal(Exception):
    """What a program cannot do, in words for the person who started it.

    Args:
        message: What happened, with which value, and what to do about it.
        code: What the program exits with.
    """

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code
