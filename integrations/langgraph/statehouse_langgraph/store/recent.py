"""The newest items by the end of the log, where going through all of them would take long."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

from statehouse import CompactedError
from statehouse.extend import EventPage, Flow, Replay, ask
from statehouse_langgraph.store import keys
from statehouse_langgraph.store.reading import Reading

_FIRST_COMMITS: Final = 2
_WIDER: Final = 8
_PAGES_MAX: Final = 8
"""More than these, and reading the keys costs less."""

Newness = tuple[int, str]
"""The negative commit_ts, so that the newest sorts first, and the name."""


def recent(
    reading: Reading, prefix: str, wanted: int, without: AbstractSet[str]
) -> Flow[list[Newness] | None]:
    """Finds the newest items whose names begin with a prefix, as of the reading's commit.

    What was written last is at the end of the log, whose stretches are read from there, each wider than the
    one before. What is found is newer than anything further back, so that enough is enough.

    Returns:
        So many as are wanted, the newest first; None where the end of the log does not have so many.
    """
    assert reading.read_ts is not None
    end, width = reading.read_ts, _FIRST_COMMITS
    seen: set[str] = set(without)
    found: list[Newness] = []
    pages = 0
    while end > 0 and pages < _PAGES_MAX:
        first = max(1, end - width + 1)
        read = yield from _stretch(reading, first, end, _PAGES_MAX - pages)
        if read is None:
            return None
        some = _written(read, prefix, seen)
        gone = yield from reading.gone([name for _, name in some])
        found += [each for each in some if each[1] not in gone]
        if len(found) >= wanted:
            return sorted(found)[:wanted]
        end, width, pages = first - 1, width * _WIDER, pages + len(read)
    return None


def _stretch(reading: Reading, first: int, last: int, pages_max: int) -> Flow[list[EventPage] | None]:
    request = Replay(reading.backing.namespace, keys.ITEMS, from_ts=first, to_ts=last, payloads=False)
    pages: list[EventPage] = []
    while len(pages) < pages_max:
        try:
            page = yield from ask(request)
        except CompactedError:
            return None
        pages.append(page)
        if page.done:
            return pages
        request = request.after(page)
    return None


def _written(pages: list[EventPage], prefix: str, seen: set[str]) -> list[Newness]:
    """What was written last, not deleted since; takes in which names had something done to them."""
    found: list[Newness] = []
    for page in reversed(pages):
        for event in reversed(page.events):
            for operation in event.operations:
                name = operation.key
                if name.startswith(prefix) and name not in seen:
                    seen.add(name)
                    if operation.kind == "write":
                        found.append((-event.commit_ts, name))
    return found
