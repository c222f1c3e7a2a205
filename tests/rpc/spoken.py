"""Everything that can be asked and answered, for Hypothesis: requests, and replies that fit them."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from statehouse.protocol.limits import COMMIT_TS_MAX
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import (
    AgentCounts,
    AgentPage,
    CheckPage,
    Committed,
    EngineVersion,
    Entry,
    Epoch,
    Erased,
    Event,
    EventPage,
    Located,
    NamespaceCounts,
    NamespacePage,
    Operation,
    OperationKind,
    Page,
    Problem,
    Read,
    StoreStatus,
    TxnOutcome,
)
from statehouse.protocol.requests import (
    Check,
    Commit,
    Copy,
    Delete,
    Erase,
    Extend,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    Health,
    History,
    KeyRange,
    ListAgents,
    ListNamespaces,
    LocateTime,
    LookupTxn,
    Precondition,
    Replay,
    Request,
    Scan,
    Status,
    Version,
    Write,
)
from statehouse.protocol.values import BYTES, JSON, Payload

some = settings(max_examples=settings().max_examples // 4)
"""As many examples as are enough where seventeen methods each have a test."""

words = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), max_size=8)
names = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1, max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(0, COMMIT_TS_MAX)
counts = st.integers(1, COMMIT_TS_MAX)
limits = st.integers(1, 10_000)
some_names = st.lists(names, max_size=3).map(tuple)
some_words = st.lists(words, max_size=3).map(tuple)
keys = st.builds(RecordKey, names, names, names)
payloads = st.builds(
    Payload, st.sampled_from([JSON, BYTES, "application/msgpack", "ä"]), st.binary(max_size=20)
)
origins = st.builds(
    Origin,
    trace_id=st.sampled_from(["", "0123456789abcdef" * 2]),
    span_id=st.sampled_from(["", "fedcba9876543210"]),
    agent_id=words,
    run_id=words,
    step=words,
    attributes=st.dictionaries(texts, texts, max_size=3),
)
at = st.none() | numbers
cursor = st.none() | words
milliseconds = st.integers(1, 3_600_000).map(lambda number: number / 1000)

parts = st.builds(Copy, numbers, numbers) | st.binary(max_size=5)
operations = (
    st.builds(Write, keys, payloads)
    | st.builds(Delete, keys)
    | st.builds(
        Extend, keys, keys, numbers, st.lists(parts, max_size=4).map(tuple), st.sampled_from([JSON, BYTES])
    )
)
ranges = st.builds(KeyRange, names, names, words, st.none() | names, st.none() | names, st.booleans())
preconditions = st.builds(Precondition, keys, version=numbers) | st.builds(
    Precondition, keys, commit_ts=numbers
)
commits = st.builds(
    Commit,
    txn_id=names,
    operations=st.lists(operations, max_size=4).map(tuple),
    read_ts=at,
    reads=st.lists(keys, max_size=3).map(tuple),
    ranges=st.lists(ranges, max_size=3).map(tuple),
    preconditions=st.lists(preconditions, max_size=3).map(tuple),
    origin=origins,
    made_at_ts=numbers,
    store_id=words,
    epoch=numbers,
    committed_at_us=numbers,
    timeout_s=milliseconds,
)

asked: dict[type[Request[Any]], st.SearchStrategy[Any]] = {
    Health: st.builds(Health),
    Version: st.builds(Version),
    Get: st.builds(Get, keys, at),
    GetAtVersion: st.builds(GetAtVersion, keys, counts),
    GetMany: st.builds(GetMany, st.lists(keys, max_size=4).map(tuple), at),
    Scan: st.builds(
        Scan, names, names, words, at, st.booleans(), st.booleans(), limits, cursor, st.none() | names
    ),
    History: st.builds(History, keys, at, st.booleans(), limits, cursor),
    ListAgents: st.builds(ListAgents, names, at, limits, cursor),
    ListNamespaces: st.builds(ListNamespaces, at, limits, cursor),
    Replay: st.builds(
        Replay,
        st.none() | names,
        st.none() | names,
        numbers,
        at,
        limits,
        st.just(0.0) | milliseconds,
        st.booleans(),
        words,
        numbers,
    ),
    FindEvents: st.builds(
        FindEvents, st.sampled_from(["trace", "span", "run", "txn"]), words, numbers, limits, words, numbers
    ),
    LocateTime: st.builds(LocateTime, numbers),
    LookupTxn: st.builds(LookupTxn, names),
    Commit: commits,
    Status: st.builds(Status),
    Check: st.builds(Check, cursor, limits),
    Erase: st.builds(Erase, names, names, some_names, some_words, st.booleans(), limits, cursor),
}
"""What can be asked, by the kind of request."""

done: tuple[OperationKind, ...] = ("write", "delete", "erased")
kinds: st.SearchStrategy[OperationKind | None] = st.none() | st.sampled_from(done)


@st.composite
def entries(draw: st.DrawFn, of: st.SearchStrategy[RecordKey], *, payload: bool = True) -> Entry:
    """An entry of some key."""
    kind = draw(kinds)
    value = draw(payloads) if payload and kind == "write" else None
    return Entry(draw(of), value, draw(numbers), draw(numbers), kind)


@st.composite
def pages(draw: st.DrawFn, rows: st.SearchStrategy[Entry]) -> Page:
    """A page of entries."""
    return Page(tuple(draw(st.lists(rows, max_size=4))), draw(cursor), draw(numbers))


@st.composite
def pages_of_many(draw: st.DrawFn, request: GetMany) -> Page:
    """A page that begins with the first key asked for and may end before the last."""
    found = [draw(entries(st.just(key))) for key in request.keys]
    shown = draw(st.integers(1, len(found))) if found else 0
    return Page(tuple(found[:shown]), None, draw(numbers))


@st.composite
def events(draw: st.DrawFn, request: Replay | FindEvents) -> Event:
    """An event that a request may find."""
    by = (request.namespace, request.agent_id) if isinstance(request, Replay) else (None, None)
    shown = not isinstance(request, Replay) or request.payloads
    operations_of_it = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(done))
        value = draw(payloads) if shown and kind == "write" else None
        owner = [draw(names) if asked_for is None else asked_for for asked_for in by]
        operations_of_it.append(Operation(owner[0], owner[1], draw(names), kind, draw(numbers), value))
    return Event(draw(names), draw(numbers), draw(numbers), draw(origins), tuple(operations_of_it))


statuses = st.builds(
    StoreStatus,
    state=st.sampled_from(["ok", "read_only", "refusing_writes"]),
    reason=texts,
    store_id=words,
    epoch=numbers,
    epochs=st.lists(st.builds(Epoch, numbers, numbers, texts), max_size=3).map(tuple),
    format=st.integers(0, 9),
    commit_ts=numbers,
    committed_at_us=numbers,
    horizon=numbers,
    dedup_horizon=numbers,
    head_digest=words,
    durability=st.sampled_from(["sync", "none"]),
    storage=words,
    size_bytes=numbers,
    queued_commits=numbers,
    followers=numbers,
    details=st.dictionaries(texts, texts, max_size=3),
)


def replies(request: Any) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0912 - one arm a request
    """What an engine may answer to a request."""
    match request:
        case Health():
            return texts
        case Version():
            return st.builds(EngineVersion, texts, texts)
        case Get() | GetAtVersion():
            return st.builds(Read, entries(st.just(request.key)), numbers)
        case GetMany():
            return pages_of_many(request)
        case Scan():
            found = st.builds(RecordKey, st.just(request.namespace), st.just(request.agent_id), names)
            return pages(entries(found, payload=not request.keys_only))
        case History():
            return pages(entries(st.just(request.key)))
        case ListAgents():
            agents = st.builds(AgentCounts, names, names, numbers, numbers, numbers)
            return st.builds(AgentPage, st.lists(agents, max_size=3).map(tuple), cursor, numbers)
        case ListNamespaces():
            spaces = st.builds(NamespaceCounts, names, numbers, numbers, numbers, numbers)
            return st.builds(NamespacePage, st.lists(spaces, max_size=3).map(tuple), cursor, numbers)
        case Replay() | FindEvents():
            found_events = st.lists(events(request), max_size=3).map(tuple)
            return st.builds(EventPage, found_events, numbers, st.booleans(), words, numbers)
        case LocateTime():
            return st.builds(Located, numbers, numbers)
        case LookupTxn():
            outcomes = st.sampled_from(["committed", "absent", "unknown"])
            return st.builds(TxnOutcome, st.just(request.txn_id), outcomes, numbers)
        case Commit():
            return st.builds(Committed, numbers, numbers, st.booleans())
        case Status():
            return statuses
        case Check():
            problems = st.builds(Problem, numbers, texts, texts)
            return st.builds(
                CheckPage, st.lists(problems, max_size=3).map(tuple), numbers, st.floats(0, 1), cursor, words
            )
        case Erase():
            return st.builds(Erased, numbers, numbers, some_names, cursor)
    raise AssertionError(request)
