"""The notebook: what the agent found out, in Statehouse, for the present run and for later ones.

A note is written by the transaction of the step that took it, so that there is never a note without its step.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from examples.research_agent.runs import Note
from examples.research_agent.terms import terms
from statehouse import Agent, Transaction

PREFIX: Final = "notebook/"


class Notebook:
    """The notes of one agent.

    Args:
        agent: Whose notes.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def recall(self, about: str, *, at: int | None = None) -> list[dict[str, Any]]:
        """Gives the notes about the same words, the newest of each source.

        Notes taken under another version of Python are left out: its documentation may say something else.
        """
        asked = set(terms(about))
        found: dict[str, dict[str, Any]] = {}
        for note in self.notes(at=at):
            if note["python"] == platform.python_version() and asked and set(terms(note["about"])) == asked:
                found[note["source"]] = note
        return list(found.values())

    def notes(self, *, at: int | None = None) -> Iterator[dict[str, Any]]:
        """Gives the notes, run by run in the order they were taken; as of a commit_ts if one is given."""
        for record in self._agent.scan_prefix(PREFIX, at=at):
            yield record.value

    def keep(self, tx: Transaction, run_id: str, step: int, note: Note) -> None:
        """Writes a note as a part of a transaction."""
        value = {**asdict(note), "run_id": run_id, "python": platform.python_version()}
        tx.write(f"{PREFIX}{run_id}/{step:03}", value, if_version=0)
