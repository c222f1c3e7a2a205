"""The fixtures that `statehouse.testing.pytest` offers, used as another project would use them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUITE = """
import statehouse as package

import pytest


def test_a_store_is_empty_at_first(statehouse):
    assert statehouse.list_keys(agent_id="a") == []
    statehouse.write("k", 1, agent_id="a")


def test_every_test_has_its_own(statehouse):
    assert statehouse.list_keys(agent_id="a") == []


def test_the_clock_stands_still_when_it_is_asked_for(statehouse, statehouse_clock):
    statehouse.write("k", 1, agent_id="a")
    statehouse_clock.advance(3600)
    statehouse.write("k", 2, agent_id="a")
    first, second = (event.committed_at for event in statehouse.replay())
    assert (second - first).total_seconds() == 3600


def test_a_directory_can_be_opened_again(statehouse_url):
    for expected in (0, 1):
        with package.Statehouse(statehouse_url) as sh:
            assert sh.get_state("k", agent_id="a", default=0).version == expected
            sh.write("k", 1, agent_id="a")
"""


def test_a_project_that_asks_for_the_fixtures_has_them(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["statehouse.testing.pytest"]\n')
    (tmp_path / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1].startswith("4 passed"), run.stdout + run.stderr
