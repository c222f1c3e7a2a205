"""What transactions do, in either colour and over any engine (G1, G3, G4, G5)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from statehouse import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    Origin,
    PreconditionFailedError,
    Record,
    Statehouse,
    Transaction,
    TransactionClosedError,
    TransactionExpiredError,
    current_origin,
    use_origin,
)
from statehouse.testing.clock import ManualClock


class SdkTransactionContract:
    """The life of a transaction."""

    def test_leaving_the_block_commits_all_of_it(self, sh: Statehouse) -> None:
        """G1: over agents and namespaces."""
        with sh.transaction() as tx:
            tx.write("k", 1, agent_id="a")
            tx.write("k", 2, agent_id="b", namespace="other")
            assert sh.list_keys(agent_id="a") == []
        found = sh.get_state("k", agent_id="a"), sh.get_state("k", agent_id="b", namespace="other")
        assert [record.commit_ts for record in found] == [tx.commit_ts, tx.commit_ts] == [1, 1]

    def test_leaving_the_block_by_an_exception_applies_nothing(self, sh: Statehouse) -> None:
        """G1."""
        tx = sh.agent("a").transaction()
        with pytest.raises(KeyError, match="from inside"), tx:
            _write_and_raise(tx)
        assert (tx.commit_ts, sh.list_keys(agent_id="a")) == (None, [])

    def test_commit_gives_the_commit_ts(self, sh: Statehouse) -> None:
        """Dense, from 1."""
        stamps = []
        for n in range(3):
            tx = sh.agent("a").begin_transaction()
            tx.write("k", n)
            stamps.append((tx.commit(), tx.commit_ts))
        assert stamps == [(1, 1), (2, 2), (3, 3)]

    def test_ids_are_known_from_the_beginning(self, sh: Statehouse) -> None:
        """So that an unknown outcome can be looked up."""
        tx = sh.agent("a").transaction()
        assert (len(tx.txn_id), tx.read_ts, tx.commit_ts) == (32, None, None)
        assert sh.lookup_txn(tx.txn_id).outcome == "absent"
        tx.write("k", 1)
        tx.commit()
        outcome = sh.lookup_txn(tx.txn_id)
        assert (outcome.outcome, outcome.commit_ts) == ("committed", 1)

    @pytest.mark.parametrize("how", ["commit", "abort"])
    def test_after_the_end_nothing_more(self, sh: Statehouse, how: str) -> None:
        """Neither reads nor writes, nor a second commit."""
        tx = sh.agent("a").transaction()
        tx.write("k", 1)
        getattr(tx, how)()
        for call in (
            lambda: tx.write("k", 2),
            lambda: tx.delete("k"),
            lambda: tx.get_state("k"),
            lambda: tx.get_many(["k"]),
            tx.list_keys,
            tx.scan_prefix,
            tx.commit,
        ):
            with pytest.raises(TransactionClosedError, match=tx.txn_id):
                call()

    def test_aborting_twice_is_aborting_once(self, sh: Statehouse) -> None:
        """Also inside the block."""
        with sh.agent("a").transaction() as tx:
            tx.write("k", 1)
            tx.abort()
            tx.abort()
        assert sh.list_keys(agent_id="a") == []

    def test_what_is_committed_cannot_be_aborted(self, sh: Statehouse) -> None:
        """Saying nothing would be a lie."""
        with sh.agent("a").transaction() as tx:
            tx.write("k", 1)
            tx.commit()
        with pytest.raises(TransactionClosedError, match="committed at commit_ts 1"):
            tx.abort()

    def test_an_empty_transaction_gives_the_newest_commit(self, sh: Statehouse) -> None:
        """G5: it writes no event."""
        sh.write("k", 1, agent_id="a")
        assert sh.transaction().commit() == 1
        assert len(list(sh.replay())) == 1

    def test_an_id_used_again_with_the_same_writes_is_applied_once(self, sh: Statehouse) -> None:
        """G5."""
        stamps = [sh.write("k", 1, agent_id="a", txn_id="t-1") for _ in range(2)]
        assert (stamps, sh.get_state("k", agent_id="a").version) == ([1, 1], 1)

    def test_an_id_used_again_with_other_writes_is_refused(self, sh: Statehouse) -> None:
        """G5."""
        sh.write("k", 1, agent_id="a", txn_id="t-1")
        with pytest.raises(AlreadyExistsError):
            sh.write("k", 2, agent_id="a", txn_id="t-1")

    def test_its_time_runs_from_the_beginning(self, sh: Statehouse, clock: ManualClock) -> None:
        """Every use after it, and the commit, are refused."""
        tx = sh.agent("a").transaction(timeout=5)
        clock.advance(4.999)
        tx.write("k", 1)
        clock.advance(0.001)
        for call in (lambda: tx.write("k", 2), lambda: tx.get_state("k"), tx.list_keys, tx.commit):
            with pytest.raises(TransactionExpiredError, match="5 s"):
                call()
        tx.abort()
        assert sh.list_keys(agent_id="a") == []

    def test_the_current_origin_is_stored(self, sh: Statehouse) -> None:
        """Unless the transaction names another."""
        with use_origin(Origin(run_id="r-1")):
            outer = sh.write("k", 1, agent_id="a")
            own = sh.write("k", 2, agent_id="a", origin=Origin(run_id="r-2", attributes={"why": "test"}))
        assert not current_origin()
        plain = sh.write("k", 3, agent_id="a")
        found = [next(iter(sh.find_events(commit_ts=ts))).origin for ts in (outer, own, plain)]
        assert found == [Origin(run_id="r-1"), Origin(run_id="r-2", attributes={"why": "test"}), Origin()]


class SdkIsolationContract:
    """What a transaction sees, and what it conflicts with (G3)."""

    def test_all_reads_are_as_of_the_first(self, sh: Statehouse) -> None:
        """Later commits are not seen."""
        sh.write("k", 1, agent_id="a")
        with sh.agent("a").transaction() as tx:
            assert (tx.get_state("k").value, tx.read_ts) == (1, 1)
            sh.write("k", 2, agent_id="a")
            sh.write("l", 2, agent_id="a")
            assert tx.get_state("k").value == 1
            assert tx.list_keys() == ["k"]
            assert tx.get_many(["k", "l"]).keys() == {"k"}

    def test_reads_at_the_same_time_share_one_read_ts(self, sh: Statehouse) -> None:
        """Whichever comes first pins it."""
        sh.write("k", 0, agent_id="a")
        tx = sh.agent("a").transaction()
        with ThreadPoolExecutor(8) as threads:
            reads = [threads.submit(tx.get_state, "k") for _ in range(32)]
            threads.submit(sh.write, "k", 1, agent_id="a").result()
            assert len({read.result().value for read in reads}) == 1

    def test_when_the_first_read_fails_the_next_one_pins(self, sh: Statehouse) -> None:
        """And nothing waits for ever."""
        tx = sh.agent("a").transaction()
        with pytest.raises(InvalidArgumentError):
            tx.get_state("\x00")
        sh.write("k", 1, agent_id="a")
        assert (tx.get_state("k").value, tx.read_ts) == (1, 1)

    def test_own_writes_are_seen(self, sh: Statehouse) -> None:
        """By every kind of read, merged in order; they have no version yet."""
        with sh.agent("a").transaction() as tx:
            for key in ("a", "b", "c", "d"):
                tx.write(key, "old")
        with sh.agent("a").transaction() as tx:
            tx.write("bb", "new")
            tx.write("c", "new")
            tx.delete("a")
            tx.write("0", "new")
            assert tx.get_state("c") == Record("default", "a", "c", "new", 0, 0)
            assert tx.get_state("a", default="gone").value == "gone"
            with pytest.raises(NotFoundError, match="deleted in this transaction"):
                tx.get_state("a")
            assert tx.list_keys() == ["0", "b", "bb", "c", "d"]
            assert tx.list_keys(reverse=True, limit=3) == ["d", "c", "bb"]
            assert [record.value for record in tx.scan_prefix("b")] == ["old", "new"]
            assert [record.key for record in tx.scan_prefix(limit=2)] == ["0", "b"]
            assert list(tx.get_many(["c", "a", "b", "0"])) == ["c", "b", "0"]
            assert tx.read_ts == 1

    def test_own_writes_are_merged_over_pages(self, sh: Statehouse) -> None:
        """Also when they fall between pages, in both directions."""
        keys = [f"{n:05}" for n in range(0, 4400, 2)]
        with sh.agent("a").transaction() as tx:
            for key in keys:
                tx.write(key, 1)
        with sh.agent("a").transaction() as tx:
            for n in range(1, 4400, 400):
                tx.write(f"{n:05}", 2)
                tx.delete(f"{n + 1:05}")
            expected = sorted(
                {*keys, *(f"{n:05}" for n in range(1, 4400, 400))}
                - {f"{n + 1:05}" for n in range(1, 4400, 400)}
            )
            assert tx.list_keys() == expected
            assert tx.list_keys(reverse=True) == expected[::-1]
            assert tx.list_keys(limit=1234) == expected[:1234]
            assert [record.key for record in tx.scan_prefix(limit=2001)] == expected[:2001]

    def test_a_value_does_not_change_after_it_was_written(self, sh: Statehouse) -> None:
        """What counts is what it was when it was written."""
        value = [1]
        with sh.agent("a").transaction() as tx:
            tx.write("k", value)
            value.append(2)
            tx.get_state("k").value.append(3)
        assert sh.get_state("k", agent_id="a").value == [1]

    def test_the_last_write_of_a_key_wins(self, sh: Statehouse) -> None:
        """It is one operation."""
        with sh.agent("a").transaction() as tx:
            tx.write("k", 1)
            tx.write("l", 1)
            tx.delete("k")
            tx.write("k", 2)
        (event,) = sh.replay()
        assert [(each.key, each.value) for each in event.operations] == [("l", 1), ("k", 2)]

    def test_a_key_that_was_read_and_changed_is_a_conflict(self, sh: Statehouse) -> None:
        """Nothing is applied, and the id cannot be used again."""
        sh.write("k", 1, agent_id="a")
        tx = sh.agent("a").transaction()
        tx.write("sum", tx.get_state("k").value)
        sh.write("k", 2, agent_id="a")
        with pytest.raises(ConflictError) as caught:
            tx.commit()
        assert caught.value.commit_ts == 2
        assert sh.list_keys(agent_id="a") == ["k"]
        with pytest.raises(TransactionClosedError, match="refused"):
            tx.commit()

    def test_an_absent_key_that_was_read_and_made_is_a_conflict(self, sh: Statehouse) -> None:
        """The read set holds what was not there."""
        _conflicts(sh, lambda tx: tx.get_state("new", default=0), lambda: sh.write("new", 1, agent_id="a"))

    @pytest.mark.parametrize("key", ["p/0", "p/2", "p/9"])
    def test_a_new_key_in_a_range_that_was_read_is_a_conflict(self, sh: Statehouse, key: str) -> None:
        """The whole prefix was read."""
        sh.write("p/1", 1, agent_id="a")
        _conflicts(sh, lambda tx: list(tx.scan_prefix("p/")), lambda: sh.write(key, 1, agent_id="a"))

    def test_a_range_ends_at_the_last_key_returned(self, sh: Statehouse) -> None:
        """When a limit ended it, in either direction."""
        for key in ("b", "d", "f"):
            sh.write(key, 1, agent_id="a")
        _passes(sh, lambda tx: list(tx.scan_prefix(limit=2)), lambda: sh.write("e", 1, agent_id="a"))
        _conflicts(sh, lambda tx: list(tx.scan_prefix(limit=2)), lambda: sh.write("c", 1, agent_id="a"))
        _passes(sh, lambda tx: tx.list_keys(limit=2, reverse=True), lambda: sh.write("b1", 1, agent_id="a"))
        _conflicts(
            sh, lambda tx: tx.list_keys(limit=2, reverse=True), lambda: sh.write("e1", 1, agent_id="a")
        )

    def test_listing_keys_reads_membership_only(self, sh: Statehouse) -> None:
        """A new value of an old key is no conflict; a delete is."""
        sh.write("k", 1, agent_id="a")
        _passes(sh, lambda tx: tx.list_keys(), lambda: sh.write("k", 2, agent_id="a"))
        _conflicts(sh, lambda tx: list(tx.scan_prefix()), lambda: sh.write("k", 3, agent_id="a"))
        _conflicts(sh, lambda tx: tx.list_keys(), lambda: sh.delete("k", agent_id="a"))

    def test_only_writing_never_conflicts(self, sh: Statehouse) -> None:
        """The last commit wins."""
        tx = sh.agent("a").transaction()
        tx.write("k", 1)
        sh.write("k", 2, agent_id="a")
        tx.commit()
        assert sh.get_state("k", agent_id="a").value == 1

    def test_reading_ones_own_write_is_not_reading_the_store(self, sh: Statehouse) -> None:
        """So it cannot conflict."""
        tx = sh.agent("a").transaction()
        tx.write("k", 1)
        tx.get_state("k")
        sh.write("k", 2, agent_id="a")
        assert tx.commit() == 2

    def test_only_reading_always_commits(self, sh: Statehouse) -> None:
        """What it saw was true as of read_ts."""
        sh.write("k", 1, agent_id="a")
        with sh.agent("a").transaction() as tx:
            tx.get_state("k")
            sh.write("k", 2, agent_id="a")
        assert tx.commit_ts == 2

    def test_preconditions_are_checked(self, sh: Statehouse) -> None:
        """By version or commit_ts; 0 means absent."""
        agent = sh.agent("a")
        ts = agent.write("k", 1, if_version=0)
        agent.write("k", 2, if_version=1)
        agent.write("k", 3, if_commit_ts=ts + 1)
        agent.delete("k", if_version=3)
        agent.write("k", 5, if_commit_ts=0)
        for version, commit_ts in ((0, None), (4, None), (None, 1)):
            with pytest.raises(PreconditionFailedError) as caught:
                agent.write("k", 6, if_version=version, if_commit_ts=commit_ts)
            assert (caught.value.version, caught.value.commit_ts) == (5, 5)
        assert agent.get_state("k").value == 5


class SdkTransactContract:
    """`transact`: again until it commits."""

    def test_it_gives_what_the_function_returned(self, sh: Statehouse) -> None:
        """And commits."""

        def act(tx: Transaction) -> str:
            tx.write("k", 1, agent_id="a")
            return "done"

        assert (sh.transact(act), sh.get_state("k", agent_id="a").value) == ("done", 1)

    def test_a_conflict_runs_it_again(self, sh: Statehouse) -> None:
        """From a new read_ts."""
        agent = sh.agent("a")
        rivals = iter([10, 20])

        def add(tx: Transaction) -> int:
            count: int = tx.get_state("n", default=0).value
            rival = next(rivals, None)
            if rival is not None:
                agent.write("n", rival)
            tx.write("n", count + 1)
            return count + 1

        assert (agent.transact(add), agent.get_state("n").version) == (21, 3)

    def test_a_version_that_was_read_is_read_again(self, sh: Statehouse) -> None:
        """Its precondition may hold the next time."""
        agent = sh.agent("a")
        rivals = iter([1])

        def add(tx: Transaction) -> None:
            seen = tx.get_state("n", default=0)
            if next(rivals, None):
                agent.write("n", 7)
            tx.write("n", seen.value + 1, if_version=seen.version)

        agent.transact(add)
        assert agent.get_state("n").value == 8

    def test_a_version_that_was_given_is_not_tried_again(self, sh: Statehouse) -> None:
        """It would fail the same way."""
        agent, calls = sh.agent("a"), []
        agent.write("k", 1)

        def create(tx: Transaction) -> None:
            calls.append(tx.txn_id)
            tx.write("k", 2, if_version=0)

        with pytest.raises(PreconditionFailedError):
            agent.transact(create)
        assert len(calls) == 1

    def test_it_gives_up_after_so_many_attempts(self, sh: Statehouse) -> None:
        """With the last conflict."""
        agent, calls = sh.agent("a"), []

        def lose(tx: Transaction) -> None:
            calls.append(tx.txn_id)
            tx.get_state("n", default=0)
            agent.write("n", len(calls))
            tx.write("n", -1)

        with pytest.raises(ConflictError):
            agent.transact(lose, attempts=3)
        assert (len(calls), len(set(calls)), agent.get_state("n").value) == (3, 3, 3)

    def test_its_time_counts_for_all_attempts(self, sh: Statehouse, clock: ManualClock) -> None:
        """The conflict comes out when it is over."""
        agent, calls = sh.agent("a"), []

        def lose(tx: Transaction) -> None:
            calls.append(tx.txn_id)
            tx.get_state("n", default=0)
            agent.write("n", len(calls))
            tx.write("n", -1)
            clock.advance(0.6)

        with pytest.raises((ConflictError, TransactionExpiredError)):
            agent.transact(lose, attempts=100, timeout=1)
        assert len(calls) == 2

    def test_another_error_comes_out_and_applies_nothing(self, sh: Statehouse) -> None:
        """At once."""

        def fail(tx: Transaction) -> None:
            tx.write("k", 1, agent_id="a")
            raise LookupError("no")

        with pytest.raises(LookupError, match="no"):
            sh.transact(fail)
        assert sh.list_keys(agent_id="a") == []

    def test_many_at_once_all_count(self, sh: Statehouse) -> None:
        """G3: no update is lost."""

        def add(tx: Transaction) -> None:
            tx.write("n", tx.get_state("n", default=0).value + 1)

        with ThreadPoolExecutor(4) as threads:
            done = [threads.submit(sh.agent("a").transact, add, attempts=1000) for _ in range(24)]
            for each in done:
                each.result()
        assert sh.get_state("n", agent_id="a").value == 24


def _write_and_raise(tx: Transaction) -> None:
    tx.write("k", 1)
    raise KeyError("from inside")


Read = Callable[[Transaction], object]
Meanwhile = Callable[[], object]


def _begun(sh: Statehouse, read: Read, meanwhile: Meanwhile) -> Transaction:
    tx = sh.agent("a").transaction()
    read(tx)
    tx.write("result", 1, agent_id="elsewhere")
    meanwhile()
    return tx


def _conflicts(sh: Statehouse, read: Read, meanwhile: Meanwhile) -> None:
    tx = _begun(sh, read, meanwhile)
    with pytest.raises(ConflictError):
        tx.commit()


def _passes(sh: Statehouse, read: Read, meanwhile: Meanwhile) -> None:
    assert _begun(sh, read, meanwhile).commit() > 0
