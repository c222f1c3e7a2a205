"""The contract of a `Store`: subclass, say how one is opened, and pytest does the rest.

::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def opened(self, tmp_path: Path) -> Opened:
            return Opened(lambda: MyStore(tmp_path / "store"), persists=True)

The tests cite the invariants I1 to I5 of `statehouse.storage`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from statehouse.errors import EngineError
from statehouse.storage import PAGE_BYTES, PAGE_ROWS, Row, Store, Table

__all__ = ["Opened", "StoreContract"]

FIRST = b""
LAST = b"\xff" * 64
"""Above every key that is used here."""


class Opened:
    """Opens stores, and closes at the end what a test left open."""

    def __init__(self, open_store: Callable[[], Store], *, persists: bool) -> None:
        """Takes the way to open the one store of a test.

        Args:
            open_store: Opens it; called again after a close, it opens the same one if ``persists``.
            persists: Whether what was written is there again after close and open.
        """
        self._open_store = open_store
        self._open: list[Store] = []
        self.persists = persists

    def __call__(self) -> Store:
        """The store, opened."""
        store = self._open_store()
        self._open.append(store)
        return store

    def close(self) -> None:
        """Closes every store that was opened."""
        for store in self._open:
            store.close()


def rows_of(store: Store, table: Table = Table.NAMES) -> list[tuple[bytes, bytes]]:
    """Every row of a table, by pages."""
    rows: list[tuple[bytes, bytes]] = []
    start = FIRST
    while page := store.scan(table, start, LAST):
        rows += page
        start = page[-1][0] + b"\0"
    return rows


class StoreContract:
    """What every store does. A subclass has a fixture ``opened`` that gives an `Opened`."""

    @pytest.fixture
    def store(self, opened: Opened) -> Iterator[Store]:
        """An empty store, closed at the end."""
        yield opened()
        opened.close()

    def test_an_absent_row_reads_as_none(self, store: Store) -> None:
        """Absence is an answer."""
        assert store.get(Table.NAMES, b"absent") is None

    def test_a_row_reads_as_it_was_written(self, store: Store) -> None:
        """I4."""
        store.write([(Table.NAMES, b"key", b"value")])
        assert store.get(Table.NAMES, b"key") == b"value"

    def test_a_row_reads_as_it_was_written_last(self, store: Store) -> None:
        """I4, over an older value."""
        store.write([(Table.NAMES, b"key", b"old")])
        store.write([(Table.NAMES, b"key", b"new")])
        assert store.get(Table.NAMES, b"key") == b"new"

    def test_a_deleted_row_reads_as_none(self, store: Store) -> None:
        """None as a value deletes."""
        store.write([(Table.NAMES, b"key", b"value")])
        store.write([(Table.NAMES, b"key", None)])
        assert (store.get(Table.NAMES, b"key"), rows_of(store)) == (None, [])

    def test_deleting_an_absent_row_is_no_error(self, store: Store) -> None:
        """A batch may delete what is not there."""
        store.write([(Table.NAMES, b"absent", None), (Table.NAMES, b"key", b"value")])
        assert rows_of(store) == [(b"key", b"value")]

    def test_the_last_of_two_rows_of_one_key_in_a_batch_wins(self, store: Store) -> None:
        """A batch is applied in order."""
        store.write([(Table.NAMES, b"a", b"1"), (Table.NAMES, b"a", b"2"), (Table.NAMES, b"b", b"1")])
        store.write([(Table.NAMES, b"b", b"2"), (Table.NAMES, b"b", None)])
        assert rows_of(store) == [(b"a", b"2")]

    def test_an_empty_batch_changes_nothing(self, store: Store) -> None:
        """Nothing to write is no error."""
        store.write([])
        assert all(rows_of(store, table) == [] for table in Table)

    def test_tables_do_not_share_rows(self, store: Store) -> None:
        """The same key is another row in another table."""
        store.write([(table, b"key", table.value.encode()) for table in Table])
        assert [store.get(table, b"key") for table in Table] == [table.value.encode() for table in Table]

    @pytest.mark.parametrize("size", [0, 1, 2047, 2048, 100_000])
    def test_a_value_of_any_size_comes_back_the_same(self, store: Store, size: int) -> None:
        """From every table: stores may keep large values elsewhere, and nobody can tell."""
        value = Random(size).randbytes(size)
        store.write([(table, b"key", value) for table in Table])
        assert all(store.get(table, b"key") == value for table in Table)
        assert all(store.scan(table, FIRST, LAST) == [(b"key", value)] for table in Table)

    @pytest.mark.parametrize("count", [0, 1, 3, 15, 16, 300])
    def test_get_many_answers_in_the_order_asked(self, store: Store, count: int) -> None:
        """Absent and repeated keys have their places too."""
        store.write([(Table.NAMES, b"%d" % number, b"v%d" % number) for number in range(0, 300, 2)])
        asked = [Random(count).randrange(300) for _ in range(count)]
        expected = [None if number % 2 else b"v%d" % number for number in asked]
        assert store.get_many(Table.NAMES, [b"%d" % number for number in asked]) == expected

    def test_a_scan_includes_its_start_and_excludes_its_stop(self, store: Store) -> None:
        """``start <= key < stop``."""
        store.write([(Table.NAMES, key, b"") for key in (b"a", b"b", b"c", b"d")])
        assert [key for key, _ in store.scan(Table.NAMES, b"b", b"d")] == [b"b", b"c"]

    def test_a_reverse_scan_has_the_same_rows_backwards(self, store: Store) -> None:
        """The bounds do not swap."""
        store.write([(Table.NAMES, key, b"") for key in (b"a", b"b", b"c", b"d")])
        assert [key for key, _ in store.scan(Table.NAMES, b"b", b"d", reverse=True)] == [b"c", b"b"]

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("start, stop", [(b"b", b"b"), (b"c", b"b"), (b"", b""), (b"x", b"y")])
    def test_a_range_without_rows_is_empty(
        self, store: Store, start: bytes, stop: bytes, reverse: bool
    ) -> None:
        """Empty, inverted, and beside what is there."""
        store.write([(Table.NAMES, key, b"") for key in (b"a", b"b", b"c")])
        assert store.scan(Table.NAMES, start, stop, reverse=reverse) == []

    @pytest.mark.parametrize("reverse", [False, True])
    def test_bounds_of_zero_and_ff_bytes_are_bytes_like_others(self, store: Store, reverse: bool) -> None:
        """No byte is a delimiter, and the empty key is a key."""
        keys = [b"", b"\0", b"\0\0", b"\0\xff", b"a", b"a\0", b"a\xff", b"b", b"\xff", b"\xff\0", b"\xff\xff"]
        store.write([(Table.NAMES, key, b"v") for key in keys])
        for start in keys:
            for stop in keys:
                found = [key for key, _ in store.scan(Table.NAMES, start, stop, reverse=reverse)]
                assert found == sorted((k for k in keys if start <= k < stop), reverse=reverse)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_the_order_of_keys_is_the_order_of_their_bytes(self, store: Store, reverse: bool) -> None:
        """Also where one is the beginning of another."""
        random = Random(7)
        keys = {random.randbytes(random.randrange(8)) for _ in range(200)}
        store.write([(Table.NAMES, key, b"") for key in keys])
        found = store.scan(Table.NAMES, FIRST, LAST, reverse=reverse)
        assert [key for key, _ in found] == sorted(keys, reverse=reverse)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_scans_of_history_see_every_layer_within_a_record_and_across(
        self, store: Store, reverse: bool
    ) -> None:
        """Stores may group history by the first 8 bytes of its keys; memory, files and deletes add up."""
        random = Random(8)
        prefixes = [number.to_bytes(8, "big") for number in (1, 2, 3, 255, 256, 2**64 - 2)]
        ends = [FIRST, b"\0", *prefixes, *(each[:7] for each in prefixes), LAST]
        ends += [each + bytes((random.randrange(9),)) for each in prefixes for _ in range(3)]
        model: dict[bytes, bytes] = {}
        for layer in range(3):
            for _ in range(40):
                key = random.choice(prefixes[1:-1])[: random.choice((7, 8, 8, 8, 8))]
                key += bytes((random.randrange(9),)) * random.randrange(2)
                value = random.choice((None, b"%d" % layer, b"%d" % layer))
                store.write([(Table.HISTORY, key, value)])
                model.pop(key, None)
                if value is not None:
                    model[key] = value
            if layer < 2:
                store.compact()
        for start in ends:
            for stop in ends:
                found = store.scan(Table.HISTORY, start, stop, reverse=reverse)
                assert found == sorted(
                    ((key, value) for key, value in model.items() if start <= key < stop), reverse=reverse
                )

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("rows_max", [0, 1, 9, 10, 11])
    def test_a_page_has_at_most_rows_max_rows(self, store: Store, rows_max: int, reverse: bool) -> None:
        """One below, at and above what there is."""
        store.write([(Table.NAMES, b"%d" % number, b"") for number in range(10)])
        page = store.scan(Table.NAMES, FIRST, LAST, rows_max=rows_max, reverse=reverse)
        assert len(page) == min(rows_max, 10)

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("bytes_max, count", [(1, 1), (49, 5), (50, 5), (51, 6), (1000, 10)])
    def test_a_page_ends_with_the_row_that_reaches_bytes_max(
        self, store: Store, bytes_max: int, count: int, reverse: bool
    ) -> None:
        """Rows of ten bytes; there is always one, so that a scan gets on."""
        store.write([(Table.NAMES, b"%d" % number, b"123456789") for number in range(10)])
        assert len(store.scan(Table.NAMES, FIRST, LAST, bytes_max=bytes_max, reverse=reverse)) == count

    def test_a_page_is_short_unless_asked(self, store: Store) -> None:
        """A long one would hold others up."""
        store.write([(Table.NAMES, b"%04d" % number, b"") for number in range(PAGE_ROWS + 1)])
        store.write([(Table.EVENTS, b"%04d" % number, bytes(PAGE_BYTES // 4)) for number in range(8)])
        assert len(store.scan(Table.NAMES, FIRST, LAST)) == PAGE_ROWS
        assert len(store.scan(Table.EVENTS, FIRST, LAST)) == 4

    def test_pages_add_up_to_the_range_forwards(self, store: Store) -> None:
        """Going on from just after the last key skips and repeats nothing."""
        written = [(b"%04d" % number, b"v%d" % number) for number in range(1000)]
        store.write([(Table.NAMES, key, value) for key, value in written])
        assert rows_of(store) == written

    def test_pages_add_up_to_the_range_backwards(self, store: Store) -> None:
        """Going on with stop at the last key skips and repeats nothing."""
        written = [(b"%04d" % number, b"v%d" % number) for number in range(1000)]
        store.write([(Table.NAMES, key, value) for key, value in written])
        rows: list[tuple[bytes, bytes]] = []
        stop = LAST
        while page := store.scan(Table.NAMES, FIRST, stop, reverse=True, rows_max=7):
            rows += page
            stop = page[-1][0]
        assert rows == written[::-1]

    def test_a_page_never_sees_half_a_batch(self, store: Store) -> None:
        """I1, for readers: a page is as of one moment."""
        done = threading.Event()

        def read() -> set[int]:
            sizes = set()
            while not done.is_set():
                sizes.add(len({value for _, value in store.scan(Table.NAMES, FIRST, LAST)}))
            return sizes

        with ThreadPoolExecutor() as pool:
            reader = pool.submit(read)
            for number in range(200):
                store.write([(Table.NAMES, b"%02d" % key, b"%d" % number) for key in range(50)])
            done.set()
            assert reader.result() <= {0, 1}

    def test_reads_from_many_threads_see_every_write_that_returned(self, store: Store) -> None:
        """I4 and I5: one writer, readers at any time."""
        written = 0
        done = threading.Event()

        def read() -> bool:
            while not done.is_set():
                before = written
                if before and int(store.get(Table.NAMES, b"counter") or b"0") < before:
                    return False
            return True

        with ThreadPoolExecutor() as pool:
            readers = [pool.submit(read) for _ in range(3)]
            for number in range(1, 300):
                store.write([(Table.NAMES, b"counter", b"%d" % number)])
                written = number
            done.set()
            assert all(reader.result() for reader in readers)

    def test_sync_can_be_called_at_any_time(self, store: Store) -> None:
        """With nothing to sync too."""
        store.sync()
        store.write([(Table.NAMES, b"key", b"value")])
        store.sync()
        store.sync()
        assert store.get(Table.NAMES, b"key") == b"value"

    def test_marks_are_empty_at_first(self, store: Store) -> None:
        """A new store has none."""
        assert store.read_marks() == (b"", b"")

    @pytest.mark.parametrize("sync", [False, True])
    @pytest.mark.parametrize("size", [0, 1, 511, 512])
    def test_a_mark_reads_as_it_was_written_last(self, store: Store, size: int, sync: bool) -> None:
        """A shorter one leaves nothing of the longer one before."""
        store.write_mark(0, b"x" * 512)
        store.write_mark(0, b"y" * size, sync=sync)
        assert store.read_marks() == (b"y" * size, b"")

    def test_the_two_marks_are_independent(self, store: Store) -> None:
        """Writing one leaves the other."""
        store.write_mark(1, b"one")
        store.write_mark(0, b"zero")
        store.write_mark(1, b"uno")
        assert store.read_marks() == (b"zero", b"uno")

    @pytest.mark.parametrize("slot, size", [(2, 1), (-1, 1), (0, 513)])
    def test_a_mark_that_does_not_fit_is_refused(self, store: Store, slot: int, size: int) -> None:
        """There are two slots of 512 bytes."""
        with pytest.raises(ValueError, match="mark"):
            store.write_mark(slot, bytes(size))
        assert store.read_marks() == (b"", b"")

    def test_refresh_of_a_writing_store_changes_nothing(self, store: Store) -> None:
        """It has nothing to catch up with."""
        store.write([(Table.NAMES, b"key", b"value")])
        store.refresh()
        assert (store.read_only, rows_of(store)) == (False, [(b"key", b"value")])

    def test_compaction_keeps_every_row(self, store: Store) -> None:
        """And brings back none that was deleted."""
        store.write([(table, b"%d" % number, bytes(3000)) for table in Table for number in range(10)])
        store.write([(table, b"%d" % number, None) for table in Table for number in range(5)])
        store.compact()
        expected = [(b"%d" % number, bytes(3000)) for number in range(5, 10)]
        assert all(rows_of(store, table) == expected for table in Table)

    def test_size_counts_what_was_written(self, store: Store) -> None:
        """At least roughly."""
        before = store.size_bytes()
        store.write([(Table.SEGMENTS, b"key", Random(1).randbytes(100_000))])
        assert store.size_bytes() - before >= 100_000

    def test_details_are_text(self, store: Store) -> None:
        """For people to read."""
        details = store.details()
        assert details
        assert all(isinstance(text, str) for row in details.items() for text in row)

    def test_close_can_be_called_twice(self, store: Store) -> None:
        """As every close."""
        store.close()
        store.close()

    @pytest.mark.parametrize("end", [lambda store: store.close(), lambda store: store.abandon()])
    def test_a_store_that_is_gone_says_so(self, opened: Opened, end: Callable[[Store], None]) -> None:
        """It does not read as an empty one."""
        store = opened()
        store.write([(Table.NAMES, b"key", b"value")])
        end(store)
        row: Row = (Table.NAMES, b"key", b"value")
        for call in (
            lambda: store.get(Table.NAMES, b"key"),
            lambda: store.get_many(Table.NAMES, [b"key"] * 100),
            lambda: store.scan(Table.NAMES, FIRST, LAST),
            lambda: store.write([row]),
            store.sync,
        ):
            with pytest.raises(EngineError, match=r"closed|abandoned"):
                call()

    def test_what_was_written_is_there_after_close_and_open(self, opened: Opened) -> None:
        """Rows and marks, in every table."""
        if not opened.persists:
            return
        store = opened()
        store.write([(table, b"%d" % number, b"v" * 3000) for table in Table for number in range(5)])
        store.write([(table, b"0", None) for table in Table])
        store.write_mark(0, b"zero")
        store.write_mark(1, b"one")
        store.close()
        again = opened()
        expected = [(b"%d" % number, b"v" * 3000) for number in range(1, 5)]
        assert all(rows_of(again, table) == expected for table in Table)
        assert again.read_marks() == (b"zero", b"one")
        opened.close()
