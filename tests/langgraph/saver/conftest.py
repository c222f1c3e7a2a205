"""Savers for tests: on a store in memory, or in each of the homes; and a clock that tests set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.homes import HOMES, opened


@dataclass
class Clock:
    """A clock that stands still, at noon, until it is set.

    Attributes:
        now: Seconds since 1970.
    """

    now: float = 1_767_268_800.0

    def __call__(self) -> float:
        return self.now

    def pass_minutes(self, minutes: float) -> None:
        """Lets time go by."""
        self.now += minutes * 60

    def set_on(self, saver: StatehouseSaver) -> StatehouseSaver:
        """Makes a saver look at this clock."""
        saver._backing = replace(saver._backing, clock=self)
        return saver


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handle() -> Iterator[Statehouse]:
    """An empty store in memory."""
    with Statehouse("memory:") as memory:
        yield memory


@pytest.fixture
def saver(handle: Statehouse) -> StatehouseSaver:
    """A saver on an empty store in memory."""
    return StatehouseSaver(handle)


@pytest.fixture
def other(handle: Statehouse) -> StatehouseSaver:
    """Another saver on the same store, as another process would have."""
    return StatehouseSaver(handle)


@pytest.fixture(params=HOMES)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StatehouseSaver]:
    """A saver on an empty store, in each home."""
    with opened(request.param, tmp_path) as home:
        yield StatehouseSaver(home)
