"""Which namespaces a store has: those with an item in them.

Names sort as namespaces do, so a walk over keys finds them in order, jumps over the items of a namespace that
is known already, and stops when there are enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from statehouse import InvalidArgumentError
from statehouse.extend import Entry, Flow
from statehouse_langgraph.store import keys
from statehouse_langgraph.store.keys import Namespace
from statehouse_langgraph.store.reading import ROWS_AT_ONCE, Reading

_ANY: Final = "*"
_KINDS: Final = ("prefix", "suffix")


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed.

    Attributes:
        conditions: (``prefix`` or ``suffix``, labels) that must all hold; ``*`` stands for any one label.
        max_depth: Cut namespaces to so many labels; None for whole ones.
        limit: How many at most.
        offset: How many to leave out first.
    """

    conditions: tuple[tuple[str, Namespace], ...]
    max_depth: int | None
    limit: int
    offset: int

    def __post_init__(self) -> None:
        check_count("limit", self.limit)
        check_count("offset", self.offset)
        if self.max_depth is not None:
            check_count("max_depth", self.max_depth)
        for kind, _ in self.conditions:
            if kind not in _KINDS:
                raise InvalidArgumentError(f"namespaces match by 'prefix' or 'suffix', not {kind!r:.40}")

    @property
    def common(self) -> Namespace:
        """What all namespaces that match begin with."""
        found: Namespace = ()
        for kind, path in self.conditions:
            literal = path[: path.index(_ANY)] if _ANY in path else path
            if kind == "prefix" and len(literal) > len(found):
                found = literal
        return found

    def matches(self, namespace: Namespace) -> bool:
        """Whether all conditions hold."""
        return all(
            len(namespace) >= len(path)
            and all(
                wanted in (_ANY, label)
                for wanted, label in zip(
                    path,
                    namespace if kind == "prefix" else namespace[len(namespace) - len(path) :],
                    strict=False,
                )
            )
            for kind, path in self.conditions
        )


def check_count(name: str, number: object) -> None:
    """Raises InvalidArgumentError unless this is an integer from 0."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise InvalidArgumentError(f"{name} must be 0 or more: {number!r:.80}")


def namespaces(reading: Reading, listing: Listing) -> Flow[list[Namespace]]:
    """Lists namespaces, in order."""
    found: list[Namespace] = []
    wanted = listing.offset + listing.limit if listing.limit else 0
    prefix = keys.subtree(listing.common)
    after: str | None = None
    more = True
    while more and len(found) < wanted:
        entries, last = yield from reading.page(
            keys.ITEMS, prefix, after=after, keys_only=True, limit=ROWS_AT_ONCE
        )
        gone = yield from reading.gone([entry.key.key for entry in entries])
        _take(found, [entry for entry in entries if entry.key.key not in gone], listing)
        more = last is not None
        after = None if last is None else _onward(found, last, listing)
    return found[listing.offset : wanted]


def _take(found: list[Namespace], entries: Sequence[Entry], listing: Listing) -> None:
    before: Namespace | None = None
    for entry in entries:
        namespace, _ = keys.parse_name(entry.key.key)
        if namespace == before:
            continue
        before = namespace
        if listing.matches(namespace):
            shown = namespace[: listing.max_depth]
            # In order, so that equal ones follow each other.
            if not found or found[-1] != shown:
                found.append(shown)


def _onward(found: list[Namespace], last: str, listing: Listing) -> str:
    """Where to go on after a name: behind what would only say again what is known."""
    namespace, _ = keys.parse_name(last)
    if found and listing.max_depth and namespace[: listing.max_depth] == found[-1]:
        if len(found[-1]) == listing.max_depth:
            return max(last, keys.after_subtree(found[-1]))
        return max(last, keys.after_items(namespace))
    if not listing.matches(namespace) or (found and found[-1] == namespace):
        return max(last, keys.after_items(namespace))
    return last
