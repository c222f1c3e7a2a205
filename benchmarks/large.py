"""Large stores, which several rows share.

One is written by a process that is then killed, so that it also is what a crash leaves behind. That takes
minutes, so it is kept, under a name made of everything that decides what is in it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol

from benchmarks.workspace import Workspace, copy_store, read_through
from statehouse import Statehouse
from statehouse.engine import layout, open_engine
from statehouse.protocol.replies import Committed
from statehouse.protocol.requests import Commit
from statehouse.storage import rocksdb, rocksdb_options

COMMIT_TIMEOUT_S = 600.0
"""A machine that is busy with other things is no reason to give up."""

_SETTLE_S_MAX = 120.0
_IN_FLIGHT = 2048


class Large(Protocol):
    """What is in a large store: a frozen dataclass of numbers.

    Attributes:
        kind: What such stores are called.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kind: ClassVar[str]

    def commits(self) -> Iterator[Commit]:
        """Everything that happens in the store."""
        ...


def _digest(files: tuple[str | None, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        assert file is not None
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


_FINGERPRINT = _digest((layout.__file__, rocksdb.__file__, rocksdb_options.__file__, __file__))
"""Of the layout, RocksDB's options, and this file. Taken once: it is of the code that runs, whatever an
editor does to the files meanwhile."""


def kept(large: Large, workspace: Workspace) -> Path:
    """The killed store, from the cache or built now. To be copied, never opened.

    Raises:
        RuntimeError: It could not be built.
    """
    numbers = asdict(large)
    name = "-".join([large.kind, *map(str, numbers.values())])
    own = _digest((sys.modules[type(large).__module__].__file__,))
    path = workspace.cache / f"{name}-{_FINGERPRINT}{own}"
    if not path.exists():
        workspace.cache.mkdir(parents=True, exist_ok=True)
        for outdated in workspace.cache.glob(f"{name}-*"):
            shutil.rmtree(outdated)
        fresh = path.with_suffix(".new")
        began = time.perf_counter()
        print(f"  building {name} ...", file=sys.stderr, flush=True)
        _build(large, fresh)
        print(f"  built in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        fresh.rename(path)
    return path


def _build(large: Large, path: Path) -> None:
    """Writes the store at a path, in a process that is killed when everything is acknowledged."""
    command = [sys.executable, "-m", "benchmarks.large", str(path)]
    command += [type(large).__module__, type(large).__name__, json.dumps(asdict(large))]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.kill()
    if said.strip() != b"written":
        raise RuntimeError(f"building {path} failed, see above; it ended with {process.returncode}")


def rested_copy(large: Large, workspace: Workspace, path: Path) -> None:
    """A copy of a large store that was recovered, has compacted what it wants to, and was closed.

    Its files were read once, so that they are where files are that a program works with: in memory, as far as
    the system has any. How long a disk takes is not ours to measure.

    Raises:
        TimeoutError: It still compacts after two minutes.
    """
    copy_store(kept(large, workspace), path)
    with Statehouse(f"file:{path}") as statehouse:
        deadline = time.monotonic() + _SETTLE_S_MAX
        while int(statehouse.status().details["compaction pending bytes"]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} still compacts after {_SETTLE_S_MAX:.0f} s")
            time.sleep(0.1)
    read_through(path)


def write_all(large: Large, path: Path) -> None:
    """Writes the commits, many in flight, and returns when all are acknowledged; closes nothing."""
    engine = open_engine(rocksdb.RocksStore.open(path))
    in_flight: deque[Future[Committed]] = deque()
    for commit in large.commits():
        in_flight.append(engine.submit(commit))
        if len(in_flight) >= _IN_FLIGHT:
            in_flight.popleft().result()
    while in_flight:
        in_flight.popleft().result()


def _main(path: str, module: str, name: str, numbers: str) -> None:
    write_all(getattr(importlib.import_module(module), name)(**json.loads(numbers)), Path(path))
    print("written", flush=True)
    sys.stdin.read()  # until it is killed, or the one that would kill it is gone


if __name__ == "__main__":
    _main(*sys.argv[1:])
