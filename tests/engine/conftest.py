"""The homes that the contract of the engine runs over."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from statehouse.engine import open_engine as open_local
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits
from statehouse.protocol.requests import Request
from statehouse.rpc.calling import RemoteEngine
from statehouse.storage import Store
from statehouse.storage.memory import MemoryStore
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.daemon import serving
from statehouse.testing.reference import ReferenceEngine

if TYPE_CHECKING:
    from statehouse.testing.contracts.engine import OpenEngine, Reopen
    from statehouse.testing.contracts.engine_phrases import Clock

# Before anything imports them.
pytest.register_assert_rewrite("statehouse.testing.contracts")

R = TypeVar("R")
QUICK_BYTES_MIN = 2 * 1024**3
Open = Callable[["Limits", "Clock | None"], "Engine"]


class KeptStore(MemoryStore):
    """A store in memory that can be opened again."""

    def close(self) -> None:
        """Keeps everything."""


class Submitting:
    """An engine that is only ever asked through `submit`."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner

    def execute(self, request: Request[R]) -> R:
        """Submits and waits."""
        return self._inner.submit(request).result(timeout=60)

    def submit(self, request: Request[R]) -> Future[R]:
        """Submits."""
        return self._inner.submit(request)

    def close(self) -> None:
        """Closes it."""
        self._inner.close()


class Home:
    """Opens engines on stores of their own, opens them again, and closes them all."""

    def __init__(self, fresh: Callable[[], Open]) -> None:
        self._fresh = fresh
        self._opened: list[tuple[Engine, Open, Limits, Clock | None]] = []

    def open(self, *, limits: Limits = DEFAULT_LIMITS, clock: Clock | None = None) -> Engine:
        """Opens an engine on a fresh store."""
        return self._open(self._fresh(), limits, clock)

    def reopen(self, engine: Engine) -> Engine:
        """Closes an engine and opens its store again."""
        _, opener, limits, clock = next(each for each in self._opened if each[0] is engine)
        engine.close()
        return self._open(opener, limits, clock)

    def _open(self, opener: Open, limits: Limits, clock: Clock | None) -> Engine:
        engine = opener(limits, clock)
        self._opened.append((engine, opener, limits, clock))
        return engine

    def close(self) -> None:
        """Closes every engine."""
        for engine, *_ in self._opened:
            engine.close()


def reference_store() -> Open:
    """A state that engines can be opened on."""
    kept = ReferenceEngine().state
    return lambda limits, clock: ReferenceEngine(kept, limits=limits, clock=clock)


def memory_store() -> Open:
    """A store in memory that engines can be opened on."""
    store = KeptStore()
    return lambda limits, clock: open_local(store, limits=limits, clock=clock)


def rocks_store(path: Path) -> Open:
    """A directory that engines can be opened on."""

    def opened(limits: Limits, clock: Clock | None) -> Engine:
        store: Store = RocksStore.open(path)
        return open_local(store, limits=limits, clock=clock)

    return opened


def over_the_wire(wires: ExitStack, *, pipelined: bool) -> Open:
    """A store in memory that engines can be opened on, each behind a daemon of its own."""
    store = KeptStore()
    behind: list[ExitStack] = []

    def opened(limits: Limits, clock: Clock | None) -> Engine:
        # To open it again is to start the daemon again.
        for daemon in behind:
            daemon.close()
        daemon = wires.enter_context(ExitStack())
        behind[:] = [daemon]
        local = open_local(store, limits=limits, clock=clock)
        daemon.callback(local.close)
        url = daemon.enter_context(serving(local))
        remote = RemoteEngine(url, pipelined=pipelined)
        daemon.callback(remote.close)
        return remote

    return opened


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where the machine has one.

    What the contract says does not depend on the disk, and most of its time would be spent waiting for one.
    """
    memory = Path("/dev/shm")
    if not (
        memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > QUICK_BYTES_MIN
    ):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="statehouse-", dir=memory) as path:
        yield Path(path)


@pytest.fixture(params=["reference", "memory", "memory, submitted", "rocksdb", "pipeline", "unary"])
def home(request: pytest.FixtureRequest, quick_path: Path) -> Iterator[Home]:
    """A place to open engines in."""
    paths = (quick_path / f"store-{number}" for number in range(1000))

    wires = ExitStack()

    def fresh() -> Open:
        match request.param:
            case "pipeline" | "unary":
                return over_the_wire(wires, pipelined=request.param == "pipeline")
            case "reference":
                return reference_store()
            case "memory":
                return memory_store()
            case "rocksdb":
                return rocks_store(next(paths))
            case _:
                kept = memory_store()
                return lambda limits, clock: Submitting(kept(limits, clock))

    opened = Home(fresh)
    yield opened
    opened.close()
    wires.close()


@pytest.fixture
def open_engine(home: Home) -> OpenEngine:
    """See `statehouse.testing.contracts.engine`."""
    return home.open


@pytest.fixture
def reopen(home: Home) -> Reopen:
    """See `statehouse.testing.contracts.engine`."""
    return home.reopen


@pytest.fixture
def engine(home: Home) -> Engine:
    """See `statehouse.testing.contracts.engine`."""
    return home.open()
