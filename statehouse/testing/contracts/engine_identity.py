"""A commit that is sent again is applied once (G5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import AlreadyExistsError, InvalidArgumentError
from statehouse.protocol.engine import Engine
from statehouse.protocol.origin import Origin
from statehouse.protocol.requests import Commit, Copy, Extend, LookupTxn, Precondition, Write
from statehouse.protocol.values import BYTES, JSON, Payload
from statehouse.testing.contracts.engine_phrases import (
    commit,
    delete,
    entry,
    everything,
    must_not_exist,
    name,
    newest,
    put,
    transaction,
    value,
    write,
)

FIRST = Commit("t", (write("a", 1), write("b", 2)), preconditions=(must_not_exist("a"),))

OTHERS: dict[str, dict[str, Any]] = {
    "another value": {"operations": (write("a", 1), write("b", 3))},
    "another content type": {"operations": (write("a", 1), Write(name("b"), Payload("text/plain", b"2")))},
    "another key": {"operations": (write("a", 1), write("c", 2))},
    "another agent": {"operations": (write("a", 1), write(name("b", "critic"), 2))},
    "another namespace": {"operations": (write("a", 1), write(name("b", namespace="other"), 2))},
    "one operation less": {"operations": (write("a", 1),)},
    "one operation more": {"operations": (write("a", 1), write("b", 2), write("c", 3))},
    "another order": {"operations": (write("b", 2), write("a", 1))},
    "a delete instead": {"operations": (write("a", 1), delete("b"))},
    "an extend instead": {
        "operations": (write("a", 1), Extend(name("b"), name("a"), 1, (Copy(0, 1),), JSON))
    },
    "no operations": {"operations": ()},
    "no preconditions": {"preconditions": ()},
    "another precondition": {"preconditions": (Precondition(name("a"), commit_ts=0),)},
}


class RepeatedCommitsContract:
    """The same id twice."""

    def test_a_repeat_gives_the_first_commit(self, engine: Engine) -> None:
        """G5."""
        first = engine.execute(FIRST)
        put(engine, "a")
        assert engine.execute(FIRST) == replace(first, repeated=True)

    def test_a_repeat_applies_nothing(self, engine: Engine) -> None:
        """G5."""
        engine.execute(FIRST)
        put(engine, "a", "later")
        engine.execute(FIRST)
        assert (value(engine, "a"), entry(engine, "a").version, newest(engine)) == ("later", 2, 2)

    def test_a_repeat_is_looked_up_before_its_preconditions(self, engine: Engine) -> None:
        """G5: the precondition of the first held, and fails now because of it."""
        engine.execute(FIRST)
        assert engine.execute(FIRST).repeated is True

    def test_a_repeat_is_looked_up_before_its_read_set(self, engine: Engine) -> None:
        """G5: the commit wrote what it had read."""
        request = transaction(write("k"), read_ts=0, reads=(name("k"),))
        first = engine.execute(request)
        assert engine.execute(request) == replace(first, repeated=True)

    def test_a_repeat_is_looked_up_before_its_extends(self, engine: Engine) -> None:
        """G5."""
        put(engine, "k", b"ab")
        request = transaction(Extend(name("k"), name("k"), 1, (Copy(0, 2), b"c"), BYTES))
        engine.execute(request)
        assert engine.execute(request).repeated is True
        assert value(engine, "k") == b"abc"

    @pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
    def test_the_same_id_with_other_operations_is_refused(
        self, engine: Engine, change: dict[str, Any]
    ) -> None:
        """G5."""
        engine.execute(FIRST)
        with pytest.raises(AlreadyExistsError) as caught:
            engine.execute(replace(FIRST, **change))
        assert caught.value.txn_id == "t"
        assert newest(engine) == 1

    def test_who_asked_and_what_was_read_do_not_make_it_another(self, engine: Engine) -> None:
        """G5: a retry has a span of its own."""
        engine.execute(FIRST)
        again = replace(FIRST, origin=Origin(run_id="retry"), made_at_ts=1, timeout_s=1.0, committed_at_us=7)
        assert engine.execute(again).repeated is True

    def test_the_same_commit_submitted_many_times_at_once_is_applied_once(self, engine: Engine) -> None:
        """G5: an id in flight joins the same result."""
        request = transaction(write("k"))
        replies = [future.result(timeout=30) for future in [engine.submit(request) for _ in range(20)]]
        assert {reply.commit_ts for reply in replies} == {1}
        assert sorted(reply.repeated for reply in replies) == [False] + [True] * 19
        assert (newest(engine), entry(engine).version) == (1, 1)

    def test_equal_names_split_differently_are_other_operations(self, engine: Engine) -> None:
        """G5: the fingerprint knows where a name ends."""
        commit(engine, write(name("c", "b", "a")), txn_id="t")
        with pytest.raises(AlreadyExistsError):
            commit(engine, write(name("bc", "a", "a")), txn_id="t")
        with pytest.raises(AlreadyExistsError):
            commit(engine, write(name("c", "a", "ab")), txn_id="t")

    def test_a_refused_commit_may_be_sent_again(self, engine: Engine) -> None:
        """G5: nothing was applied, so nothing is remembered."""
        put(engine)
        request = transaction(write(), preconditions=(Precondition(name(), version=2),))
        assert engine.submit(request).exception(timeout=30) is not None
        put(engine)
        assert engine.execute(request).repeated is False

    def test_an_id_made_later_than_the_newest_commit_is_refused(self, engine: Engine) -> None:
        """G5."""
        put(engine)
        with pytest.raises(InvalidArgumentError):
            commit(engine, write(), made_at_ts=2)
        assert newest(engine) == 1

    def test_an_id_made_at_the_newest_commit_is_applied(self, engine: Engine) -> None:
        """G5."""
        put(engine)
        assert commit(engine, write(), made_at_ts=1).commit_ts == 2

    def test_a_repeat_of_an_id_made_in_time_is_answered_ever_after(self, engine: Engine) -> None:
        """G5."""
        put(engine)
        request = transaction(write("k"), made_at_ts=1)
        first = engine.execute(request)
        for number in range(50):
            put(engine, f"k{number}")
        assert engine.execute(request) == replace(first, repeated=True)


class LookupTxnContract:
    """What became of a transaction id."""

    def test_a_committed_id_is_found(self, engine: Engine) -> None:
        """G5."""
        put(engine)
        commit(engine, write(), txn_id="t")
        outcome = engine.execute(LookupTxn("t"))
        assert (outcome.txn_id, outcome.outcome, outcome.commit_ts) == ("t", "committed", 2)

    def test_an_unknown_id_is_absent(self, engine: Engine) -> None:
        """G5."""
        outcome = engine.execute(LookupTxn("t"))
        assert (outcome.txn_id, outcome.outcome, outcome.commit_ts) == ("t", "absent", 0)

    def test_a_refused_id_is_absent(self, engine: Engine) -> None:
        """G5."""
        put(engine)
        engine.submit(transaction(write(), txn_id="t", preconditions=(must_not_exist(),))).exception(
            timeout=30
        )
        assert engine.execute(LookupTxn("t")).outcome == "absent"

    def test_an_id_that_is_the_beginning_of_another_is_not_it(self, engine: Engine) -> None:
        """G5."""
        commit(engine, write(), txn_id="txn-12")
        assert [engine.execute(LookupTxn(txn)).outcome for txn in ("txn-1", "txn-123")] == [
            "absent",
            "absent",
        ]

    def test_every_event_is_found_by_its_id(self, engine: Engine) -> None:
        """G5."""
        for _ in range(20):
            put(engine)
        found = [engine.execute(LookupTxn(event.txn_id)).commit_ts for event in everything(engine)]
        assert found == list(range(1, 21))
