"""Pages of an overlay: the rows of two stores in one order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from statehouse.errors import InvalidArgumentError
from statehouse.extend import DEFAULT_LIMITS, Entry, History, Page, RecordKey, Scan, Status

if TYPE_CHECKING:
    from statehouse.debug.overlay.engine import OverlayEngine

DELETED: Final = "application/vnd.statehouse.deleted"
"""The content type of what stands for a delete in a layer."""


def over(key: RecordKey, upper: Entry, version_below: int, shift: int, *, keys_only: bool = False) -> Entry:
    """Gives an entry of the layer as the overlay shows it."""
    version, commit_ts = version_below + upper.version, upper.commit_ts + shift
    if is_delete(upper):
        return Entry(key, None, version, commit_ts, "delete")
    return Entry(key, None if keys_only else upper.payload, version, commit_ts, upper.kind)


def is_delete(upper: Entry) -> bool:
    """Whether an entry of a layer stands for a delete."""
    return upper.kind == "delete" or (upper.payload is not None and upper.payload.content_type == DELETED)


class _Cursor(NamedTuple):
    """Where the next page begins: as of which commit_ts, after which key."""

    at: int
    after: str

    def __str__(self) -> str:
        return json.dumps(list(self))

    @classmethod
    def parse(cls, text: str) -> _Cursor:
        try:
            at, after = json.loads(text)
            return cls(int(at), str(after))
        except (ValueError, TypeError):
            raise InvalidArgumentError(f"not a cursor of this store: {text!r:.80}") from None


class OverlayPages:
    """Answers scans and histories of an overlay."""

    def __init__(self, engine: OverlayEngine) -> None:
        self._engine = engine

    def scan(self, request: Scan) -> Page:
        """Answers a scan.

        Raises:
            InvalidArgumentError: Not a cursor of an overlay.
            StatehouseError: As a scan does.
        """
        engine = self._engine
        if not engine.layer.has(request.namespace):
            return engine.below.execute(request)
        at, after = request.at, request.after
        if request.cursor is not None:
            at, after = _Cursor.parse(request.cursor)
        if at is not None and at <= engine.at:
            return self._with_cursor(engine.below.execute(_again(request, at, after)), at)
        lower = engine.below.execute(_again(request, engine.seen_at(request.namespace), after))
        first = engine.layer.inward(RecordKey(request.namespace, request.agent_id, ""))
        inward = Scan(first.namespace, first.agent_id, request.prefix, engine.inward_ts(at),
                      request.reverse, False, request.limit, None, after)  # fmt: skip
        upper = engine.layer.engine.execute(inward)
        return self._merged(request, lower, upper, engine.outward_ts(upper.read_ts) if at is None else at)

    def _with_cursor(self, page: Page, at: int) -> Page:
        """A page of the store below, with a cursor of ours."""
        if page.cursor is None:
            return page
        return Page(page.entries, str(_Cursor(at, page.entries[-1].key.key)), at)

    def _merged(self, request: Scan, lower: Page, upper: Page, at: int) -> Page:
        engine = self._engine
        rows = {entry.key.key: entry for entry in lower.entries}
        for entry in upper.entries:
            name = RecordKey(request.namespace, request.agent_id, entry.key.key)
            below = rows.get(name.key)
            version = engine.version_below(name) if below is None else below.version
            rows[name.key] = over(name, entry, version, engine.layer.shift, keys_only=request.keys_only)
        ordered = sorted(rows, reverse=request.reverse)
        # Beyond the last row of a page that goes on, the other one may have rows that this one has not shown.
        ends = [page.entries[-1].key.key for page in (lower, upper) if page.cursor is not None]
        if ends:
            end = max(ends) if request.reverse else min(ends)
            ordered = [key for key in ordered if (key >= end if request.reverse else key <= end)]
        shown: list[Entry] = []
        size_bytes = 0
        for number, key in enumerate(ordered, 1):
            entry = rows[key]
            if entry.exists:
                shown.append(entry)
                size_bytes += 0 if entry.payload is None else len(entry.payload.data)
            is_full = len(shown) == request.limit or size_bytes >= DEFAULT_LIMITS.page_bytes_max
            if is_full and (ends or number < len(ordered)):
                return Page(tuple(shown), str(_Cursor(at, key)), at)
        return Page(tuple(shown), str(_Cursor(at, ordered[-1])) if ends else None, at)

    def history(self, request: History) -> Page:
        """Answers a history: what is below, and then what the layer has, or the other way round.

        Raises:
            InvalidArgumentError: Not a cursor of an overlay.
            StatehouseError: As a history does.
        """
        engine, key = self._engine, request.key
        if engine.is_below(key.namespace, request.at):
            return engine.below.execute(request)
        parts = ("upper", "lower") if request.reverse else ("lower", "upper")
        part, at, inner = parts[0], request.at, None
        if request.cursor is not None:
            part, at, inner = _part_of(request.cursor, parts)
        if at is None:
            at = engine.execute(Status()).commit_ts
        entries: list[Entry] = []
        while True:
            page = self._part(request, part, at, inner, request.limit - len(entries))
            entries += page.entries
            inner = page.cursor
            if inner is None and part == parts[1]:
                return Page(tuple(entries), None, at)
            if inner is None:
                part = parts[1]
            if inner is not None or len(entries) >= request.limit:
                return Page(tuple(entries), json.dumps([part, at, inner]), at)

    def _part(self, request: History, part: str, at: int, cursor: str | None, limit: int) -> Page:
        engine, key = self._engine, request.key
        if part == "lower":
            seen = None if cursor else engine.seen_at(key.namespace)
            return engine.below.execute(History(key, seen, request.reverse, limit, cursor))
        page = engine.layer.engine.execute(
            History(
                engine.layer.inward(key),
                None if cursor else engine.inward_ts(at),
                request.reverse,
                limit,
                cursor,
            )
        )
        below = engine.version_below(key)
        entries = tuple(over(key, entry, below, engine.layer.shift) for entry in page.entries)
        return Page(entries, page.cursor, page.read_ts)


def _part_of(cursor: str, parts: tuple[str, str]) -> tuple[str, int, str | None]:
    try:
        part, at, inner = json.loads(cursor)
    except (ValueError, TypeError):
        part, at, inner = "", 0, None
    if part not in parts or type(at) is not int or not isinstance(inner, str | None):
        raise InvalidArgumentError(f"not a cursor of this store: {cursor!r:.80}")
    return part, at, inner


def _again(request: Scan, at: int | None, after: str | None) -> Scan:
    return Scan(request.namespace, request.agent_id, request.prefix, at,
                request.reverse, request.keys_only, request.limit, None, after)  # fmt: skip
