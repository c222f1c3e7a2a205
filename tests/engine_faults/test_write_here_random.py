"""Whatever is held at once: the same answers, and the same store, as when it comes one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from statehouse.engine import LocalEngine
from statehouse.errors import StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import (
    Commit,
    Copy,
    Delete,
    Extend,
    GetMany,
    History,
    KeyRange,
    Precondition,
    Scan,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import BYTES, Payload
from statehouse.testing.clock import ManualClock
from statehouse.testing.faults import FaultStore
from statehouse.testing.reference import ReferenceEngine
from tests.engine_faults.gates import WAIT_S
from tests.engine_faults.workload import assert_sound, events_of, filler, open_on

KEYS: Final = tuple(RecordKey("n", agent, key) for agent in "ab" for key in ("k", "l"))
BASE: Final = KEYS[0]
BASE_BYTES: Final = 3000
BEFORE: Final = (
    Commit("before 1", (Write(BASE, Payload(BYTES, filler("base", BASE_BYTES))),)),
    Commit("before 2", (Write(KEYS[2], Payload(BYTES, b"2")), Delete(KEYS[3]))),
    Commit("before 3", (Write(KEYS[1], Payload(BYTES, b"3")),)),
)
"""What all that comes later may have read."""

keys = st.sampled_from(KEYS)
payloads = st.sampled_from([b"", b"v", b"w" * 1500]).map(lambda data: Payload(BYTES, data))
parts = st.sampled_from([(b"short",), (Copy(0, 1000), b"more"), (Copy(0, 1000), filler("new", 1200))])
operations: st.SearchStrategy[WriteOperation] = st.one_of(
    st.builds(Write, keys, payloads),
    st.builds(Delete, keys),
    # Of versions that are there, that others of the group make, and that nobody makes.
    st.builds(Extend, st.sampled_from(KEYS[:2]), st.just(BASE), st.integers(1, 4), parts, st.just(BYTES)),
)
preconditions = st.builds(Precondition, keys, version=st.integers(0, 4)) | st.builds(
    Precondition, keys, commit_ts=st.integers(0, 8)
)
ranges = st.builds(KeyRange, st.just("n"), st.sampled_from("ab"), st.sampled_from(["", "k"]))


@st.composite
def commits(draw: st.DrawFn) -> list[Commit]:
    """Those that come at once: they may contradict each other, depend on each other, or come twice."""
    given: list[Commit] = []
    for number in range(draw(st.integers(8, 24))):
        whose = draw(st.sampled_from(["new"] * 8 + ["old", "another's"])) if given else "new"
        if whose == "old":
            given.append(draw(st.sampled_from(given)))
        else:
            txn_id = draw(st.sampled_from(given)).txn_id if whose == "another's" else f"txn {number}"
            given.append(draw(commit(txn_id)))
    return given


@st.composite
def commit(draw: st.DrawFn, txn_id: str) -> Commit:
    """One that has read something, or expects something, now and then."""
    reading, expecting = draw(st.integers(0, 3)) == 0, draw(st.integers(0, 3)) == 0
    return Commit(
        txn_id,
        tuple(draw(st.lists(operations, max_size=3, unique_by=lambda operation: operation.key))),
        read_ts=draw(st.integers(0, len(BEFORE))) if reading else None,
        reads=tuple(draw(st.lists(keys, max_size=2))) if reading else (),
        ranges=tuple(draw(st.lists(ranges, max_size=1))) if reading else (),
        preconditions=(draw(preconditions),) if expecting else (),
        timeout_s=60.0,
    )


Answer = Committed | tuple[type[StatehouseError], str]
"""What was committed when, or how it was refused, and in which words."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of commits.

    Attributes:
        answers: What each was answered.
        store: What can be read afterwards.
    """

    answers: list[Answer]
    store: list[object]


Way = Callable[[LocalEngine, Sequence[Commit]], list[Answer]]


def answer(ask: Callable[[], Committed]) -> Answer:
    try:
        return ask()
    except StatehouseError as error:
        return type(error), str(error)


def held(engine: LocalEngine, given: Sequence[Commit]) -> list[Answer]:
    engine.hold()
    futures = [engine.submit(commit) for commit in given]
    engine.write_here()
    return [answer(partial(future.result, WAIT_S)) for future in futures]


def submitted(engine: LocalEngine, given: Sequence[Commit]) -> list[Answer]:
    return [answer(partial(engine.submit(commit).result, WAIT_S)) for commit in given]


def executed(engine: Engine, given: Sequence[Commit]) -> list[Answer]:
    return [answer(partial(engine.execute, commit)) for commit in given]


def readable(engine: Engine) -> list[object]:
    """All that can be read, of now and of before."""
    events = events_of(engine)
    pages = [engine.execute(GetMany(KEYS, at)) for at in range(len(events) + 1)]
    histories = [engine.execute(History(key)) for key in KEYS]
    scans = [engine.execute(Scan("n", agent, "")) for agent in "ab"]
    return [events, pages, histories, scans]


def come(way: Way, given: Sequence[Commit]) -> Told:
    engine = open_on(FaultStore(), ManualClock())
    for commit in BEFORE:
        engine.execute(commit)
    told = Told(way(engine, given), readable(engine))
    assert_sound(engine)
    engine.close()
    return told


def expected(given: Sequence[Commit]) -> Told:
    """What the reference engine says."""
    engine = ReferenceEngine(clock=ManualClock())
    for commit in BEFORE:
        engine.execute(commit)
    told = Told(executed(engine, given), readable(engine))
    engine.close()
    return told


def kinds(told: Told) -> list[object]:
    """Its answers without the words of refusals."""
    return [each if isinstance(each, Committed) else each[0] for each in told.answers]


@given(commits())
def test_what_is_held_is_answered_as_what_comes_one_by_one(given: list[Commit]) -> None:
    together = come(held, given)
    assert together == come(submitted, given)
    assert together == come(executed, given)
    right = expected(given)
    assert kinds(together) == kinds(right)
    assert together.store == right.store
