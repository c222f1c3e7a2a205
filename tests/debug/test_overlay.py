"""An overlay over a store is as that store would be with all of it committed to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statehouse.debug.overlay.engine import OverlayEngine
from statehouse.debug.overlay.layers import ForkLayer, MemoryLayer
from statehouse.engine import open_engine
from statehouse.errors import InvalidArgumentError, RefusingWritesError, StatehouseError
from statehouse.extend import (
    Commit,
    Copy,
    Delete,
    Engine,
    Entry,
    Erase,
    Extend,
    Get,
    GetAtVersion,
    GetMany,
    History,
    KeyRange,
    ListAgents,
    LookupTxn,
    Payload,
    Precondition,
    RecordKey,
    Replay,
    Request,
    Scan,
    Status,
    Write,
)
from statehouse.storage.memory import MemoryStore

KEYS = ("a", "ab", "b", "c/1", "c/2")
AGENTS = ("planner", "other")
LAYERS: dict[str, Callable[[Engine, int], OverlayEngine]] = {
    "memory": lambda store, at: OverlayEngine(store, at, MemoryLayer(at)),
    "fork": lambda store, at: OverlayEngine(store, at, ForkLayer(store, "r-1")),
}

Make = Callable[[int, int, int], Commit]

NAMES = st.builds(RecordKey, st.just("default"), st.sampled_from(AGENTS), st.sampled_from(KEYS))
VALUES = st.binary(min_size=1, max_size=6).map(lambda data: Payload("application/octet-stream", data))
OPERATIONS = st.one_of(st.builds(Write, NAMES, VALUES), st.builds(Delete, NAMES))
RANGES = st.builds(
    KeyRange,
    st.just("default"),
    st.sampled_from(AGENTS),
    st.sampled_from(("", "a", "c/")),
    keys_only=st.just(value=False),
)


@st.composite
def commits(draw: st.DrawFn) -> Make:
    """A commit, given its number, and the newest and the oldest commit_ts that it can have read at."""
    operations = draw(st.lists(OPERATIONS, min_size=1, max_size=3, unique_by=lambda each: each.key))
    reads = tuple(draw(st.lists(NAMES, max_size=2, unique=True)))
    ranges = tuple(draw(st.lists(RANGES, max_size=1)))
    age = draw(st.integers(0, 2))
    wanted = draw(st.lists(st.tuples(NAMES, st.integers(0, 2)), max_size=1))

    def made(number: int, newest: int, oldest: int) -> Commit:
        return Commit(
            f"txn-{number}",
            tuple(operations),
            read_ts=max(oldest, newest - age) if reads or ranges else None,
            reads=reads,
            ranges=ranges,
            preconditions=tuple(Precondition(name, version) for name, version in wanted),
        )

    return made


@contextmanager
def stores(kind: str) -> Iterator[tuple[Engine, Engine]]:
    """A store that all is committed to, and one for what is below."""
    plain, below = (open_engine(MemoryStore(), durability="none") for _ in range(2))
    try:
        yield plain, below
    finally:
        plain.close()
        below.close()


def outcome(engine: Engine, commit: Commit) -> Any:
    """What became of a commit: its place, or which error."""
    try:
        return engine.execute(commit).commit_ts
    except StatehouseError as error:
        return error.code


def paged(engine: Engine, request: Scan | History) -> list[Entry]:
    """All rows of all pages."""
    rows: list[Entry] = []
    while True:
        page = engine.execute(request)
        rows += page.entries
        if page.cursor is None:
            return rows
        request = replace(request, at=None, cursor=page.cursor)


def everything(engine: Engine, newest: int, limit: int) -> dict[str, Any]:
    """All that can be asked about the state and the history of it."""
    found: dict[str, Any] = {}
    names = [RecordKey("default", agent_id, key) for agent_id in AGENTS for key in KEYS]
    for at in (None, *range(newest + 1)):
        found[f"many {at}"] = engine.execute(GetMany(tuple(names), at))
        found[f"get {at}"] = [engine.execute(Get(name, at)) for name in names]
        for agent_id in AGENTS:
            for prefix, reverse, keys_only in (("", False, False), ("a", True, False), ("c/", False, True)):
                scan = Scan("default", agent_id, prefix, at, reverse, keys_only, limit)
                found[f"scan {at} {agent_id} {prefix}"] = paged(engine, scan)
    for name in names:
        for reverse in (False, True):
            rows = found[f"history {name} {reverse}"] = paged(engine, History(name, None, reverse, limit))
        found[f"versions {name}"] = [engine.execute(GetAtVersion(name, row.version)).entry for row in rows]
    for agent_id in AGENTS:
        found[f"events {agent_id}"] = events(engine, agent_id)
    return found


def events(engine: Engine, agent_id: str) -> list[Any]:
    """The events of an agent: what, when, by which transaction."""
    request: Replay | None = Replay("default", agent_id, to_ts=engine.execute(Status()).commit_ts)
    found: list[Any] = []
    while request is not None:
        page = engine.execute(request)
        found += [(event.commit_ts, event.txn_id, event.operations) for event in page.events]
        request = None if page.done else request.after(page)
    return found


@pytest.mark.parametrize("kind", LAYERS)
@settings(max_examples=60)
@given(program=st.lists(commits(), min_size=1, max_size=8), split=st.integers(0, 8), limit=st.integers(1, 3))
def test_an_overlay_answers_as_one_store_would(
    kind: str, program: list[Make], split: int, limit: int
) -> None:
    with stores(kind) as (plain, below):
        newest = oldest = 0
        overlay: Engine | None = None
        for number, make in enumerate(program):
            if number == min(split, len(program) - 1):
                overlay, oldest = LAYERS[kind](below, newest), newest
            commit = make(number, newest, oldest)
            expected = outcome(plain, commit)
            assert outcome(below if overlay is None else overlay, commit) == expected
            newest = plain.execute(Status()).commit_ts
        assert overlay is not None
        assert overlay.execute(Status()).commit_ts == newest
        assert everything(overlay, newest, limit) == everything(plain, newest, limit)
        for number in range(len(program)):
            asked = LookupTxn(f"txn-{number}")
            assert overlay.execute(asked) == plain.execute(asked)
        overlay.close()


@pytest.fixture(params=LAYERS)
def layered(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, OverlayEngine]]:
    """A store with two commits, and an overlay on the first."""
    store = open_engine(MemoryStore(), durability="none")
    for number in (1, 2):
        store.execute(Commit(f"txn-{number}", (Write(name("k"), value(b"%d" % number)),)))
    overlay = LAYERS[request.param](store, 1)
    yield store, overlay
    overlay.close()
    store.close()


def name(key: str) -> RecordKey:
    return RecordKey("default", "planner", key)


def value(data: bytes) -> Payload:
    return Payload("application/octet-stream", data)


def test_what_is_written_over_a_store_is_not_in_it(layered: tuple[Engine, OverlayEngine]) -> None:
    store, overlay = layered
    overlay.execute(Commit("mine", (Write(name("k"), value(b"mine")), Delete(name("other")))))
    assert store.execute(Get(name("k"))).entry.payload == value(b"2")
    assert overlay.execute(Get(name("k"))).entry.payload == value(b"mine")
    assert overlay.execute(Get(name("k"), 1)).entry.payload == value(b"1")
    assert not overlay.execute(Get(name("other"))).entry.exists


def test_what_was_committed_later_is_not_seen(layered: tuple[Engine, OverlayEngine]) -> None:
    store, overlay = layered
    store.execute(Commit("later", (Write(name("k"), value(b"later")),)))
    assert overlay.execute(Get(name("k"))).entry.payload == value(b"1")


def test_a_value_grows_over_one_that_is_below(layered: tuple[Engine, OverlayEngine]) -> None:
    _, overlay = layered
    grown = Extend(name("k"), name("k"), 1, (Copy(0, 1), b"!"), "application/octet-stream")
    overlay.execute(Commit("grown", (grown,)))
    entry = overlay.execute(Get(name("k"))).entry
    assert (entry.payload, entry.version) == (value(b"1!"), 2)


def test_a_commit_that_is_repeated_is_applied_once(layered: tuple[Engine, OverlayEngine]) -> None:
    _, overlay = layered
    commit = Commit("once", (Write(name("k"), value(b"x")),), preconditions=(Precondition(name("k"), 1),))
    first = overlay.execute(commit)
    again = overlay.execute(commit)
    assert (again.commit_ts, again.repeated) == (first.commit_ts, True)
    assert overlay.execute(Get(name("k"))).entry.version == 2


def test_an_overlay_over_an_overlay_sees_both(layered: tuple[Engine, OverlayEngine]) -> None:
    _, overlay = layered
    at = overlay.execute(Commit("one", (Write(name("x"), value(b"x")),))).commit_ts
    upper = OverlayEngine(overlay, at, MemoryLayer(at))
    upper.execute(Commit("two", (Write(name("y"), value(b"y")),)))
    page = upper.execute(Scan("default", "planner"))
    assert [entry.key.key for entry in page.entries] == ["k", "x", "y"]
    upper.close()


def test_what_makes_no_sense_over_a_store_is_refused(layered: tuple[Engine, OverlayEngine]) -> None:
    _, overlay = layered
    with pytest.raises(RefusingWritesError, match="nothing is erased"):
        overlay.execute(Erase("default", "planner", ("k",)))
    with pytest.raises(InvalidArgumentError, match="ask the store itself"):
        overlay.execute(ListAgents("default"))
    for request in (Scan("default", "planner", cursor="?"), History(name("k"), cursor="?")):
        with pytest.raises(InvalidArgumentError, match="not a cursor"):
            overlay.execute(request)


class Interrupted:
    """An engine with which something happens before each read of a key, as another thread might do it."""

    def __init__(self, inner: Engine, meanwhile: Callable[[], object]) -> None:
        self._inner = inner
        self._meanwhile = meanwhile

    def execute(self, request: Request[Any]) -> Any:
        """Answers."""
        if isinstance(request, Get):
            self._meanwhile()
        return self._inner.execute(request)

    def submit(self, request: Request[Any]) -> Future[Any]:
        """Begins."""
        return self._inner.submit(request)

    def close(self) -> None:
        """Closes."""
        self._inner.close()


def test_what_is_adopted_while_a_commit_is_made_holds_it_up_in_no_way() -> None:
    with stores("memory") as (store, _):
        layer = MemoryLayer(0)
        overlay = OverlayEngine(store, 0, layer)
        adopted = Commit("adopted", (Write(name("k"), value(b"adopted")),))
        layer.engine = Interrupted(layer.engine, lambda: overlay.adopt(lambda: [adopted]))
        commit = Commit(
            "own", (Write(name("k"), value(b"own")),), preconditions=(Precondition(name("k"), 0),)
        )
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(overlay.execute, commit).result(30).commit_ts == 1
        overlay.close()


@pytest.mark.parametrize("kind", LAYERS)
def test_what_is_adopted_while_others_commit_holds_nobody_up(kind: str) -> None:
    with stores(kind) as (store, _):
        overlay = LAYERS[kind](store, store.execute(Status()).commit_ts)

        def writes(number: int) -> None:
            for part in range(20):
                key = name(f"own-{number}")
                wanted = Precondition(key, part)
                overlay.execute(
                    Commit(f"own-{number}-{part}", (Write(key, value(b"x")),), preconditions=(wanted,))
                )

        def adopts() -> None:
            for number in range(200):
                commit = Commit(f"adopted-{number}", (Write(name("adopted"), value(b"%d" % number)),))
                overlay.adopt(lambda commit=commit: [commit])  # type: ignore[misc] # mypy cannot infer it

        with ThreadPoolExecutor(4) as threads:
            tasks = [threads.submit(writes, number) for number in range(3)] + [threads.submit(adopts)]
            for task in tasks:
                task.result(60)
        assert overlay.execute(Get(name("adopted"))).entry.payload == value(b"199")
        assert overlay.execute(Get(name("own-2"))).entry.version == 20
        overlay.close()
