"""What a transaction that read something can rely on when it commits (G3)."""

from __future__ import annotations

from typing import Any

import pytest

from statehouse.errors import ConflictError, InvalidArgumentError
from statehouse.protocol.engine import Engine
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import Extend, KeyRange, Precondition
from statehouse.testing.contracts.engine_phrases import (
    AGENT,
    NAMESPACE,
    commit,
    delete,
    entry,
    everything,
    name,
    newest,
    put,
    transaction,
    value,
    write,
)


def span(prefix: str = "", first: str | None = None, last: str | None = None, **fields: Any) -> KeyRange:
    """A range of the usual agent."""
    return KeyRange(
        fields.pop("namespace", NAMESPACE), fields.pop("agent_id", AGENT), prefix, first, last, **fields
    )


def conflict(
    engine: Engine, *, read_ts: int, reads: tuple[RecordKey, ...] = (), ranges: tuple[KeyRange, ...] = ()
) -> Any:
    """The error of a commit that must conflict; proves that nothing was applied."""
    before = newest(engine)
    with pytest.raises(ConflictError) as caught:
        commit(engine, write("written"), read_ts=read_ts, reads=reads, ranges=ranges)
    assert (newest(engine), entry(engine, "written").kind) == (before, None)
    return caught.value


class KeyConflictsContract:
    """Reads of single keys."""

    def test_a_read_that_still_holds_does_not_conflict(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        put(engine, "other")
        assert commit(engine, write("written"), read_ts=1, reads=(name(),)).commit_ts == 3

    def test_a_key_written_since_conflicts(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        put(engine)
        assert conflict(engine, read_ts=1, reads=(name(),)).retry.value == "new_transaction"

    def test_a_key_deleted_since_conflicts(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        commit(engine, delete())
        conflict(engine, read_ts=1, reads=(name(),))

    def test_an_absent_key_written_since_conflicts(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        conflict(engine, read_ts=0, reads=(name(),))

    def test_an_absent_key_deleted_since_conflicts(self, engine: Engine) -> None:
        """G3: the tombstone gave it a version."""
        commit(engine, delete())
        conflict(engine, read_ts=0, reads=(name(),))

    def test_the_same_value_written_again_conflicts(self, engine: Engine) -> None:
        """G3."""
        put(engine, "k", 1)
        put(engine, "k", 1)
        conflict(engine, read_ts=1, reads=(name(),))

    def test_the_error_names_the_key_and_the_newest_commit_that_changed_it(self, engine: Engine) -> None:
        """G3."""
        for key in ("k", "calm", "k", "k", "other"):
            put(engine, key)
        error = conflict(engine, read_ts=2, reads=(name("calm"), name("k")))
        assert (error.keys, error.commit_ts) == ((name("k"),), 4)

    def test_the_same_key_of_another_agent_does_not_conflict(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        put(engine, name("k", "critic"))
        put(engine, name("k", AGENT, "other"))
        assert commit(engine, write("written"), read_ts=1, reads=(name(),)).commit_ts == 4

    def test_only_one_of_two_that_read_and_wrote_the_same_key_is_applied(self, engine: Engine) -> None:
        """G3: no lost update."""
        put(engine, "count", 0)
        commit(engine, write("count", 1), read_ts=1, reads=(name("count"),))
        with pytest.raises(ConflictError):
            commit(engine, write("count", 1), read_ts=1, reads=(name("count"),))
        assert value(engine, "count") == 1

    def test_write_skew_does_not_happen(self, engine: Engine) -> None:
        """G3: each read both keys and wrote one of them."""
        both = (name("a"), name("b"))
        put(engine, "a")
        put(engine, "b")
        commit(engine, write("a"), read_ts=2, reads=both)
        with pytest.raises(ConflictError):
            commit(engine, write("b"), read_ts=2, reads=both)

    def test_members_of_one_commit_group_conflict_with_the_earlier_ones(self, engine: Engine) -> None:
        """G3: of many that read the same state, queued together, exactly one is applied."""
        put(engine, "count", 0)
        requests = [transaction(write("count", n), read_ts=1, reads=(name("count"),)) for n in range(1, 31)]
        outcomes = [
            future.exception(timeout=30) for future in [engine.submit(request) for request in requests]
        ]
        assert [type(outcome) for outcome in outcomes if outcome is not None] == [ConflictError] * 29
        assert (newest(engine), entry(engine, "count").version) == (2, 2)

    def test_transactions_that_only_write_never_conflict(self, engine: Engine) -> None:
        """G3."""
        for _ in range(3):
            put(engine)
        assert commit(engine, write(), read_ts=1).commit_ts == 4

    def test_a_conflict_is_found_however_old_the_read_is(self, engine: Engine) -> None:
        """G3: also when the engine's memory of recent writes no longer reaches back."""
        put(engine, "k")
        put(engine, "k")
        for number in range(300):
            put(engine, f"noise{number % 7}")
        conflict(engine, read_ts=1, reads=(name(),))
        assert commit(engine, write("written"), read_ts=2, reads=(name(),)).commit_ts == 303


class RangeConflictsContract:
    """Reads of ranges."""

    @pytest.mark.parametrize("key", ["b", "b/1", "b/5", "b~"])
    def test_a_write_with_the_prefix_conflicts(self, engine: Engine, key: str) -> None:
        """G3: no phantoms."""
        put(engine, key)
        conflict(engine, read_ts=0, ranges=(span("b"),))

    @pytest.mark.parametrize("key", ["a", "a~", "c", "B", "á"])
    def test_a_write_without_the_prefix_does_not(self, engine: Engine, key: str) -> None:
        """G3."""
        put(engine, key)
        assert commit(engine, write("written"), read_ts=0, ranges=(span("b"),)).commit_ts == 2

    @pytest.mark.parametrize("key", ["b", "c", "d"])
    def test_first_and_last_are_inclusive(self, engine: Engine, key: str) -> None:
        """G3."""
        put(engine, key)
        conflict(engine, read_ts=0, ranges=(span("", "b", "d"),))

    @pytest.mark.parametrize("key", ["a", "az", "da", "e"])
    def test_a_write_outside_first_and_last_does_not_conflict(self, engine: Engine, key: str) -> None:
        """G3: a limited scan read up to its last key and no further."""
        put(engine, key)
        assert commit(engine, write("written"), read_ts=0, ranges=(span("", "b", "d"),)).commit_ts == 2

    def test_first_alone_reaches_to_the_end_of_the_prefix(self, engine: Engine) -> None:
        """G3."""
        put(engine, "pz")
        put(engine, "q")
        assert conflict(engine, read_ts=0, ranges=(span("p", "pm"),)).commit_ts == 1
        assert commit(engine, write("written"), read_ts=1, ranges=(span("p", "pm"),)).commit_ts == 3

    def test_last_alone_reaches_from_the_beginning_of_the_prefix(self, engine: Engine) -> None:
        """G3."""
        put(engine, "pa")
        put(engine, "pz")
        assert conflict(engine, read_ts=0, ranges=(span("p", None, "pm"),)).commit_ts == 1
        assert commit(engine, write("written"), read_ts=1, ranges=(span("p", None, "pm"),)).commit_ts == 3

    def test_an_overwrite_in_the_range_conflicts(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b")
        put(engine, "b")
        conflict(engine, read_ts=1, ranges=(span("b"),))

    def test_a_delete_in_the_range_conflicts(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b")
        commit(engine, delete("b"))
        conflict(engine, read_ts=1, ranges=(span("b"),))

    def test_the_same_range_of_another_agent_does_not_conflict(self, engine: Engine) -> None:
        """G3."""
        put(engine, name("b", "planner2"))
        put(engine, name("b", AGENT, "other"))
        assert commit(engine, write("written"), read_ts=0, ranges=(span("b"),)).commit_ts == 3

    def test_the_error_names_the_range_and_the_newest_commit_in_it(self, engine: Engine) -> None:
        """G3."""
        for key in ("b1", "b2", "c", "d"):
            put(engine, key)
        error = conflict(engine, read_ts=1, ranges=(span("b"), span("x")))
        assert (error.keys, error.commit_ts) == ((span("b"),), 2)

    def test_a_range_and_a_key_conflict_together(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b1")
        put(engine, "k")
        error = conflict(engine, read_ts=0, reads=(name(),), ranges=(span("b"),))
        assert set(error.keys) <= {name(), span("b")}
        assert error.keys

    @pytest.mark.parametrize("keys_only", [False, True])
    def test_members_of_one_commit_group_conflict_with_the_earlier_ones(
        self, engine: Engine, keys_only: bool
    ) -> None:
        """G3: of many that saw the same range and add to it, queued together, exactly one is applied."""
        put(engine)
        read = (span("b", keys_only=keys_only),)
        requests = [transaction(write(f"b{n}"), read_ts=1, ranges=read) for n in range(30)]
        outcomes = [
            future.exception(timeout=30) for future in [engine.submit(request) for request in requests]
        ]
        assert [type(outcome) for outcome in outcomes if outcome is not None] == [ConflictError] * 29
        assert newest(engine) == 2

    def test_a_conflict_in_a_range_is_found_however_old_the_read_is(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b1")
        put(engine, "b2")
        for number in range(300):
            put(engine, f"noise{number % 7}")
        conflict(engine, read_ts=1, ranges=(span("b"),))
        assert commit(engine, write("written"), read_ts=2, ranges=(span("b"),)).commit_ts == 303


class MembershipConflictsContract:
    """Ranges of which only the keys were read."""

    def _listed(self, engine: Engine, read_ts: int, prefix: str = "b") -> int:
        return commit(
            engine, write("written"), read_ts=read_ts, ranges=(span(prefix, keys_only=True),)
        ).commit_ts

    def test_an_overwrite_does_not_conflict(self, engine: Engine) -> None:
        """G3: listing keys reads membership only."""
        put(engine, "b", 1)
        put(engine, "b", 2)
        assert self._listed(engine, 1) == 3

    def test_a_new_key_conflicts(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b")
        put(engine, "b2")
        conflict(engine, read_ts=1, ranges=(span("b", keys_only=True),))

    def test_a_deleted_key_conflicts(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b")
        commit(engine, delete("b"))
        conflict(engine, read_ts=1, ranges=(span("b", keys_only=True),))

    def test_a_key_that_came_back_conflicts(self, engine: Engine) -> None:
        """G3: each change of existence counts, also one that was undone."""
        put(engine, "b")
        commit(engine, delete("b"))
        put(engine, "b")
        assert conflict(engine, read_ts=1, ranges=(span("b", keys_only=True),)).commit_ts == 3

    def test_a_key_that_came_and_went_conflicts(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b")
        commit(engine, delete("b"))
        conflict(engine, read_ts=0, ranges=(span("b", keys_only=True),))

    def test_deleting_what_does_not_exist_does_not_conflict(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b")
        commit(engine, delete("b"))
        commit(engine, delete("b"), delete("b2"))
        assert self._listed(engine, 2) == 4

    def test_an_overwrite_after_the_last_change_of_existence_does_not_conflict(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b")
        commit(engine, delete("b"))
        put(engine, "b")
        put(engine, "b")
        assert self._listed(engine, 3) == 5


class ReadSetContract:
    """What a read set must be."""

    @pytest.mark.parametrize("fields", [{"reads": (name(),)}, {"ranges": (span("b"),)}])
    def test_reads_need_a_read_ts(self, engine: Engine, fields: dict[str, Any]) -> None:
        """G3."""
        with pytest.raises(InvalidArgumentError):
            commit(engine, write(), **fields)

    @pytest.mark.parametrize("fields", [{"reads": (name(),)}, {"ranges": (span("b"),)}, {}])
    def test_a_read_ts_above_the_newest_commit_is_refused(
        self, engine: Engine, fields: dict[str, Any]
    ) -> None:
        """G6."""
        put(engine)
        with pytest.raises(InvalidArgumentError):
            commit(engine, write(), read_ts=2, **fields)
        assert newest(engine) == 1

    @pytest.mark.parametrize(
        "wrong",
        [span("", "b", "a"), span("", ""), span("", None, ""), span("", "a\n"), span("\x00")],
        ids=str,
    )
    def test_a_range_that_is_none_is_refused(self, engine: Engine, wrong: KeyRange) -> None:
        """G8: it ends before it begins, or at what is no key."""
        with pytest.raises(InvalidArgumentError):
            commit(engine, write(), read_ts=0, ranges=(wrong,))
        assert newest(engine) == 0

    def test_a_range_of_one_key_is_a_range(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b")
        conflict(engine, read_ts=0, ranges=(span("", "b", "b"),))
        assert commit(engine, write("written"), read_ts=0, ranges=(span("", "a", "a"),)).commit_ts == 2

    def test_a_range_that_misses_its_prefix_is_empty(self, engine: Engine) -> None:
        """G3."""
        put(engine, "b")
        put(engine, "c")
        assert commit(engine, write("written"), read_ts=0, ranges=(span("b", "c", "d"),)).commit_ts == 3

    def test_the_newest_commit_is_a_read_ts(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        assert commit(engine, write(), read_ts=1, reads=(name(),), ranges=(span(),)).commit_ts == 2

    def test_conflicts_come_before_preconditions(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        wrong = Precondition(name(), version=7)
        with pytest.raises(ConflictError):
            commit(engine, write(), read_ts=0, reads=(name(),), preconditions=(wrong,))

    def test_conflicts_come_before_the_bases_of_extends(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        with pytest.raises(ConflictError):
            commit(
                engine, Extend(name(), name("ghost"), 1, (b"x",), "text/plain"), read_ts=0, reads=(name(),)
            )

    def test_a_conflict_leaves_the_id_free(self, engine: Engine) -> None:
        """G5: a refused commit is as if it had never been sent."""
        put(engine)
        with pytest.raises(ConflictError):
            commit(engine, write("a"), txn_id="t", read_ts=0, reads=(name(),))
        assert commit(engine, write("b"), txn_id="t", read_ts=1, reads=(name(),)).repeated is False
        assert [event.txn_id for event in everything(engine)][1:] == ["t"]
