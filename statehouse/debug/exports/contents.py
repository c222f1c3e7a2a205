"""What an exported run holds, in memory: its events, and each key's versions by their commits."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from statehouse.debug.exports.coverage import Coverage, not_exported
from statehouse.debug.exports.file import ExportLines
from statehouse.debug.exports.format import (
    ExportHeader,
    WithheldOperation,
    event_of,
    header_from_json,
    held_from_json,
    name_of,
)
from statehouse.errors import CorruptionError, NotFoundError, StatehouseError
from statehouse.extend import Entry, RecordKey
from statehouse.protocol.replies import Event

_BY: Final = ("trace", "span", "run", "txn")


class ExportContents:
    """Everything that an export holds; it never changes.

    Attributes:
        header: What it is of.
        coverage: The keys that are held.
        events: The events, in the order of their commits.
        sha256: The digest of its lines.
        size_bytes: How large it is, unpacked.

    Args:
        header: What it is of.
        coverage: The keys that are held.
        events: The events, in the order of their commits.

    Raises:
        ValueError: A key's versions do not rise with their commits.
    """

    def __init__(self, header: ExportHeader, coverage: Coverage, events: Sequence[Event]) -> None:
        self.header = header
        self.coverage = coverage
        self.events = events
        self.sha256 = ""
        self.size_bytes = 0
        self._numbers = [event.commit_ts for event in events]
        self._versions: dict[RecordKey, list[Entry]] = {}
        self._keys: dict[tuple[str, str], list[str]] = {}
        self._found: dict[str, dict[str, list[Event]]] = {by: {} for by in _BY}
        for event in events:
            self._take(event)
        for name in self._versions:
            self._keys.setdefault((name.namespace, name.agent_id), []).append(name.key)
        for keys in self._keys.values():
            keys.sort()

    def _take(self, event: Event) -> None:
        origin = event.origin
        ids = (origin.trace_id, origin.span_id, origin.run_id, event.txn_id)
        for by, identity in zip(_BY, ids, strict=True):
            if identity:
                self._found[by].setdefault(identity, []).append(event)
        for operation in event.operations:
            if isinstance(operation, WithheldOperation):
                continue
            versions = self._versions.setdefault(name_of(operation), [])
            if versions and versions[-1].version >= operation.version:
                raise ValueError(f"{name_of(operation)} has version {operation.version} after a later one")
            versions.append(
                Entry(
                    name_of(operation), operation.payload, operation.version, event.commit_ts, operation.kind
                )
            )

    @property
    def head(self) -> int:
        """The newest commit that it knows of."""
        return self.header.to_ts

    def entry(self, name: RecordKey, at: int) -> Entry:
        """The key as of a commit.

        Raises:
            NotExportedError: It is not held since then.
        """
        since = self.coverage.since(name)
        if since is None or since > at:
            raise not_exported(f"{name} as of commit_ts {at}", since=since, head=self.head)
        return self._entry(name, at)

    def _entry(self, name: RecordKey, at: int) -> Entry:
        versions = self._versions.get(name, [])
        place = bisect_right(versions, at, key=_commit_ts)
        return versions[place - 1] if place else Entry(name, None, 0, 0, None)

    def versions(self, name: RecordKey, at: int) -> list[Entry]:
        """What is held of a key up to a commit, in order, as far back as no version is missing.

        Raises:
            NotExportedError: The key is not held since then.
        """
        self.entry(name, at)
        versions = self._versions.get(name, [])
        stop = start = bisect_right(versions, at, key=_commit_ts)
        while start and (start == stop or versions[start - 1].version + 1 == versions[start].version):
            start -= 1
        return versions[start:stop]

    def is_whole(self, name: RecordKey) -> bool:
        """Whether a key without any version was never written; else it may have been deleted before (C2)."""
        since = self.coverage.since(name)
        named = name.key in self.coverage.keys_of(name.namespace, name.agent_id)
        return since is not None and (named or since == 0)

    def at_version(self, name: RecordKey, version: int) -> Entry:
        """The write that gave a key a version.

        Raises:
            NotFoundError: The key never had it.
            NotExportedError: Whether it had is not held.
        """
        versions = self._versions.get(name, [])
        place = bisect_left(versions, version, key=_version)
        if place < len(versions) and versions[place].version == version:
            return versions[place]
        if place == len(versions) and (versions or self.is_whole(name)):
            newest = versions[-1].version if versions else 0
            raise NotFoundError(f"{name} has no version {version}; its newest is {newest}", key=name)
        raise not_exported(f"version {version} of {name}", since=self.coverage.since(name), head=self.head)

    def existing(
        self, namespace: str, agent_id: str, prefix: str, at: int, *, reverse: bool, after: str | None
    ) -> Iterator[Entry]:
        """The existing keys of an agent with a prefix, as of a commit.

        Args:
            namespace: The namespace.
            agent_id: The agent.
            prefix: What the keys begin with.
            at: The commit.
            reverse: From the last key to the first.
            after: Begin behind this key, in either direction; None with the first.

        Raises:
            NotExportedError: They are not all held since then.
        """
        since = self.coverage.range_since(namespace, agent_id, prefix)
        known = self.coverage.is_partial(namespace, agent_id) or (since is not None and since <= at)
        if not known:
            shown = f"{namespace}/{agent_id}/{prefix}…" if prefix else f"everything of {namespace}/{agent_id}"
            raise not_exported(f"{shown} as of commit_ts {at}", since=since, head=self.head)
        keys = self._keys.get((namespace, agent_id), [])
        first = bisect_left(keys, prefix)
        last = bisect_left(keys, True, first, key=lambda key: not key.startswith(prefix))
        if after is not None and reverse:
            last = min(last, bisect_left(keys, after))
        elif after is not None:
            first = max(first, bisect_right(keys, after))
        places = range(last - 1, first - 1, -1) if reverse else range(first, last)
        names = (RecordKey(namespace, agent_id, keys[place]) for place in places)
        return (entry for name in names if (entry := self._entry(name, at)).exists)

    def keys_held(self, namespace: str, agent_id: str, at: int) -> int:
        """How many keys of an agent are held that exist as of a commit."""
        names = (RecordKey(namespace, agent_id, key) for key in self._keys.get((namespace, agent_id), ()))
        return sum(self._entry(name, at).exists for name in names)

    def between(self, first: int, last: int) -> Sequence[Event]:
        """The events of some commits, both ends inclusive, as far as they are held."""
        return self.events[bisect_left(self._numbers, first) : bisect_right(self._numbers, last)]

    def found(self, by: str, identity: str) -> Sequence[Event]:
        """The events of a trace, span, run or transaction, as far as they are held."""
        return self._found.get(by, {}).get(identity, ())

    def located(self, time_us: int) -> Event | None:
        """The newest event at or before a time that is held."""
        place = bisect_right(self.events, time_us, key=lambda event: event.committed_at_us)
        return self.events[place - 1] if place else None

    def agents(self) -> list[tuple[str, str]]:
        """The agents something of which is held, in order."""
        return sorted(self._keys)


def _commit_ts(entry: Entry) -> int:
    return entry.commit_ts


def _version(entry: Entry) -> int:
    return entry.version


def load_export(path: Path) -> ExportContents:
    """Reads an exported run, and proves that it is whole.

    Raises:
        NotFoundError: There is no such file.
        CorruptionError: It is not an exported run, or it is cut or altered.
        FormatVersionError: It was written by a newer Statehouse.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no exported run in {str(path)!r}", path=str(path))
    with path.open("rb") as file:
        return _load(file, str(path))


def _load(file: IO[bytes], name: str) -> ExportContents:
    lines = ExportLines(file, name)
    coverage = Coverage()
    events: list[Event] = []
    try:
        header = header_from_json(lines.header)
        for line in lines:
            if "held" in line:
                coverage.add(held_from_json(line))
            else:
                events.append(_next_event(line, events, header))
        contents = ExportContents(header, coverage, events)
    except CorruptionError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, StatehouseError) as error:
        # The digest may be right and the lines wrong all the same: somebody made them so.
        raise CorruptionError(f"{name}: a line is not what an export holds ({error!r:.200})") from None
    contents.sha256, contents.size_bytes = lines.sha256, lines.size_bytes
    return contents


def _next_event(line: dict[str, Any], before: Sequence[Event], header: ExportHeader) -> Event:
    event = event_of(line)
    last = before[-1] if before else None
    if event.commit_ts > header.to_ts or (
        last is not None
        and (event.commit_ts <= last.commit_ts or event.committed_at_us < last.committed_at_us)
    ):
        raise ValueError(f"commit {event.commit_ts} is out of order")
    return event
