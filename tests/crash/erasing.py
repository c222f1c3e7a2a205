"""A process that fills a store and erases a part of it, saying after each part how far it is; it is killed.

python -m tests.crash.erasing DIRECTORY SEED
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from statehouse.engine import LocalEngine, open_engine
from statehouse.protocol.names import RecordKey
from statehouse.protocol.requests import Commit, Copy, Erase, Extend, Write
from statehouse.protocol.values import BYTES, Payload
from statehouse.storage.rocksdb import RocksStore
from tests.engine_faults.workload import filler

AGENT: Final = ("default", "planner")
LOGS: Final = 12
GROWTHS: Final = 6
ERASE: Final = Erase(*AGENT, prefixes=("log 0", "log 1", "fork"), limit=5)


def expected(seed: int) -> dict[tuple[RecordKey, int], bytes]:
    """Every value that is written, by key and version."""
    values: dict[tuple[RecordKey, int], bytes] = {}
    for number in range(LOGS):
        whole = filler(f"{seed} {number}", 3000)
        for version in range(1, GROWTHS + 1):
            values[RecordKey(*AGENT, f"log {number}"), version] = whole
            whole += filler(f"{seed} {number} {version}", 700)
        begun = values[RecordKey(*AGENT, f"log {number}"), 1]
        values[RecordKey(*AGENT, f"fork of {number}"), 1] = begun + filler(f"fork {seed} {number}", 6000)
        values[RecordKey(*AGENT, f"small {number}"), 1] = filler(f"small {seed} {number}", 100)
    return values


def fill(engine: LocalEngine, seed: int) -> None:
    """Writes them, as values that grow."""
    for (key, version), whole in expected(seed).items():
        operation: Write | Extend = Write(key, Payload(BYTES, whole))
        base = key if version > 1 else key._replace(key=key.key.replace("fork of", "log"))
        if base != key or version > 1:
            shared = 3000 if base != key else len(whole) - 700
            operation = Extend(key, base, max(version - 1, 1), (Copy(0, shared), whole[shared:]), BYTES)
        engine.execute(Commit(f"{seed} {key} {version}", (operation,)))


def main(directory: Path, seed: int) -> None:
    """Fills a new store, or goes on erasing in one that is there; a byte on stdout for each part."""
    engine = open_engine(RocksStore.open(directory, free_bytes_min=0))
    if not engine.execute(Commit("newest")).commit_ts:
        fill(engine, seed)
    erase = ERASE
    while True:
        part = engine.execute(erase)
        sys.stdout.write(".")
        sys.stdout.flush()
        erase = replace(ERASE, cursor=part.cursor)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
