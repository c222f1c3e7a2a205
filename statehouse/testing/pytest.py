"""Pytest fixtures for programs that keep their state in Statehouse.

Ask for them by name::

    # conftest.py
    pytest_plugins = ["statehouse.testing.pytest"]

    # test_planner.py
    def test_the_plan_is_kept(statehouse):
        plan(statehouse, "tea")
        assert statehouse.get_state("plan", agent_id="planner").value == ["boil water", "brew tea"]

Each test has a store of its own. They need the extra ``statehouse[testing]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse.engine import SystemClock, open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.clock import ManualClock

__all__ = ["statehouse", "statehouse_clock", "statehouse_url"]


@pytest.fixture
def statehouse_clock() -> ManualClock:
    """Gives the clock of this test's `statehouse`, which then stands still until the test moves it.

    Nothing that waits (``follow=True``) ends by itself while the clock stands.
    """
    return ManualClock()


@pytest.fixture
def statehouse(request: pytest.FixtureRequest) -> Iterator[Statehouse]:
    """Gives a handle on an empty store in memory; ``.aio`` is its asynchronous view.

    It runs on the clock of the system, or on `statehouse_clock` when the test asks for that too.
    """
    manual = "statehouse_clock" in request.fixturenames
    clock = request.getfixturevalue("statehouse_clock") if manual else SystemClock()
    engine = open_engine(MemoryStore(), clock=clock)
    with Statehouse.from_engine(engine) as handle:
        yield handle
    engine.close()


@pytest.fixture
def statehouse_url(tmp_path: Path) -> str:
    """Gives the URL of an empty directory on disk, for tests that open and reopen the store themselves."""
    return f"file:{tmp_path / 'statehouse'}"
