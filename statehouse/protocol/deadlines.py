"""What is said of what was not answered in time, by the engine and by those who wait for it."""

from __future__ import annotations

from typing import Any

from statehouse.errors import DeadlineExceededError, EngineError, OutcomeUnknownError
from statehouse.protocol.requests import Commit, Request


def begun_too_late(commit: Commit) -> DeadlineExceededError:
    """The commit was still queued at its deadline and has been taken back."""
    return DeadlineExceededError(
        f"the commit of transaction {commit.txn_id} was not begun within {commit.timeout_s:g} s; "
        "nothing was applied, commit again or begin a new transaction",
        txn_id=commit.txn_id,
    )


def out_of_time(commit: Commit) -> OutcomeUnknownError:
    """The commit was being written at its deadline."""
    return OutcomeUnknownError(
        f"the commit of transaction {commit.txn_id} was being written when its {commit.timeout_s:g} s were "
        "over; commit it again, or look the transaction up, to know what became of it",
        txn_id=commit.txn_id,
    )


def dropped(commit: Commit) -> EngineError:
    """The engine was closed before it began the commit."""
    return EngineError(
        f"the store was closed before the commit of transaction {commit.txn_id} was begun; "
        "nothing was applied",
        txn_id=commit.txn_id,
    )


def unanswered(request: Request[Any], timeout: float) -> DeadlineExceededError:
    """A read was not answered by whoever is not in this process."""
    return DeadlineExceededError(
        f"{type(request).__name__} was not answered within {timeout:g} s; the daemon may be overloaded or "
        "far away: ask again, or give the handle a longer timeout="
    )
