"""Who made a commit: its origin, its transaction and its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from statehouse.debug.inspecting.gaps import Gaps
from statehouse.extend import EventPage, Flow, Origin, Replay
from statehouse.steps.clock import time_of


@dataclass(frozen=True, slots=True)
class Author:
    """Who made a commit.

    Attributes:
        commit_ts: The commit.
        committed_at_us: When, in microseconds since 1970.
        txn_id: Its transaction.
        origin: Agent, run, step, trace and span, as far as they were said.
    """

    commit_ts: int
    committed_at_us: int
    txn_id: str
    origin: Origin

    @property
    def committed_at(self) -> datetime:
        """When, in UTC."""
        return time_of(self.committed_at_us)

    def __str__(self) -> str:
        origin = self.origin
        named = [
            f"step {origin.step}" if origin.step else "",
            f"of run {origin.run_id}" if origin.step else origin.run_id and f"run {origin.run_id}",
            f"by {origin.agent_id}" if origin.agent_id else "",
        ]
        return " ".join(filter(None, named)) or f"transaction {self.txn_id}"


class Authors:
    """Finds out who made commits, each once.

    Args:
        gaps: Where it says what is gone.
    """

    def __init__(self, gaps: Gaps) -> None:
        self._gaps: Final = gaps
        self._known: dict[int, Author | None] = {}

    def of(self, commit_ts: int) -> Flow[Author | None]:
        """Gives who made a commit; None where history does not reach back to it."""
        if commit_ts not in self._known:
            self._known[commit_ts] = yield from self._gaps.around(f"commit {commit_ts}", _read(commit_ts))
        return self._known[commit_ts]


def _read(commit_ts: int) -> Flow[Author | None]:
    page: EventPage = yield Replay(None, None, commit_ts, commit_ts, limit=1, payloads=False)
    for event in page.events:
        return Author(event.commit_ts, event.committed_at_us, event.txn_id, event.origin)
    return None
