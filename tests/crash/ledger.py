"""What clients note outside of a store that is killed: a line before each call, and one after each reply."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import WriteOperation
from statehouse.testing.history import CommitRow, Row, dump_row


class Ledger:
    """Lines that are on their way to the disk before the next thing happens."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, row: Row) -> None:
        """Appends a row, whole; of one that a kill cuts short, the next one knows nothing."""
        line = f"\n{dump_row(row)}\n".encode()
        assert os.write(self._file, line) == len(line)

    def begin(
        self,
        client: str,
        txn_id: str,
        operations: tuple[WriteOperation, ...],
        *,
        read_ts: int | None,
        reads: tuple[RecordKey, ...],
    ) -> CommitRow:
        """Says that a commit is on its way."""
        row = CommitRow(
            client, txn_id, time.monotonic_ns(), None, operations, "unknown", read_ts=read_ts, reads=reads
        )
        self.write(row)
        return row


def answered(row: CommitRow, commit_ts: int) -> CommitRow:
    """What is now known of a commit that was on its way: acknowledged, or with 0 not applied."""
    return replace(
        row,
        returned_ns=time.monotonic_ns(),
        outcome="acknowledged" if commit_ts else "failed",
        commit_ts=commit_ts,
    )
