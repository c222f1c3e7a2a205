"""The homes and colours that the contract of the SDK runs over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from statehouse import Statehouse, StatehouseAsync
from statehouse.client.connection import Connection
from statehouse.engine import open_engine
from statehouse.protocol.engine import Engine
from statehouse.rpc.calling import RemoteEngine
from statehouse.storage.memory import MemoryStore
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.blocking import BackgroundLoop, blocking
from statehouse.testing.clock import ManualClock
from statehouse.testing.daemon import serving
from statehouse.testing.reference import ReferenceEngine

pytest.register_assert_rewrite("statehouse.testing.contracts")


@pytest.fixture
def clock() -> ManualClock:
    """What timeouts are measured by."""
    return ManualClock()


@pytest.fixture(params=["reference", "memory", "rocksdb", "pipeline", "unary"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Every engine there is; ``pipeline`` and ``unary`` are behind a daemon."""
    made: Engine
    with ExitStack() as stack:
        match request.param:
            case "reference":
                made = ReferenceEngine()
            case "memory":
                made = open_engine(MemoryStore(), durability="none")
            case "rocksdb":
                made = open_engine(RocksStore.open(tmp_path / "store"))
            case how:
                served = open_engine(MemoryStore(), durability="none")
                stack.callback(served.close)
                address = stack.enter_context(serving(served, grace_s=0.0))
                made = RemoteEngine(address, pipelined=how == "pipeline")
        stack.callback(made.close)
        yield made


@pytest.fixture(params=["sync", "async"])
def sh(request: pytest.FixtureRequest, engine: Engine, clock: ManualClock) -> Iterator[Statehouse]:
    """A handle on an empty store, in either colour."""
    connection = Connection(engine, monotonic=clock.monotonic, local=not isinstance(engine, RemoteEngine))
    with ExitStack() as stack:
        if request.param == "sync":
            yield stack.enter_context(Statehouse.from_connection(connection))
        else:
            loop = stack.enter_context(BackgroundLoop())
            yield stack.enter_context(blocking(StatehouseAsync.from_connection(connection), loop))
