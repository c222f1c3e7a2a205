"""What is said when a step has conflicted more often than it may: with whom, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statehouse.errors import ConflictError, StatehouseError
from statehouse.extend import EventPage, Flow, Origin, RecordKey, Replay

if TYPE_CHECKING:
    from statehouse.steps.attempts import Attempts
    from statehouse.steps.calls import StepCall

_NAMED_MAX = 3


def given_up(call: StepCall, attempts: Attempts, error: ConflictError) -> Flow[ConflictError]:
    """Gives the error of a step that does not run again; the step's own commits beside it are named as such.

    Raises (in the flow):
        StatehouseError: Never; who cannot be asked is not named.
    """
    path, details = call.identity.path, dict(error.details)
    commit_ts = details.get("commit_ts", 0)
    origin = yield from _origin_of(commit_ts)
    what = changed(error)
    times = (
        f"the step {path} ran {attempts.conflicts} times"
        if attempts.conflicts > 1
        else f"the step {path} ran"
    )
    if (origin.run_id, origin.step) == (call.run.run_id, path):
        return ConflictError(
            f"{times}, and conflicts with itself: it reads {what} in its own transaction, and its body "
            f"writes that by another handle (commit_ts {commit_ts}). Inside a step write by "
            "current_step().state, which is committed with the step",
            **details,
        )
    who = f" of the step {origin.step} of run {origin.run_id}" if origin.step else ""
    return ConflictError(
        f"{times}, and each time {what} had changed before it could commit, last by commit_ts "
        f"{commit_ts}{who}; nothing was applied. Read that in a step that takes less long, or let it run "
        "more often: @step(conflict_retries=...)",
        **details,
    )


def changed(error: ConflictError) -> str:
    """Gives what had changed, in words."""
    return _shown(error.details.get("keys", ())) or "what it had read"


def _origin_of(commit_ts: int) -> Flow[Origin]:
    if commit_ts:
        try:
            page: EventPage = yield Replay(None, None, commit_ts, commit_ts, limit=1, payloads=False)
        except StatehouseError:
            return Origin()
        for event in page.events:
            return event.origin
    return Origin()


def _shown(keys: tuple[Any, ...]) -> str:
    named = [
        str(each) if isinstance(each, RecordKey) else f"{each.namespace}/{each.agent_id}/{each.prefix}*"
        for each in keys[:_NAMED_MAX]
    ]
    return ", ".join(named) + (", …" if len(keys) > _NAMED_MAX else "")
