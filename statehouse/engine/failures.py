"""What callers are told of a group that was not written, or may have been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from statehouse.engine.state import State
from statehouse.errors import OutcomeUnknownError, OverloadedError, StatehouseError
from statehouse.protocol.requests import Commit

Failure = Callable[[Commit], StatehouseError]
"""Gives the answer to a commit whose group was not written, or is in doubt."""

_RETRY_AFTER_S: Final = {"stall": 0.5, "disk_full": 1.0}


def not_written(why: str, reason: str, _: Commit) -> StatehouseError:
    """As `overloaded`, for a commit of a group."""
    return overloaded(why, reason)


def overloaded(why: str, reason: str) -> StatehouseError:
    """What is said when the store took nothing, and soon may."""
    retry_after = _RETRY_AFTER_S.get(reason, 1.0)
    return OverloadedError(f"{why}; nothing was applied", retry_after=retry_after, reason=reason)


def in_doubt(state: State, commit: Commit) -> StatehouseError:
    """What is said when nobody knows; the state remembers that it was."""
    state.in_doubt.add(commit.txn_id)
    return OutcomeUnknownError(
        f"whether transaction {commit.txn_id} was applied is known after the store is reopened: commit it "
        "again then, with the same txn_id",
        txn_id=commit.txn_id,
    )
