"""The engine does what the model does, whatever is asked of it in whatever order, and over restarts."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from statehouse.engine import LocalEngine
from statehouse.engine import open_engine as open_local
from statehouse.errors import ConflictError, PreconditionFailedError, StatehouseError
from statehouse.protocol.limits import DEFAULT_LIMITS
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import EventPage
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
    Write,
    WriteOperation,
)
from statehouse.protocol.values import BYTES, JSON, Payload
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.clock import ManualClock
from statehouse.testing.model import State
from statehouse.testing.reference import ReferenceEngine
from tests.engine.conftest import KeptStore

# Explaining a failure traces every line that ran, which takes longer than finding it.
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)

# Where pages end by bytes is for the contract; here both engines end them by rows.
LIMITS = replace(DEFAULT_LIMITS, page_bytes_max=2**30)

NAMESPACES = ("n", "n2")
AGENTS = ("a", "a/", "b")
TEXTS = ("k", "k/1", "k1", "l", "é")
KEYS = [RecordKey(namespace, agent, text) for namespace in NAMESPACES for agent in AGENTS for text in TEXTS]
TRACES = ("1" * 32, "2" * 32)
SPANS = ("3" * 16, "4" * 16)

# A few keys are used all the time, so that they have a history; the others have neighbours.
HOT = (KEYS[0], KEYS[1], KEYS[len(TEXTS)])
keys = st.sampled_from([*HOT * 8, *KEYS])
limits = st.sampled_from([1, 2, 3, 1000])
prefixes = st.sampled_from(["", "k", "k/", "l", "z"])
bounds = st.none() | st.sampled_from(TEXTS)
payloads = st.builds(
    Payload,
    st.sampled_from([JSON, BYTES, "text/x"]),
    st.sampled_from([b"", b"1", b"{}", b"a" * 1024, b"b" * 1025, b"c" * 70_000]),
)
origins = st.builds(
    Origin,
    trace_id=st.sampled_from(["", *TRACES]),
    span_id=st.sampled_from(["", *SPANS]),
    run_id=st.sampled_from(["", "r", "r2"]),
)


def _ordered(span: KeyRange) -> KeyRange:
    if span.first is not None and span.last is not None and span.first > span.last:
        return replace(span, first=span.last, last=span.first)
    return span


ranges = st.builds(
    KeyRange,
    st.sampled_from(NAMESPACES[:1] * 3 + NAMESPACES[1:]),
    st.sampled_from(AGENTS[:1] * 3 + AGENTS[1:]),
    prefixes,
    bounds,
    bounds,
    st.booleans(),
).map(_ordered)


class EngineMachine(RuleBasedStateMachine):
    """Asks an engine and the model the same, and compares what they answer."""

    commits = Bundle("commits")
    cursors = Bundle("cursors")

    @initialize()
    def open(self) -> None:
        """Two empty stores, one clock."""
        self.clock = ManualClock()
        self.path = Path(tempfile.mkdtemp(prefix="statehouse-model-"))
        self.kept: KeptStore | None = None
        self.local = self.open_local()
        store_id = self.local.execute(Status()).store_id
        self.model = ReferenceEngine(State(store_id), limits=LIMITS, clock=self.clock)
        self.count = 0

    def open_local(self) -> LocalEngine:
        """Opens the engine on its store, which may have been open before."""
        raise AssertionError

    def teardown(self) -> None:
        """Whatever happened, all history reads alike."""
        if hasattr(self, "model"):
            self.compare_all_history()
            self.local.close()
            shutil.rmtree(self.path)

    @property
    def newest(self) -> int:
        """The newest commit."""
        return self.model.state.commit_ts

    def ask(self, request: Request[Any], of_model: Request[Any] | None = None) -> tuple[Any, Any]:
        """Both answers, where they must be alike in kind."""
        found, expected = _answer(self.local, request), _answer(self.model, of_model or request)
        self.compare_kinds(request, found, expected)
        return found, expected

    def compare(self, request: Request[Any], found: Any, expected: Any) -> None:
        """Whether both answers are the same, errors by what they say."""
        self.compare_kinds(request, found, expected)
        if not isinstance(expected, StatehouseError):
            assert found == expected, request

    def compare_kinds(self, request: Request[Any], found: Any, expected: Any) -> None:
        """Whether both answers are alike in kind."""
        assert type(found) is type(expected), f"{request}: {found!r} instead of {expected!r}"
        if isinstance(expected, ConflictError):
            assert (set(found.keys), found.commit_ts) == (set(expected.keys), expected.commit_ts)
        if isinstance(expected, PreconditionFailedError):
            assert (found.which, found.version, found.commit_ts) == (
                expected.which,
                expected.version,
                expected.commit_ts,
            )

    def same(self, request: Request[Any]) -> None:
        """Both answers are the same."""
        self.compare(request, *self.ask(request))

    def some_ts(self, data: st.DataObject, beyond: int = 1) -> int:
        """A commit_ts, mostly one that was."""
        return data.draw(st.integers(0, self.newest + beyond), label="commit_ts")

    def recent_ts(self, data: st.DataObject) -> int:
        """One of the newest few."""
        return data.draw(st.integers(max(0, self.newest - 4), self.newest), label="read_ts")

    # What happens.

    def transaction(self, data: st.DataObject, *, least: int = 1) -> Commit:
        """A transaction that does something."""
        self.count += 1
        chosen = data.draw(st.lists(keys, min_size=least, max_size=3, unique=True), label="keys")
        operations = tuple(self.operation(data, key) for key in chosen)
        return Commit(f"t{self.count}", operations, origin=data.draw(origins, label="origin"))

    @rule(target=commits, data=st.data())
    def commit(self, data: st.DataObject) -> Commit:
        """A transaction that only writes, if it does anything."""
        request = replace(self.transaction(data, least=0), made_at_ts=self.some_ts(data))
        self.do(request)
        return request

    @rule(
        chosen=st.lists(st.tuples(keys, st.sampled_from([b"1", b"2" * 1025, None])), min_size=3, max_size=10),
        seconds=st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=10, max_size=10),
    )
    def commit_one_after_the_other(
        self, chosen: list[tuple[RecordKey, bytes | None]], seconds: list[int]
    ) -> None:
        """Transactions of one operation each, so that there is something to ask about."""
        for (key, data), by in zip(chosen, seconds, strict=False):
            self.count += 1
            self.clock.set_wall_us(self.clock.now_us() + by * 1_000_000)
            operation = Delete(key) if data is None else Write(key, Payload(BYTES, data))
            self.do(Commit(f"t{self.count}", (operation,)))

    @rule(target=commits, data=st.data())
    def commit_on_conditions(self, data: st.DataObject) -> Commit:
        """A transaction with preconditions."""
        conditions = tuple(self.condition(data) for _ in range(data.draw(st.integers(1, 2))))
        request = replace(self.transaction(data, least=0), preconditions=conditions)
        self.do(request)
        return request

    @rule(target=commits, data=st.data())
    def commit_after_reading_keys(self, data: st.DataObject) -> Commit:
        """A transaction that read keys a while ago."""
        reads = data.draw(st.lists(keys, min_size=1, max_size=2), label="reads")
        request = replace(self.transaction(data, least=0), read_ts=self.recent_ts(data), reads=tuple(reads))
        self.do(request)
        return request

    @rule(target=commits, data=st.data())
    def commit_after_scanning(self, data: st.DataObject) -> Commit:
        """A transaction that read ranges a while ago."""
        read = data.draw(st.lists(ranges, min_size=1, max_size=2), label="ranges")
        request = replace(self.transaction(data), read_ts=self.recent_ts(data), ranges=tuple(read))
        self.do(request)
        return request

    @rule(data=st.data(), size=st.integers(2, 6))
    def commit_together(self, data: st.DataObject, size: int) -> None:
        """Transactions that are on their way at once, which are decided in the order they were sent."""
        requests = []
        for _ in range(size):
            request = self.transaction(data)
            if data.draw(st.booleans(), label="reads"):
                request = replace(
                    request,
                    read_ts=self.newest,
                    reads=tuple(data.draw(st.lists(keys, max_size=1), label="reads")),
                    ranges=tuple(data.draw(st.lists(ranges, max_size=1), label="ranges")),
                )
            requests.append(request)
        futures = [self.local.submit(request) for request in requests]
        for request, future in zip(requests, futures, strict=True):
            found = future.exception(timeout=60) or future.result()
            self.compare(request, found, _answer(self.model, request))

    def operation(self, data: st.DataObject, key: RecordKey) -> WriteOperation:
        """A write, a delete or an extend of a key."""
        kind = data.draw(st.sampled_from(["write", "write", "delete", "extend", "extend"]), label="kind")
        if kind == "write":
            return Write(key, data.draw(payloads, label="payload"))
        if kind == "delete":
            return Delete(key)
        base_key = data.draw(st.sampled_from([key, key._replace(key=data.draw(st.sampled_from(TEXTS)))]))
        entries = self.model.state.versions.get(base_key, [])
        version = data.draw(st.integers(1, len(entries) or 1), label="base_version")
        base = entries[version - 1].payload if entries else None
        size = 0 if base is None else len(base.data)
        places = data.draw(st.lists(st.sampled_from([0, 1, size // 2, size]), min_size=2, max_size=2))
        shared = Copy(min(places), max(places))
        new = data.draw(st.sampled_from([b"x", b"y" * 63, b"z" * 2000]), label="new")
        parts: tuple[Copy | bytes, ...] = data.draw(
            st.sampled_from([(shared, new), (new, shared), (Copy(0, size), new, b"]"), (shared, shared)])
        )
        return Extend(key, base_key, version, parts, BYTES)

    def condition(self, data: st.DataObject) -> Precondition:
        """A condition that may well hold."""
        key = data.draw(keys, label="condition")
        entry = self.model.state.entry(key, self.newest)
        if data.draw(st.booleans()):
            return Precondition(key, version=data.draw(st.sampled_from([entry.version, entry.version, 0, 1])))
        commit_ts = entry.commit_ts
        return Precondition(key, commit_ts=data.draw(st.sampled_from([commit_ts, commit_ts, 0, 1])))

    def do(self, request: Commit) -> None:
        """Commits in both, now and then with the name of the store it is for."""
        if self.count % 3 == 0:
            status = self.local.execute(Status())
            named = replace(request, store_id=status.store_id, epoch=status.epoch)
            found, expected = self.ask(named, replace(request, store_id=self.model.state.store_id, epoch=1))
        else:
            found, expected = self.ask(request)
        self.compare(request, found, expected)

    @rule(request=commits)
    def commit_again(self, request: Commit) -> None:
        """The same transaction, whatever became of it."""
        self.do(request)

    @rule(request=commits, data=st.data())
    def commit_another_under_its_id(self, request: Commit, data: st.DataObject) -> None:
        """The same id with other operations, or what was empty or refused with any."""
        self.do(replace(request, operations=(Write(data.draw(keys), Payload(BYTES, b"other")),)))

    @rule(seconds=st.sampled_from([0.0, 0.000001, 1.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        """The clock moves."""
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([1, 100]))
    def the_clock_is_set_back(self, seconds: int) -> None:
        """Somebody sets the clock."""
        self.clock.set_wall_us(max(1, self.clock.now_us() - seconds * 1_000_000))

    @rule(namespace=st.sampled_from(NAMESPACES), agent=st.sampled_from(AGENTS), limit=limits)
    def erase(self, namespace: str, agent: str, limit: int) -> None:
        """All of an agent: which other keys go too is for each engine to say."""
        request = Erase(namespace, agent, prefixes=("",), limit=limit)
        expected = self.model.execute(request).versions
        part = self.local.execute(request)
        found = part.versions
        while part.cursor is not None:
            part = self.local.execute(replace(request, cursor=part.cursor))
            found += part.versions
        assert found == expected

    @rule()
    def reopen(self) -> None:
        """The engine is closed and its store opened again."""
        before = self.local.execute(Status())
        self.local.close()
        self.local = self.open_local()
        after = self.local.execute(Status())
        assert (after.store_id, after.epochs, after.head_digest) == (
            before.store_id,
            before.epochs,
            before.head_digest,
        )

    # What is asked.

    @rule(key=keys, data=st.data(), latest=st.booleans())
    def get(self, key: RecordKey, data: st.DataObject, latest: bool) -> None:
        """One key."""
        self.same(Get(key, None if latest else self.some_ts(data)))

    @rule(key=keys, version=st.integers(1, 6))
    def get_at_version(self, key: RecordKey, version: int) -> None:
        """One write of a key."""
        self.same(GetAtVersion(key, version))

    @rule(chosen=st.lists(keys, max_size=8), data=st.data(), latest=st.booleans())
    def get_many(self, chosen: list[RecordKey], data: st.DataObject, latest: bool) -> None:
        """Many keys."""
        self.same(GetMany(tuple(chosen), None if latest else self.some_ts(data)))

    @rule(
        target=cursors,
        namespace=st.sampled_from(NAMESPACES),
        agent=st.sampled_from(AGENTS),
        prefix=prefixes,
        after=bounds,
        limit=limits,
        reverse=st.booleans(),
        keys_only=st.booleans(),
        latest=st.booleans(),
        data=st.data(),
    )
    def scan(self, data: st.DataObject, **fields: Any) -> Any:
        """The first page of a scan."""
        at = None if fields["latest"] else self.some_ts(data)
        return self.page(
            Scan(
                fields["namespace"],
                fields["agent"],
                fields["prefix"],
                at,
                fields["reverse"],
                fields["keys_only"],
                fields["limit"],
                after=fields["after"],
            )
        )

    @rule(target=cursors, key=keys, limit=limits, reverse=st.booleans(), latest=st.booleans(), data=st.data())
    def history(self, key: RecordKey, limit: int, reverse: bool, latest: bool, data: st.DataObject) -> Any:
        """The first page of a history."""
        return self.page(History(key, None if latest else self.some_ts(data), reverse, limit))

    @rule(
        target=cursors,
        namespace=st.sampled_from(NAMESPACES),
        limit=limits,
        latest=st.booleans(),
        data=st.data(),
    )
    def agents(self, namespace: str, limit: int, latest: bool, data: st.DataObject) -> Any:
        """The first page of the agents."""
        return self.page(ListAgents(namespace, None if latest else self.some_ts(data), limit))

    @rule(target=cursors, limit=limits, latest=st.booleans(), data=st.data())
    def namespaces(self, limit: int, latest: bool, data: st.DataObject) -> Any:
        """The first page of the namespaces."""
        return self.page(ListNamespaces(None if latest else self.some_ts(data), limit))

    def page(self, request: Any, of_model: Any = None) -> Any:
        """Compares a page but for its cursor, and gives what continues it in both."""
        found, expected = self.ask(request, of_model)
        if isinstance(expected, StatehouseError):
            return multiple()
        assert replace(found, cursor=None) == replace(expected, cursor=None), request
        assert (found.cursor is None) == (expected.cursor is None), request
        if found.cursor is None:
            return multiple()
        further = {"at": None} | ({"after": None} if isinstance(request, Scan) else {})
        return replace(request, cursor=found.cursor, **further), replace(
            request, cursor=expected.cursor, **further
        )

    @rule(target=cursors, requests=cursors)
    def next_page(self, requests: tuple[Any, Any]) -> Any:
        """A further page of anything, however long ago the one before was."""
        return self.page(*requests)

    @rule(
        owner=st.sampled_from(
            [(None, None), *((n, None) for n in NAMESPACES), *((n, a) for n in NAMESPACES for a in AGENTS)]
        ),
        data=st.data(),
        limit=limits,
        bounded=st.booleans(),
        whole=st.booleans(),
    )
    def replay(
        self,
        owner: tuple[str | None, str | None],
        data: st.DataObject,
        limit: int,
        bounded: bool,
        whole: bool,
    ) -> None:
        """A page of a replay."""
        to_ts = self.some_ts(data) if bounded else None
        request = Replay(*owner, self.some_ts(data), to_ts, limit, payloads=whole)
        found, expected = self.ask(request)
        if isinstance(expected, EventPage):
            _same_events(request, found, expected)
            assert found.done is (to_ts is not None and found.through_commit_ts >= to_ts)

    @rule(
        wanted=st.sampled_from(
            [
                *(("trace", each) for each in TRACES),
                *(("span", each) for each in SPANS),
                ("run", "r"),
                ("run", "r2"),
            ]
        ),
        data=st.data(),
        limit=limits,
    )
    def find(self, wanted: tuple[Any, str], data: st.DataObject, limit: int) -> None:
        """A page of the events of an origin."""
        request = FindEvents(*wanted, self.some_ts(data), limit)
        found, expected = self.ask(request)
        _same_events(request, found, expected)
        assert found.done is expected.done

    @rule(number=st.integers(0, 40))
    def find_transaction(self, number: int) -> None:
        """What became of an id."""
        self.same(LookupTxn(f"t{number}"))
        found, expected = self.ask(FindEvents("txn", f"t{number}"))
        assert (found.events, found.done) == (expected.events, expected.done)

    @rule(data=st.data(), by_us=st.sampled_from([-1, 0, 1]))
    def locate(self, data: st.DataObject, by_us: int) -> None:
        """A commit by its time."""
        times = [event.committed_at_us for event in self.model.state.events] or [1]
        self.same(LocateTime(data.draw(st.sampled_from(times)) + by_us))

    @precondition(lambda self: self.newest)
    @rule(limit=limits)
    def check(self, limit: int) -> None:
        """The engine proves what it has."""
        page = self.local.execute(Check(limit=limit))
        while page.cursor is not None:
            assert page.problems == ()
            page = self.local.execute(Check(page.cursor, limit))
        assert page.problems == ()
        assert page.head_digest == self.local.execute(Status()).head_digest

    def compare_all_history(self) -> None:
        """Every key, list and count as of every commit, and every event."""
        self.same(Replay())
        for at in range(self.newest + 1):
            self.same(GetMany(tuple(KEYS), at))
            self.same(ListNamespaces(at))
            for namespace in NAMESPACES:
                self.same(ListAgents(namespace, at))
                for agent in AGENTS:
                    self.same(Scan(namespace, agent, at=at))


def _answer(engine: Any, request: Request[Any]) -> Any:
    try:
        return engine.execute(request)
    except StatehouseError as error:
        return error


def _same_events(request: Replay | FindEvents, found: EventPage, expected: EventPage) -> None:
    # A page that is full need not say how much further there was nothing.
    assert found.events == expected.events, request
    assert (found.store_id, found.epoch) == (expected.store_id, expected.epoch), request
    if len(found.events) < request.limit:
        assert found.through_commit_ts == expected.through_commit_ts, request
    else:
        assert found.events[-1].commit_ts <= found.through_commit_ts <= expected.through_commit_ts, request


class MemoryMachine(EngineMachine):
    """Over a store in memory that is kept."""

    def open_local(self) -> LocalEngine:
        """Opens it on the same store."""
        self.kept = self.kept or KeptStore()
        return open_local(self.kept, limits=LIMITS, clock=self.clock)


class RocksMachine(EngineMachine):
    """Over a directory."""

    def open_local(self) -> LocalEngine:
        """Opens it on the same directory."""
        return open_local(RocksStore.open(self.path / "store"), limits=LIMITS, clock=self.clock)


def _run(machine: type[EngineMachine], *, examples: int, steps: int) -> None:
    limits_of_run = settings(max_examples=examples, stateful_step_count=steps, phases=PHASES)
    run_state_machine_as_test(machine, settings=limits_of_run)


def test_the_engine_in_memory_does_what_the_model_does() -> None:
    """G1 to G7."""
    _run(MemoryMachine, examples=60, steps=40)


def test_the_engine_on_rocksdb_does_what_the_model_does() -> None:
    """G1 to G7."""
    _run(RocksMachine, examples=10, steps=40)


@pytest.mark.slow
def test_the_engine_in_memory_does_what_the_model_does_for_long() -> None:
    """G1 to G7."""
    _run(MemoryMachine, examples=300, steps=80)


@pytest.mark.slow
def test_the_engine_on_rocksdb_does_what_the_model_does_for_long() -> None:
    """G1 to G7."""
    _run(RocksMachine, examples=60, steps=80)
