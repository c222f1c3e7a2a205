"""Hostile input to every call of the SDK: a documented error, nothing changed, the next call succeeds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from statehouse import (
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    Origin,
    Payload,
    Record,
    Statehouse,
    Transaction,
)

Names = dict[str, Any]

BAD_NAMES: list[tuple[Any, type[Exception]]] = [
    ("", InvalidArgumentError),
    ("a\x00b", InvalidArgumentError),
    ("a\nb", InvalidArgumentError),
    ("\ud800", InvalidArgumentError),
    (7, InvalidArgumentError),
    (b"bytes", InvalidArgumentError),
    (["k"], InvalidArgumentError),
    ("x" * 1025, LimitExceededError),
    ("é" * 513, LimitExceededError),
]

DEEP: list[Any] = []
for _ in range(33):
    DEEP = [DEEP]
ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)

BAD_VALUES: list[tuple[Any, type[Exception]]] = [
    (float("nan"), InvalidArgumentError),
    ({"x": [float("inf")]}, InvalidArgumentError),
    ({1: 2}, InvalidArgumentError),
    ({"x": {None: 1}}, InvalidArgumentError),
    ("\ud800", InvalidArgumentError),
    ({"\udfff": 1}, InvalidArgumentError),
    ({1, 2}, InvalidArgumentError),
    (object(), InvalidArgumentError),
    (1j, InvalidArgumentError),
    (datetime(2026, 1, 1, tzinfo=UTC), InvalidArgumentError),
    ([b"bytes inside JSON"], InvalidArgumentError),
    (DEEP, LimitExceededError),
    (ENDLESS, LimitExceededError),
    (b"x" * (16 * 1024 * 1024 + 1), LimitExceededError),
    (Payload("", b"x"), InvalidArgumentError),
    (Payload("x" * 129, b"x"), LimitExceededError),
    (Payload("text/plain", "no bytes"), InvalidArgumentError),  # type: ignore[arg-type]
    (Payload(7, b"x"), InvalidArgumentError),  # type: ignore[arg-type]
]

BAD_COUNTS: list[Any] = [-1, 1.5, True, "1", None.__class__, float("nan")]

Call = Callable[[Statehouse, Names], object]

CALLS: dict[str, Call] = {
    "get_state": lambda sh, names: sh.get_state(**names),
    "get_state at": lambda sh, names: sh.get_state(**names, at=1),
    "get_state_at_version": lambda sh, names: sh.get_state_at_version(version=1, **names),
    "get_many": lambda sh, names: sh.get_many(
        [names["key"]], agent_id=names["agent_id"], namespace=names["namespace"]
    ),
    "history": lambda sh, names: list(sh.history(**names)),
    "write": lambda sh, names: sh.write(value=1, **names),
    "delete": lambda sh, names: sh.delete(**names),
    "tx.write": lambda sh, names: sh.transaction().write(value=1, **names),
    "tx.delete": lambda sh, names: sh.transaction().delete(**names),
    "tx.get_state": lambda sh, names: sh.transaction().get_state(**names),
    "tx.get_many": lambda sh, names: sh.transaction().get_many(
        [names["key"]], agent_id=names["agent_id"], namespace=names["namespace"]
    ),
}

SCANS: dict[str, Call] = {
    "list_keys": lambda sh, names: sh.list_keys(**names),
    "scan_prefix": lambda sh, names: list(sh.scan_prefix(**names)),
    "tx.list_keys": lambda sh, names: sh.transaction().list_keys(**names),
    "tx.scan_prefix": lambda sh, names: list(sh.transaction().scan_prefix(**names)),
}


class SdkHostileContract:
    """Nothing that a program hands in may do harm, or be taken for something else."""

    @pytest.fixture(autouse=True)
    def unharmed(self, sh: Statehouse) -> Any:
        """Around each test: the store stays as it was, and works."""
        sh.write("k", "good", agent_id="a")
        yield
        assert [event.commit_ts for event in sh.replay(whole_store=True)] == [1]
        assert sh.get_state("k", agent_id="a") == Record("default", "a", "k", "good", 1, 1)
        assert sh.write("k", "next", agent_id="a", if_version=1) == 2

    @pytest.mark.parametrize("call", CALLS)
    def test_bad_names(self, sh: Statehouse, call: str) -> None:
        """In every part, of every call that takes a key."""
        for part, (bad, error) in product(("namespace", "agent_id", "key"), BAD_NAMES):
            with pytest.raises(error):
                CALLS[call](sh, {"namespace": "default", "agent_id": "a", "key": "k"} | {part: bad})

    @pytest.mark.parametrize("call", SCANS)
    def test_bad_prefixes(self, sh: Statehouse, call: str) -> None:
        """An empty prefix is none of them."""
        for part, (bad, error) in product(("namespace", "agent_id", "prefix"), BAD_NAMES):
            if bad == "" and part == "prefix":
                continue
            with pytest.raises(error):
                SCANS[call](sh, {"namespace": "default", "agent_id": "a", "prefix": ""} | {part: bad})

    def test_bad_names_of_handles(self, sh: Statehouse) -> None:
        """They are refused before anything is asked."""
        for bad, error in BAD_NAMES:
            for call in (
                lambda bad=bad: sh.agent(bad),
                lambda bad=bad: sh.agent("a", namespace=bad),
                lambda bad=bad: sh.transaction(namespace=bad),
                lambda bad=bad: sh.replay(agent_id=bad),
                lambda bad=bad: sh.replay(namespace=bad),
                lambda bad=bad: sh.agents(namespace=bad),
                lambda bad=bad: sh.transaction(txn_id=bad),
                lambda bad=bad: sh.lookup_txn(bad),
                lambda bad=bad: sh.find_events(txn_id=bad),
                lambda bad=bad: sh.find_events(run_id=bad),
            ):
                with pytest.raises(error):
                    call()

    @pytest.mark.parametrize(
        "value,error", BAD_VALUES, ids=lambda each: repr(each).partition(" at 0x")[0][:30]
    )
    def test_bad_values(self, sh: Statehouse, value: object, error: type[Exception]) -> None:
        """Refused when they are written, not when they are committed; the transaction goes on."""
        with pytest.raises(error):
            sh.write("k", value, agent_id="a")
        tx = sh.agent("a").transaction()
        with pytest.raises(error):
            tx.write("k", value)
        assert tx.commit() == 1

    @pytest.mark.parametrize("bad", BAD_COUNTS, ids=repr)
    def test_bad_counts(self, sh: Statehouse, bad: Any) -> None:
        """Versions, limits, positions, attempts."""
        tx = sh.agent("a").transaction()
        for call in (
            lambda: tx.write("k", 1, if_version=bad),
            lambda: tx.delete("k", if_commit_ts=bad),
            lambda: tx.list_keys(limit=bad),
            lambda: tx.scan_prefix(limit=bad),
            lambda: sh.get_state("k", agent_id="a", at=bad),
            lambda: sh.get_state_at_version("k", bad, agent_id="a"),
            lambda: sh.get_many(["k"], agent_id="a", at=bad),
            lambda: sh.list_keys(agent_id="a", limit=bad),
            lambda: sh.list_keys(agent_id="a", at=bad),
            lambda: sh.scan_prefix(agent_id="a", limit=bad),
            lambda: sh.history("k", agent_id="a", limit=bad),
            lambda: sh.replay(from_ts=bad),
            lambda: sh.replay(to_ts=bad),
            lambda: sh.replay_pretty(value_width=bad),
            lambda: sh.find_events(commit_ts=bad),
            lambda: sh.transact(_unreached, attempts=bad),
        ):
            with pytest.raises(InvalidArgumentError):
                call()

    @pytest.mark.parametrize("bad", [0, 0.0009, 3600.1, -1, float("nan"), float("inf"), True, "5"], ids=repr)
    def test_bad_timeouts(self, sh: Statehouse, bad: Any) -> None:
        """From 1 ms to 1 h."""
        for call in (
            lambda: sh.transaction(timeout=bad),
            lambda: sh.write("k", 1, agent_id="a", timeout=bad),
            lambda: sh.transact(_unreached, timeout=bad),
        ):
            with pytest.raises(InvalidArgumentError, match="timeout"):
                call()

    @pytest.mark.parametrize("good", [0.001, 3600, 1])
    def test_timeouts_at_the_limits(self, sh: Statehouse, good: float) -> None:
        """Both ends are allowed."""
        tx = sh.agent("a").transaction(timeout=good)
        tx.write("k", 1)
        tx.abort()

    def test_a_commit_ts_that_is_not_there_yet(self, sh: Statehouse) -> None:
        """G6: the error names the newest."""
        with pytest.raises(InvalidArgumentError, match="1"):
            sh.get_state("k", agent_id="a", at=2)

    def test_keys_that_are_one_text(self, sh: Statehouse) -> None:
        """Its letters are not meant."""
        tx = sh.agent("a").transaction()
        for bad in ("keys", b"keys", 7, None):
            for call in (sh.agent("a").get_many, tx.get_many):
                with pytest.raises(InvalidArgumentError, match="keys must be a list"):
                    call(bad)  # type: ignore[arg-type]

    def test_arguments_that_do_not_go_together(self, sh: Statehouse) -> None:
        """Rather than one of them ignored."""
        now = datetime.now(UTC)
        tx = sh.transaction()
        for call in (
            lambda: tx.write("k", 1),
            tx.list_keys,
            lambda: tx.write("k", 1, agent_id="a", if_version=1, if_commit_ts=1),
            lambda: sh.replay(from_ts=1, from_time=now),
            lambda: sh.replay(to_ts=1, to_time=now),
            lambda: sh.replay(follow=True, to_time=now),
            lambda: sh.replay(agent_id="a", whole_store=True),
            lambda: sh.replay(namespace="default", whole_store=True),
            lambda: sh.replay(from_time=now.replace(tzinfo=None)),
            lambda: sh.replay(to_time=7),  # type: ignore[arg-type]
            sh.find_events,
            lambda: sh.find_events(commit_ts=1, txn_id="t"),
            lambda: sh.find_events(commit_ts=0),
            lambda: sh.find_events(trace_id="xyz"),
            lambda: sh.find_events(span_id="0" * 15),
        ):
            with pytest.raises(InvalidArgumentError):
                call()

    @pytest.mark.parametrize(
        "origin,error",
        [
            (Origin(trace_id="no hex"), InvalidArgumentError),
            (Origin(span_id="0" * 17), InvalidArgumentError),
            (Origin(run_id="a\nb"), InvalidArgumentError),
            (Origin(attributes={"a": 1}), InvalidArgumentError),  # type: ignore[dict-item]
            (Origin(attributes={"a": "x" * 9000}), LimitExceededError),
            ({"run_id": "r"}, InvalidArgumentError),
        ],
        ids=lambda each: repr(each)[:40],
    )
    def test_bad_origins(self, sh: Statehouse, origin: Any, error: type[Exception]) -> None:
        """Refused at the beginning."""
        with pytest.raises(error):
            sh.transaction(origin=origin)
        with pytest.raises(error):
            sh.write("k", 1, agent_id="a", origin=origin)

    def test_bad_bases(self, sh: Statehouse) -> None:
        """A value grows from a record of the same agent."""
        tx = sh.agent("a").transaction()
        for bad in ("k", 1, Record("default", "b", "k", 1, 1, 1), Record("other", "a", "k", 1, 1, 1)):
            with pytest.raises(InvalidArgumentError):
                tx.write("k", 1, extends=bad)  # type: ignore[arg-type]

    def test_too_many_operations(self, sh: Statehouse) -> None:
        """10,000 are allowed; one more is refused, and the transaction keeps those it has."""
        tx = sh.agent("a").transaction()
        for n in range(10_000):
            tx.delete(str(n))
        tx.delete("0")
        with pytest.raises(LimitExceededError, match="10000"):
            tx.delete("one more")
        tx.abort()

    def test_too_many_bytes(self, sh: Statehouse) -> None:
        """32 MiB; a later write of the same key replaces what it counted."""
        tx = sh.agent("a").transaction()
        half = b"x" * (16 * 1024 * 1024)
        for key in ("l", "m", "l"):
            tx.write(key, half)
        with pytest.raises(LimitExceededError, match="33554433"):
            tx.write("n", b"x")
        tx.abort()

    def test_a_version_that_never_was(self, sh: Statehouse) -> None:
        """Not found, whatever the number."""
        for version in (2, 2**53 - 1):
            with pytest.raises(NotFoundError):
                sh.get_state_at_version("k", version, agent_id="a")


def _unreached(_: Transaction) -> None:
    raise AssertionError("the arguments are checked first")
