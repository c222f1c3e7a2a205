"""A batch of operations: all reads see one commit, from before the batch; all writes are one commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langgraph.store.base import (
    GetOp,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    validate_op_namespace,
)

from statehouse import InvalidArgumentError
from statehouse.extend import Flow
from statehouse_langgraph.store import keys, putting, searching
from statehouse_langgraph.store.embedding import Index
from statehouse_langgraph.store.expiring import refresh
from statehouse_langgraph.store.keys import Namespace
from statehouse_langgraph.store.lifetimes import minutes
from statehouse_langgraph.store.namespaces import Listing, namespaces
from statehouse_langgraph.store.putting import Put
from statehouse_langgraph.store.reading import Backing, Reading
from statehouse_langgraph.store.records import encode_value
from statehouse_langgraph.store.searching import Hit, Search

if TYPE_CHECKING:
    from statehouse_langgraph.store.following import VectorCache
    from statehouse_langgraph.store.vectors import Floats, Ranking, Snapshot


@dataclass(frozen=True, slots=True)
class Get:
    """An item that is asked for."""

    name: str
    namespace: Namespace
    key: str


@dataclass(slots=True)
class Plan:
    """The operations of a batch, checked and in their kinds; the numbers are their places in it.

    Attributes:
        count: How many there are.
        gets: The items that are asked for.
        searches: The searches.
        listings: The lists of namespaces.
        puts: What is put or deleted, by name; the last one of a name counts.
        refreshing: The places of the reads that make items live longer.
    """

    count: int = 0
    gets: dict[int, Get] = field(default_factory=dict)
    searches: dict[int, Search] = field(default_factory=dict)
    listings: dict[int, Listing] = field(default_factory=dict)
    puts: dict[str, Put] = field(default_factory=dict)
    refreshing: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, ops: Iterable[Op], index: Index | None, expected_version: int | None = None) -> Plan:
        """Reads the operations.

        Args:
            ops: The operations.
            index: What semantic search is configured to do.
            expected_version: The version that every item which is put must have; None for any.

        Raises:
            InvalidArgumentError: One of them makes no sense.
            LimitExceededError: A name is too long, or a value too large.
            InvalidNamespaceError: A label of a namespace is empty, no text, or has a period.
        """
        plan = cls()
        for op in ops:
            validate_op_namespace(op)
            plan._add(op, index, expected_version)
            plan.count += 1
        return plan

    def _add(self, op: Op, index: Index | None, expected_version: int | None) -> None:
        place = self.count
        if isinstance(op, GetOp):
            namespace = tuple(op.namespace)
            self.gets[place] = Get(keys.name_of(namespace, op.key), namespace, op.key)
        elif isinstance(op, SearchOp):
            # Without an index a query says nothing, in LangGraph's own stores too.
            query = op.query if index is not None and op.query else None
            self.searches[place] = Search(tuple(op.namespace_prefix), op.filter, op.limit, op.offset, query)
        elif isinstance(op, ListNamespacesOp):
            conditions = tuple((each.match_type, tuple(each.path)) for each in op.match_conditions or ())
            self.listings[place] = Listing(conditions, op.max_depth, op.limit, op.offset)
        elif isinstance(op, PutOp):
            new = _put(op, index, expected_version)
            self.puts[new.name] = new
        else:
            raise InvalidArgumentError(f"a batch has no operation of type {type(op).__name__}")
        if isinstance(op, GetOp | SearchOp) and op.refresh_ttl:
            self.refreshing.add(place)

    def texts(self) -> list[str]:
        """What is to be embedded of what is put, each text once."""
        return list(dict.fromkeys(text for put in self.puts.values() for _, text in put.texts))

    def queries(self) -> list[str]:
        """What is searched for, each text once."""
        return list(dict.fromkeys(each.query for each in self.searches.values() if each.query is not None))


@dataclass(frozen=True, slots=True)
class Vectors:
    """What the texts of a batch became.

    Attributes:
        texts: Of what is put.
        queries: Of what is searched for.
    """

    texts: Mapping[str, Floats] = field(default_factory=dict)
    queries: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Means:
    """What a batch is done with.

    Attributes:
        backing: The store's.
        index: What semantic search is configured to do; None for none.
        cache: The vectors in memory; None without an index.
    """

    backing: Backing
    index: Index | None
    cache: VectorCache | None


def do(means: Means, plan: Plan, vectors: Vectors, *, awaiting: bool) -> Flow[list[Result]]:
    """Does a batch.

    Raises (in the flow):
        ItemChangedError: An item has another version than was expected.
        StatehouseError: As reads and commits do.
    """
    reading = Reading(means.backing, means.backing.now_us(), awaiting=awaiting)
    results, read = yield from _read(means, reading, plan, vectors, past=False)
    if plan.puts:
        index = means.index
        yield from putting.put(
            means.backing,
            [
                (put, None if index is None else index.record(put.texts, vectors.texts))
                for put in plan.puts.values()
            ],
        )
    expiries = {
        name: reading.expiries[name] for name in read if name in reading.expiries and name not in plan.puts
    }
    yield from refresh(means.backing, expiries)
    return results


def look(means: Means, plan: Plan, vectors: Vectors, reading: Reading) -> Flow[list[Result]]:
    """Does the reads of a batch as of the commit and the time that a reading has."""
    results, _ = yield from _read(means, reading, plan, vectors, past=True)
    return results


def _read(
    means: Means,
    reading: Reading,
    plan: Plan,
    vectors: Vectors,
    *,
    past: bool,
) -> Flow[tuple[list[Result], list[str]]]:
    """Gives the results, and the names of the items that were read and so live longer."""
    results: list[Any] = [None] * plan.count
    read: list[str] = []
    snapshots: dict[str, Snapshot] = {}
    # What is in memory is of the present; the past is read for each search.
    if vectors.queries and not past:
        snapshots = yield from _snapshots(means, reading, plan.searches.values())
    # One request for all that is asked for, however much.
    found = yield from reading.items([get.name for get in plan.gets.values()])
    for (place, get), item in zip(plan.gets.items(), found, strict=True):
        if item is not None:
            results[place] = item.item(get.namespace, get.key)
            if place in plan.refreshing:
                read.append(item.name)
    for place, search in plan.searches.items():
        hits = yield from _search(means, reading, search, vectors.queries, snapshots)
        results[place] = searching.results(hits)
        if place in plan.refreshing:
            read += [item.name for item, _ in hits]
    for place, listing in plan.listings.items():
        results[place] = yield from namespaces(reading, listing)
    return results, read


def _snapshots(means: Means, reading: Reading, searches: Iterable[Search]) -> Flow[dict[str, Snapshot]]:
    assert means.cache is not None
    prefixes = list(dict.fromkeys(search.subtree for search in searches if search.query is not None))
    found = yield from means.cache.snapshots(means.backing, prefixes)
    for snapshot in found.values():
        reading.read_ts = snapshot.commit_ts
    return found


def _search(
    means: Means,
    reading: Reading,
    search: Search,
    queries: Mapping[str, Floats],
    snapshots: Mapping[str, Snapshot],
) -> Flow[list[Hit]]:
    if search.query is None:
        return (yield from searching.newest(reading, search))
    assert means.cache is not None
    query, snapshot = queries[search.query], snapshots.get(search.subtree)
    ranking: Ranking
    if snapshot is None:
        ranking = yield from means.cache.stream(reading, search.subtree, query)
    else:
        # Multiplying is faster than decoding, which the limit is made for.
        ranking = yield from reading.off_loop(snapshot.work_bytes // 64, lambda: snapshot.rank(query))
    return (yield from searching.nearest(reading, search, ranking))


def _put(op: PutOp, index: Index | None, expected_version: int | None) -> Put:
    namespace = tuple(op.namespace)
    name = keys.name_of(namespace, op.key)
    if op.value is None:
        return Put(name, namespace, op.key, None, expected_version=expected_version)
    what = f"item {op.key!r:.80} of {namespace!r:.80}"
    encoded = encode_value(op.value, what)
    return Put(
        name,
        namespace,
        op.key,
        encoded,
        () if index is None else tuple(index.texts(op.value, op.index)),
        None if op.ttl is None else minutes(f"the ttl of {what}", op.ttl),
        expected_version,
    )


def check_version(expected_version: object) -> int | None:
    """Checks what `expected_version` says.

    Raises:
        InvalidArgumentError: It is no number from 0.
    """
    if expected_version is None or (
        isinstance(expected_version, int) and not isinstance(expected_version, bool) and expected_version >= 0
    ):
        return expected_version
    raise InvalidArgumentError(
        f"expected_version must be a number from 0 (no item): {expected_version!r:.80}"
    )
