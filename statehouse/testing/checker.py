"""The history checker: do what clients saw and what the log says agree with the guarantees?

It takes the rows of every client (`statehouse.testing.history`) and the log, which is a whole replay of
the store from commit 1, read at the end. The checks, by number:

1. Each acknowledged commit is in the log once, at its commit_ts, with its operations (G1, G5).
2. commit_ts are dense; the versions of a key are 1, 2, 3; the time never goes back (G6, G7).
3. Real time: no commit was sent after the answer to a commit that comes later in the log (G4).
4. Each read equals the log at its read_ts; its read_ts is not below what was acknowledged or read before
   it was sent, and not above what had been sent when it was answered (G3, G4, G6).
5. A commit of unknown outcome is in the log at most once, one that failed is not in it, and nothing else
   is in it (G1, G5).
6. Each page of a replay is the log's part that was asked for; the pages of a stream join (G7).
7. A log read after a restart begins with the log read before it (G2, G6).
8. What an acknowledged commit had read did not change between its read_ts and its commit_ts (G3).

A history of n rows takes O(n log n).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Entry, Event, Operation
from statehouse.protocol.requests import Copy, Delete, Extend, KeyRange, Write, WriteOperation
from statehouse.protocol.values import Payload
from statehouse.testing.history import CommitRow, ReadRow, ReplayRow, Row


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be.

    Attributes:
        check: The number of the check that found it.
        what: What it is, for people.
    """

    check: int
    what: str


def check_history(
    rows: Iterable[Row], log: Sequence[Event], *, earlier_logs: Sequence[Sequence[Event]] = ()
) -> list[Violation]:
    """Everything that is wrong with a history; empty when nothing is.

    Args:
        rows: What every client saw, in any order, but the pages of one stream in theirs.
        log: A replay of the whole store, read after the last row.
        earlier_logs: Replays of the whole store that were read before it, before restarts for example.
    """
    return list(_Checker(list(rows), log).violations(earlier_logs))


class _Index:
    # The log as dictionaries: what each key was at any commit_ts, and which keys an agent has.

    def __init__(self, log: Sequence[Event]) -> None:
        self.versions: dict[RecordKey, list[Entry]] = defaultdict(list)
        self.agents: dict[tuple[str, str], list[str]] = {}
        self.events: dict[tuple[str | None, str | None], list[int]] = defaultdict(list)
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for place, event in enumerate(log):
            self.events[None, None].append(place)
            for owner in {
                (operation.namespace, agent)
                for operation in event.operations
                for agent in (None, operation.agent_id)
            }:
                self.events[owner].append(place)
            for operation in event.operations:
                key = RecordKey(operation.namespace, operation.agent_id, operation.key)
                self.versions[key].append(
                    Entry(key, operation.payload, operation.version, event.commit_ts, operation.kind)
                )
                found[key.namespace, key.agent_id].add(key.key)
        for owner_, keys in found.items():
            self.agents[owner_] = sorted(keys)

    def entry(self, key: RecordKey, at: int) -> Entry:
        entries = self.versions.get(key, [])
        place = bisect_right(entries, at, key=lambda entry: entry.commit_ts)
        return entries[place - 1] if place else Entry(key, None, 0, 0, None)

    def keys(self, span: KeyRange) -> Iterator[RecordKey]:
        names = self.agents.get((span.namespace, span.agent_id), [])
        for place in range(bisect_left(names, max(span.prefix, span.first or "")), len(names)):
            name = names[place]
            if not name.startswith(span.prefix) or (span.last is not None and name > span.last):
                return
            yield RecordKey(span.namespace, span.agent_id, name)

    def existing(self, span: KeyRange, at: int) -> tuple[Entry, ...]:
        return tuple(entry for key in self.keys(span) if (entry := self.entry(key, at)).exists)

    def changed(self, key: RecordKey, after: int, before: int, *, membership: bool = False) -> bool:
        entries = self.versions.get(key, [])
        place = bisect_right(entries, after, key=lambda entry: entry.commit_ts)
        existed = place > 0 and entries[place - 1].exists
        for entry in entries[place:]:
            if entry.commit_ts >= before:
                return False
            if not membership or entry.exists != existed:
                return True
        return False


class _Checker:
    def __init__(self, rows: list[Row], log: Sequence[Event]) -> None:
        self.log = log
        self.index = _Index(log)
        self.commits = [row for row in rows if isinstance(row, CommitRow)]
        self.reads = [row for row in rows if isinstance(row, ReadRow)]
        self.replays = [row for row in rows if isinstance(row, ReplayRow)]
        self.places: dict[str, list[int]] = defaultdict(list)
        for place, event in enumerate(log):
            self.places[event.txn_id].append(place)
        self.sent: dict[str, int] = {}
        self.answered: dict[str, int] = {}
        for row in self.commits:
            self.sent[row.txn_id] = min(row.invoked_ns, self.sent.get(row.txn_id, row.invoked_ns))
            if row.outcome == "acknowledged" and row.returned_ns is not None:
                before = self.answered.get(row.txn_id, row.returned_ns)
                self.answered[row.txn_id] = min(row.returned_ns, before)
        # The latest moment at which any of the first n commits of the log was sent.
        self.sent_by = list(accumulate((self.sent.get(event.txn_id, 0) for event in log), max))

    def violations(self, earlier_logs: Sequence[Sequence[Event]]) -> Iterator[Violation]:
        yield from self._acknowledged()
        yield from self._numbering()
        yield from self._real_time()
        yield from self._reads()
        yield from self._unknown_and_failed()
        yield from self._replays()
        yield from self._restarts(earlier_logs)
        yield from self._isolation()

    def _acknowledged(self) -> Iterator[Violation]:
        for row in self.commits:
            if row.outcome == "acknowledged" and row.operations:
                places = self.places[row.txn_id]
                if [place + 1 for place in places] != [row.commit_ts]:
                    found = [place + 1 for place in places]
                    yield Violation(
                        1, f"{row.txn_id} was acknowledged as {row.commit_ts}; the log has it at {found}"
                    )
                else:
                    yield from self._same_operations(1, row)

    def _same_operations(self, check: int, row: CommitRow) -> Iterator[Violation]:
        event = self.log[self.places[row.txn_id][0]]
        asked = [self._expected(operation) for operation in row.operations]
        found = [
            (RecordKey(operation.namespace, operation.agent_id, operation.key), operation.payload)
            for operation in event.operations
            if _sound(operation)
        ]
        if asked != found:
            yield Violation(check, f"{row.txn_id} asked for {asked!r:.300} and the log has {found!r:.300}")

    def _expected(self, operation: WriteOperation) -> tuple[RecordKey, Payload | None]:
        match operation:
            case Write():
                return operation.key, operation.payload
            case Delete():
                return operation.key, None
            case Extend():
                entries = self.index.versions.get(operation.base_key, [])
                base = (
                    entries[operation.base_version - 1].payload
                    if operation.base_version <= len(entries)
                    else None
                )
                data = b"".join(
                    part if isinstance(part, bytes) else _copied(base, part) for part in operation.parts
                )
                return operation.key, Payload(operation.content_type, data)

    def _numbering(self) -> Iterator[Violation]:
        last_us = 0
        for place, event in enumerate(self.log, 1):
            if event.commit_ts != place:
                yield Violation(2, f"commit {place} of the log is numbered {event.commit_ts}")
            if event.committed_at_us < last_us:
                yield Violation(
                    2, f"the time of commit {event.commit_ts} is before that of the commit before"
                )
            last_us = event.committed_at_us
        for key, entries in self.index.versions.items():
            found = [entry.version for entry in entries]
            if found != list(range(1, len(found) + 1)):
                yield Violation(2, f"the versions of {key} are {found!r:.200}")

    def _real_time(self) -> Iterator[Violation]:
        for event, sent_by in zip(self.log, self.sent_by, strict=True):
            answered = self.answered.get(event.txn_id)
            if answered is not None and sent_by > answered:
                yield Violation(
                    3, f"commit {event.commit_ts} was answered before a commit that precedes it had been sent"
                )

    def _known_at(self) -> list[tuple[int, int]]:
        # Moments in order, each with the newest commit_ts that a client had been told of by then.
        told = [(row.returned_ns, row.commit_ts) for row in self.commits if row.outcome == "acknowledged"]
        told += [(row.returned_ns, row.read_ts) for row in self.reads]
        told += [(row.returned_ns, row.events[-1].commit_ts) for row in self.replays if row.events]
        moments = sorted((moment, commit_ts) for moment, commit_ts in told if moment is not None)
        newest = accumulate((commit_ts for _, commit_ts in moments), max)
        return [(moment, commit_ts) for (moment, _), commit_ts in zip(moments, newest, strict=True)]

    def _reads(self) -> Iterator[Violation]:
        known = self._known_at()
        answers = [
            (row.invoked_ns, row.returned_ns, row.read_ts, f"a read by {row.client}")
            for row in self.reads
            if not row.as_of
        ]
        answers += [
            (row.invoked_ns, row.returned_ns, row.commit_ts, f"the empty transaction {row.txn_id}")
            for row in self.commits
            if row.outcome == "acknowledged" and not row.operations and row.returned_ns is not None
        ]
        for invoked, returned, read_ts, what in answers:
            place = bisect_left(known, (invoked, 0))
            if place and known[place - 1][1] > read_ts:
                yield Violation(4, f"{what} was answered at {read_ts}, after {known[place - 1][1]} was known")
            if read_ts > len(self.log):
                yield Violation(4, f"{what} was answered at {read_ts}; the log ends at {len(self.log)}")
            elif read_ts and self.sent_by[read_ts - 1] > returned:
                yield Violation(4, f"{what} was answered at {read_ts} before a commit up to it had been sent")
        for row in self.reads:
            yield from self._read_equals_the_log(row)

    def _read_equals_the_log(self, row: ReadRow) -> Iterator[Violation]:
        if row.span is None:
            expected = tuple(self.index.entry(entry.key, row.read_ts) for entry in row.entries)
            found = row.entries
        else:
            expected = self.index.existing(row.span, row.read_ts)
            found = tuple(sorted(row.entries, key=lambda entry: entry.key))
            if row.span.keys_only:
                expected = tuple(Entry(e.key, None, e.version, e.commit_ts, e.kind) for e in expected)
        if found != expected:
            yield Violation(
                4, f"a read at {row.read_ts} found {found!r:.300}; the log says {expected!r:.300}"
            )

    def _unknown_and_failed(self) -> Iterator[Violation]:
        outcomes: dict[str, set[str]] = defaultdict(set)
        asked: dict[str, CommitRow] = {}
        for row in self.commits:
            outcomes[row.txn_id].add(row.outcome)
            asked[row.txn_id] = row
        for txn_id, seen in outcomes.items():
            times = len(self.places[txn_id])
            if seen == {"failed"} and times:
                yield Violation(5, f"{txn_id} failed, and is in the log")
            elif "acknowledged" not in seen and times > 1:
                yield Violation(5, f"{txn_id}, of unknown outcome, is in the log {times} times")
            elif "acknowledged" not in seen and times:
                yield from self._same_operations(5, asked[txn_id])
        for txn_id in self.places.keys() - outcomes.keys():
            if self.places[txn_id]:
                yield Violation(5, f"{txn_id} is in the log, and nobody asked for it")

    def _replays(self) -> Iterator[Violation]:
        next_from: dict[str, int] = {}
        for row in self.replays:
            if row.from_ts != next_from.get(row.stream, row.from_ts):
                yield Violation(
                    6, f"stream {row.stream} goes on at {row.from_ts}, not {next_from[row.stream]}"
                )
            next_from[row.stream] = row.through_commit_ts + 1
            expected = self._part_of_the_log(row)
            if list(row.events) != expected:
                found = [event.commit_ts for event in row.events]
                missing = [event.commit_ts for event in expected]
                yield Violation(
                    6,
                    f"stream {row.stream} from {row.from_ts} through {row.through_commit_ts} "
                    f"delivered {found!r:.300}; the log has {missing!r:.300}",
                )
            last = row.events[-1].commit_ts if row.events else 0
            if 0 < last <= len(self.log) and self.sent_by[last - 1] > row.returned_ns:
                yield Violation(6, f"stream {row.stream} delivered {last} before it had been sent")

    def _part_of_the_log(self, row: ReplayRow) -> list[Event]:
        places = self.index.events[row.namespace, row.agent_id]
        first = bisect_left(places, row.from_ts - 1)
        last = bisect_left(places, row.through_commit_ts)
        return [_filtered(self.log[place], row) for place in places[first:last]]

    def _restarts(self, earlier_logs: Sequence[Sequence[Event]]) -> Iterator[Violation]:
        for number, earlier in enumerate(earlier_logs, 1):
            if list(earlier) != list(self.log[: len(earlier)]):
                yield Violation(7, f"the log before restart {number} is not the beginning of the last one")

    def _isolation(self) -> Iterator[Violation]:
        for row in self.commits:
            if row.outcome == "acknowledged" and row.operations and row.read_ts is not None:
                changed = [*self._changed_keys(row, row.read_ts), *self._changed_ranges(row, row.read_ts)]
                if changed:
                    what = f"{row.txn_id} read {changed!r:.200} at {row.read_ts}"
                    yield Violation(8, f"{what} and was applied as {row.commit_ts}")

    def _changed_keys(self, row: CommitRow, read_ts: int) -> Iterator[RecordKey]:
        for key in row.reads:
            if self.index.changed(key, read_ts, row.commit_ts):
                yield key

    def _changed_ranges(self, row: CommitRow, read_ts: int) -> Iterator[KeyRange]:
        for span in row.ranges:
            if any(
                self.index.changed(key, read_ts, row.commit_ts, membership=span.keys_only)
                for key in self.index.keys(span)
            ):
                yield span


def _sound(operation: Operation) -> bool:
    # A write without a value, or a delete with one, never equals what was asked for.
    return (operation.payload is None) == (operation.kind == "delete")


def _copied(base: Payload | None, part: Copy) -> bytes:
    return b"" if base is None else base.data[part.start : part.stop]


def _filtered(event: Event, row: ReplayRow) -> Event:
    operations = tuple(
        operation
        for operation in event.operations
        if row.namespace in {None, operation.namespace} and row.agent_id in {None, operation.agent_id}
    )
    return Event(event.txn_id, event.commit_ts, event.committed_at_us, event.origin, operations)
