"""The homes and colours that steps run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.blocking import BackgroundLoop
from statehouse.testing.daemon import serving
from tests.steps.colours import Awaiting, Blocking, Colour

Worker = Callable[[], Statehouse]


@pytest.fixture(params=["memory", "rocksdb", "daemon"])
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Worker]:
    """Opens handles on one store, as many workers would."""
    with ExitStack() as stack:
        if request.param == "rocksdb":
            engine = open_engine(RocksStore.open(tmp_path / "store"))
        else:
            engine = open_engine(MemoryStore(), durability="none")
        stack.callback(engine.close)
        address = stack.enter_context(serving(engine, grace_s=0.0)) if request.param == "daemon" else ""

        def handle() -> Statehouse:
            made = Statehouse(address) if address else Statehouse.from_engine(engine)
            return stack.enter_context(made)

        yield handle


@pytest.fixture
def sh(worker: Worker) -> Statehouse:
    """A handle on an empty store."""
    return worker()


@pytest.fixture(params=["blocking", "awaiting"])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    """How steps are written."""
    if request.param == "blocking":
        yield Blocking()
    else:
        with BackgroundLoop() as loop:
            yield Awaiting(loop)


@pytest.fixture
def memory() -> Iterator[Statehouse]:
    """A handle on an empty store in memory, for what no home can change."""
    with Statehouse("memory:") as handle:
        yield handle
