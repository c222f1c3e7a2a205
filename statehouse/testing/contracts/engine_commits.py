"""What a commit does to a store: numbering, atomicity, time, preconditions, values that grow (G1, G4, G6)."""

from __future__ import annotations

from concurrent.futures import wait

import pytest

from statehouse.errors import (
    PreconditionFailedError,
    StoreChangedError,
)
from statehouse.protocol.engine import Engine
from statehouse.protocol.origin import Origin
from statehouse.protocol.requests import Precondition, Status, Write, WriteOperation
from statehouse.protocol.values import BYTES, JSON, Payload
from statehouse.testing.contracts.engine_phrases import (
    OpenEngine,
    SetClock,
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

ORIGIN = Origin(
    "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "critic", "run-7", "plan/1", {"model": "m"}
)


class CommitsContract:
    """What every engine does with a commit."""

    def test_commit_ts_are_dense_from_one(self, engine: Engine) -> None:
        """G6."""
        assert [put(engine, f"k{number}") for number in range(5)] == [1, 2, 3, 4, 5]

    def test_commit_ts_is_one_counter_over_agents_and_namespaces(self, engine: Engine) -> None:
        """G6."""
        keys = [name("k", "a"), name("k", "b"), name("k", "a", "other")]
        assert [put(engine, key) for key in keys] == [1, 2, 3]

    def test_a_refused_commit_uses_up_no_commit_ts(self, engine: Engine) -> None:
        """G1, G6."""
        put(engine)
        with pytest.raises(PreconditionFailedError):
            commit(engine, write(), preconditions=(must_not_exist(),))
        assert put(engine) == 2

    def test_versions_count_the_writes_and_deletes_of_a_key(self, engine: Engine) -> None:
        """G6."""
        operations: list[WriteOperation] = [
            write("k", 1),
            write("k", 2),
            delete("k"),
            delete("k"),
            write("k", 3),
        ]
        seen = []
        for operation in operations:
            commit(engine, operation)
            seen.append((entry(engine).version, entry(engine).kind))
        assert seen == [(1, "write"), (2, "write"), (3, "delete"), (4, "delete"), (5, "write")]

    def test_the_versions_of_one_key_do_not_count_for_another(self, engine: Engine) -> None:
        """G6."""
        put(engine, "a")
        put(engine, "a")
        put(engine, "b")
        assert (entry(engine, "a").version, entry(engine, "b").version) == (2, 1)

    def test_deleting_what_never_was_writes_a_tombstone(self, engine: Engine) -> None:
        """G6."""
        committed = commit(engine, delete("ghost"))
        found = entry(engine, "ghost")
        assert (found.kind, found.version, found.commit_ts) == ("delete", 1, committed.commit_ts)

    def test_all_operations_of_a_commit_have_its_commit_ts(self, engine: Engine) -> None:
        """G1."""
        put(engine, "gone")
        there: list[WriteOperation] = [
            write("a"),
            write(name("b", "critic")),
            write(name("c", "critic", "other")),
            delete("gone"),
        ]
        committed = commit(engine, *there)
        assert {entry(engine, operation.key).commit_ts for operation in there} == {committed.commit_ts}

    def test_a_refused_commit_changes_nothing(self, engine: Engine) -> None:
        """G1."""
        put(engine, "taken", "before")
        before = everything(engine)
        with pytest.raises(PreconditionFailedError):
            commit(engine, write("new"), write("taken", "after"), preconditions=(must_not_exist("taken"),))
        assert everything(engine) == before
        assert (value(engine, "taken"), value(engine, "new")) == ("before", None)

    def test_a_commit_is_read_by_whoever_asks_after_its_reply(self, engine: Engine) -> None:
        """G4."""
        for number in range(50):
            put(engine, "k", number)
            assert value(engine, "k") == number

    def test_a_submitted_commit_is_read_once_its_future_is_done(self, engine: Engine) -> None:
        """G4."""
        committed = engine.submit(transaction(write("k", "v"))).result(timeout=30)
        assert (entry(engine).commit_ts, value(engine)) == (committed.commit_ts, "v")

    def test_many_submitted_commits_are_all_applied_once(self, engine: Engine) -> None:
        """G1, G6."""
        futures = [engine.submit(transaction(write("k", number))) for number in range(100)]
        wait(futures, timeout=30)
        assert sorted(future.result().commit_ts for future in futures) == list(range(1, 101))
        assert entry(engine).version == 100

    def test_a_submitted_commit_that_is_refused_fails_its_future(self, engine: Engine) -> None:
        """G1."""
        put(engine)
        future = engine.submit(transaction(write(), preconditions=(must_not_exist(),)))
        assert isinstance(future.exception(timeout=30), PreconditionFailedError)

    def test_a_commit_is_cancelled_before_it_is_written_or_not_at_all(self, engine: Engine) -> None:
        """G1: what could be cancelled is not in the log, and everything else is."""
        requests = [transaction(write("k", number)) for number in range(200)]
        futures = [engine.submit(request) for request in requests]
        cancelled = [future.cancel() for future in reversed(futures)][::-1]
        kept = [request.txn_id for request, gone in zip(requests, cancelled, strict=True) if not gone]
        wait(futures, timeout=30)
        put(engine, "last")
        assert [event.txn_id for event in everything(engine)][:-1] == kept

    def test_payloads_come_back_byte_for_byte(self, engine: Engine) -> None:
        """G6."""
        payloads = [
            Payload(JSON, b'{"n":1152921504606846976}'),
            Payload(BYTES, bytes(range(256))),
            Payload(BYTES, b""),
            Payload("application/x-own+thing; v=1", b"\x00\xff"),
        ]
        operations = [Write(name(f"k{number}"), payload) for number, payload in enumerate(payloads)]
        commit(engine, *operations)
        assert [entry(engine, operation.key).payload for operation in operations] == payloads

    @pytest.mark.parametrize("size", [1023, 1024, 1025, 65_535, 65_536, 65_537, 200_000, 1_100_000])
    def test_values_of_every_size_come_back_whole(self, engine: Engine, size: int) -> None:
        """G6."""
        payload = Payload(BYTES, (bytes(range(251)) * (size // 251 + 1))[:size])
        commit(engine, Write(name(), payload))
        put(engine, "other")
        assert entry(engine).payload == payload
        assert entry(engine, at=1).payload == payload

    def test_the_event_has_the_id_the_origin_and_the_operations_in_order(self, engine: Engine) -> None:
        """G7."""
        operations = (write("b", "B"), delete("a"), write("c", "C"))
        committed = commit(engine, *operations, txn_id="t-1", origin=ORIGIN)
        (event,) = everything(engine)
        assert (event.txn_id, event.commit_ts, event.committed_at_us) == ("t-1", 1, committed.committed_at_us)
        assert event.origin == ORIGIN
        assert [(op.key, op.kind, op.version, op.value) for op in event.operations] == [
            ("b", "write", 1, "B"),
            ("a", "delete", 1, None),
            ("c", "write", 1, "C"),
        ]

    def test_a_commit_made_for_another_store_is_refused(self, engine: Engine) -> None:
        """G5."""
        with pytest.raises(StoreChangedError):
            commit(engine, write(), store_id="0" * 32)
        assert newest(engine) == 0

    def test_a_commit_made_in_another_epoch_is_refused(self, engine: Engine) -> None:
        """G5."""
        epoch = engine.execute(Status()).epoch
        with pytest.raises(StoreChangedError):
            commit(engine, write(), epoch=epoch + 1)
        assert newest(engine) == 0

    def test_a_commit_made_for_this_store_and_epoch_is_applied(self, engine: Engine) -> None:
        """G5."""
        status = engine.execute(Status())
        assert commit(engine, write(), store_id=status.store_id, epoch=status.epoch).commit_ts == 1


class EmptyTransactionsContract:
    """A transaction that writes nothing writes no event."""

    def test_it_gives_the_visible_commit_ts(self, engine: Engine) -> None:
        """G5."""
        put(engine)
        put(engine)
        assert commit(engine).commit_ts == 2

    def test_on_an_empty_store_it_gives_zero(self, engine: Engine) -> None:
        """G5."""
        assert commit(engine).commit_ts == 0

    def test_it_writes_no_event(self, engine: Engine) -> None:
        """G5."""
        commit(engine)
        assert everything(engine) == []

    def test_its_preconditions_are_checked(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        with pytest.raises(PreconditionFailedError):
            commit(engine, preconditions=(must_not_exist(),))

    def test_its_read_set_is_not_checked(self, engine: Engine) -> None:
        """G3: all it read was as of one commit_ts, so it is serializable there."""
        put(engine)
        put(engine)
        assert commit(engine, read_ts=1, reads=(name(),)).commit_ts == 2

    def test_its_id_can_still_be_used(self, engine: Engine) -> None:
        """G5."""
        commit(engine, txn_id="t")
        assert commit(engine, write(), txn_id="t").repeated is False


class PreconditionsContract:
    """`if_version` and `if_commit_ts` (G3)."""

    @pytest.mark.parametrize("field", ["version", "commit_ts"])
    def test_zero_holds_of_a_key_that_was_never_written(self, engine: Engine, field: str) -> None:
        """G3."""
        committed = commit(engine, write(), preconditions=(Precondition(name(), **{field: 0}),))
        assert committed.commit_ts == 1

    @pytest.mark.parametrize("field", ["version", "commit_ts"])
    def test_zero_holds_of_a_deleted_key(self, engine: Engine, field: str) -> None:
        """G3."""
        put(engine)
        commit(engine, delete())
        assert commit(engine, write(), preconditions=(Precondition(name(), **{field: 0}),)).commit_ts == 3

    @pytest.mark.parametrize("field", ["version", "commit_ts"])
    def test_zero_fails_of_a_key_that_exists(self, engine: Engine, field: str) -> None:
        """G3."""
        put(engine)
        with pytest.raises(PreconditionFailedError):
            commit(engine, write(), preconditions=(Precondition(name(), **{field: 0}),))

    def test_the_present_version_holds(self, engine: Engine) -> None:
        """G3."""
        put(engine, "other")
        put(engine)
        put(engine)
        assert commit(engine, write(), preconditions=(Precondition(name(), version=2),)).commit_ts == 4

    def test_the_present_commit_ts_holds(self, engine: Engine) -> None:
        """G3."""
        put(engine, "other")
        put(engine)
        assert commit(engine, write(), preconditions=(Precondition(name(), commit_ts=2),)).commit_ts == 3

    @pytest.mark.parametrize("wanted", [{"version": 1}, {"version": 3}, {"commit_ts": 1}, {"commit_ts": 3}])
    def test_any_other_version_or_commit_ts_fails(self, engine: Engine, wanted: dict[str, int]) -> None:
        """G3."""
        put(engine)
        put(engine)
        with pytest.raises(PreconditionFailedError):
            commit(engine, write(), preconditions=(Precondition(name(), **wanted),))

    @pytest.mark.parametrize("wanted", [{"version": 2}, {"commit_ts": 2}])
    def test_naming_a_tombstone_fails(self, engine: Engine, wanted: dict[str, int]) -> None:
        """G3: a version other than 0 means that the key exists."""
        put(engine)
        commit(engine, delete())
        with pytest.raises(PreconditionFailedError):
            commit(engine, write(), preconditions=(Precondition(name(), **wanted),))

    def test_the_error_says_which_and_what_is_there_now(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        put(engine)
        wrong = Precondition(name(), version=1)
        with pytest.raises(PreconditionFailedError) as caught:
            commit(engine, write(), preconditions=(wrong,))
        assert (caught.value.which, caught.value.version, caught.value.commit_ts) == (wrong, 2, 2)

    def test_the_error_says_zero_for_a_key_that_is_not_there(self, engine: Engine) -> None:
        """G3."""
        with pytest.raises(PreconditionFailedError) as caught:
            commit(engine, write(), preconditions=(Precondition(name(), version=1),))
        assert (caught.value.version, caught.value.commit_ts) == (0, 0)

    def test_a_key_that_is_not_written_can_be_a_precondition(self, engine: Engine) -> None:
        """G3."""
        put(engine, "lock", "mine")
        assert commit(engine, write(), preconditions=(Precondition(name("lock"), version=1),)).commit_ts == 2

    def test_all_must_hold(self, engine: Engine) -> None:
        """G3."""
        put(engine, "a")
        conditions = (Precondition(name("a"), version=1), Precondition(name("b"), version=1))
        with pytest.raises(PreconditionFailedError) as caught:
            commit(engine, write(), preconditions=conditions)
        assert caught.value.which == conditions[1]

    def test_the_store_before_the_commit_is_what_counts(self, engine: Engine) -> None:
        """G1: the operations of a commit do not satisfy its own preconditions."""
        with pytest.raises(PreconditionFailedError):
            commit(engine, write(), preconditions=(Precondition(name(), version=1),))


class CommitTimeContract:
    """`committed_at` never goes backwards (G7)."""

    def test_it_is_the_clock(self, open_engine: OpenEngine) -> None:
        """G7."""
        engine = open_engine(clock=SetClock(1_700_000_000_000_001))
        assert commit(engine, write()).committed_at_us == 1_700_000_000_000_001

    def test_it_stands_still_while_the_clock_goes_back(self, open_engine: OpenEngine) -> None:
        """G7."""
        clock = SetClock(5_000_000)
        engine = open_engine(clock=clock)
        times = []
        for now in (5_000_000, 3_000_000, 4_999_999, 5_000_001):
            clock.us = now
            times.append(commit(engine, write()).committed_at_us)
        assert times == [5_000_000, 5_000_000, 5_000_000, 5_000_001]

    def test_it_can_be_given(self, open_engine: OpenEngine) -> None:
        """G7: loading a dump keeps the times."""
        engine = open_engine(clock=SetClock(5_000_000))
        assert commit(engine, write(), committed_at_us=1_000_000).committed_at_us == 1_000_000

    def test_what_is_given_does_not_move_it_backwards(self, open_engine: OpenEngine) -> None:
        """G7."""
        engine = open_engine(clock=SetClock(5_000_000))
        commit(engine, write())
        assert commit(engine, write(), committed_at_us=1_000_000).committed_at_us == 5_000_000

    def test_the_event_and_the_status_have_it(self, open_engine: OpenEngine) -> None:
        """G7."""
        engine = open_engine(clock=SetClock(5_000_000))
        commit(engine, write())
        assert everything(engine)[0].committed_at_us == 5_000_000
        assert engine.execute(Status()).committed_at_us == 5_000_000
