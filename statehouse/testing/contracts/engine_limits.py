"""Every limit at limit - 1, limit and limit + 1 (G8): a refused request changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import InvalidArgumentError, LimitExceededError
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import DEFAULT_LIMITS
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Entry
from statehouse.protocol.requests import (
    Check,
    Copy,
    Extend,
    FindEvents,
    Get,
    GetMany,
    History,
    KeyRange,
    ListAgents,
    ListNamespaces,
    Replay,
    Request,
    Write,
)
from statehouse.protocol.values import BYTES, Payload
from statehouse.testing.contracts.engine_phrases import (
    AGENT,
    NAMESPACE,
    OpenEngine,
    commit,
    delete,
    entry,
    must_not_exist,
    name,
    newest,
    put,
    scan,
    transaction,
    write,
    write_bytes,
)

# Each makes a request in which something has so many bytes (of which a character may need several).
NAMES: dict[str, tuple[int, Callable[[str], Request[Any]]]] = {
    "namespace of a write": (128, lambda text: transaction(write(name("k", AGENT, text)))),
    "agent of a write": (256, lambda text: transaction(write(name("k", text)))),
    "key of a write": (1024, lambda text: transaction(write(text))),
    "key of a delete": (1024, lambda text: transaction(delete(text))),
    "key of a read": (1024, lambda text: Get(name(text))),
    "key of a read of many": (1024, lambda text: GetMany((name(text),))),
    "key of a history": (1024, lambda text: History(name(text))),
    "key of a read set": (1024, lambda text: transaction(write(), read_ts=0, reads=(name(text),))),
    "key of a precondition": (1024, lambda text: transaction(write(), preconditions=(must_not_exist(text),))),
    "namespace of a scan": (128, lambda text: scan(namespace=text)),
    "agent of a scan": (256, lambda text: scan(agent_id=text)),
    "prefix of a scan": (1024, scan),
    "prefix of a range": (
        1024,
        lambda text: transaction(write(), read_ts=0, ranges=(KeyRange(NAMESPACE, AGENT, text),)),
    ),
    "namespace of a replay": (128, Replay),
    "agent of a replay": (256, lambda text: Replay(NAMESPACE, text)),
    "namespace of a list": (128, ListAgents),
    "id of a transaction": (128, lambda text: transaction(write(), txn_id=text)),
    "agent of an origin": (256, lambda text: transaction(write(), origin=Origin(agent_id=text))),
    "run of an origin": (1024, lambda text: transaction(write(), origin=Origin(run_id=text))),
    "run that is looked for": (1024, lambda text: FindEvents("run", text)),
}

LIMITS_OF_ROWS: dict[str, Callable[[Any], Request[Any]]] = {
    "scan": lambda limit: scan(limit=limit),
    "history": lambda limit: History(name(), limit=limit),
    "agents": lambda limit: ListAgents(NAMESPACE, limit=limit),
    "namespaces": lambda limit: ListNamespaces(limit=limit),
    "replay": lambda limit: Replay(limit=limit),
    "find": lambda limit: FindEvents("run", "r", limit=limit),
    "check": lambda limit: Check(limit=limit),
}


class NameLimitsContract:
    """Names, in bytes of UTF-8."""

    @pytest.mark.parametrize("limit, asked", NAMES.values(), ids=NAMES.keys())
    @pytest.mark.parametrize("letter", ["x", "é", "🗝"])
    def test_a_name_may_be_as_long_as_its_limit(
        self, engine: Engine, limit: int, asked: Callable[[str], Request[Any]], letter: str
    ) -> None:
        """G8."""
        size = len(letter.encode())
        exact = letter * (limit // size) + "x" * (limit % size)
        engine.execute(asked(exact[:-1]))
        engine.execute(asked(exact))
        before = newest(engine)
        with pytest.raises(LimitExceededError) as caught:
            engine.execute(asked(exact + "x"))
        assert (caught.value.limit, caught.value.actual) == (limit, limit + 1)
        assert newest(engine) == before

    def test_the_longest_names_can_be_read_listed_and_replayed(self, engine: Engine) -> None:
        """G6."""
        longest = name("k" * 1024, "a" * 256, "n" * 128)
        txn_id, origin = "t" * 128, Origin("f" * 32, "f" * 16, "a" * 256, "r" * 1024)
        commit(engine, write(longest), txn_id=txn_id, origin=origin)
        assert entry(engine, longest).version == 1
        page = engine.execute(scan("k" * 1024, namespace="n" * 128, agent_id="a" * 256))
        assert [row.key for row in page.entries] == [longest]
        assert len(engine.execute(Replay("n" * 128, "a" * 256)).events) == 1
        assert len(engine.execute(FindEvents("run", "r" * 1024)).events) == 1
        assert len(engine.execute(FindEvents("txn", txn_id)).events) == 1


class SizeLimitsContract:
    """Values and transactions."""

    def test_a_value_may_be_as_large_as_its_limit(self, open_engine: OpenEngine) -> None:
        """G8."""
        engine = open_engine(limits=replace(DEFAULT_LIMITS, value_bytes_max=5000))
        commit(engine, write_bytes("a", 4999), write_bytes("b", 5000))
        with pytest.raises(LimitExceededError) as caught:
            commit(engine, write_bytes("c", 5001))
        assert (caught.value.limit, caught.value.actual, newest(engine)) == (5000, 5001, 1)

    def test_a_value_may_have_sixteen_mebibytes(self, engine: Engine) -> None:
        """G8."""
        limit = 16 * 1024 * 1024
        payload = Payload(BYTES, bytes(range(256)) * (limit // 256))
        commit(engine, Write(name(), payload))
        assert entry(engine) == Entry(name(), payload, 1, 1, "write")
        with pytest.raises(LimitExceededError):
            commit(engine, write_bytes("k", limit + 1))

    def test_an_extended_value_may_be_as_large_as_the_limit(self, open_engine: OpenEngine) -> None:
        """G8: what counts is the whole, not what is new."""
        engine = open_engine(limits=replace(DEFAULT_LIMITS, value_bytes_max=5000))
        commit(engine, write_bytes("base", 4000))

        def extend(size: int) -> Extend:
            return Extend(name(), name("base"), 1, (Copy(0, 4000), b"x" * size), BYTES)

        commit(engine, extend(999))
        commit(engine, extend(1000))
        with pytest.raises(LimitExceededError):
            commit(engine, extend(1001))
        assert newest(engine) == 3

    def test_a_content_type_may_be_as_long_as_its_limit(self, engine: Engine) -> None:
        """G8."""
        for size in (127, 128):
            commit(engine, Write(name(), Payload("x" * size, b"")))
        with pytest.raises(LimitExceededError):
            commit(engine, Write(name(), Payload("x" * 129, b"")))
        assert newest(engine) == 2

    def test_a_transaction_may_be_as_large_as_its_limit(self, open_engine: OpenEngine) -> None:
        """G8: names and values count; the error says by how much it was too large."""
        engine = open_engine(limits=replace(DEFAULT_LIMITS, transaction_bytes_max=10_000))
        with pytest.raises(LimitExceededError) as caught:
            commit(engine, write_bytes("a", 6000), write_bytes("b", 6000))
        over = caught.value.actual - 10_000
        assert caught.value.limit == 10_000
        assert over >= 2000
        with pytest.raises(LimitExceededError):
            commit(engine, write_bytes("a", 6000), write_bytes("b", 6001 - over))
        assert newest(engine) == 0
        commit(engine, write_bytes("a", 6000), write_bytes("b", 6000 - over))
        commit(engine, write_bytes("a", 6000), write_bytes("b", 5999 - over))

    def test_a_transaction_may_have_as_many_operations_as_its_limit(self, open_engine: OpenEngine) -> None:
        """G8."""
        engine = open_engine(limits=replace(DEFAULT_LIMITS, transaction_operations_max=20))
        for count in (19, 20):
            commit(engine, *(write(f"k{number}") for number in range(count)))
        with pytest.raises(LimitExceededError) as caught:
            commit(engine, *(write(f"k{number}") for number in range(21)))
        assert (caught.value.limit, caught.value.actual, newest(engine)) == (20, 21, 2)

    def test_ten_thousand_operations_are_one_commit(self, engine: Engine) -> None:
        """G1."""
        commit(engine, *(write(f"k{number:05}") for number in range(10_000)))
        page = engine.execute(scan(keys_only=True, limit=10_000))
        assert ({row.commit_ts for row in page.entries}, len(page.entries), page.cursor) == (
            {1},
            10_000,
            None,
        )
        assert [len(event.operations) for event in engine.execute(Replay()).events] == [10_000]

    def test_a_read_set_may_be_as_large_as_its_limit(self, open_engine: OpenEngine) -> None:
        """G8: keys and ranges together."""
        engine = open_engine(limits=replace(DEFAULT_LIMITS, transaction_reads_max=20))
        span = KeyRange(NAMESPACE, AGENT, "p")
        for count in (18, 19):
            commit(
                engine, write(), read_ts=0, reads=tuple(name(f"r{n}") for n in range(count)), ranges=(span,)
            )
        with pytest.raises(LimitExceededError):
            commit(engine, write(), read_ts=0, reads=tuple(name(f"r{n}") for n in range(20)), ranges=(span,))
        assert newest(engine) == 2

    def test_an_origin_may_be_as_large_as_its_limit(self, engine: Engine) -> None:
        """G8: the step and the attributes together."""
        for size in (8191, 8192):
            commit(engine, write(), origin=Origin(step="s" * 92, attributes={"name": "x" * (size - 96)}))
        with pytest.raises(LimitExceededError):
            commit(engine, write(), origin=Origin(step="s" * 93, attributes={"name": "x" * (8192 - 96)}))
        assert newest(engine) == 2

    @pytest.mark.parametrize("seconds", [0.001, 3600.0, 1])
    def test_a_timeout_may_be_a_millisecond_to_an_hour(self, engine: Engine, seconds: float) -> None:
        """G8: checked alone; whether a short one is met is another matter."""
        outcome = engine.submit(transaction(write(), timeout_s=seconds)).exception(timeout=30)
        assert not isinstance(outcome, ValueError)

    @pytest.mark.parametrize(
        "seconds", [0.0009, 3600.1, 0, -1.0, float("inf"), float("nan"), "30", None, True]
    )
    def test_any_other_timeout_is_refused(self, engine: Engine, seconds: Any) -> None:
        """G8."""
        with pytest.raises((InvalidArgumentError, LimitExceededError)):
            commit(engine, write(), timeout_s=seconds)
        assert newest(engine) == 0


class PageLimitsContract:
    """Rows of a page, and keys of a request."""

    @pytest.mark.parametrize("asked", LIMITS_OF_ROWS.values(), ids=LIMITS_OF_ROWS.keys())
    def test_a_page_may_have_ten_thousand_rows(
        self, engine: Engine, asked: Callable[[Any], Request[Any]]
    ) -> None:
        """G8."""
        put(engine)
        for limit in (1, 9999, 10_000):
            engine.execute(asked(limit))
        for wrong in (10_001, 0, -1, True, 1.0, "1", None):
            with pytest.raises(InvalidArgumentError):
                engine.execute(asked(wrong))

    def test_a_request_may_have_as_many_keys_as_its_limit(self, open_engine: OpenEngine) -> None:
        """G8."""
        engine = open_engine(limits=replace(DEFAULT_LIMITS, get_many_keys_max=20))
        for count in (19, 20):
            page = engine.execute(GetMany(tuple(name(f"k{number}") for number in range(count))))
            assert len(page.entries) == count
        with pytest.raises(LimitExceededError):
            engine.execute(GetMany(tuple(name(f"k{number}") for number in range(21))))
