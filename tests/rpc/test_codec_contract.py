"""The contract of the engine, with all that is asked and answered as bytes: nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from statehouse.protocol.engine import Engine
from tests.engine.conftest import Home, Open, memory_store
from tests.rpc.through_the_codec import ThroughTheCodec

pytest.register_assert_rewrite("statehouse.testing.contracts")

from statehouse.testing.contracts.engine import ENGINE_CONTRACTS  # noqa: E402 - once asserts in it are readable

if TYPE_CHECKING:
    from statehouse.testing.contracts.engine import OpenEngine, Reopen


def fresh() -> Open:
    inner = memory_store()
    return lambda limits, clock: ThroughTheCodec(inner(limits, clock))


@pytest.fixture
def home() -> Iterator[Home]:
    opened = Home(fresh)
    yield opened
    opened.close()


@pytest.fixture
def open_engine(home: Home) -> OpenEngine:
    return home.open


@pytest.fixture
def reopen(home: Home) -> Reopen:
    return home.reopen


@pytest.fixture
def engine(home: Home) -> Engine:
    return home.open()


for part in ENGINE_CONTRACTS:
    # A class that pytest collects, for each.
    globals()[f"Test{part.__name__.removesuffix('Contract')}"] = type(part.__name__, (part,), {})
