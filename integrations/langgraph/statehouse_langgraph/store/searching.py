"""Searches: the newest items that a filter admits, or the nearest to a query.

Without a query, items come newest first, as the stores in SQLite and PostgreSQL give them. Which are newest
is told from keys alone, or from the end of the log where keys are many; values are read of the items that are
given, or where a filter asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from statehouse.extend import Entry, Flow
from statehouse_langgraph.store import filters, keys
from statehouse_langgraph.store.items import Found, FoundItem
from statehouse_langgraph.store.keys import Namespace
from statehouse_langgraph.store.namespaces import check_count
from statehouse_langgraph.store.reading import KEYS_AT_ONCE, ROWS_AT_ONCE, Reading, found_of
from statehouse_langgraph.store.recent import recent

if TYPE_CHECKING:
    from statehouse_langgraph.store.vectors import Ranking

_CANDIDATES_MIN: Final = 32
_CANDIDATES_MAX: Final = 2_000
_RECENT_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for.

    Attributes:
        prefix: The namespace in which, and below which, to look.
        filter: What values must hold; None for anything.
        limit: How many items at most.
        offset: How many to leave out first.
        query: What to be near to; None for the newest.
    """

    prefix: Namespace
    filter: Mapping[str, Any] | None
    limit: int
    offset: int
    query: str | None

    def __post_init__(self) -> None:
        for name, number in (("limit", self.limit), ("offset", self.offset)):
            check_count(name, number)
        if self.filter:
            filters.check(self.filter)

    @property
    def subtree(self) -> str:
        """What the names begin with."""
        return keys.subtree(self.prefix)


Hit = tuple[Found, float | None]
_Candidate = tuple[int, str, Found | None]
"""The negative commit_ts, so that the newest sorts first; the name; and the item, where it was read."""

_Page = tuple[list[Entry], str | None]


def newest(reading: Reading, search: Search) -> Flow[list[Hit]]:
    """Finds the newest items."""
    found = yield from _newest(reading, search, search.offset, search.limit, frozenset())
    return [(each, None) for each in found]


def nearest(reading: Reading, search: Search, ranking: Ranking) -> Flow[list[Hit]]:
    """Finds the nearest items; where they are too few, the newest of those without vectors follow."""
    hits: list[Hit] = []
    wanted = search.offset + search.limit
    size = max(_CANDIDATES_MIN, wanted)
    ranked = iter(ranking)
    while len(hits) < wanted:
        some = list(islice(ranked, min(size, _CANDIDATES_MAX)))
        if not some:
            break
        items = yield from reading.items([name for name, _ in some])
        hits += [
            (item, score)
            for item, (_, score) in zip(items, some, strict=True)
            if item is not None and (not search.filter or filters.admits(search.filter, item.record.value))
        ]
        size *= 2
    given = hits[search.offset : wanted]
    if len(given) < search.limit:
        offset = max(0, search.offset - len(hits))
        rest = yield from _newest(reading, search, offset, search.limit - len(given), ranking.ranked())
        given += [(each, None) for each in rest]
    return given


def results(hits: list[Hit]) -> list[FoundItem]:
    """Gives what was found as LangGraph takes it."""
    return [each.found(*keys.parse_name(each.name), score) for each, score in hits]


def _newest(
    reading: Reading, search: Search, offset: int, limit: int, without: AbstractSet[str]
) -> Flow[list[Found]]:
    wanted = offset + limit
    if not limit:
        return []
    if search.filter:
        page = yield from _page(reading, search, None)
        best = yield from _scan(reading, search, wanted, without, page)
        return [found for _, _, found in best[offset:] if found is not None]
    names = yield from _newest_names(reading, search, wanted, without)
    items = yield from reading.items(names[offset:])
    return [item for item in items if item is not None]


def _newest_names(
    reading: Reading, search: Search, wanted: int, without: AbstractSet[str]
) -> Flow[list[str]]:
    page = yield from _page(reading, search, None)
    if page[1] is not None and wanted <= _RECENT_MAX:
        found = yield from recent(reading, search.subtree, wanted, without)
        if found is not None:
            return [name for _, name in found]
    best = yield from _scan(reading, search, wanted, without, page)
    return [name for _, name, _ in best]


def _page(reading: Reading, search: Search, after: str | None) -> Flow[_Page]:
    return (
        yield from reading.page(
            keys.ITEMS,
            search.subtree,
            after=after,
            keys_only=not search.filter,
            limit=KEYS_AT_ONCE if after is not None and not search.filter else ROWS_AT_ONCE,
        )
    )


def _scan(
    reading: Reading, search: Search, wanted: int, without: AbstractSet[str], page: _Page
) -> Flow[list[_Candidate]]:
    """The newest of all items, from a first page on."""
    best: list[_Candidate] = []
    entries, after = page
    while True:
        worst = best[wanted - 1] if len(best) >= wanted else None
        size = sum(len(entry.payload.data) for entry in entries if entry.payload is not None)
        some = yield from reading.off_loop(
            size,
            lambda: list(_candidates(entries, search.filter, without, worst)),  # noqa: B023 - it is called now
        )
        gone = yield from reading.gone([name for _, name, _ in some])
        left = (each for each in (*best, *some) if each[1] not in gone)
        best = sorted(left, key=lambda each: each[:2])[:wanted]
        if after is None:
            return best
        entries, after = yield from _page(reading, search, after)


def _candidates(
    entries: Sequence[Entry],
    given: Mapping[str, Any] | None,
    without: AbstractSet[str],
    worst: _Candidate | None,
) -> Iterator[_Candidate]:
    """The items of a page that may be among the newest."""
    for entry in entries:
        name = entry.key.key
        newness = (-entry.commit_ts, name)
        if name in without or (worst is not None and newness >= worst[:2]):
            continue
        found = None
        if given:
            found = found_of(entry)
            if found is None or not filters.admits(given, found.record.value):
                continue
        yield (*newness, found)
