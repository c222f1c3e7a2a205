"""Which keys an export holds, and since when.

* C1. What is held of a key since a commit is everything: the version that was valid then, and each one up to
  the end of the export. A key that is held and has no version there was absent.
* C2. A range that is held holds every key in it likewise, also those that were absent. Of a key that is not
  named, and was deleted before the range begins, only that it was absent is known.
* C3. What is not held is not known: to ask for it is an error, never an absence.
* C4. The indexes of runs are the exception: a scan of one gives the runs of the export.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from statehouse.errors import CompactedError
from statehouse.extend import RecordKey

KEYS_A_LINE: Final = 1000


class NotExportedError(CompactedError):
    """An exported run does not hold what was asked for: whether it is there, and what it is, is not known.

    Attributes:
        oldest: Since which commit_ts it is held; one above the newest commit of the export where it is not
            held at all.
    """

    code = "not_exported"


def not_exported(what: str, *, since: int | None, head: int) -> NotExportedError:
    """Gives the error for what cannot be answered (C3).

    Args:
        what: What was asked for.
        since: Since which commit it is held; None for not at all.
        head: The newest commit of the export.
    """
    if since is None:
        return NotExportedError(
            f"{what} is not in this export; export with --all-state (all_state=True), if the run touched its "
            "agent, or ask the store that it came from",
            oldest=head + 1,
        )
    return NotExportedError(
        f"{what} is in this export only since commit_ts {since}, where the run began; ask the store that it "
        "came from for what was before",
        oldest=since,
    )


@dataclass(frozen=True, slots=True)
class Holding:
    """Something that is held, as a line of the file says it: keys of an agent, or a range.

    Attributes:
        namespace: The namespace.
        agent_id: The agent.
        from_ts: Since which commit.
        keys: The keys; empty for a range.
        prefix: What the keys of a range begin with; None for keys.
        partial: Whether only what is held of a range is to be shown (C4).
    """

    namespace: str
    agent_id: str
    from_ts: int
    keys: tuple[str, ...] = ()
    prefix: str | None = None
    partial: bool = False


class Coverage:
    """Keys and ranges, each since a commit; of several that hold a key, the earliest counts."""

    def __init__(self) -> None:
        self._partial: set[tuple[str, str]] = set()
        self._keys: dict[tuple[str, str], dict[str, int]] = {}
        self._ranges: dict[tuple[str, str], dict[str, int]] = {}

    def add(self, held: Holding) -> None:
        """Adds keys or a range."""
        if held.prefix is None:
            for key in held.keys:
                self.add_key(RecordKey(held.namespace, held.agent_id, key), held.from_ts)
        elif held.partial:
            self.add_partial(held.namespace, held.agent_id)
        else:
            self.add_range(held.namespace, held.agent_id, held.prefix, held.from_ts)

    def add_key(self, name: RecordKey, from_ts: int) -> None:
        """Adds a key."""
        keys = self._keys.setdefault((name.namespace, name.agent_id), {})
        keys[name.key] = min(from_ts, keys.get(name.key, from_ts))

    def add_range(self, namespace: str, agent_id: str, prefix: str, from_ts: int) -> None:
        """Adds all keys of an agent that begin with a prefix."""
        ranges = self._ranges.setdefault((namespace, agent_id), {})
        ranges[prefix] = min(from_ts, ranges.get(prefix, from_ts))

    def add_partial(self, namespace: str, agent_id: str) -> None:
        """Lets an agent be scanned although only some of its keys are held (C4)."""
        self._partial.add((namespace, agent_id))

    def is_partial(self, namespace: str, agent_id: str) -> bool:
        """Whether a scan of an agent gives what is held of it (C4)."""
        return (namespace, agent_id) in self._partial

    def since(self, name: RecordKey) -> int | None:
        """Gives since which commit a key is held; None for not at all."""
        agent = (name.namespace, name.agent_id)
        found = self._keys.get(agent, {}).get(name.key)
        for prefix, from_ts in self._ranges.get(agent, {}).items():
            if name.key.startswith(prefix) and (found is None or from_ts < found):
                found = from_ts
        return found

    def range_since(self, namespace: str, agent_id: str, prefix: str = "") -> int | None:
        """Gives since which commit all keys of an agent with a prefix are held; None for not at all."""
        ranges = self._ranges.get((namespace, agent_id), {})
        return min((since for wider, since in ranges.items() if prefix.startswith(wider)), default=None)

    def agents(self) -> list[tuple[str, str]]:
        """Gives the agents something of which is held, as (namespace, agent), in order."""
        return sorted({*self._keys, *self._ranges, *self._partial})

    def keys_of(self, namespace: str, agent_id: str) -> dict[str, int]:
        """Gives the keys of an agent that are held by name, and since when."""
        return self._keys.get((namespace, agent_id), {})

    def ranges_of(self, namespace: str, agent_id: str) -> dict[str, int]:
        """Gives the ranges of an agent that are held, by their prefixes, and since when."""
        return self._ranges.get((namespace, agent_id), {})

    def lines(self) -> Iterator[Holding]:
        """Gives all of it, in order."""
        for namespace, agent_id in self.agents():
            for prefix, from_ts in sorted(self.ranges_of(namespace, agent_id).items()):
                yield Holding(namespace, agent_id, from_ts, prefix=prefix)
            if (namespace, agent_id) in self._partial:
                yield Holding(namespace, agent_id, 0, prefix="", partial=True)
            by_start: dict[int, list[str]] = {}
            for key, from_ts in sorted(self.keys_of(namespace, agent_id).items()):
                by_start.setdefault(from_ts, []).append(key)
            for from_ts, keys in sorted(by_start.items()):
                for start in range(0, len(keys), KEYS_A_LINE):
                    yield Holding(namespace, agent_id, from_ts, tuple(keys[start : start + KEYS_A_LINE]))
