"""A process that makes a store and commits ten times, and says what it was told.

``python -m tests.crash.script DIRECTORY`` prints one line per answer: ``open``, ``<number> <commit_ts>`` or
``<number> <code of the error>``, and at the end what reads still answer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from statehouse.engine import open_engine
from statehouse.errors import StatehouseError
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import Commit, GetMany, LookupTxn, Status, Write
from statehouse.protocol.values import BYTES, Payload
from statehouse.storage.rocksdb import RocksStore

COMMITS: Final = 10
KEYS: Final = tuple(RecordKey("default", "a", f"k{number}") for number in range(COMMITS))


def commit_of(number: int) -> Commit:
    """One of the commits."""
    return Commit(f"commit {number}", (Write(KEYS[number], Payload(BYTES, bytes((number,)) * 1500)),))


def say(text: str) -> None:
    """A line that is out before the next thing happens."""
    os.write(1, f"{text}\n".encode())


def main(directory: str) -> None:
    """Opens, commits, reads and closes."""
    engine = open_engine(RocksStore.open(Path(directory), free_bytes_min=0))
    say("open")
    for number in range(COMMITS):
        try:
            say(f"{number} {engine.execute(commit_of(number)).commit_ts}")
        except StatehouseError as error:
            say(f"{number} {error.code}")
    status = engine.execute(Status())
    there = sum(entry.exists for entry in engine.execute(GetMany(KEYS)).entries)
    say(f"{status.state} at {status.commit_ts} with {there}")
    say(" ".join(engine.execute(LookupTxn(commit_of(number).txn_id)).outcome for number in range(COMMITS)))
    try:
        engine.close()
        say("closed")
    except StatehouseError as error:
        say(f"closed {error.code}")


if __name__ == "__main__":
    main(*sys.argv[1:])
