"""What most tests of the wire stand on: an engine, a daemon around it, a client that is not ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from statehouse._generated.statehouse_pb2_grpc import StatehouseServiceStub
from statehouse.engine import open_engine
from statehouse.protocol.engine import Engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.rpc.foreign import connected

# Before anything imports them.
pytest.register_assert_rewrite("statehouse.testing.contracts")


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine in memory."""
    opened = open_engine(MemoryStore(), durability="none")
    yield opened
    opened.close()


@pytest.fixture
def stub(engine: Engine) -> Iterator[StatehouseServiceStub]:
    """A client of a daemon around the engine."""
    with serving(engine) as address, connected(address) as client:
        yield client
