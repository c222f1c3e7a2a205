"""The table of open transactions, as a machine without I/O; tests/rpc/test_calls.py asks it over the wire."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from statehouse.engine import open_engine
from statehouse.errors import (
    ConnectionError,
    InvalidArgumentError,
    LimitExceededError,
    OutcomeUnknownError,
    OverloadedError,
    RefusingWritesError,
    StatehouseError,
    TransactionClosedError,
    TransactionExpiredError,
    TransactionNotFoundError,
)
from statehouse.protocol.limits import MIB, Limits
from statehouse.protocol.names import RecordKey
from statehouse.protocol.replies import Committed, TxnOutcome
from statehouse.protocol.requests import Commit, Delete, Write
from statehouse.protocol.values import JSON, Payload
from statehouse.rpc.serving.staged import (
    OPERATION_BYTES,
    Done,
    Join,
    LookUp,
    Send,
    StagedTransactions,
)
from statehouse.storage.memory import MemoryStore
from statehouse.testing.clock import ManualClock

FAR = 3_600_000


def key(name: str = "k") -> RecordKey:
    return RecordKey("default", "a", name)


def write(name: str = "k", data: bytes = b"{}") -> Write:
    return Write(key(name), Payload(JSON, data))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def staged(clock: ManualClock) -> StagedTransactions:
    return StagedTransactions(count_max=3, bytes_max=MIB, remembered_max=4, monotonic=clock.monotonic)


def begun(staged: StagedTransactions, *operations: Write | Delete, timeout_ms: int = 30_000) -> str:
    txn_id = staged.begin(timeout_ms, made_at_ts=0)
    for operation in operations:
        staged.stage(txn_id, operation)
    return txn_id


def sent(staged: StagedTransactions, txn_id: str) -> Commit:
    asked = staged.commit(txn_id)
    assert isinstance(asked, Send)
    return asked.commit


def committed(staged: StagedTransactions, *operations: Write | Delete) -> str:
    txn_id = begun(staged, *operations)
    sent(staged, txn_id)
    assert staged.settle(txn_id, Committed(7, 0)) == 7
    return txn_id


def test_what_was_staged_becomes_one_commit(staged: StagedTransactions) -> None:
    txn_id = staged.begin(30_000, made_at_ts=5)
    staged.stage(txn_id, write("x"))
    staged.stage(txn_id, Delete(key("y")))
    assert sent(staged, txn_id) == Commit(
        txn_id, (write("x"), Delete(key("y"))), made_at_ts=5, timeout_s=30.0
    )


def test_the_last_write_of_a_key_wins(staged: StagedTransactions) -> None:
    txn_id = begun(staged, write("x", b"1"), write("y"), Delete(key("x")), write("x", b"22"))
    assert sent(staged, txn_id).operations == (write("x", b"22"), write("y"))


def test_an_empty_transaction_becomes_an_empty_commit(staged: StagedTransactions) -> None:
    txn_id = begun(staged)
    assert sent(staged, txn_id).operations == ()
    staged.settle(txn_id, Committed(3, 0))
    assert staged.commit(txn_id) == Done(3)


def test_ids_are_128_random_bits(staged: StagedTransactions) -> None:
    ids = {begun(staged), begun(staged)}
    assert len(ids) == 2
    assert all(len(bytes.fromhex(txn_id)) == 16 for txn_id in ids)


def test_a_committed_transaction_gives_its_commit_ts_again(staged: StagedTransactions) -> None:
    txn_id = committed(staged, write())
    assert [staged.commit(txn_id), staged.commit(txn_id)] == [Done(7), Done(7)]


def test_a_commit_during_a_commit_joins_it(staged: StagedTransactions) -> None:
    txn_id = begun(staged, write())
    sent(staged, txn_id)
    assert staged.commit(txn_id) == Join()


def test_what_is_left_of_its_time_is_how_long_a_commit_may_be_queued(
    staged: StagedTransactions, clock: ManualClock
) -> None:
    txn_id = begun(staged, write(), timeout_ms=1000)
    clock.advance(0.75)
    assert sent(staged, txn_id).timeout_s == 0.25


# How it ends: each row of the table in the module, by what the transaction is.


def an_open_one(staged: StagedTransactions, clock: ManualClock) -> str:
    return begun(staged, write())


def one_being_committed(staged: StagedTransactions, clock: ManualClock) -> str:
    txn_id = begun(staged, write())
    sent(staged, txn_id)
    return txn_id


def a_sent_one(staged: StagedTransactions, clock: ManualClock) -> str:
    txn_id = one_being_committed(staged, clock)
    staged.settle(txn_id, OutcomeUnknownError("a failed flush", txn_id=txn_id))
    return txn_id


def a_committed_one(staged: StagedTransactions, clock: ManualClock) -> str:
    return committed(staged, write())


def an_aborted_one(staged: StagedTransactions, clock: ManualClock) -> str:
    txn_id = begun(staged, write())
    assert staged.abort(txn_id) is None
    return txn_id


def an_expired_one(staged: StagedTransactions, clock: ManualClock) -> str:
    txn_id = begun(staged, write())
    clock.advance(30)
    return txn_id


def one_in_doubt(staged: StagedTransactions, clock: ManualClock) -> str:
    txn_id = a_sent_one(staged, clock)
    clock.advance(30)
    return txn_id


def an_unknown_one(staged: StagedTransactions, clock: ManualClock) -> str:
    return "nobody-knows"


Make = Callable[[StagedTransactions, ManualClock], str]


@pytest.mark.parametrize(
    "make, error",
    [
        (one_being_committed, TransactionClosedError),
        (a_sent_one, TransactionClosedError),
        (a_committed_one, TransactionClosedError),
        (an_aborted_one, TransactionClosedError),
        (an_expired_one, TransactionExpiredError),
        (one_in_doubt, TransactionClosedError),
        (an_unknown_one, TransactionNotFoundError),
    ],
)
@pytest.mark.parametrize("operation", [write(), Delete(key())], ids=["write", "delete"])
def test_only_an_open_transaction_takes_operations(
    staged: StagedTransactions,
    clock: ManualClock,
    make: Make,
    error: type[StatehouseError],
    operation: Write | Delete,
) -> None:
    txn_id = make(staged, clock)
    with pytest.raises(error):
        staged.stage(txn_id, operation)


@pytest.mark.parametrize(
    "make, expected",
    [
        (an_open_one, Send),
        (one_being_committed, Join),
        (a_sent_one, Send),
        (a_committed_one, Done),
        (an_aborted_one, TransactionClosedError),
        (an_expired_one, TransactionExpiredError),
        (one_in_doubt, LookUp),
        (an_unknown_one, LookUp),
    ],
)
def test_a_commit_does_what_the_table_says(
    staged: StagedTransactions, clock: ManualClock, make: Make, expected: type
) -> None:
    txn_id = make(staged, clock)
    if issubclass(expected, StatehouseError):
        with pytest.raises(expected):
            staged.commit(txn_id)
    else:
        assert isinstance(staged.commit(txn_id), expected)


@pytest.mark.parametrize(
    "make, expected",
    [
        (an_open_one, None),
        (one_being_committed, TransactionClosedError),
        (a_sent_one, OutcomeUnknownError),
        (a_committed_one, TransactionClosedError),
        (an_aborted_one, None),
        (an_expired_one, None),
        (one_in_doubt, LookUp),
        (an_unknown_one, LookUp),
    ],
)
def test_an_abort_does_what_the_table_says(
    staged: StagedTransactions, clock: ManualClock, make: Make, expected: type | None
) -> None:
    txn_id = make(staged, clock)
    if expected is None:
        assert staged.abort(txn_id) is None
    elif issubclass(expected, StatehouseError):
        with pytest.raises(expected):
            staged.abort(txn_id)
    else:
        assert isinstance(staged.abort(txn_id), expected)


@pytest.mark.parametrize(
    "make, outcome, expected",
    [
        (an_unknown_one, "committed", 9),
        (an_unknown_one, "absent", TransactionNotFoundError),
        (an_unknown_one, "unknown", OutcomeUnknownError),
        (one_in_doubt, "committed", 9),
        (one_in_doubt, "absent", TransactionExpiredError),
        (one_in_doubt, "unknown", OutcomeUnknownError),
    ],
)
def test_a_looked_up_commit_is_answered_by_what_the_engine_knows(
    staged: StagedTransactions,
    clock: ManualClock,
    make: Make,
    outcome: str,
    expected: int | type[StatehouseError],
) -> None:
    txn_id = make(staged, clock)
    assert staged.commit(txn_id) == LookUp()
    found = TxnOutcome(txn_id, outcome, 9 if outcome == "committed" else 0)  # type: ignore[arg-type]
    if isinstance(expected, int):
        assert staged.resolve(txn_id, found) == expected
    else:
        with pytest.raises(expected):
            staged.resolve(txn_id, found)


@pytest.mark.parametrize(
    "make, outcome, expected",
    [
        (an_unknown_one, "committed", TransactionClosedError),
        (an_unknown_one, "absent", TransactionNotFoundError),
        (an_unknown_one, "unknown", OutcomeUnknownError),
        (one_in_doubt, "committed", TransactionClosedError),
        (one_in_doubt, "absent", None),
        (one_in_doubt, "unknown", OutcomeUnknownError),
    ],
)
def test_a_looked_up_abort_is_answered_by_what_the_engine_knows(
    staged: StagedTransactions,
    clock: ManualClock,
    make: Make,
    outcome: str,
    expected: type[StatehouseError] | None,
) -> None:
    txn_id = make(staged, clock)
    assert staged.abort(txn_id) == LookUp()
    found = TxnOutcome(txn_id, outcome, 9 if outcome == "committed" else 0)  # type: ignore[arg-type]
    if expected is None:
        staged.resolve_abort(txn_id, found)
        assert staged.abort(txn_id) is None
    else:
        with pytest.raises(expected):
            staged.resolve_abort(txn_id, found)


@pytest.mark.parametrize("txn_id", ["", "x" * 129, "a\nb"])
def test_an_id_that_cannot_be_is_refused_as_such(staged: StagedTransactions, txn_id: str) -> None:
    for ask in (staged.commit, staged.abort, lambda txn_id: staged.stage(txn_id, write())):
        with pytest.raises((InvalidArgumentError, LimitExceededError), match="txn_id"):
            ask(txn_id)


@pytest.mark.parametrize(
    "error",
    [
        OverloadedError("full", retry_after=0.1, reason="queue_full"),
        RefusingWritesError("a failed flush"),
        InvalidArgumentError("no"),
    ],
)
def test_a_refused_commit_leaves_the_transaction_open_as_it_was(
    staged: StagedTransactions, error: StatehouseError
) -> None:
    txn_id = begun(staged, write("x"))
    first = sent(staged, txn_id)
    assert staged.settle(txn_id, error) is error
    staged.stage(txn_id, write("y"))
    assert sent(staged, txn_id).operations == (*first.operations, write("y"))


def test_a_commit_refused_after_the_end_of_its_time_is_an_expired_transaction(
    staged: StagedTransactions, clock: ManualClock
) -> None:
    txn_id = begun(staged, write())
    sent(staged, txn_id)
    clock.advance(30)
    told = staged.settle(txn_id, OverloadedError("full", retry_after=0.1, reason="queue_full"))
    assert isinstance(told, TransactionExpiredError)
    with pytest.raises(TransactionExpiredError):
        staged.commit(txn_id)


@pytest.mark.parametrize(
    "error", [OutcomeUnknownError("?", txn_id="t"), ConnectionError("lost"), RuntimeError("a defect")]
)
def test_a_commit_of_unknown_outcome_is_sent_again_as_it_was(
    staged: StagedTransactions, error: BaseException
) -> None:
    txn_id = begun(staged, write("x"), write("y"))
    first = sent(staged, txn_id)
    assert staged.settle(txn_id, error) is error
    assert sent(staged, txn_id) == first
    assert staged.settle(txn_id, Committed(4, 0, repeated=True)) == 4


def test_a_commit_on_its_way_outlives_the_timeout(staged: StagedTransactions, clock: ManualClock) -> None:
    txn_id = begun(staged, write())
    sent(staged, txn_id)
    clock.advance(60)
    assert staged.sweep() == []
    assert staged.settle(txn_id, Committed(1, 0)) == 1


# Time.


def test_a_transaction_expires_at_its_timeout_without_a_sweep(
    staged: StagedTransactions, clock: ManualClock
) -> None:
    txn_id = begun(staged, write(), timeout_ms=1)
    clock.advance(0.0009)
    staged.stage(txn_id, write())
    clock.advance(0.0001)
    with pytest.raises(TransactionExpiredError, match="nothing was applied"):
        staged.stage(txn_id, write())


def test_a_sweep_ends_what_is_over_and_nothing_else(staged: StagedTransactions, clock: ManualClock) -> None:
    late, early = begun(staged, write(), timeout_ms=2000), begun(staged, write(), timeout_ms=1000)
    clock.advance(1)
    assert staged.sweep() == [early]
    assert (len(staged), staged.sweep()) == (1, [])
    clock.advance(1)
    assert staged.sweep() == [late]
    assert (len(staged), staged.size_bytes) == (0, 0)


def test_a_transaction_open_again_after_its_commit_was_refused_is_swept_too(
    staged: StagedTransactions, clock: ManualClock
) -> None:
    txn_id = begun(staged, write(), timeout_ms=1000)
    clock.advance(0.5)
    sent(staged, txn_id)
    clock.advance(0.6)
    assert staged.sweep() == []
    staged.settle(txn_id, OutcomeUnknownError("?", txn_id=txn_id))
    clock.advance(1)
    assert staged.sweep() == [txn_id]


@pytest.mark.parametrize("timeout_ms", [0, -1, 3_600_001, 2**64 - 1])
def test_a_timeout_out_of_range_is_refused(staged: StagedTransactions, timeout_ms: int) -> None:
    with pytest.raises(InvalidArgumentError, match="timeout_ms must be an integer from 1 to 3600000"):
        staged.begin(timeout_ms, made_at_ts=0)


@pytest.mark.parametrize("timeout_ms", [1, 3_600_000])
def test_a_timeout_at_its_bounds_is_taken(staged: StagedTransactions, timeout_ms: int) -> None:
    assert staged.begin(timeout_ms, made_at_ts=0)


# Limits.


def test_so_many_are_open_and_no_more_until_one_ends(staged: StagedTransactions, clock: ManualClock) -> None:
    first, *_ = [begun(staged) for _ in range(3)]
    with pytest.raises(OverloadedError, match="3 transactions are open already") as refused:
        begun(staged)
    assert refused.value.reason == "too_many_transactions"
    staged.abort(first)
    begun(staged)
    clock.advance(30)
    begun(staged)


def test_all_of_them_together_hold_so_many_bytes(staged: StagedTransactions, clock: ManualClock) -> None:
    half = MIB // 2 - OPERATION_BYTES - len("defaultak") - 2
    first = begun(staged, write(data=bytes(half)))
    second = begun(staged, write(data=bytes(half)), timeout_ms=FAR)
    assert staged.size_bytes == MIB
    with pytest.raises(OverloadedError, match="not staged") as refused:
        staged.stage(second, Delete(key("other")))
    assert refused.value.reason == "too_many_bytes_staged"
    staged.stage(second, write(data=bytes(half)))
    staged.abort(first)
    staged.stage(second, Delete(key("other")))
    assert len(sent(staged, second).operations) == 2


def test_what_has_ended_takes_no_bytes(staged: StagedTransactions, clock: ManualClock) -> None:
    committed(staged, write("x", bytes(100)), write("x", bytes(10)), write("y"))
    staged.abort(begun(staged, write(), Delete(key())))
    begun(staged, write())
    clock.advance(30)
    staged.sweep()
    assert staged.size_bytes == 0


@pytest.fixture
def small() -> Iterator[tuple[StagedTransactions, Callable[[Commit], Committed]]]:
    limits = Limits(transaction_operations_max=3, transaction_bytes_max=100, value_bytes_max=60)
    engine = open_engine(MemoryStore(), limits=limits)
    yield StagedTransactions(count_max=3, bytes_max=MIB, limits=limits), engine.execute
    engine.close()


def test_what_can_be_staged_can_be_committed_and_one_byte_more_cannot(
    small: tuple[StagedTransactions, Callable[[Commit], Committed]],
) -> None:
    staged, execute = small
    rest = 100 - 60 - 2 * len("defaultäß") - 2 * 2 - 4
    operations = [
        Write(RecordKey("default", "ä", "ß"), Payload(JSON, bytes(60))),
        Write(RecordKey("default", "ä", "ss"), Payload(JSON, bytes(rest))),
    ]
    txn_id = begun(staged, *operations)
    assert execute(sent(staged, txn_id)).commit_ts == 1
    larger = Write(operations[1].key, Payload(JSON, bytes(rest + 1)))
    second = begun(staged, operations[0])
    with pytest.raises(LimitExceededError, match="the transaction would be 101 bytes"):
        staged.stage(second, larger)
    with pytest.raises(LimitExceededError, match="the transaction is 101 bytes"):
        execute(Commit("t", (operations[0], larger)))


def test_one_operation_too_many_is_refused_and_the_others_stay(
    small: tuple[StagedTransactions, Callable[[Commit], Committed]],
) -> None:
    staged, execute = small
    txn_id = begun(staged, *[Delete(key(name)) for name in "abc"])
    with pytest.raises(LimitExceededError, match="4 operations"):
        staged.stage(txn_id, Delete(key("d")))
    staged.stage(txn_id, write("a"))
    assert execute(sent(staged, txn_id)).commit_ts == 1


def test_a_value_too_large_is_refused_when_it_is_written(
    small: tuple[StagedTransactions, Callable[[Commit], Committed]],
) -> None:
    staged, _ = small
    with pytest.raises(LimitExceededError, match="61 bytes"):
        begun(staged, write(data=bytes(61)))


@pytest.mark.parametrize(
    "name", [RecordKey("", "a", "k"), RecordKey("n", "", "k"), RecordKey("n", "a", "a\0b")]
)
def test_a_malformed_name_is_refused_when_it_is_written(staged: StagedTransactions, name: RecordKey) -> None:
    with pytest.raises(InvalidArgumentError):
        begun(staged, Delete(name))


@pytest.mark.parametrize("content_type", ["", "x" * 129, "a\nb"])
def test_a_malformed_content_type_is_refused_when_it_is_written(
    staged: StagedTransactions, content_type: str
) -> None:
    with pytest.raises((InvalidArgumentError, LimitExceededError), match="content_type"):
        begun(staged, Write(key(), Payload(content_type, b"")))


def test_the_newest_ended_ones_are_remembered(staged: StagedTransactions) -> None:
    ended = [begun(staged) for _ in range(1)]
    staged.abort(ended[0])
    for _ in range(4):
        ended.append(begun(staged))
        staged.abort(ended[-1])
    assert [staged.abort(txn_id) for txn_id in ended] == [LookUp(), None, None, None, None]


def test_a_transaction_that_ended_leaves_its_deadline_behind_for_a_while_only(
    staged: StagedTransactions,
) -> None:
    for _ in range(5000):
        staged.abort(begun(staged, timeout_ms=FAR))
    assert len(staged._deadlines) < 2000


def test_stopping_drops_all_but_what_is_being_committed(staged: StagedTransactions) -> None:
    begun(staged, write())
    kept = begun(staged, write())
    sent(staged, kept)
    assert staged.drop() == 1
    assert len(staged) == 1
    staged.settle(kept, Committed(1, 0))
    assert (len(staged), staged.size_bytes) == (0, 0)


@pytest.mark.slow
def test_ten_thousand_idle_transactions_take_less_than_50_mb() -> None:
    staged = StagedTransactions(count_max=10_000, bytes_max=256 * MIB)
    tracemalloc.start()
    try:
        for number in range(10_000):
            begun(staged, write("k", b'{"n":%d}' % number))
        assert tracemalloc.get_traced_memory()[0] < 25_000_000
    finally:
        tracemalloc.stop()
    with pytest.raises(OverloadedError):
        begun(staged)


@pytest.mark.slow
def test_the_bytes_that_are_counted_are_those_that_are_used() -> None:
    staged = StagedTransactions(count_max=10, bytes_max=256 * MIB)
    tracemalloc.start()
    try:
        for _ in range(5):
            txn_id = begun(staged)
            for number in range(10_000):
                name = RecordKey(f"namespace{number % 7}", f"agent{number}", f"key{number}")
                staged.stage(txn_id, Write(name, Payload(JSON, b'{"n":%d}' % number)))
        assert tracemalloc.get_traced_memory()[0] < staged.size_bytes * 1.15
    finally:
        tracemalloc.stop()
