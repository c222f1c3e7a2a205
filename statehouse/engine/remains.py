"""What a loss left behind: before one is accepted, no row may be newer than the end of the log.

RocksDB writes the tables' files together, and the store writes `meta` last of all when it closes, so what
remains without the log reaches at least as far as the head says, in every table. A table that reaches
further holds halves of commits (G1): new commits would get their numbers, and mix with them.

This reads every key of the tables that carry a commit_ts. It costs what it costs: losses are rare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from statehouse.engine import layout
from statehouse.storage import Store, Table

_BEHIND_ALL: Final = b"\xff" * 4096

_COMMIT_TS: Final[Mapping[Table, Callable[[bytes, bytes], int]]] = {
    Table.NAMES: lambda _, value: layout.unpack_name_row(value).commit_ts,
    Table.HISTORY: lambda key, _: layout.parse_history_key(key)[1],
    Table.VERSIONS: lambda _, value: layout.unpack_u64(value),
    Table.EVENTS: lambda key, _: layout.unpack_u64(key),
    Table.AGENTS: lambda key, _: layout.unpack_u64(key[-8:]),
    Table.ORIGINS: lambda key, _: layout.unpack_u64(key[-8:]),
    Table.TXNS: lambda _, value: layout.unpack_txn_row(value)[0],
}


def check_empty(store: Store) -> None:
    """Raises CorruptionError when a store that says nothing of itself has rows all the same."""
    for table in Table:
        if store.scan(table, b"", _BEHIND_ALL, rows_max=1):
            raise layout.damaged(Table.META, f"its rows are missing, but table {table} has some")


def check_nothing_above(store: Store, head_ts: int) -> None:
    """Raises CorruptionError when a table reaches further than the head."""
    for table, commit_ts_of in _COMMIT_TS.items():
        start = b""
        while page := store.scan(table, start, _BEHIND_ALL):
            newest = max(commit_ts_of(key, value) for key, value in page)
            if newest > head_ts:
                raise layout.damaged(
                    table,
                    f"the table reaches commit_ts {newest}, the store {head_ts}: halves of commits remain",
                )
            start = page[-1][0] + b"\0"
