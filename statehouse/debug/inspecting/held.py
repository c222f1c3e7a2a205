"""What a key held, and who made it so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from statehouse.debug.inspecting.authors import Author, Authors
from statehouse.errors import ErasedError
from statehouse.extend import Entry, Flow, Payload, decode


@dataclass(frozen=True, slots=True)
class Held:
    """What a key held at some point.

    Attributes:
        version: The version, as reads give it: 0 where there was no value.
        commit_ts: The commit that made it so, also by a delete; 0 where none ever had, or nobody knows any
            more.
        kind: ``write``, ``delete`` or ``erased``; None where nothing was ever written, or nobody knows.
        payload: The value as it is stored; None where there was none, or it is gone.
        author: Who made that commit; None if nobody knows.
    """

    version: int
    commit_ts: int = 0
    kind: str | None = None
    payload: Payload | None = field(default=None, repr=False)
    author: Author | None = None

    @property
    def value(self) -> Any:
        """The value, decoded at each access; None where there was none.

        Raises:
            ErasedError: It was erased.
        """
        if self.kind == "erased":
            raise ErasedError(f"version {self.version} was erased")
        return None if self.payload is None else decode(self.payload)


def held(entry: Entry, authors: Authors) -> Flow[Held]:
    """Gives what an entry says, with its author.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    author = (yield from authors.of(entry.commit_ts)) if entry.commit_ts else None
    version = entry.version if entry.exists else 0
    return Held(version, entry.commit_ts, entry.kind, entry.payload, author)
