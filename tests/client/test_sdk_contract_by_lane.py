"""The contract of the SDK over a daemon, asked by the event loop's own connection from the first call on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from statehouse import Statehouse, StatehouseAsync
from statehouse.client.connection import Connection
from statehouse.engine import open_engine
from statehouse.rpc.calling import RemoteEngine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.blocking import BackgroundLoop, blocking
from statehouse.testing.clock import ManualClock
from statehouse.testing.contracts import sdk
from statehouse.testing.daemon import serving
from tests.rpc.lanes import eager, warmed


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteEngine]:
    """An engine behind a daemon."""
    eager(monkeypatch)
    served = open_engine(MemoryStore(), durability="none")
    with serving(served, grace_s=0.0) as address:
        made = RemoteEngine(address)
        yield made
        made.close()
    served.close()


@pytest.fixture
def sh(engine: RemoteEngine, clock: ManualClock) -> Iterator[Statehouse]:
    """A handle on an empty store, whose lane is open and stays open."""
    handle = StatehouseAsync.from_connection(Connection(engine, monotonic=clock.monotonic, local=False))
    with ExitStack() as stack:
        loop = stack.enter_context(BackgroundLoop())
        opened = stack.enter_context(blocking(handle, loop))
        lane = loop.call(warmed(handle))
        yield opened
        assert lane.is_open or handle.connection.closed
        assert lane.unanswered == []


for part in sdk.SDK_CONTRACTS:
    # A class that pytest collects, for each.
    globals()[f"Test{part.__name__.removesuffix('Contract')}"] = type(part.__name__, (part,), {})


def test_every_contract_is_run_here() -> None:
    run = {base for each in list(globals().values()) if isinstance(each, type) for base in each.__bases__}
    assert run.issuperset(getattr(sdk, name) for name in sdk.__all__ if name.endswith("Contract"))
