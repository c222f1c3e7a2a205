"""What a store in memory says of itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from statehouse.storage import Table
from statehouse.storage.memory import MemoryStore
from statehouse.testing.contracts.storage import rows_of

KEYS = st.sampled_from((b"a", b"ab", b"abc"))
ROWS = st.lists(
    st.tuples(st.sampled_from((Table.NAMES, Table.HISTORY)), KEYS, st.none() | st.binary(max_size=9))
)


@given(batches=st.lists(ROWS))
def test_its_size_is_that_of_the_rows_that_there_are(
    batches: list[list[tuple[Table, bytes, bytes | None]]],
) -> None:
    store = MemoryStore()
    for batch in batches:
        store.write(batch)
    rows = [row for table in (Table.NAMES, Table.HISTORY) for row in rows_of(store, table)]
    assert (
        store.size_bytes() == store.copy().size_bytes() == sum(len(key) + len(value) for key, value in rows)
    )
