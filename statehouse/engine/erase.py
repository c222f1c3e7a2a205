"""Erasing: how values are taken out of a history that is never changed otherwise.

An erase is no commit and makes no event: the event log carries salted digests only and stays as it is. It
goes through the versions of the named records three times, a part for each request:

1. *mark*: a version up to the commit that was visible when the erase began loses its value, type and salt in
   all its rows. A rope's row keeps the places of its segments (`erased`).
2. *sweep*: the segments of marked versions go, some versions at a time. Versions of other records that share
   bytes with them are marked first, then segments are removed that no living version refers to, then the
   marked rows forget them. Left out where no rope was met.
3. *purge*: the store's files are rewritten without what was deleted and overwritten.

Rows change in errands of the writer, between two groups of commits. A part that is cut short, by a crash as
well, is finished when it is repeated from any point before it.

Invariants:

* E1. A row that claims a value has all its segments, at any moment: they go after its mark, and not while
  any row claims them.
* E2. Nothing new comes to refer to bytes that are being swept: while `State.erasing` is set, an `Extend` of a
  value that has some of them is refused; and what a commit copies, it copies from living versions.
* E3. One part runs at a time, so what a sweep found living is not swept by another.
* E4. An offset of a rope epoch with living bytes is never given twice: its end is kept.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from statehouse.engine import layout
from statehouse.engine.cursors import pack_cursor, unpack_cursor
from statehouse.engine.erased import erased_name_row, erased_row, pack_remains, remains_of
from statehouse.engine.errands import Rows
from statehouse.engine.layout import ERASED, INLINE, ROPE, Span
from statehouse.engine.past import Names, Version, versions_of, versions_since
from statehouse.engine.purge import Purger
from statehouse.engine.reads import check_limit
from statehouse.engine.spans import Spans
from statehouse.engine.state import State
from statehouse.engine.sweep import rows_without
from statehouse.errors import InvalidArgumentError, LimitExceededError, RefusingWritesError
from statehouse.protocol.limits import COMMIT_TS_MAX
from statehouse.protocol.names import check_key, check_text
from statehouse.protocol.replies import SHARED_KEYS_MAX, Erased
from statehouse.protocol.requests import Erase
from statehouse.storage import PAGE_ROWS, Row, Table

_MARK, _SWEEP, _PURGE = range(3)
_SWEEP_BYTES_MAX: Final = 256 << 20
"""How many bytes of values one part sweeps, or one value more."""

Run = Callable[[Rows], None]
"""`Writer.run`."""


class _Place(NamedTuple):
    """Where a part begins: the phase, whether a rope was met, and behind which version."""

    phase: int
    ropes: bool
    commit_ts: int
    name: bytes

    def pack(self) -> bytes:
        return bytes((self.phase, self.ropes)) + layout.pack_u64(self.commit_ts) + self.name

    @classmethod
    def unpack(cls, data: bytes) -> _Place:
        return cls(data[0], bool(data[1]), layout.unpack_u64(data[2:10]), data[10:])

    @property
    def after(self) -> tuple[bytes, int]:
        return self.name, self.commit_ts


@dataclass(slots=True)
class _Part:
    """What one request is about, and what it has done."""

    agent: bytes
    names: Names
    through: int
    request: Erase
    versions: int = 0
    shared_versions: int = 0
    shared_keys: set[bytes] = field(default_factory=set)

    @property
    def whole(self) -> bool:
        """Whether every record of the agent is named."""
        return self.names.ranges[0] == (self.agent, layout.prefix_end(self.agent))

    def count_shared(self, version: Version) -> None:
        """Counts a version that has to go because it shares bytes; a named one was written since."""
        if version.name in self.names:
            self.versions += 1
            return
        self.shared_versions += 1
        self.shared_keys.add(version.name)
        if len(self.shared_keys) > SHARED_KEYS_MAX:
            self.shared_keys.remove(max(self.shared_keys))

    def reply(self, cursor: str | None) -> Erased:
        """The reply."""
        keys = tuple(name[len(self.agent) :].decode() for name in sorted(self.shared_keys))
        return Erased(self.versions, self.shared_versions, keys, cursor)


class Eraser:
    """Answers `Erase`."""

    def __init__(self, state: State, run: Run, sync: Callable[[], None]) -> None:
        """Prepares to erase.

        Args:
            state: The store.
            run: Has the writer write rows between two groups; see `Writer.run`.
            sync: Returns when all that was written is durable.
        """
        self._state = state
        self._store = state.store
        self._run = run
        self._sync = sync
        self._turn = threading.Lock()
        self._purger = Purger(state.store)

    def close(self) -> None:
        """Returns when nothing is at work any more."""
        self._purger.close()

    def erase(self, request: Erase) -> Erased:
        """Does one part; see `Erase`."""
        state = self._state
        check_limit(state, request.limit)
        agent = state.agent_prefix(request.namespace, request.agent_id)
        names = _names(state, agent, request)
        if self._store.read_only and not request.dry_run:
            raise RefusingWritesError(
                "the store is open with read_only=True: erase through the process that has it, or open it "
                "without read_only"
            )
        scope = _scope(names, dry_run=request.dry_run)
        if request.cursor is None:
            through, place = state.visible, _Place(_MARK, ropes=False, commit_ts=0, name=b"")
        else:
            through, packed = unpack_cursor(state, scope, request.cursor)
            place = _Place.unpack(packed)
        part = _Part(agent, names, through, request)
        following = self._do(part, place, f"{through}\0{scope}")
        cursor = following and pack_cursor(state, scope, through, following.pack())
        return part.reply(cursor)

    def _do(self, part: _Part, place: _Place, what: str) -> _Place | None:
        if place.phase == _PURGE:
            # Whoever erases the same up to the same commit had swept it before a purge of that name began.
            return None if self._purger.is_done(what, part.agent) else place
        with self._turn:  # E3
            following = (self._mark if place.phase == _MARK else self._sweep)(part, place)
            if not part.request.dry_run:
                self._sync()
        return None if part.request.dry_run and following.phase == _PURGE else following

    def _mark(self, part: _Part, place: _Place) -> _Place:
        ropes, last, looked_at = place.ropes, None, 0
        living: list[tuple[Version, bytes]] = []
        found = versions_of(self._store, part.names, part.through, after=place.after)
        for version in islice(found, part.request.limit):
            last, looked_at = version, looked_at + 1
            flags = version.row[8]
            if flags & (INLINE | ROPE):
                living.append((version, _remains(version.row, shared=False)))
                part.versions += 1
            ropes = ropes or bool(flags & ROPE) or remains_of(version.row) is not None
            if len(living) == PAGE_ROWS:
                self._erase_rows(part, living)
                living = []
        self._erase_rows(part, living)
        if last is not None and looked_at == part.request.limit:
            return _Place(_MARK, ropes, last.commit_ts, last.name)
        return _Place(_SWEEP if ropes else _PURGE, ropes, 0, b"")

    def _erase_rows(self, part: _Part, living: Sequence[tuple[Version, bytes]]) -> None:
        """Takes the values from the rows of versions; what follows each is its `pack_remains`."""
        if part.request.dry_run or not living:
            return
        fingerprints = self._fingerprints({version.commit_ts for version, _ in living})

        def rows() -> Sequence[Row]:
            out: list[Row] = list(fingerprints)
            heads = self._store.get_many(Table.NAMES, [version.name for version, _ in living])
            for (version, remains), data in zip(living, heads, strict=True):
                out.append((Table.HISTORY, version.key, erased_row(version.row, remains)))
                if data is None:
                    raise layout.damaged(Table.NAMES, f"record {version.record_id} is missing")
                head = layout.unpack_name_head(data)
                if head[2] == version.commit_ts:
                    out.append((Table.NAMES, version.name, erased_name_row(head)))
            return out

        self._run(rows)

    def _fingerprints(self, commits: Iterable[int]) -> Iterator[Row]:
        """The rows of `txns` of some commits, without the SHA-256 that a value could be guessed with."""
        events = self._store.get_many(Table.EVENTS, [layout.pack_u64(commit_ts) for commit_ts in commits])
        keys = [layout.event_txn_key(event) for event in events if event is not None]
        for key, data in zip(keys, self._store.get_many(Table.TXNS, keys), strict=True):
            if data is not None and len(data) > 8:
                yield Table.TXNS, key, data[:8]

    def _sweep(self, part: _Part, place: _Place) -> _Place:
        window: list[Version] = []
        doomed, size = Spans(), 0
        last, looked_at = None, 0
        found = versions_of(self._store, part.names, part.through, after=place.after)
        for version in islice(found, part.request.limit):
            last, looked_at = version, looked_at + 1
            spans = _spans(version.row)
            if spans and (part.request.dry_run or version.row[8] & ERASED):
                window.append(version._replace(row=version.row[:8]))
                doomed.add(spans)
                size += sum(span.stop - span.start for span in spans)
                if size >= _SWEEP_BYTES_MAX:
                    break
        if window:
            self._sweep_window(part, window, doomed)
        if last is not None and (looked_at == part.request.limit or size >= _SWEEP_BYTES_MAX):
            return _Place(_SWEEP, place.ropes, last.commit_ts, last.name)
        return _Place(_PURGE, place.ropes, 0, b"")

    def _sweep_window(self, part: _Part, window: Sequence[Version], doomed: Spans) -> None:
        """Removes the bytes of some marked versions, and with them all that shares some."""
        if part.request.dry_run:
            for version in self._others(part):
                if version.row[8] & ROPE and doomed.overlap(_spans(version.row)):
                    part.count_shared(version)
            return
        self._state.erasing = doomed
        try:
            # Whatever is committed once this errand has run knows what is doomed (E2).
            self._run(tuple)
            dead = Spans()
            dead.merge(doomed)
            shared, living = self._mark_sharers(part, doomed, dead)
            if shared:
                # They may have bytes elsewhere too.
                living = self._living(part, dead)
            pending = deque(sorted(dead.epochs))
            while pending:
                self._run(partial(rows_without, self._store, pending, dead, living))
            # Last those by which a repetition finds the way here.
            self._forget(shared)
            self._forget(window)
        finally:
            self._state.erasing = None

    def _others(self, part: _Part) -> Iterator[Version]:
        """The versions of the agent that this erase does not name, or that were written since it began."""
        if part.whole:
            yield from versions_since(self._store, part.agent, part.through)
            return
        every = Names([(part.agent, layout.prefix_end(part.agent))])
        for version in versions_of(self._store, every, COMMIT_TS_MAX, ropes=True):
            if version.commit_ts > part.through or version.name not in part.names:
                yield version

    def _mark_sharers(self, part: _Part, doomed: Spans, dead: Spans) -> tuple[list[Version], Spans]:
        """Erases other versions that have doomed bytes.

        Returns:
            Those, with what an earlier erase left marked; and what all others have of the doomed rope epochs.
        """
        marked: list[Version] = []
        batch: list[tuple[Version, bytes]] = []
        living = Spans()
        for version in self._others(part):
            remains = remains_of(version.row)
            if remains is not None and remains.shared:
                dead.add(remains.spans)
                marked.append(version._replace(row=version.row[:8]))
                continue
            if not version.row[8] & ROPE:
                continue
            spans = _spans(version.row)
            if doomed.overlap(spans):
                dead.add(spans)
                batch.append((version, _remains(version.row, shared=True)))
                marked.append(version._replace(row=version.row[:8]))
                part.count_shared(version)
                if len(batch) == PAGE_ROWS:
                    self._erase_rows(part, batch)
                    batch = []
            else:
                living.add(span for span in spans if span[:2] in doomed.epochs)
        self._erase_rows(part, batch)
        return marked, living

    def _living(self, part: _Part, dead: Spans) -> Spans:
        """What living versions have of the rope epochs that have dead bytes."""
        living = Spans()
        epochs = dead.epochs
        for version in self._others(part):
            if version.row[8] & ROPE:
                living.add(span for span in _spans(version.row) if span[:2] in epochs)
        return living

    def _forget(self, versions: Sequence[Version]) -> None:
        """Takes the places of segments that are gone from the rows of erased versions."""
        for at in range(0, len(versions), PAGE_ROWS):
            some = versions[at : at + PAGE_ROWS]
            rows = [(Table.HISTORY, version.key, erased_row(version.row)) for version in some]
            self._run(partial(tuple, rows))


def _spans(row: bytes) -> Sequence[Span]:
    """The segments that a history row refers to, erased or not."""
    remains = remains_of(row)
    if remains is not None:
        return remains.spans
    if not row[8] & ROPE:
        return ()
    return [piece for piece in layout.unpack_history_row(row).pieces if isinstance(piece, Span)]


def _remains(row: bytes, *, shared: bool) -> bytes:
    spans = _spans(row)
    return pack_remains(spans, shared=shared) if spans else b""


def _names(state: State, agent: bytes, request: Erase) -> Names:
    """The records that a request names; raises as `Erase` says."""
    limit = state.limits.get_many_keys_max
    for what, texts in (("keys", request.keys), ("prefixes", request.prefixes)):
        if not isinstance(texts, tuple):
            raise InvalidArgumentError(f"{what} must be a tuple of str, not {type(texts).__name__}")
    count = len(request.keys) + len(request.prefixes)
    if not count:
        raise InvalidArgumentError(
            "an erase needs keys or prefixes; the empty prefix stands for all keys of the agent"
        )
    if count > limit:
        raise LimitExceededError(
            f"{count} keys and prefixes in one erase; the limit is {limit}", limit=limit, actual=count
        )
    ranges = []
    for key in request.keys:
        check_key(key, state.limits)
        name = agent + key.encode()
        ranges.append((name, name + b"\0"))
    for prefix in request.prefixes:
        check_text("prefix", prefix, state.limits.key_bytes_max, empty=True)
        within = agent + prefix.encode()
        ranges.append((within, layout.prefix_end(within)))
    return Names(ranges)


def _scope(names: Names, *, dry_run: bool) -> str:
    ranges = b"".join(start + b"\0\0" + stop + b"\0\0" for start, stop in names.ranges)
    return f"erase\0{dry_run}\0" + ranges.decode("latin-1")
