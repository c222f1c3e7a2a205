"""A store out of an exported run: it answers as the store did, or says that it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statehouse import Statehouse, StatehouseError, current_step, debug, step
from statehouse.debug.exports.opened import ExportedEngine
from statehouse.errors import InvalidArgumentError, NotFoundError, RefusingWritesError
from statehouse.extend import (
    Engine,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    History,
    LocateTime,
    LookupTxn,
    Page,
    Read,
    RecordKey,
    Replay,
    Request,
    Scan,
)
from statehouse.protocol.replies import Event
from statehouse.steps import keys
from statehouse.testing.reference import ReferenceEngine
from tests.debug.exported import exported, fill, main, names

NotExported = debug.NotExportedError


@pytest.fixture
def sh() -> Iterator[Statehouse]:
    """The store that the run came from."""
    with Statehouse("memory:") as handle:
        fill(handle)
        yield handle


@pytest.fixture
def opened(sh: Statehouse, tmp_path: Path) -> Iterator[Statehouse]:
    """The run, exported and opened."""
    with exported(sh, tmp_path / "r-1.shrun") as handle:
        yield handle


def engine_of(sh: Statehouse) -> ExportedEngine:
    found: Any = sh.connection.engine
    assert isinstance(found.engine, ExportedEngine)
    return found.engine


# The oracle: whatever is asked, the answer is that of the store, or that it is not known.

KEYS = ("x", "p/1", "p/2", "p/3")
DOINGS = st.lists(
    st.tuples(st.sampled_from(["read", "write", "delete", "scan", "meanwhile"]), st.sampled_from(KEYS)),
    min_size=1,
    max_size=5,
)


class World:
    """An agent at work, and somebody who writes while it works."""

    def __init__(self, sh: Statehouse) -> None:
        self.sh = sh

    @step
    def work(self, doings: list[tuple[str, str]]) -> None:
        """Does what it is told; what others write meanwhile comes with its first attempt only."""
        state = current_step().state
        for number, (what, key) in enumerate(doings):
            match what:
                case "read":
                    state.get(key)
                case "write":
                    state[key] = number
                case "delete":
                    state.discard(key)
                case "scan":
                    list(state.records("p/"))
                case "meanwhile" if current_step().attempt == 1:
                    self.sh.write(key, f"{number} meanwhile", agent_id="a")


class Questions:
    """Asks a store and the file of a run of it the same."""

    def __init__(self, store: Engine, file: ExportedEngine, wanted: list[RecordKey]) -> None:
        self.store = store
        self.file = file
        self.names = wanted
        self.head = file.contents.head

    def answer(self, engine: Engine, request: Request[Any]) -> Any:
        try:
            return engine.execute(request)
        except NotExported:
            raise
        except StatehouseError as error:
            return type(error)

    def entry(self, engine: Engine, request: Get | GetAtVersion) -> Any:
        found = self.answer(engine, request)
        return found.entry if isinstance(found, Read) else found

    def same(self, request: Request[Any]) -> bool:
        """Whether the file answers, and then as the store does."""
        try:
            found = self.answer(self.file, request)
        except NotExported:
            return False
        wanted = self.answer(self.store, request)
        if isinstance(found, Page) and isinstance(wanted, Page):
            assert (found.cursor is None) == (wanted.cursor is None)
            assert (found.entries, found.read_ts) == (wanted.entries, wanted.read_ts), request
        else:
            assert found == wanted, request
        return True

    def keys(self) -> None:
        """Each key as of each commit: what is said to be held is answered."""
        coverage = self.file.contents.coverage
        for name in self.names:
            since = coverage.since(name)
            for at in range(self.head + 1):
                held = since is not None and since <= at
                if held and not self.file.contents.is_whole(name):
                    found, entry = (self.entry(engine, Get(name, at)) for engine in (self.file, self.store))
                    assert found == entry or (found.kind is None and not entry.exists)
                else:
                    assert self.same(Get(name, at)) == held
                    assert self.same(GetMany((name,), at)) == held

    def histories(self) -> None:
        """Each version of each key, alone and in a row."""
        for name in self.names:
            newest = len(self.store.execute(History(name, self.head, limit=100)).entries)
            for version in range(1, newest + 1):
                try:
                    found = self.entry(self.file, GetAtVersion(name, version))
                except NotExported:
                    continue
                assert found == self.entry(self.store, GetAtVersion(name, version))
            self.same(History(name, self.head))
            rows, wanted = self._backwards(name), self.store.execute(History(name, self.head, reverse=True))
            assert rows == list(wanted.entries)[: len(rows)]

    def _backwards(self, name: RecordKey) -> list[Any]:
        rows: list[Any] = []
        request = History(name, self.head, reverse=True, limit=1)
        while True:
            try:
                page = self.file.execute(request)
            except NotExported:
                return rows
            rows += page.entries
            if page.cursor is None:
                return rows
            request = History(name, reverse=True, limit=1, cursor=page.cursor)

    def ranges(self) -> None:
        """Scans, in both directions."""
        for namespace, agent_id in {(name.namespace, name.agent_id) for name in self.names}:
            if namespace == keys.index_namespace("default"):
                continue
            for prefix in ("", "p/", "p/2", "step/"):
                for at in range(self.head + 1):
                    self.same(Scan(namespace, agent_id, prefix, at, limit=1))
                    self.same(Scan(namespace, agent_id, prefix, at, reverse=bool(at % 2)))
                    self.same(Scan(namespace, agent_id, prefix, at, keys_only=True, after="p/1"))

    def events(self) -> None:
        """Replays of agents and of commits, and events by what identifies them."""
        agents = {(name.namespace, name.agent_id) for name in self.names}
        for first in range(1, self.head + 1):
            self.same(Replay(None, None, first, first, payloads=False))
            for namespace, agent_id in agents:
                if namespace != keys.index_namespace("default"):
                    self.same(Replay(namespace, agent_id, first, self.head, payloads=False))
        for event in self.store.execute(Replay(to_ts=self.head)).events:
            self._event(event)

    def _event(self, event: Event) -> None:
        found = self.file.execute(FindEvents("txn", event.txn_id)).events
        outcome = self.file.execute(LookupTxn(event.txn_id))
        assert outcome.outcome == ("committed" if found else "unknown")
        for each in found:
            assert (each.commit_ts, each.committed_at_us, each.origin) == (
                event.commit_ts,
                event.committed_at_us,
                event.origin,
            )
            for mine, theirs in zip(each.operations, event.operations, strict=True):
                assert (mine.kind, mine.key, mine.version) == (theirs.kind, theirs.key, theirs.version)
                assert mine.payload in (None, theirs.payload)


@pytest.mark.parametrize("home", ["reference", "memory"])
@settings(max_examples=10)
@given(
    before=st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), max_size=6),
    programs=st.lists(DOINGS, min_size=1, max_size=3),
    erased=st.sampled_from((None, *KEYS)),
    all_state=st.booleans(),
)
def test_a_file_answers_as_the_store_did_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory,
    home: str,
    before: list[tuple[str, bool]],
    programs: list[list[tuple[str, str]]],
    erased: str | None,
    all_state: bool,
) -> None:
    with Statehouse.from_engine(ReferenceEngine()) if home == "reference" else Statehouse("memory:") as sh:
        for key, is_write in before:
            if is_write:
                sh.write(key, "before", agent_id="a")
            else:
                sh.delete(key, agent_id="a")
        for number, doings in enumerate(programs):
            with sh.run(agent_id="a", run_id=f"r-{number}"):
                World(sh).work(doings)
        if erased is not None:
            sh.erase(keys=[erased], agent_id="a")
        path = tmp_path_factory.mktemp("exports") / "run.shrun"
        with exported(sh, path, f"r-{len(programs) // 2}", all_state=all_state) as file:
            questions = Questions(sh.connection.engine, engine_of(file), names(sh))
            questions.keys()
            questions.histories()
            questions.ranges()
            questions.events()


# What is held.


def test_what_a_step_saw_is_there_as_of_then(sh: Statehouse, opened: Statehouse) -> None:
    for record in sh.run(run_id="r-1").steps():
        if record.read_ts is not None:
            then = sh.get_state("seen", agent_id="planner", at=record.read_ts)
            assert opened.get_state("seen", agent_id="planner", at=record.read_ts) == then


def test_a_key_that_was_absent_is_absent(opened: Statehouse) -> None:
    with pytest.raises(NotFoundError):
        opened.get_state("never", agent_id="planner")
    assert opened.get_state("never", agent_id="planner", default=1).value == 1


def test_a_key_that_is_not_held_is_no_absence_whatever_the_default(opened: Statehouse) -> None:
    with pytest.raises(NotExported, match="not in this export; export with --all-state"):
        opened.get_state("secret", agent_id="planner", default=None)


def test_a_range_that_is_not_held_is_no_absence(opened: Statehouse) -> None:
    with pytest.raises(NotExported, match="everything of default/planner"):
        opened.list_keys(agent_id="planner")
    assert opened.list_keys("part/", agent_id="planner") == ["part/b"]


def test_what_was_before_the_run_is_not_known(opened: Statehouse) -> None:
    with pytest.raises(NotExported, match="only since commit_ts"):
        opened.get_state("seen", agent_id="planner", at=1)


def test_a_history_ends_where_the_export_begins(opened: Statehouse) -> None:
    versions = opened.history("seen", agent_id="planner", reverse=True)
    assert [next(versions).version for _ in range(3)] == [5, 4, 3]
    with pytest.raises(NotExported, match="only since version 3"):
        next(versions)


def test_the_export_ends_with_the_run(opened: Statehouse) -> None:
    assert opened.get_state("told", agent_id="other").value == "kettle"
    with pytest.raises(InvalidArgumentError, match="this export ends at commit_ts"):
        opened.get_state("told", agent_id="other", at=opened.status().commit_ts + 1)


def test_the_store_is_known_by_its_name(sh: Statehouse, opened: Statehouse) -> None:
    there, here = sh.status(), opened.status()
    assert (here.store_id, here.epochs, here.state) == (there.store_id, there.epochs, "read_only")


def test_a_time_means_the_newest_commit_that_is_held(opened: Statehouse) -> None:
    for event in engine_of(opened).contents.events:
        located = engine_of(opened).execute(LocateTime(event.committed_at_us))
        assert located.committed_at_us == event.committed_at_us
    assert engine_of(opened).execute(LocateTime(0)).commit_ts == 0


def test_a_value_that_is_only_named_says_so(opened: Statehouse) -> None:
    event = next(iter(opened.find_events(run_id="r-0")))
    meddled = next(each for each in opened.find_events(run_id="r-0") if each.origin.step)
    operation = next(each for each in meddled.operations if each.key == "unread")
    assert event.commit_ts < meddled.commit_ts
    assert operation.payload is None
    with pytest.raises(NotExported):
        _ = operation.value


def test_a_follower_ends_where_the_export_does(sh: Statehouse, opened: Statehouse) -> None:
    records = keys.runs_namespace("default")
    followed = [event.txn_id for event in opened.replay(agent_id="r-1", namespace=records, follow=True)]
    assert followed == [event.txn_id for event in sh.replay(agent_id="r-1", namespace=records)]


# Nothing is written.


def test_writes_are_refused(opened: Statehouse) -> None:
    for write in (
        lambda: opened.write("seen", 1, agent_id="planner"),
        lambda: opened.delete("seen", agent_id="planner"),
        lambda: opened.erase(keys=["seen"], agent_id="planner"),
    ):
        with pytest.raises(RefusingWritesError, match="an exported run, which is read-only"):
            write()


def test_a_closed_handle_says_so(sh: Statehouse, tmp_path: Path) -> None:
    opened = exported(sh, tmp_path / "r-1.shrun")
    opened.close()
    with pytest.raises(StatehouseError, match="closed"):
        opened.status()


# Pages.


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_goes_on_where_its_cursor_says(opened: Statehouse, reverse: bool) -> None:
    engine, records = engine_of(opened), keys.runs_namespace("default")
    whole = engine.execute(Scan(records, "r-1", reverse=reverse)).entries
    rows: list[Any] = []
    page = engine.execute(Scan(records, "r-1", reverse=reverse, limit=1))
    while True:
        rows += page.entries
        if page.cursor is None:
            break
        page = engine.execute(Scan(records, "r-1", reverse=reverse, limit=1, cursor=page.cursor))
    assert tuple(rows) == whole


@pytest.mark.parametrize("cursor", ["", "x", "AAAAAAAAAAAA", "é"])
def test_what_is_no_cursor_is_refused(opened: Statehouse, cursor: str) -> None:
    with pytest.raises(InvalidArgumentError, match="not a cursor"):
        engine_of(opened).execute(Scan(keys.runs_namespace("default"), "r-1", cursor=cursor))


def test_the_cursor_of_another_request_is_refused(opened: Statehouse) -> None:
    engine, records = engine_of(opened), keys.runs_namespace("default")
    cursor = engine.execute(Scan(records, "r-1", limit=1)).cursor
    with pytest.raises(InvalidArgumentError, match="another request"):
        engine.execute(Scan(records, "r-1", "step/", cursor=cursor))


# What is built on it.


def test_a_run_is_verified_from_its_file(opened: Statehouse) -> None:
    assert debug.verify(opened, "r-1", main).is_clean


def test_a_run_is_found_from_its_file(opened: Statehouse) -> None:
    found = debug.find(opened, "r-1")
    assert found is not None
    assert [step.path for step in found.steps] == ["plan#1", "tell#1", "plan#2"]


def test_the_runs_of_the_file_are_listed(opened: Statehouse) -> None:
    assert "r-1" in [record.run_id for record in debug.runs(opened)]
