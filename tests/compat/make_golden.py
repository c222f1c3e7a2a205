"""Builds a data directory with everything format 1 can hold, and says what every read of it answers.

``python -m tests.compat.make_golden`` writes ``tests/compat/format-1/``: ``store/``, as a killed process left
it (a part in table files, a part in the log), and ``expected.json``. It is run once for a released format and
never again: old directories must go on being read. Times, ids and salts are fixed, so the history is the same
each time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from statehouse.engine import LocalEngine, open_engine
from statehouse.engine.marks import newest_mark, pack_mark
from statehouse.protocol.names import RecordKey
from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Entry, Event
from statehouse.protocol.requests import (
    Commit,
    Copy,
    Delete,
    Extend,
    FindEvents,
    GetMany,
    History,
    ListAgents,
    ListNamespaces,
    LocateTime,
    LookupTxn,
    Precondition,
    Replay,
    Scan,
    Status,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import BYTES, JSON, Payload
from statehouse.storage.marks import MarkFile
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.clock import ManualClock
from tests.engine_faults.workload import CountingEntropy

GOLDEN: Final = Path(__file__).parent / "format-1"
_LEFT_OUT: Final = ("LOG", "LOG.old.*", "LOCK", "OPTIONS-*", "holder")

LIST: Final = RecordKey("default", "planner", "messages")
FORK: Final = RecordKey("default", "planner", "messages of a fork")
BIG: Final = RecordKey("default", "worker", "big")
ODD: Final = RecordKey("Ωmega", "агент 🤖", "ключ/with spaces/~")
KEYS: Final = (
    LIST,
    FORK,
    BIG,
    ODD,
    *(RecordKey("default", "planner", name) for name in ("n", "empty", "msgpack", "text", "gone", "never")),
)
TRACE: Final = "0123456789abcdef" * 2
SPAN: Final = "fedcba9876543210"
ORIGIN: Final = Origin(TRACE, SPAN, "supervisor", "run 1", "plan/2", {"model": "none", "ключ": "значение"})


def text(what: str, size: int) -> bytes:
    """Bytes that compress well and differ at each place."""
    return b"".join(b"%s %06d;" % (what.encode(), number) for number in range(size // (len(what) + 8) + 1))[
        :size
    ]


def first_half() -> list[Commit]:
    """What ends up in table files."""
    plan: list[tuple[WriteOperation, ...]] = [
        (Write(KEYS[4], Payload(JSON, b'{"x":1}')),),
        (Write(LIST, Payload(JSON, text("message", 3000))), Write(KEYS[5], Payload(BYTES, b""))),
        (Extend(LIST, LIST, 1, (Copy(0, 2999), text("more", 1200), b"]"), JSON),),
        (Extend(LIST, LIST, 2, (Copy(0, 4199), text("and more", 70_000), b"]"), JSON),),
        (Extend(FORK, LIST, 2, (Copy(0, 2000), text("fork", 900)), JSON),),
        (Write(BIG, Payload(BYTES, text("big", 200_000))), Delete(KEYS[4])),
        (Write(KEYS[6], Payload("application/msgpack", b"\x81\xa1x\x01")),),
        (Write(KEYS[7], Payload("text/plain; charset=utf-8", "naïve".encode())),),
        (Write(KEYS[8], Payload(BYTES, b"gone")),),
        (Delete(KEYS[8]), Delete(KEYS[9])),
        (Write(ODD, Payload(JSON, b"[null,true,1152921504606846976]")),),
    ]
    commits = [Commit(f"{number:032x}", operations) for number, operations in enumerate(plan, 1)]
    commits[1] = replace(commits[1], origin=ORIGIN)
    commits[2] = replace(commits[2], origin=Origin(run_id="run 1"))
    commits[7] = replace(commits[7], txn_id="an id of people's own: ü")
    return commits


def second_half() -> list[Commit]:
    """What is only in the log, in an epoch of its own."""
    plan: list[tuple[WriteOperation, ...]] = [
        tuple(Write(RecordKey("default", "many", f"{n:03}"), Payload(JSON, b"%d" % n)) for n in range(40)),
        (Write(KEYS[4], Payload(JSON, b'{"x":2}')),),
        (Write(KEYS[4], Payload(BYTES, text("inline", 1024))), Write(KEYS[8], Payload(BYTES, b"again"))),
        (Write(KEYS[4], Payload(BYTES, text("a rope", 1025))),),
        (Extend(LIST, LIST, 3, (Copy(0, 65_536), text("cut", 100)), JSON),),
        (Delete(BIG),),
    ]
    commits = [Commit(f"second half, {number}", operations) for number, operations in enumerate(plan, 1)]
    commits[1] = replace(commits[1], preconditions=(Precondition(KEYS[4], version=0),))
    commits[3] = replace(commits[3], origin=replace(ORIGIN, run_id="run 2", span_id=""))
    return commits


def build(directory: Path) -> dict[str, Any]:
    """Makes the directory and gives what it answers."""
    clock, entropy = ManualClock(), CountingEntropy(b"golden")

    def opened(path: Path) -> LocalEngine:
        return open_engine(RocksStore.open(path, free_bytes_min=0), clock=clock, entropy=entropy)

    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "store"
        engine = opened(path)
        commit_all(engine, clock, first_half())
        engine.close()
        begin_epoch(path)
        engine = opened(path)
        commit_all(engine, clock, second_half())
        shutil.copytree(path, directory, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        expected = describe(engine)
        engine.close()
    return expected


def commit_all(engine: LocalEngine, clock: ManualClock, commits: list[Commit]) -> None:
    """Commits, some seconds apart."""
    for commit in commits:
        clock.advance(7.25)
        engine.execute(commit)


def begin_epoch(path: Path) -> None:
    """Lets a closed store look as if it had been open under durability none: then an epoch begins."""
    marks = MarkFile(path / "marks")
    mark = newest_mark(marks.read())
    assert mark is not None
    marks.write((mark.sequence + 1) % 2, pack_mark(mark._replace(sequence=mark.sequence + 1, state="none")))
    marks.close()


def describe(engine: LocalEngine, at: int | None = None) -> dict[str, Any]:
    """Every answer about the history up to a commit_ts, as JSON."""
    status = engine.execute(Status())
    last = status.commit_ts if at is None else at
    events = events_of(engine, Replay(to_ts=last, limit=3))
    return {
        "store_id": status.store_id,
        "format": status.format,
        "epochs": [asdict(epoch) for epoch in status.epochs],
        "events": [plain_event(event) for event in events],
        "of agents": {
            f"{namespace} {agent_id}": [
                plain_event(event)
                for event in events_of(engine, Replay(namespace, agent_id, to_ts=last, limit=2))
            ]
            for namespace, agent_id in sorted({(key.namespace, key.agent_id) for key in KEYS})
        },
        "namespaces": [asdict(each) for each in engine.execute(ListNamespaces(at=last)).namespaces],
        "agents": [asdict(each) for each in engine.execute(ListAgents("default", at=last)).agents],
        "states": [[plain(entry) for entry in read.entries] for read in states_of(engine, last)],
        "histories": [
            [plain(entry) for entry in engine.execute(History(key, at=last)).entries] for key in KEYS
        ],
        "scan": [
            plain(entry)
            for agent_id in ("planner", "worker", "many")
            for reverse in (False, True)
            for entry in engine.execute(Scan("default", agent_id, at=last, reverse=reverse)).entries
        ],
        "found": {
            f"{by} {identity}": [
                event.commit_ts
                for event in engine.execute(FindEvents(by, identity)).events  # type: ignore[arg-type]
                if event.commit_ts <= last
            ]
            for by, identity in (("trace", TRACE), ("span", SPAN), ("run", "run 1"), ("run", "run 2"))
        },
        "transactions": [engine.execute(LookupTxn(event.txn_id)).commit_ts for event in events],
        "times": [engine.execute(LocateTime(event.committed_at_us)).commit_ts for event in events],
    }


def states_of(engine: LocalEngine, last: int) -> Iterator[Any]:
    """What reads answer as of every commit."""
    return (engine.execute(GetMany(KEYS, at)) for at in range(last + 1))


def events_of(engine: LocalEngine, replay: Replay) -> list[Event]:
    """All events of a replay, page by page."""
    events: list[Event] = []
    while True:
        page = engine.execute(replay)
        events += page.events
        if page.done:
            return events
        replay = replace(replay, from_ts=page.through_commit_ts + 1)


def plain(entry: Entry) -> list[Any]:
    """An entry as JSON."""
    return [*entry.key, entry.kind, entry.version, entry.commit_ts, *plain_payload(entry.payload)]


def plain_payload(payload: Payload | None) -> list[Any]:
    """A value as JSON: its type, length and digest."""
    if payload is None:
        return []
    return [payload.content_type, len(payload.data), hashlib.sha256(payload.data).hexdigest()]


def plain_event(event: Event) -> dict[str, Any]:
    """An event as JSON."""
    return {
        "txn_id": event.txn_id,
        "commit_ts": event.commit_ts,
        "committed_at_us": event.committed_at_us,
        "origin": asdict(event.origin),
        "operations": [
            [each.namespace, each.agent_id, each.key, each.kind, each.version, *plain_payload(each.payload)]
            for each in event.operations
        ],
    }


def main() -> None:
    """Writes the directory anew."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir()
    expected = build(GOLDEN / "store")
    (GOLDEN / "expected.json").write_text(
        json.dumps(expected, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    size = sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file())
    sys.stdout.write(f"{GOLDEN}: {size} bytes\n")


if __name__ == "__main__":
    main()
