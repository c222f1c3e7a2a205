"""Some dozens of commits of every kind, always the same, and what a store looks like after each of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from statehouse.engine import LocalEngine, open_engine
from statehouse.errors import ConflictError, PreconditionFailedError, StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Event, Page
from statehouse.protocol.requests import (
    Check,
    Commit,
    Copy,
    Delete,
    Extend,
    GetMany,
    History,
    KeyRange,
    Precondition,
    Replay,
    Status,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import BYTES, JSON, Payload
from statehouse.storage import Store, Table
from statehouse.testing.clock import ManualClock

Rows = dict[tuple[Table, bytes], bytes]

LOG: Final = RecordKey("default", "planner", "log")
FORK: Final = RecordKey("default", "planner", "log of a fork")
BIG: Final = RecordKey("default", "worker", "big")
SMALL: Final = RecordKey("default", "planner", "small")
OTHER: Final = RecordKey("elsewhere", "planner", "small")
GONE: Final = RecordKey("default", "worker", "gone")
KEYS: Final = (LOG, FORK, BIG, SMALL, OTHER, GONE)


class CountingEntropy:
    """Bytes that look random and are the same in every run."""

    def __init__(self, seed: bytes = b"") -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, size: int) -> bytes:
        """So many bytes."""
        out = b""
        while len(out) < size:
            self._count += 1
            out += hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return out[:size]


def filler(what: str, size: int) -> bytes:
    """Bytes that do not compress and differ from value to value."""
    return hashlib.shake_128(what.encode()).digest(size)


def value(data: bytes | str, content_type: str = BYTES) -> Payload:
    """A payload."""
    return Payload(content_type, data.encode() if isinstance(data, str) else data)


def transaction(number: int, *operations: WriteOperation) -> Commit:
    """A commit whose id says where in the workload it stands."""
    origin = Origin(trace_id=f"{number % 5 + 1:032x}", run_id=f"run {number % 3}", step=f"step {number}")
    return Commit(f"{number:032x}", operations, origin=origin, timeout_s=60.0)


def _growing() -> list[Commit]:
    """A list that grows by `Extend`, a fork of it, and a rewrite."""
    commits = [transaction(100, Write(LOG, value(filler("log", 3000))))]
    length = 3000
    for number in range(1, 9):
        parts = (Copy(0, length), filler(f"log {number}", 1500), b"]")
        commits.append(transaction(100 + number, Extend(LOG, LOG, number, parts, BYTES)))
        # The bracket is not copied next time: the pieces stay few.
        length += 1500
    commits.append(transaction(110, Extend(FORK, LOG, 4, (Copy(0, 6000), filler("fork", 2000)), BYTES)))
    commits.append(transaction(111, Extend(FORK, LOG, 8, (Copy(0, 500), b"short"), BYTES)))
    commits.append(transaction(112, Delete(LOG), Write(SMALL, value("1", JSON))))
    commits.append(transaction(113, Write(LOG, value(filler("again", 70_000)))))
    commits.append(
        transaction(
            114, Extend(LOG, LOG, 11, (Copy(0, 65_536), filler("tail", 300), Copy(65_536, 70_000)), BYTES)
        )
    )
    return commits


def _mixed() -> list[Commit]:
    """Small and large values, several agents and namespaces, deletes."""
    commits = []
    for number in range(12):
        agent = f"agent {number % 3}"
        commits.append(
            transaction(
                200 + number,
                Write(SMALL, value(f'{{"n":{number}}}', JSON)),
                Write(OTHER, value(filler(f"other {number}", 40 + 400 * number))),
                *(
                    Write(RecordKey("default", agent, f"k{key}"), value(f"{number}", JSON))
                    for key in range(number % 4)
                ),
            )
        )
    commits.append(transaction(220, Write(BIG, value(filler("big", 200_000)))))
    commits.append(transaction(221, Write(GONE, value(b""))))
    commits.append(transaction(222, Delete(GONE)))
    commits.append(transaction(223, Delete(RecordKey("default", "worker", "never was"))))
    commits.append(transaction(224, Write(GONE, value("", "text/plain; charset=utf-8"))))
    return commits


def _refused() -> list[Commit]:
    """What read something that changed, or expected something else; and repeats."""
    stale = transaction(300, Write(SMALL, value("stale", JSON)))
    ranged = KeyRange("default", "planner")
    expected = transaction(303, Write(SMALL, value('"expected"', JSON)))
    return [
        replace(stale, read_ts=1, reads=(SMALL,)),
        replace(transaction(301, Write(BIG, value(b"stale"))), read_ts=1, ranges=(ranged,)),
        replace(
            transaction(302, Write(SMALL, value("no", JSON))),
            preconditions=(Precondition(SMALL, version=0),),
        ),
        replace(expected, preconditions=(Precondition(SMALL, version=13),)),
        transaction(200, *_mixed()[0].operations),
        _growing()[3],
        transaction(304, *(Write(RecordKey("default", "many", f"{n:03}"), value("0")) for n in range(120))),
    ]


@cache
def workload() -> tuple[Commit, ...]:
    """The commits, in order."""
    return (*_growing(), *_mixed(), *_refused())


Answer = int | type[StatehouseError]
"""A commit_ts, or how the commit was refused."""

REFUSALS: Final = (ConflictError, PreconditionFailedError)


def answer(engine: LocalEngine, clock: ManualClock, commit: Commit) -> Answer:
    """Commits, a second after the commit before."""
    clock.advance(1.0)
    try:
        return engine.execute(commit).commit_ts
    except REFUSALS as error:
        return type(error)


def open_on(store: Store, clock: ManualClock | None = None, *, seed: bytes = b"") -> LocalEngine:
    """Opens an engine that is the same in every run."""
    return open_engine(store, clock=clock or ManualClock(), entropy=CountingEntropy(seed))


def rows_of(store: Store) -> Rows:
    """Every row of a store."""
    rows: Rows = {}
    for table in Table:
        start = b""
        while page := store.scan(table, start, b"\xff" * 40):
            rows.update({(table, key): data for key, data in page})
            start = page[-1][0] + b"\0"
    return rows


def state_of(engine: LocalEngine, at: int | None = None) -> Page:
    """What reads answer about some keys."""
    return engine.execute(GetMany(KEYS, at))


def events_of(engine: Engine) -> tuple[Event, ...]:
    """Every event, whole."""
    found: list[Event] = []
    while True:
        page = engine.execute(Replay(from_ts=len(found) + 1, limit=10_000))
        if not page.events:
            return tuple(found)
        found += page.events


def told(engine: LocalEngine) -> list[object]:
    """What happened, without the times: the same for two stores with one history."""
    return [(event.txn_id, event.commit_ts, event.origin, event.operations) for event in events_of(engine)]


def histories_of(engine: LocalEngine) -> list[Page]:
    """Every version of some keys."""
    return [engine.execute(History(key)) for key in KEYS]


def assert_sound(engine: LocalEngine) -> None:
    """A whole check finds nothing."""
    cursor = None
    while True:
        page = engine.execute(Check(cursor, limit=500))
        assert page.problems == ()
        if page.cursor is None:
            break
        cursor = page.cursor
    assert engine.execute(Status()).state == "ok"


@dataclass(frozen=True, slots=True)
class Story:
    """A run in which nothing went wrong.

    Attributes:
        answers: The answer to each commit of the workload.
        rows: The store's rows after so many commit_ts; the first is of the empty store.
        states: What reads answered when that commit_ts was the newest.
        told: See `told`.
    """

    answers: list[Answer]
    rows: list[Rows]
    states: list[Page]
    told: list[object]


def tell(store: Store) -> Story:
    """Runs the workload on a store that does not fail."""
    clock = ManualClock()
    engine = open_on(store, clock)
    answers: list[Answer] = []
    rows, states = [rows_of(store)], [state_of(engine)]
    for commit in workload():
        answers.append(answer(engine, clock, commit))
        if answers[-1] == len(rows):
            rows.append(rows_of(store))
            states.append(state_of(engine))
    story = Story(answers, rows, states, told(engine))
    assert_sound(engine)
    engine.close()
    return story
