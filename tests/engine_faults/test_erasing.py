"""Crashes, refusals and readers in the middle of an erase: no value is damaged, and a repetition ends it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from statehouse.engine import LocalEngine
from statehouse.errors import EngineError, ErasedError, OverloadedError, RefusingWritesError
from statehouse.protocol.replies import Entry
from statehouse.protocol.requests import (
    Copy,
    Erase,
    Extend,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    History,
    Replay,
    Request,
    Status,
    Write,
)
from statehouse.protocol.values import BYTES
from statehouse.storage import PAGE_BYTES, PAGE_ROWS, Row, Table
from statehouse.testing.clock import ManualClock
from statehouse.testing.faults import Call, FaultStore, Marks, Moment, crash, refusal
from tests.engine_faults.workload import (
    FORK,
    KEYS,
    LOG,
    Rows,
    answer,
    assert_sound,
    filler,
    open_on,
    rows_of,
    transaction,
    value,
    workload,
)

WHOLE = Erase("default", "planner", prefixes=("",), limit=7)
TWIN_ONLY = Erase("default", "planner", keys=("twin",), limit=2)
LOG_ONLY = Erase("default", "planner", keys=(LOG.key, "never was"), limit=7)
ERASES = (WHOLE, TWIN_ONLY, LOG_ONLY)
every_erase = pytest.mark.parametrize("erase", ERASES, ids=["whole agent", "twin", "log"])

TWIN = LOG._replace(key="twin")
PART = LOG._replace(key="part")
GROWN = LOG._replace(key="a value before all others")
SHARING = (
    Extend(PART, LOG, 12, (Copy(34_000, 70_300),), BYTES),
    Extend(TWIN, LOG, 12, (Copy(0, 33_000), filler("twin", 6000)), BYTES),
)
"""Two values that share bytes with the newest of the workload's log, but not with one another."""


def filled(store: FaultStore) -> LocalEngine:
    """An engine with the history of the workload."""
    clock = ManualClock()
    engine = open_on(store, clock)
    for commit in (*workload(), *(transaction(400, extend) for extend in SHARING[:1])):
        answer(engine, clock, commit)
    answer(engine, clock, transaction(401, *SHARING[1:]))
    return engine


def finish(engine: LocalEngine, erase: Erase) -> tuple[int, int, set[str]]:
    """Erases, part by part; gives how many versions, how many of other keys, and those."""
    versions = shared = 0
    keys: set[str] = set()
    while True:
        part = engine.execute(erase)
        versions += part.versions
        shared += part.shared_versions
        keys.update(part.shared_keys)
        if part.cursor is None:
            return versions, shared, keys
        erase = replace(erase, cursor=part.cursor)


def versions(engine: LocalEngine) -> dict[tuple[str, int], Entry]:
    """Every version of some keys."""
    return {
        (str(key), entry.version): entry
        for key in (*KEYS, TWIN, PART)
        for entry in engine.execute(History(key)).entries
    }


@pytest.fixture(scope="module")
def before() -> dict[tuple[str, int], Entry]:
    """Every version before anything was erased."""
    engine = filled(FaultStore())
    found = versions(engine)
    engine.close()
    return found


def erased_rows(erase: Erase) -> tuple[Rows, Counter[Call]]:
    """The rows that an undisturbed erase leaves, and its calls."""
    store = FaultStore()
    engine = filled(store)
    store.calls.clear()
    finish(engine, erase)
    calls = store.calls.copy()
    assert_sound(engine)
    left = rows_of(store)
    engine.close()
    return left, calls


def assert_whole_or_erased(engine: LocalEngine, before: dict[tuple[str, int], Entry]) -> None:
    found = versions(engine)
    assert found.keys() == before.keys()
    for place, entry in found.items():
        assert entry in (before[place], replace(before[place], payload=None, kind="erased"))


@pytest.mark.slow
@every_erase
@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("call", [Call.WRITE, Call.SYNC])
def test_a_crash_anywhere_damages_nothing_and_a_repetition_ends_it(
    erase: Erase, call: Call, moment: Moment, before: dict[tuple[str, int], Entry]
) -> None:
    """G1, G6."""
    expected, undisturbed = erased_rows(erase)
    for nth in range(1, undisturbed[call] + 1):
        store = FaultStore()
        engine = filled(store)
        store.arm(crash(call, nth, moment))
        with pytest.raises(RefusingWritesError):
            finish(engine, erase)
        with suppress(EngineError):
            engine.close()
        for survivors in range(store.unsynced + 1):
            engine = open_on(left := store.after_crash(survivors=survivors, marks=Marks.WRITTEN))
            assert_sound(engine)
            assert_whole_or_erased(engine, before)
            finish(engine, erase)
            assert_sound(engine)
            assert rows_of(left) == expected
            engine.close()


@pytest.mark.slow
@every_erase
def test_a_refused_write_is_an_error_and_a_repetition_ends_it(
    erase: Erase, before: dict[tuple[str, int], Entry]
) -> None:
    """G8: a full disk harms nothing, and the engine goes on."""
    expected, undisturbed = erased_rows(erase)
    for nth in range(1, undisturbed[Call.WRITE] + 1):
        store = FaultStore()
        engine = filled(store)
        store.arm(refusal(nth))
        with pytest.raises(OverloadedError, match="nothing was applied"):
            finish(engine, erase)
        assert engine.execute(Status()).state == "ok"
        assert_whole_or_erased(engine, before)
        finish(engine, erase)
        assert_sound(engine)
        assert rows_of(store) == expected
        engine.close()


def test_nothing_of_an_erased_value_is_in_any_row() -> None:
    """G6: not its bytes, and nothing to test a guess of it with."""
    left, _ = erased_rows(WHOLE)
    data = b"\0".join(left.values())
    for what, size in (("log", 3000), ("log 3", 1500), ("fork", 2000), ("again", 70_000), ("tail", 300)):
        assert filler(what, size)[-64:] not in data
    of_planner = {
        event.txn_id for event in _events(FindEvents("run", "run 1")) if _is_of_planner(event.operations)
    }
    assert of_planner
    marks = {key: row for (table, key), row in left.items() if table is Table.TXNS}
    assert {len(row) for key, row in marks.items() if key[1:].hex() in of_planner} == {8}


def _events(request: FindEvents) -> Sequence[Any]:
    engine = filled(FaultStore())
    events = engine.execute(request).events
    engine.close()
    return events


def _is_of_planner(operations: Sequence[Any]) -> bool:
    return any(
        (each.namespace, each.agent_id, each.kind) == ("default", "planner", "write") for each in operations
    )


def test_what_shares_bytes_is_erased_too_and_named() -> None:
    """G6."""
    engine = filled(FaultStore())
    part = engine.execute(Get(PART))
    dry = finish(engine, replace(TWIN_ONLY, dry_run=True, limit=1000))
    assert finish(engine, TWIN_ONLY) == dry == (1, 2, {LOG.key})
    kinds = [entry.kind for entry in engine.execute(History(LOG)).entries]
    # What was whole before the one that the twin was made of shares nothing.
    assert kinds == [*["write"] * 9, "delete", "erased", "erased"]
    assert engine.execute(Get(PART)) == part
    assert finish(engine, LOG_ONLY) == (9, 0, set())
    assert engine.execute(Get(PART)) == part
    engine.close()


def test_an_offset_is_never_given_twice() -> None:
    """G6: the end of what is left of a rope epoch stays where it was."""
    store = FaultStore()
    engine = open_on(store)
    base = filler("base", 6000)
    engine.execute(transaction(1, Write(LOG, value(base))))
    engine.execute(transaction(2, Extend(PART, LOG, 1, (Copy(2500, 6000),), BYTES)))
    engine.execute(transaction(3, Extend(TWIN, LOG, 1, (Copy(0, 2500), filler("twin", 2000)), BYTES)))
    assert finish(engine, TWIN_ONLY) == (1, 1, {LOG.key})
    assert _bytes_of(engine, PART) == base[2500:]
    engine.execute(transaction(4, Extend(PART, PART, 1, (Copy(0, 3500), filler("more", 1500)), BYTES)))
    assert _bytes_of(engine, PART) == base[2500:] + filler("more", 1500)
    offsets = [int.from_bytes(key[-8:]) for table, key in rows_of(store) if table is Table.SEGMENTS]
    assert offsets == [2500, 8000]
    assert_sound(engine)
    engine.close()


def _bytes_of(engine: LocalEngine, key: Any) -> bytes:
    payload = engine.execute(Get(key)).entry.payload
    assert payload is not None
    return payload.data


class InterruptedStore(FaultStore):
    """A store in which something happens just before a certain look into it, by the thread of the test.

    Attributes:
        looks: How many looks there were.
        happening: Before which look, and what; None when it has happened.
    """

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.happening: tuple[int, Callable[[], object]] | None = None
        self._thread = threading.get_ident()

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See `Store.get`."""
        self._look()
        return super().get(table, key)

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        """See `Store.get_many`."""
        self._look()
        return super().get_many(table, keys)

    def scan(
        self,
        table: Table,
        start: bytes,
        stop: bytes,
        *,
        reverse: bool = False,
        rows_max: int = PAGE_ROWS,
        bytes_max: int = PAGE_BYTES,
    ) -> list[tuple[bytes, bytes]]:
        """See `Store.scan`."""
        self._look()
        return super().scan(table, start, stop, reverse=reverse, rows_max=rows_max, bytes_max=bytes_max)

    def _look(self) -> None:
        if threading.get_ident() != self._thread:
            return
        self.looks += 1
        if self.happening is not None and self.looks >= self.happening[0]:
            _, happens = self.happening
            self.happening = None
            happens()


READS: dict[str, Request[Any]] = {
    "get": Get(LOG),
    "get as of": Get(LOG, 5),
    "version": GetAtVersion(LOG, 3),
    "many": GetMany((LOG, FORK)),
    "history": History(FORK),
    "replay": Replay(limit=20),
    "find": FindEvents("run", "run 1"),
}


@pytest.mark.parametrize("read", READS)
def test_a_read_in_the_middle_finds_a_value_or_that_it_was_erased(read: str) -> None:
    """G6, G8: whenever the bytes go away under a reader, nothing seems damaged."""
    look = 0
    while True:
        look += 1
        store = InterruptedStore()
        engine = filled(store)
        store.looks = 0
        store.happening = (look, lambda engine=engine: finish(engine, WHOLE))
        with suppress(ErasedError):
            engine.execute(READS[read])
        happened = store.happening is None
        assert engine.execute(Status()).state == "ok"
        engine.close()
        if not happened:
            assert look > 1
            return


@pytest.mark.slow
def test_a_check_in_the_middle_finds_nothing_wrong() -> None:
    """G6, G8."""
    for look in range(1, 10_000, 7):
        store = InterruptedStore()
        engine = filled(store)
        store.looks = 0
        store.happening = (look, lambda engine=engine: finish(engine, WHOLE))
        assert_sound(engine)
        happened = store.happening is None
        engine.close()
        if not happened:
            return
    raise AssertionError("a check does not end")


@pytest.mark.slow
def test_what_is_made_of_a_value_that_shares_doomed_bytes_is_refused_or_erased() -> None:
    """G1, G6: between the look that finds such a value and its mark, and at any other moment."""
    look = 0
    refused = 0
    grown = Extend(GROWN, LOG, 12, (filler("grown", 40_000), Copy(0, 40_000)), BYTES)
    while True:
        look += 1
        store = InterruptedStore()
        engine = filled(store)
        store.looks = 0
        futures: list[Any] = []

        def grow(engine: LocalEngine = engine, futures: list[Any] = futures) -> None:
            futures.append(engine.submit(transaction(500, grown)))
            wait(futures, timeout=60)

        store.happening = (look, grow)
        finish(engine, TWIN_ONLY)
        happened = store.happening is None
        store.happening = None
        for future in futures:
            if future.exception() is not None:
                assert type(future.exception()) is ErasedError
                refused += 1
            else:
                with pytest.raises(ErasedError):
                    engine.execute(Get(GROWN))
        assert_sound(engine)
        engine.close()
        if not happened:
            assert refused
            return


def test_a_living_value_is_read_while_the_bytes_around_it_go() -> None:
    """G6: a segment that is cut keeps its living part where it was."""
    look = 0
    while True:
        look += 1
        store = InterruptedStore()
        engine = open_on(store)
        base = filler("base", 60_000)
        engine.execute(transaction(1, Write(LOG, value(base))))
        engine.execute(transaction(2, Extend(PART, LOG, 1, (Copy(20_000, 60_000),), BYTES)))
        engine.execute(transaction(3, Extend(TWIN, LOG, 1, (Copy(0, 20_000), filler("", 20_000)), BYTES)))
        store.looks = 0
        store.happening = (look, lambda engine=engine: finish(engine, TWIN_ONLY))
        assert _bytes_of(engine, PART) == base[20_000:]
        happened = store.happening is None
        assert _bytes_of(engine, PART) == base[20_000:]
        engine.close()
        if not happened:
            assert look > 1
            return


class ErasingStore(FaultStore):
    """A store in which something happens after a certain write."""

    def __init__(self) -> None:
        super().__init__()
        self.happening: tuple[int, Callable[[], object]] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """See `Store.write`."""
        super().write(rows)
        if self.happening is not None:
            left, happens = self.happening
            self.happening = (left - 1, happens) if left > 1 else None
            if left == 1:
                happens()


@pytest.mark.slow
@every_erase
def test_whatever_is_made_of_old_values_meanwhile_is_whole_or_erased_or_refused(erase: Erase) -> None:
    """G1, G6: a growing value whose base is being erased."""
    _, undisturbed = erased_rows(erase)
    for nth in range(1, undisturbed[Call.WRITE] + 1):
        store = ErasingStore()
        engine = filled(store)
        futures: list[Any] = []

        def grow(engine: LocalEngine = engine, futures: list[Any] = futures) -> None:
            for number, (base, version) in enumerate(((LOG, 9), (LOG, 12), (TWIN, 1), (PART, 1))):
                parts = (filler(f"grown {number}", 40_000), Copy(0, 15_000))
                key = LOG._replace(key=f"grown {number}")
                grown = Extend(key, base, version, parts, BYTES)
                futures.append(engine.submit(transaction(500 + number, grown)))

        store.happening = (nth, grow)
        finish(engine, erase)
        for number, future in enumerate(futures):
            if future.exception(60) is not None:
                assert type(future.exception()) is ErasedError
                continue
            with suppress(ErasedError):
                data = _bytes_of(engine, LOG._replace(key=f"grown {number}"))
                assert data[:40_000] == filler(f"grown {number}", 40_000)
        assert len(futures) == 4
        assert_sound(engine)
        engine.close()
