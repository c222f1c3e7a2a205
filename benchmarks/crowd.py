"""A store with a crowd in it: a million records of a thousand agents, and one agent whose events are spread
among theirs.

It is written by a process that is then killed, so that it also is what a crash leaves behind. That takes
minutes, so it is kept, under a name made of everything that decides what is in it.

The order of events: each of the crowd's records is written once, in a commit of its own, by the agents in
turn; after every so many, the one agent writes a record of its own. Then some of the crowd's records, at
random, are written again, a hundred a commit: reading those as of the time before needs their history.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.values import Values
from benchmarks.workspace import Workspace, copy_store, read_through
from statehouse import Statehouse
from statehouse.engine import layout, open_engine
from statehouse.protocol.names import DEFAULT_NAMESPACE, RecordKey
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit, Write
from statehouse.protocol.values import encode
from statehouse.storage import rocksdb

ONE_AGENT = "the-one"
ONE_AGENT_EVENTS = 1000
VALUE_BYTES = 200

_SETTLE_S_MAX = 120.0
_AGENTS_MAX = 1000
_AGAIN_PER_COMMIT = 100
_IN_FLIGHT = 2048
_TIMEOUT_S = 600.0  # a machine that is busy with other things is no reason to give up
_SEED = 20


def _fingerprint() -> str:
    """What decides which bytes are in a store: the layout, RocksDB's options, and this file."""
    digest = hashlib.sha256()
    for file in (layout.__file__, rocksdb.__file__, __file__):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


_FINGERPRINT = _fingerprint()
"""Taken once: it is of the code that runs, whatever an editor does to the files meanwhile."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """How large a crowd is.

    Attributes:
        records: How many records the crowd has; each is an event too.
        again: How many of them, at most, are written a second time.
        one_agent_events: How many events the one agent has.
    """

    records: int
    again: int
    one_agent_events: int = ONE_AGENT_EVENTS

    @property
    def first_ts(self) -> int:
        """The commit_ts at which every record was written once, and none twice."""
        return self.records + self.one_agent_events

    def name(self, number: int) -> RecordKey:
        """The name of one of the crowd's records."""
        agents = min(_AGENTS_MAX, self.records // 10 or 1)
        return RecordKey(DEFAULT_NAMESPACE, f"agent-{number % agents:04d}", f"step-{number // agents:06d}")

    def written_again(self) -> list[int]:
        """The numbers of the records that are written twice."""
        return Values(_SEED + 1).random.sample(range(self.records), self.again)

    def commits(self) -> Iterator[Commit]:
        """Everything that happens in the store."""
        values = Values(_SEED)

        def write(name: RecordKey) -> Write:
            return Write(name, encode({"step": 1, "ok": True, "text": values.excerpt(VALUE_BYTES - 31)}))

        def commit(*writes: Write) -> Commit:
            return Commit(values.txn_id(), writes, timeout_s=_TIMEOUT_S)

        crowd, events = self.records, self.one_agent_events
        done = 0
        for event in range(max(events, 1)):
            for number in range(done, until := crowd * (event + 1) // max(events, 1)):
                yield commit(write(self.name(number)))
            done = until
            if events:
                own = RecordKey(DEFAULT_NAMESPACE, ONE_AGENT, f"step-{event:06d}")
                yield commit(write(own))
        again = self.written_again()
        for start in range(0, len(again), _AGAIN_PER_COMMIT):
            numbers = again[start : start + _AGAIN_PER_COMMIT]
            yield commit(*[write(self.name(number)) for number in numbers])

    def build(self, path: Path) -> None:
        """Writes the store at a path, in a process that is killed when everything is acknowledged.

        Raises:
            RuntimeError: The process ended by itself.
        """
        command = [sys.executable, "-m", "benchmarks.crowd", str(path)]
        for name, value in asdict(self).items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        root = Path(__file__).parents[1]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            process.kill()
        if said.strip() != b"written":
            raise RuntimeError(f"building {path} failed, see above; it ended with {process.returncode}")

    def kept(self, workspace: Workspace) -> Path:
        """The killed store, from the cache or built now. To be copied, never opened.

        Raises:
            RuntimeError: It could not be built.
        """
        name = f"crowd-{self.records}-{self.again}-{self.one_agent_events}"
        path = workspace.cache / f"{name}-{_FINGERPRINT}"
        if not path.exists():
            workspace.cache.mkdir(parents=True, exist_ok=True)
            for outdated in workspace.cache.glob(f"{name}-*"):
                shutil.rmtree(outdated)
            fresh = path.with_suffix(".new")
            began = time.perf_counter()
            print(f"  building a store of {self.records:,} records ...", file=sys.stderr, flush=True)
            self.build(fresh)
            print(f"  built in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            fresh.rename(path)
        return path


def rested_copy(crowd: Crowd, workspace: Workspace, path: Path) -> None:
    """A copy of a crowd's store that was recovered, has compacted what it wants to, and was closed.

    Its files were read once, so that they are where files are that a program works with: in memory, as far as
    the system has any. How long a disk takes is not ours to measure.

    Raises:
        TimeoutError: It still compacts after two minutes.
    """
    copy_store(crowd.kept(workspace), path)
    with Statehouse(f"file:{path}") as statehouse:
        deadline = time.monotonic() + _SETTLE_S_MAX
        while int(statehouse.status().details["compaction pending bytes"]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} still compacts after {_SETTLE_S_MAX:.0f} s")
            time.sleep(0.1)
    read_through(path)


def write_all(crowd: Crowd, path: Path) -> None:
    """Writes a crowd's commits, many in flight, and returns when all are acknowledged; closes nothing."""
    engine = open_engine(rocksdb.RocksStore.open(path))
    in_flight: deque[Future[Committed]] = deque()
    for commit in crowd.commits():
        in_flight.append(engine.submit(commit))
        if len(in_flight) >= _IN_FLIGHT:
            in_flight.popleft().result()
    while in_flight:
        in_flight.popleft().result()


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    for name in ("--records", "--again", "--one-agent-events"):
        parser.add_argument(name, type=int, required=True)
    given = parser.parse_args()
    write_all(Crowd(given.records, given.again, given.one_agent_events), given.path)
    print("written", flush=True)
    sys.stdin.read()  # until it is killed, or the one that would kill it is gone


if __name__ == "__main__":
    _main()
