"""Hostile requests: the documented error, nothing changed, and the next good one succeeds (G8)."""

from __future__ import annotations

from typing import Any

import pytest

from statehouse.errors import InvalidArgumentError
from statehouse.protocol.engine import Engine
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.requests import (
    Commit,
    Delete,
    Extend,
    Get,
    GetAtVersion,
    GetMany,
    History,
    KeyRange,
    ListAgents,
    LookupTxn,
    Precondition,
    Request,
    Write,
)
from statehouse.protocol.values import JSON, Payload
from statehouse.testing.contracts.engine_phrases import (
    AGENT,
    NAMESPACE,
    commit,
    delete,
    everything,
    name,
    put,
    scan,
    transaction,
    value,
    write,
)

GOOD = Payload(JSON, b"1")
BAD_TEXTS: list[Any] = ["", "a\x00b", "\n", "\x1f", "\ud800", None, 7, b"bytes", ["list"]]


def _named(text: Any) -> list[RecordKey]:
    return [name(text), name("k", text), name("k", AGENT, text)]


class RefusalsContract:
    """What makes no sense."""

    def _refused(self, engine: Engine, request: Request[Any]) -> None:
        put(engine, "k", "before")
        before = everything(engine)
        with pytest.raises(InvalidArgumentError) as caught:
            engine.execute(request)
        assert str(caught.value)
        with pytest.raises(InvalidArgumentError):
            engine.submit(request).result(timeout=30)
        assert everything(engine) == before
        put(engine, "k", "after")
        assert value(engine) == "after"

    @pytest.mark.parametrize("text", BAD_TEXTS, ids=repr)
    @pytest.mark.parametrize("place", range(3), ids=["key", "agent", "namespace"])
    def test_names_that_are_none(self, engine: Engine, text: Any, place: int) -> None:
        """G8: in every request that has one."""
        key = _named(text)[place]
        not_a_key: Any = text or 7
        ranges = (KeyRange(*key[:2]),) if place else (KeyRange(NAMESPACE, AGENT, first=not_a_key),)
        requests: list[Request[Any]] = [
            transaction(write("ok"), Write(key, GOOD)),
            transaction(write("ok"), Delete(key)),
            transaction(Extend(key, name("k"), 1, (b"x",), JSON)),
            transaction(Extend(name("k"), key, 1, (b"x",), JSON)),
            transaction(write(), preconditions=(Precondition(key, version=0),)),
            transaction(write(), read_ts=0, reads=(key,)),
            transaction(write(), read_ts=0, ranges=ranges),
            Get(key),
            GetAtVersion(key, 1),
            GetMany((name(), key)),
            History(key),
        ]
        put(engine, "k", b"base")
        for request in requests:
            with pytest.raises(InvalidArgumentError):
                engine.execute(request)
        self._refused(engine, requests[0])

    @pytest.mark.parametrize("text", BAD_TEXTS, ids=repr)
    def test_ids_and_lists_that_are_none(self, engine: Engine, text: Any) -> None:
        """G8."""
        self._refused(engine, Commit(text, (write(),)))
        requests: list[Request[Any]] = [LookupTxn(text), ListAgents(text)]
        for request in (*requests, scan(namespace=text), scan(agent_id=text)):
            with pytest.raises(InvalidArgumentError):
                engine.execute(request)

    @pytest.mark.parametrize("text", [text for text in BAD_TEXTS if text not in ("", None)], ids=repr)
    def test_prefixes_and_starts_that_are_none(self, engine: Engine, text: Any) -> None:
        """G8: an empty prefix is all keys."""
        for request in (scan(text), scan(after=text)):
            self._refused(engine, request)

    @pytest.mark.parametrize(
        "operation",
        [
            None,
            "write",
            Get(name()),
            Write(name(), None),  # type: ignore[arg-type]
            Write(name(), b"1"),  # type: ignore[arg-type]
            Write(name(), {"a": 1}),  # type: ignore[arg-type]
            Write(name(), Payload(JSON, "1")),  # type: ignore[arg-type]
            Write(name(), Payload(JSON, bytearray(b"1"))),  # type: ignore[arg-type]
            Write(name(), Payload("", b"1")),
            Write(name(), Payload("a\nb", b"1")),
            Write(name(), Payload(None, b"1")),  # type: ignore[arg-type]
            Write(None, GOOD),  # type: ignore[arg-type]
            Extend(name(), name(), 1, (b"x",), ""),
            Extend(name(), name(), True, (b"x",), JSON),
            Extend(name(), name(), -1, (b"x",), JSON),
            Extend(name(), name(), "1", (b"x",), JSON),  # type: ignore[arg-type]
            Extend(name(), name(), 1, ("x",), JSON),  # type: ignore[arg-type]
        ],
        ids=lambda operation: f"{operation!r:.60}",
    )
    def test_operations_that_are_none(self, engine: Engine, operation: Any) -> None:
        """G8: whatever was good in the same transaction is not applied."""
        self._refused(engine, transaction(write("ok"), operation))

    @pytest.mark.parametrize(
        "again",
        [write("twice", 2), delete("twice"), Extend(name("twice"), name(), 1, (b"x",), JSON)],
        ids=["write", "delete", "extend"],
    )
    def test_a_key_twice(self, engine: Engine, again: Any) -> None:
        """G1: which of them is meant?"""
        self._refused(engine, transaction(write("twice", 1), write("ok"), again))

    def test_the_same_key_of_another_agent_is_another_key(self, engine: Engine) -> None:
        """G1."""
        assert (
            commit(engine, write("k"), write(name("k", "critic")), write(name("k", AGENT, "n"))).commit_ts
            == 1
        )

    @pytest.mark.parametrize(
        "precondition",
        [
            Precondition(name()),
            Precondition(name(), version=1, commit_ts=1),
            Precondition(name(), version=-1),
            Precondition(name(), commit_ts=-1),
            Precondition(name(), version=True),
            Precondition(name(), version=1.0),  # type: ignore[arg-type]
            Precondition(name(), commit_ts="1"),  # type: ignore[arg-type]
        ],
        ids=repr,
    )
    def test_preconditions_that_are_none(self, engine: Engine, precondition: Precondition) -> None:
        """G3: exactly one of version and commit_ts."""
        self._refused(engine, transaction(write(), preconditions=(precondition,)))

    @pytest.mark.parametrize("number", [-1, True, 1.0, "1", [1]], ids=repr)
    @pytest.mark.parametrize("field", ["read_ts", "made_at_ts", "epoch", "committed_at_us"])
    def test_numbers_that_are_none(self, engine: Engine, field: str, number: Any) -> None:
        """G8: bool is no int."""
        self._refused(engine, transaction(write(), **{field: number}))

    @pytest.mark.parametrize(
        "origin",
        [
            Origin(trace_id="xyz"),
            Origin(trace_id="A" * 32),
            Origin(trace_id="0" * 31),
            Origin(span_id="0" * 32),
            Origin(agent_id="a\x00"),
            Origin(run_id="\ud800"),
            Origin(step="a\nb"),
            Origin(attributes={"a": 1}),  # type: ignore[dict-item]
            Origin(attributes={1: "a"}),  # type: ignore[dict-item]
            Origin(attributes={"a": "\ud800"}),
            Origin(attributes=["a"]),  # type: ignore[arg-type]
        ],
        ids=repr,
    )
    def test_origins_that_are_none(self, engine: Engine, origin: Origin) -> None:
        """G7."""
        self._refused(engine, transaction(write(), origin=origin))

    def test_a_request_that_is_none(self, engine: Engine) -> None:
        """G8."""
        self._refused(engine, Request())
