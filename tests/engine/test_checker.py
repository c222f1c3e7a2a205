"""Each check of the history checker catches the defect that it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from statehouse.errors import InvalidArgumentError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Entry, Event, Operation
from statehouse.protocol.requests import Copy, Delete, Extend, KeyRange, Write
from statehouse.protocol.values import BYTES, Payload
from statehouse.testing.checker import check_history
from statehouse.testing.history import CommitRow, ReadRow, ReplayRow, Row, dump_row, load_row, load_rows

A, B = RecordKey("n", "x", "a"), RecordKey("n", "y", "b")
ONE, TWO, THREE = (Payload(BYTES, text) for text in (b"1", b"2", b"3"))
ALL_OF_X = KeyRange("n", "x")


def _operation(key: RecordKey, version: int, payload: Payload | None) -> Operation:
    return Operation(*key, "delete" if payload is None else "write", version, payload)


# One after the other: a and b are written (10 to 20), a again (30 to 40), a is deleted (50 to 60).
LOG = (
    Event(
        "t1", 1, 100, Origin(run_id="r", attributes={"": "x"}), (_operation(A, 1, ONE), _operation(B, 1, TWO))
    ),
    Event("t2", 2, 100, Origin(), (_operation(A, 2, THREE),)),
    Event("t3", 3, 101, Origin(), (_operation(A, 3, None),)),
)
T1 = CommitRow("c", "t1", 10, 20, (Write(A, ONE), Write(B, TWO)), "acknowledged", 1)
T2 = CommitRow("c", "t2", 30, 40, (Write(A, THREE),), "acknowledged", 2, 1, (A, B), (ALL_OF_X,))
T3 = CommitRow("d", "t3", 50, 60, (Delete(A),), "acknowledged", 3)
FOUND = Entry(A, THREE, 2, 2, "write")
READ = ReadRow(
    "c", 41, 45, 2, (FOUND, Entry(B, TWO, 1, 1, "write"), Entry(B._replace(key="c"), None, 0, 0, None))
)
SCAN = ReadRow("c", 46, 48, 2, (FOUND,), ALL_OF_X)
LISTED = replace(SCAN, entries=(replace(FOUND, payload=None),), span=replace(ALL_OF_X, keys_only=True))
OLD = ReadRow("d", 70, 80, 1, (Entry(A, ONE, 1, 1, "write"),), as_of=True)
PAGE = ReplayRow("d", "s", 61, 62, "n", "x", 0, 1, (replace(LOG[0], operations=LOG[0].operations[:1]),))
REST = ReplayRow("d", "s", 63, 64, "n", "x", 2, 3, LOG[1:])
EMPTY = CommitRow("d", "t0", 65, 66, (), "acknowledged", 3)
GOOD: tuple[Row, ...] = (T1, T2, T3, READ, SCAN, LISTED, OLD, PAGE, REST, EMPTY)


def _checks(rows: Sequence[Row], log: Sequence[Event] = LOG, **fields: Sequence[Sequence[Event]]) -> set[int]:
    return {violation.check for violation in check_history(rows, log, **fields)}


def _but(old: Row, *new: Row) -> list[Row]:
    return [each for row in GOOD for each in (new if row is old else (row,))]


def test_a_good_history_has_no_violation() -> None:
    assert check_history(GOOD, LOG, earlier_logs=[(), LOG[:2], LOG]) == []


def test_the_order_of_the_rows_does_not_matter() -> None:
    assert check_history([T3, READ, T1, PAGE, OLD, REST, SCAN, T2], LOG) == []


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(_but(T2, replace(T2, commit_ts=3)), id="at another commit_ts"),
        pytest.param(_but(T2, replace(T2, operations=(Write(A, ONE),), reads=())), id="another value"),
        pytest.param(_but(T2, replace(T2, operations=(Delete(A),))), id="another kind"),
        pytest.param(_but(T1, replace(T1, operations=T1.operations[::-1])), id="another order"),
        pytest.param(_but(T1, replace(T1, operations=T1.operations[:1])), id="more than asked"),
        pytest.param([*GOOD, replace(T3, txn_id="t4", commit_ts=4)], id="lost"),
    ],
)
def test_1_an_acknowledged_commit_that_is_not_in_the_log_as_it_was(rows: list[Row]) -> None:
    assert 1 in _checks(rows)


def test_1_an_acknowledged_commit_applied_twice() -> None:
    again = replace(LOG[1], commit_ts=4, committed_at_us=101, operations=(_operation(A, 4, THREE),))
    assert 1 in _checks(GOOD, [*LOG, again])


def test_1_an_extend_is_what_its_parts_make() -> None:
    longer = Extend(A, A, 1, (Copy(0, 1), b"!", Copy(0, 1)), BYTES)
    log = [LOG[0], replace(LOG[1], operations=(_operation(A, 2, Payload(BYTES, b"1!1")),))]
    assert _checks([T1, replace(T2, operations=(longer,))], log) == set()
    wrong = [LOG[0], replace(LOG[1], operations=(_operation(A, 2, Payload(BYTES, b"1!2")),))]
    assert _checks([T1, replace(T2, operations=(longer,))], wrong) == {1}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(replace(LOG[2], commit_ts=4), id="a gap"),
        pytest.param(replace(LOG[2], committed_at_us=99), id="time goes back"),
        pytest.param(replace(LOG[2], operations=(_operation(A, 4, None),)), id="a version is left out"),
        pytest.param(replace(LOG[2], operations=(_operation(A, 2, None),)), id="a version twice"),
    ],
)
def test_2_numbers_that_are_not_dense(event: Event) -> None:
    assert 2 in _checks([T1, T2, T3], [*LOG[:2], event])


def test_3_a_commit_that_was_sent_after_the_answer_to_a_later_one() -> None:
    assert _checks([T1, replace(T2, invoked_ns=61, returned_ns=70), T3]) == {3}


def test_3_commits_that_overlap_may_come_in_any_order() -> None:
    assert _checks([T1, replace(T2, invoked_ns=59, returned_ns=70), T3]) == set()


@pytest.mark.parametrize(
    "old, new",
    [
        pytest.param(READ, replace(READ, entries=(replace(FOUND, payload=ONE),)), id="another value"),
        pytest.param(READ, replace(READ, entries=(replace(FOUND, version=1),)), id="another version"),
        pytest.param(READ, replace(READ, entries=(Entry(A, None, 0, 0, None),)), id="a key that is missing"),
        pytest.param(SCAN, replace(SCAN, entries=()), id="a row that is missing"),
        pytest.param(SCAN, replace(SCAN, entries=(FOUND, FOUND)), id="a row twice"),
        pytest.param(LISTED, replace(LISTED, entries=()), id="a listed key that is missing"),
        pytest.param(READ, replace(READ, invoked_ns=61, returned_ns=62), id="stale after a commit"),
        pytest.param(SCAN, replace(SCAN, invoked_ns=81, returned_ns=82), id="stale after a read"),
        pytest.param(READ, replace(READ, invoked_ns=1, returned_ns=29), id="from the future"),
        pytest.param(READ, replace(READ, read_ts=4), id="beyond the log"),
        pytest.param(EMPTY, replace(EMPTY, commit_ts=2), id="an empty transaction that is stale"),
    ],
)
def test_4_a_read_that_is_not_the_log(old: Row, new: Row) -> None:
    assert 4 in _checks(_but(old, new))
    assert _checks(_but(old, new)) <= {4}


def test_4_a_read_as_of_may_be_as_old_as_it_likes_but_not_wrong() -> None:
    assert _checks([T1, T2, T3, replace(OLD, entries=(FOUND,))]) == {4}


def test_4_a_range_ends_where_its_page_ended() -> None:
    beyond = RecordKey("n", "x", "z")
    log = [LOG[0], replace(LOG[1], operations=(*LOG[1].operations, _operation(beyond, 1, ONE)))]
    rows = [T1, replace(T2, operations=(*T2.operations, Write(beyond, ONE)))]
    assert _checks([*rows, replace(SCAN, span=replace(ALL_OF_X, last="a"))], log) == set()
    assert _checks([*rows, SCAN], log) == {4}


def test_5_a_commit_that_failed_is_not_in_the_log() -> None:
    assert _checks([T1, T2, replace(T3, outcome="failed", commit_ts=0)]) == {5}


def test_5_a_commit_that_failed_and_was_sent_again_may_be() -> None:
    failed = replace(T3, outcome="failed", commit_ts=0, invoked_ns=45, returned_ns=49)
    assert _checks([*GOOD, failed]) == set()


def test_5_an_unknown_outcome_may_have_happened_or_not() -> None:
    unknown = replace(T3, outcome="unknown", commit_ts=0, returned_ns=None)
    assert _checks([T1, T2, unknown]) == set()
    assert _checks([T1, T2, unknown], LOG[:2]) == set()


def test_5_an_unknown_outcome_did_not_happen_twice() -> None:
    unknown = replace(T3, outcome="unknown", commit_ts=0, returned_ns=None)
    again = replace(LOG[2], commit_ts=4, operations=(_operation(A, 4, None),))
    assert _checks([T1, T2, unknown], [*LOG, again]) == {5}


def test_5_an_unknown_outcome_happened_as_it_was_asked_for() -> None:
    unknown = replace(T3, outcome="unknown", commit_ts=0, returned_ns=None, operations=(Write(A, ONE),))
    assert _checks([T1, T2, unknown]) == {5}


def test_5_what_nobody_asked_for_did_not_happen() -> None:
    assert _checks([T1, T2]) == {5}


@pytest.mark.parametrize(
    "old, new",
    [
        pytest.param(REST, replace(REST, events=LOG[1:2]), id="a gap"),
        pytest.param(REST, replace(REST, events=(LOG[1], LOG[1], LOG[2])), id="a repeat"),
        pytest.param(REST, replace(REST, events=LOG[:0:-1]), id="another order"),
        pytest.param(REST, replace(REST, from_ts=3, events=LOG[2:]), id="a gap between pages"),
        pytest.param(REST, replace(REST, from_ts=1, events=(PAGE.events[0], *LOG[1:])), id="a repeated page"),
        pytest.param(PAGE, replace(PAGE, events=LOG[:1]), id="operations of another agent"),
        pytest.param(PAGE, replace(PAGE, events=()), id="an event that is missing"),
        pytest.param(REST, replace(REST, invoked_ns=41, returned_ns=45), id="not yet sent"),
    ],
)
def test_6_a_replay_that_is_not_the_log(old: Row, new: Row) -> None:
    assert 6 in _checks(_but(old, new))


def test_6_a_page_that_looked_beyond_the_log_is_empty() -> None:
    beyond = ReplayRow("d", "t", 71, 72, None, None, 10, 9, ())
    assert _checks([*GOOD, beyond]) == set()


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param((*LOG, replace(LOG[2], commit_ts=4, txn_id="t4")), id="a commit was lost"),
        pytest.param((replace(LOG[0], origin=Origin(run_id="other")), LOG[1]), id="an event changed"),
        pytest.param((LOG[1], LOG[0]), id="the order changed"),
    ],
)
def test_7_a_log_that_does_not_survive_a_restart(earlier: tuple[Event, ...]) -> None:
    assert _checks(GOOD, LOG, earlier_logs=[LOG[:1], earlier]) == {7}


def test_8_a_commit_whose_reads_had_changed() -> None:
    stale = replace(T3, read_ts=1, reads=(B, A))
    assert _checks([T1, T2, stale]) == {8}


def test_8_a_commit_whose_range_had_changed() -> None:
    assert _checks([T1, T2, replace(T3, read_ts=1, ranges=(ALL_OF_X,))]) == {8}
    assert _checks([T1, T2, replace(T3, read_ts=1, ranges=(replace(ALL_OF_X, first="b"),))]) == set()


def test_8_a_range_of_which_only_the_keys_were_read_changes_with_them() -> None:
    listed = replace(ALL_OF_X, keys_only=True)
    assert _checks([T1, T2, replace(T3, read_ts=1, ranges=(listed,))]) == set()
    assert _checks([T1, replace(T2, ranges=()), replace(T3, read_ts=0, ranges=(listed,))]) == {8}


@pytest.mark.parametrize("row", [*GOOD, *LOG], ids=lambda row: type(row).__name__)
def test_rows_survive_being_written_down(row: Row | Event) -> None:
    line = dump_row(row)
    assert "\n" not in line
    assert load_row(line) == row


def test_every_operation_survives_being_written_down() -> None:
    operations = (
        Write(A, Payload(BYTES, b"\x00\xff")),
        Delete(B),
        Extend(A, A, 1, (Copy(0, 1), b"\x00"), BYTES),
    )
    row = replace(T1, operations=operations)
    assert load_row(dump_row(row)) == row


def test_half_a_line_at_the_end_is_left_out() -> None:
    lines = [dump_row(T1) + "\n", dump_row(T2) + "\n", dump_row(T3)[:-3]]
    assert list(load_rows(lines)) == [T1, T2]


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "7", '{"":"Nobody"}', '{"":"Delete"}', '{"x":1}', '{"k":["a"]}']
)
def test_a_line_that_is_no_row_is_refused(line: str) -> None:
    with pytest.raises(InvalidArgumentError):
        load_row(line)
