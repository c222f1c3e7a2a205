"""LangGraph's checkpointer: ours against SqliteSaver and PostgresSaver, on the same conversation."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from langgraph.checkpoint.base import BaseCheckpointSaver

from benchmarks.baselines import savers
from benchmarks.conversation import Conversation
from benchmarks.daemon import daemon
from benchmarks.measure import Benchmark, Sides, Unit
from benchmarks.postgres import postgres
from benchmarks.workspace import Workspace, size_bytes
from statehouse import Statehouse
from statehouse.storage.rocksdb import CACHE_BYTES
from statehouse_langgraph import StatehouseSaver

_STEPS: Final = 1_000
_TIMED: Final = 20
_WORKERS: Final = 32
_WORKER_STEPS: Final = 20
_OTHER_THREADS: Final = 100_000
_MANY_THREADS: Final = 1_000
_MANY_PUTS: Final = 100_000

Saver = BaseCheckpointSaver[Any]
Work = Callable[[Conversation], float]
"""Does something with a conversation; gives the seconds that took."""


@contextmanager
def _embedded(path: Path, **options: Any) -> Iterator[Saver]:
    with Statehouse(f"file:{path}", **options) as statehouse:
        yield StatehouseSaver(statehouse)


@contextmanager
def _remote(address: str) -> Iterator[Saver]:
    with Statehouse(address) as statehouse:
        yield StatehouseSaver(statehouse)


# Bytes.


def _stored(workspace: Workspace, steps: int, *, delta: bool, peaks: list[int]) -> float:
    with workspace.directory("conversation") as path:
        with _embedded(path, durability="none") as saver:
            conversation = Conversation(saver, "thread", delta=delta)
            for number in range(steps):
                conversation.step()
                if number % 100 == 0:
                    peaks.append(sum(file.stat().st_size for file in path.rglob("*.log")))
        return float(size_bytes(path))


@contextmanager
def _bytes(workspace: Workspace, *, delta: bool) -> Iterator[Sides]:
    peaks = [0]
    yield Sides(
        partial(_stored, workspace, workspace.scaled(_STEPS), delta=delta, peaks=peaks),
        notes=lambda: f"the log at its largest: {max(peaks) / 1e6:.1f} MB",
    )


@contextmanager
def _growth(workspace: Workspace) -> Iterator[Sides]:
    steps = workspace.scaled(_STEPS)
    measured = partial(_stored, workspace, delta=False, peaks=[])
    yield Sides(lambda: measured(4 * steps), lambda: measured(steps))


# Time, one thread.


def _steps(conversation: Conversation) -> float:
    """`put` and `put_writes`, in seconds a step."""
    return conversation.run(_TIMED) / _TIMED


def _get(conversation: Conversation) -> float:
    began = time.perf_counter()
    for _ in range(_TIMED):
        found = conversation.saver.get_tuple(conversation.newest)
        assert found is not None
    return (time.perf_counter() - began) / _TIMED


def _list(conversation: Conversation) -> float:
    began = time.perf_counter()
    found = list(conversation.saver.list(conversation.newest, limit=50))
    assert found
    return time.perf_counter() - began


@contextmanager
def _against_sqlite(workspace: Workspace, work: Work) -> Iterator[Sides]:
    with ExitStack() as stack:
        ours = stack.enter_context(_embedded(stack.enter_context(workspace.directory("ours"))))
        theirs = stack.enter_context(savers.sqlite(stack.enter_context(workspace.directory("theirs"))))
        yield _compared(workspace, ours, theirs, work)


@contextmanager
def _against_postgres(workspace: Workspace, work: Work) -> Iterator[Sides]:
    with ExitStack() as stack:
        address = stack.enter_context(daemon(stack.enter_context(workspace.directory("daemon"))))
        ours = stack.enter_context(_remote(address))
        theirs = stack.enter_context(savers.postgres(stack.enter_context(postgres())))
        yield _compared(workspace, ours, theirs, work)


def _compared(workspace: Workspace, ours: Saver, theirs: Saver, work: Work) -> Sides:
    """Both at the same step, in milliseconds."""
    conversations = [Conversation(saver, "thread") for saver in (ours, theirs)]
    for conversation in conversations:
        conversation.run(workspace.scaled(_STEPS))
        work(conversation)
    return Sides(lambda: work(conversations[0]) * 1e3, lambda: work(conversations[1]) * 1e3)


# The wire.


class _Counting:
    """Forwards a connection, and counts the bytes that go to the other end."""

    def __init__(self, address: str) -> None:
        host, port = address.rsplit(":", 1)
        self.sent = 0
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with source, sink:
            try:
                while data := source.recv(1 << 16):
                    self.sent += len(data) if counted else 0
                    sink.sendall(data)
            except OSError:
                return


@contextmanager
def _wire(workspace: Workspace) -> Iterator[Sides]:
    with ExitStack() as stack:
        address = stack.enter_context(daemon(stack.enter_context(workspace.directory("daemon"))))
        counting = _Counting(address)
        stack.callback(counting.close)
        conversation = Conversation(stack.enter_context(_remote(counting.address)), "thread")
        conversation.run(workspace.scaled(_STEPS))

        def ours() -> float:
            before = counting.sent
            conversation.run(_TIMED)
            return (counting.sent - before) / _TIMED

        yield Sides(ours, notes=lambda: "put and put_writes together, what HTTP/2 adds included")


# Many threads.


@contextmanager
def _among_many(workspace: Workspace, work: Work) -> Iterator[Sides]:
    """Among many other threads, and alone; in milliseconds, at the tenth step."""
    with ExitStack() as stack:
        crowded = stack.enter_context(
            _embedded(stack.enter_context(workspace.directory("crowded")), durability="none")
        )
        alone = stack.enter_context(
            _embedded(stack.enter_context(workspace.directory("alone")), durability="none")
        )
        for number in range(workspace.scaled(_OTHER_THREADS)):
            Conversation(crowded, f"other-{number}", seed=number).step()
        conversations = [Conversation(saver, "thread") for saver in (crowded, alone)]
        for conversation in conversations:
            conversation.run(10)
        yield Sides(lambda: work(conversations[0]) * 1e3, lambda: work(conversations[1]) * 1e3)


def _many_workers(workspace: Workspace, each: Callable[[], AbstractContextManager[Saver]]) -> float:
    """Steps a second of many workers, each with a saver, a connection and a thread of its own."""
    steps = workspace.scaled(_WORKER_STEPS)
    with ExitStack() as stack:
        open_savers = [stack.enter_context(each()) for _ in range(_WORKERS)]
        seed = time.monotonic_ns()
        conversations = [
            Conversation(saver, f"thread-{seed}-{number}", seed=number)
            for number, saver in enumerate(open_savers)
        ]
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(Conversation.step, conversations))
            began = time.perf_counter()
            list(pool.map(lambda conversation: conversation.run(steps), conversations))
            return _WORKERS * steps / (time.perf_counter() - began)


@contextmanager
def _workers(workspace: Workspace) -> Iterator[Sides]:
    with ExitStack() as stack:
        address = stack.enter_context(daemon(stack.enter_context(workspace.directory("daemon"))))
        connection = stack.enter_context(postgres())
        yield Sides(
            lambda: _many_workers(workspace, lambda: _remote(address)),
            lambda: _many_workers(workspace, lambda: savers.postgres(connection)),
        )


@contextmanager
def _pruned(workspace: Workspace) -> Iterator[Sides]:
    with ExitStack() as stack:
        path = stack.enter_context(workspace.directory("pruned"))
        saver = stack.enter_context(_embedded(path))
        numbers = iter(range(1_000))

        def ours() -> float:
            thread_id = f"thread-{next(numbers)}"
            conversation = Conversation(saver, thread_id, delta=True)
            conversation.run(workspace.scaled(_STEPS))
            began = time.perf_counter()
            saver.prune([thread_id], strategy="keep_latest")
            return (time.perf_counter() - began) * 1e3

        yield Sides(ours)


# Memory.

_REMEMBERED_BYTES: Final = 16 << 20
_BUFFERS_BYTES: Final = 64 << 20
"""RocksDB's memtables, see `statehouse.storage.rocksdb_options`."""


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def put_many(path: str, puts: int) -> None:
    """Puts checkpoints of many threads, and prints the resident memory before and after; run by itself."""
    with Statehouse(f"file:{path}", durability="none") as statehouse:
        saver = StatehouseSaver(statehouse, remembered_bytes=_REMEMBERED_BYTES)
        threads = min(_MANY_THREADS, puts)
        conversations = [Conversation(saver, f"thread-{number}", seed=number) for number in range(threads)]
        for conversation in conversations:
            conversation.step()
        start = _resident_bytes()
        for number in range(puts - threads):
            conversation = conversations[number % threads]
            if conversation.steps > 20:
                # What the saver holds is measured, not what this program does.
                conversation = conversations[number % threads] = Conversation(
                    saver, f"thread-{number % threads}", seed=number
                )
            conversation.step()
        print(start, _resident_bytes())


@contextmanager
def _memory(workspace: Workspace) -> Iterator[Sides]:
    start = 0

    def ours() -> float:
        nonlocal start
        puts = workspace.scaled(_MANY_PUTS)
        code = f"from benchmarks.rows.langgraph import put_many; put_many({{!r}}, {puts})"
        with workspace.directory("memory") as path:
            said = subprocess.run(
                [sys.executable, "-c", code.format(str(path))], capture_output=True, text=True, check=True
            )
        start, end = map(int, said.stdout.split())
        return float(end)

    yield Sides(ours, lambda: float(start + CACHE_BYTES + _BUFFERS_BYTES + _REMEMBERED_BYTES))


def _row(
    name: str,
    what: str,
    against: str,
    unit: Unit,
    bounds: tuple[float, float],
    prepare: Callable[[Workspace], AbstractContextManager[Sides]],
) -> Benchmark:
    better: Literal["higher", "lower"] = "higher" if unit == "ops/s" else "lower"
    what = f"LangGraph: {what}"
    return Benchmark(f"langgraph-{name}", what, against, unit, better, *bounds, prepare)


_PUT = "put + put_writes at step 1,000, synced, time"

ROWS = (
    _row(
        "bytes",
        "bytes after close, 1,000 steps of 1 KB",
        "",
        "bytes",
        (3.0e6, 4e6),
        partial(_bytes, delta=False),
    ),
    _row("growth", "the same, 4,000 steps", "1,000 steps", "bytes", (4.1, 4.5), _growth),
    _row(
        "bytes-delta",
        "the same, 1,000 steps, DeltaChannel",
        "",
        "bytes",
        (3.5e6, 5e6),
        partial(_bytes, delta=True),
    ),
    _row("put", f"embedded: {_PUT}", "SqliteSaver", "ms", (0.35, 0.6), partial(_against_sqlite, work=_steps)),
    _row(
        "put-daemon",
        f"daemon: {_PUT}",
        "PostgresSaver",
        "ms",
        (0.5, 0.8),
        partial(_against_postgres, work=_steps),
    ),
    _row("wire", "bytes sent for a step at step 1,000", "", "bytes", (8 * 1024, 16 * 1024), _wire),
    _row(
        "get",
        "get_tuple(latest) at step 1,000, time",
        "SqliteSaver",
        "ms",
        (1.0, 1.5),
        partial(_against_sqlite, work=_get),
    ),
    _row(
        "list",
        "list(limit=50) at step 1,000, time",
        "SqliteSaver",
        "ms",
        (0.7, 1.2),
        partial(_against_sqlite, work=_list),
    ),
    _row(
        "get-among",
        "get_tuple among 100,000 other threads, time",
        "in an empty store",
        "ms",
        (1.3, 2.0),
        partial(_among_many, work=_get),
    ),
    _row(
        "put-among",
        "put + put_writes among 100,000 other threads, time",
        "in an empty store",
        "ms",
        (1.3, 2.0),
        partial(_among_many, work=_steps),
    ),
    _row(
        "workers",
        "32 workers, each its thread, daemon, synced, throughput",
        "PostgresSaver",
        "ops/s",
        (2.0, 1.2),
        _workers,
    ),
    _row("prune", "prune(keep_latest) of 1,000 steps, DeltaChannel", "", "ms", (100, 500), _pruned),
    _row(
        "memory",
        "resident memory after 100,000 puts over 1,000 threads",
        "start + configured caches",
        "bytes",
        (1.15, 1.5),
        _memory,
    ),
)
