"""A daemon answers what the same engine answers in the same process: equal replies, or equal errors."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statehouse.engine import LocalEngine, open_engine
from statehouse.errors import StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import COMMIT_TS_MAX
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
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
from statehouse.rpc.calling import RemoteEngine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.clock import ManualClock
from statehouse.testing.daemon import serving
from tests.engine_faults.workload import CountingEntropy
from tests.rpc.daemons import WAIT_S

R = TypeVar("R")

LAST: Final = "the cursor of the last page"

# What makes sense, and what does not. A request has at most one fault: which of several is found first is
# nobody's promise.
good_texts = st.sampled_from(["k", "k", "k1", "k/1", "l", "é", "\U0001f600", "x" * 1024])
bad_texts = st.sampled_from(["", "x" * 1025, "\x1f", "\0"])
namespaces = st.sampled_from(["n"] * 8 + ["m", "default", "é" * 64])
bad_namespaces = st.sampled_from(["x" * 129, "a\nb"])
agents = st.sampled_from(["a"] * 8 + ["b", "a/b", "x" * 256])
bad_agents = st.sampled_from(["", "x" * 257, "\0"])
keys = st.builds(RecordKey, namespaces, agents, good_texts)
hot = st.sampled_from([RecordKey("n", "a", "k"), RecordKey("n", "a", "l"), RecordKey("n", "b", "k")])
any_key = st.one_of(hot, hot, hot, keys)
bad_keys = st.one_of(
    st.builds(RecordKey, bad_namespaces, agents, good_texts),
    st.builds(RecordKey, namespaces, bad_agents, good_texts),
    st.builds(RecordKey, namespaces, agents, bad_texts),
)
moments = st.none() | st.sampled_from([0, 1, 2, 3])
bad_moments = st.sampled_from([10_000, -1, COMMIT_TS_MAX, COMMIT_TS_MAX + 1, 2**63, 2**64])
numbers = st.sampled_from([1, 2, 3, 5])
bad_numbers = st.sampled_from([0, -1, COMMIT_TS_MAX, 2**53, 2**64])
limits = st.sampled_from([1000, 1000, 1, 2, 3, 10_000])
bad_limits = st.sampled_from([0, -1, 10_001, 2**32])
cursors = st.sampled_from([None, None, LAST])
bad_cursors = st.sampled_from(["", "nonsense", "AAAA", "x" * 5000, LAST])
prefixes = st.sampled_from(["", "k", "k/", "é"])
bad_prefixes = st.sampled_from(["x" * 1025, "\0"])
bounds = st.none() | good_texts
types = st.sampled_from([JSON, JSON, BYTES, "text/x"])
bad_types = st.sampled_from(["x" * 129, "a\nb"])
data = st.sampled_from([b"1", b"{}", b"", b"not json", b"\xff"])
payloads = st.builds(Payload, types, data) | st.sampled_from([Payload(BYTES, b"a" * 300_000)])
origins = st.builds(
    Origin,
    trace_id=st.sampled_from(["", "1" * 32]),
    span_id=st.sampled_from(["", "2" * 16]),
    agent_id=st.sampled_from(["", "a", "x" * 256]),
    run_id=st.sampled_from(["", "r"]),
    step=st.sampled_from(["", "s"]),
    attributes=st.sampled_from([{}, {"a": "b"}]),
)
bad_origins = st.sampled_from(
    [
        Origin(trace_id="f" * 31),
        Origin(trace_id="0" * 32),
        Origin(span_id="g" * 16),
        Origin(run_id="x" * 9000),
        Origin(attributes={"a": "x" * 9000}),
    ]
)
parts = st.lists(st.builds(Copy, st.just(0), st.sampled_from([1, 2])) | st.binary(max_size=3), max_size=3)
bad_parts = st.sampled_from([(Copy(0, 10**6),), (Copy(1, 0),), (Copy(-1, 1),), (Copy(0, 2**64),)])
same = st.sampled_from([RecordKey("n", "a", "k"), RecordKey("n", "a", "l")])
writes = st.one_of(
    st.builds(Write, any_key, payloads),
    st.builds(Delete, any_key),
    st.builds(Extend, same, same, numbers, parts.map(tuple), types),
)
bad_writes = st.one_of(
    st.builds(Write, bad_keys, payloads),
    st.builds(Write, any_key, st.builds(Payload, bad_types, data)),
    st.builds(Delete, bad_keys),
    st.builds(Extend, same, st.just(RecordKey("n", "b", "k")), numbers, parts.map(tuple), types),
    st.builds(Extend, same, same, bad_numbers, st.just((b"x",)), types),
    st.builds(Extend, same, same, numbers, bad_parts, types),
    st.builds(Extend, same, same, numbers, parts.map(tuple), bad_types),
)
ranges = st.builds(KeyRange, namespaces, agents, prefixes, st.none(), bounds, st.booleans())
bad_ranges = st.one_of(
    st.builds(KeyRange, bad_namespaces, agents, prefixes, st.none(), bounds, st.booleans()),
    st.builds(KeyRange, namespaces, agents, prefixes, st.just("z"), st.just("a"), st.booleans()),
)
conditions = st.builds(Precondition, any_key, numbers) | st.builds(Precondition, any_key, st.none(), numbers)
bad_conditions = st.one_of(
    st.builds(Precondition, any_key, numbers, numbers),
    st.builds(Precondition, any_key),
    st.builds(Precondition, any_key, bad_numbers),
)


def some(values: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Up to so many values, as requests have them."""
    return st.lists(values, max_size=most).map(tuple)


Fields = dict[str, tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]]

NOTHING: Final = st.nothing()
KINDS: Final[tuple[tuple[type[Request[Any]], Fields], ...]] = (
    (
        Commit,
        {
            "txn_id": (
                st.sampled_from(["t1", "t2", "t3"]) | st.uuids().map(str),
                st.sampled_from(["", "x" * 129]),
            ),
            "operations": (
                st.lists(writes, max_size=3, unique_by=lambda write: write.key).map(tuple),
                bad_writes.map(lambda bad: (bad,)) | writes.map(lambda twice: (twice, twice)),
            ),
            "read_ts": (moments, bad_moments),
            "reads": (some(any_key, 2), bad_keys.map(lambda bad: (bad,))),
            "ranges": (some(ranges, 1), bad_ranges.map(lambda bad: (bad,))),
            "preconditions": (some(conditions, 1), bad_conditions.map(lambda bad: (bad,))),
            "origin": (origins, bad_origins),
            "made_at_ts": (st.sampled_from([0, 1]), st.sampled_from([-1, 2**53, 2**64])),
            "store_id": (st.just(""), st.sampled_from(["0" * 32, "short"])),
            "epoch": (st.sampled_from([0, 1]), st.sampled_from([2, -1, 2**53, 2**64])),
            "committed_at_us": (st.sampled_from([0, 0, 1, 10**15]), st.sampled_from([-1, 2**63, 2**64])),
            "timeout_s": (
                st.sampled_from([30.0, 30, 5.5, 3600]),
                st.sampled_from([0.0, -1.0, 3601, float("nan"), float("inf")]),
            ),
        },
    ),
    (Get, {"key": (any_key, bad_keys), "at": (moments, bad_moments)}),
    (GetAtVersion, {"key": (any_key, bad_keys), "version": (numbers, bad_numbers)}),
    (
        GetMany,
        {"keys": (some(any_key, 4), bad_keys.map(lambda bad: (bad,))), "at": (moments, bad_moments)},
    ),
    (
        Scan,
        {
            "namespace": (namespaces, bad_namespaces),
            "agent_id": (agents, bad_agents),
            "prefix": (prefixes, bad_prefixes),
            "at": (st.none(), bad_moments),
            "reverse": (st.booleans(), NOTHING),
            "keys_only": (st.booleans(), NOTHING),
            "limit": (limits, bad_limits),
            "cursor": (cursors, bad_cursors),
            "after": (st.none(), bad_texts),
        },
    ),
    (
        History,
        {
            "key": (any_key, bad_keys),
            "at": (st.none(), bad_moments),
            "reverse": (st.booleans(), NOTHING),
            "limit": (limits, bad_limits),
            "cursor": (cursors, bad_cursors),
        },
    ),
    (
        ListAgents,
        {
            "namespace": (namespaces, bad_namespaces),
            "at": (st.none(), bad_moments),
            "limit": (limits, bad_limits),
            "cursor": (cursors, bad_cursors),
        },
    ),
    (
        ListNamespaces,
        {"at": (st.none(), bad_moments), "limit": (limits, bad_limits), "cursor": (cursors, bad_cursors)},
    ),
    (
        Replay,
        {
            "namespace": (namespaces, bad_namespaces | st.none()),
            "agent_id": (st.none() | agents, bad_agents),
            "from_ts": (numbers, bad_numbers),
            "to_ts": (st.none() | st.just(10**6), bad_numbers),
            "limit": (limits, bad_limits),
            "wait_s": (st.just(0.0), st.sampled_from([-1.0, 3601.0, float("nan")])),
            "payloads": (st.booleans(), NOTHING),
        },
    ),
    (
        FindEvents,
        {
            "by": (st.sampled_from(["trace", "span", "run", "txn"]), st.just("other")),
            "id": (st.sampled_from(["1" * 32, "2" * 16, "r", "t1"]), st.sampled_from(["", "x" * 9000])),
            "from_ts": (numbers, bad_numbers),
            "limit": (limits, bad_limits),
        },
    ),
    (LocateTime, {"time_us": (st.sampled_from([0, 17 * 10**14]), st.sampled_from([-1, 2**53, 2**64]))}),
    (LookupTxn, {"txn_id": (st.sampled_from(["t1", "t2", "nobody's"]), st.sampled_from(["", "x" * 129]))}),
    (Check, {"cursor": (cursors, bad_cursors), "limit": (limits, bad_limits)}),
    (
        Erase,
        {
            "namespace": (namespaces, bad_namespaces),
            "agent_id": (agents, bad_agents),
            "keys": (st.sampled_from([("a",), ("ab", "b")]), st.sampled_from([("",), ("x" * 1025,)])),
            "prefixes": (st.sampled_from([(), ("a",), ("",)]), st.just(("\0",))),
            "dry_run": (st.booleans(), NOTHING),
            "limit": (limits, bad_limits),
            "cursor": (cursors, bad_cursors),
        },
    ),
    (Health, {}),
    (Version, {}),
    (Status, {}),
)


@st.composite
def a_request(draw: st.DrawFn) -> Request[Any]:
    """Anything that can be asked; commits are likely, and one in three has a fault."""
    kind, fields = draw(st.sampled_from(KINDS[:1] * len(KINDS) + KINDS))
    faulty = draw(
        st.sampled_from([None, None, *(name for name, (_, bad) in fields.items() if bad is not NOTHING)])
    )
    drawn = {name: draw(bad if name == faulty else good) for name, (good, bad) in fields.items()}
    if faulty is not None:
        # As of a moment that has been, and from the beginning: else there were two faults.
        harmless = {"at": None, "cursor": None, "read_ts": 0}
        drawn |= {name: value for name, value in harmless.items() if name in drawn and name != faulty}
    request: Request[Any] = kind(**drawn)
    return request


class Switched:
    """An engine that is another one from time to time.

    Attributes:
        engine: The present one.
    """

    engine: Engine

    def execute(self, request: Request[R]) -> R:
        """Asks the present one."""
        return self.engine.execute(request)

    def submit(self, request: Request[R]) -> Future[R]:
        """Asks the present one."""
        return self.engine.submit(request)

    def close(self) -> None:
        """Closes the present one."""
        self.engine.close()


class Pair:
    """Two ways to the same: an engine here, and one behind a daemon."""

    def __init__(self, switched: Switched, remote: RemoteEngine, *, submitting: bool) -> None:
        self._switched = switched
        self._remote = remote
        self._submitting = submitting

    def compare(self, asked: list[Request[Any]]) -> None:
        """Asks both the same."""
        clocks = [ManualClock(), ManualClock()]
        here, there = (open_engine(MemoryStore(), clock=clock, entropy=CountingEntropy()) for clock in clocks)
        self._switched.engine = there
        cursor = None
        for each in asked:
            for clock in clocks:
                clock.advance(1.0)
            request: Any = each
            if getattr(request, "cursor", None) == LAST:
                request = replace(request, cursor=cursor)
            expected = _answer(here, request)
            assert self._answer(request) == expected, request
            cursor = getattr(expected, "cursor", cursor)
        assert self._answer(Replay()) == _answer(here, Replay())
        for engine in (here, there):
            engine.close()

    def _answer(self, request: Request[Any]) -> object:
        if not self._submitting:
            return _answer(self._remote, request)
        try:
            return self._remote.submit(request).result(WAIT_S)
        except StatehouseError as error:
            return _facts(error)


def _answer(engine: LocalEngine | RemoteEngine, request: Request[Any]) -> object:
    try:
        return engine.execute(request)
    except StatehouseError as error:
        return _facts(error)


def _facts(error: StatehouseError) -> object:
    return type(error), error.message, error.details


@pytest.fixture(scope="module", params=["pipeline", "unary"])
def remote(request: pytest.FixtureRequest) -> Iterator[tuple[Switched, RemoteEngine]]:
    """A daemon around whatever engine, and a way to it."""
    switched = Switched()
    with serving(switched) as target:
        remote = RemoteEngine(target, pipelined=request.param == "pipeline")
        yield switched, remote
        remote.close()


@pytest.fixture(params=["execute", "submit"])
def pair(request: pytest.FixtureRequest, remote: tuple[Switched, RemoteEngine]) -> Pair:
    """Two ways to the same."""
    return Pair(*remote, submitting=request.param == "submit")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(asked=st.lists(a_request(), min_size=5, max_size=25))
def test_whatever_is_asked_is_answered_as_in_the_same_process(pair: Pair, asked: list[Request[Any]]) -> None:
    pair.compare(asked)
