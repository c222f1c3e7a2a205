"""What most tests of the wire stand on: an engine, a daemon around it, a client that is not ours.

A file whose commits are to wait has its daemon serve the other engine::

    @pytest.fixture
    def engine(gated: LocalEngine) -> LocalEngine:
        return gated
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from statehouse._generated.statehouse_pb2_grpc import StatehouseServiceStub
from statehouse.engine import LocalEngine, open_engine
from statehouse.protocol.engine import Engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.engine_faults.gates import GatedStore
from tests.rpc.foreign import connected
from tests.rpc.proxy import Proxy

# Before anything imports them.
pytest.register_assert_rewrite("statehouse.testing.contracts")


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine in memory."""
    opened = open_engine(MemoryStore(), durability="none")
    yield opened
    opened.close()


@pytest.fixture
def store() -> GatedStore:
    """A store whose writes can be made to wait."""
    return GatedStore()


@pytest.fixture
def gated(store: GatedStore) -> Iterator[LocalEngine]:
    """An engine on that store, which syncs."""
    opened = open_engine(store)
    yield opened
    opened.close()


@pytest.fixture
def proxy(engine: Engine) -> Iterator[Proxy]:
    """A network before a daemon around the engine; it counts connections, and fails when it is told to."""
    with serving(engine, grace_s=0.1) as address, Proxy(address) as proxy:
        yield proxy


@pytest.fixture
def stub(engine: Engine) -> Iterator[StatehouseServiceStub]:
    """A client of a daemon around the engine."""
    with serving(engine) as address, connected(address) as client:
        yield client
