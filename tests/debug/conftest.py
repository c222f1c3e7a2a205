"""The homes that runs are looked into and run again in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from statehouse import Statehouse
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving


@pytest.fixture(params=["embedded", "daemon"])
def sh(request: pytest.FixtureRequest) -> Iterator[Statehouse]:
    """A handle on an empty store."""
    engine = open_engine(MemoryStore(), durability="none")
    try:
        if request.param == "embedded":
            with Statehouse.from_engine(engine) as handle:
                yield handle
        else:
            with serving(engine, grace_s=0.0) as address, Statehouse(address) as handle:
                yield handle
    finally:
        engine.close()
