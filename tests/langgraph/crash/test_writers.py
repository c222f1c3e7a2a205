"""Two processes write to one thread through a daemon: no branch is lost in silence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.crash.killing import REPOSITORY
from tests.crash.restarting import Restarted, restarted
from tests.langgraph.crash.ledger import Ledger
from tests.langgraph.crash.writer import ROUNDS
from tests.langgraph.saver.chains import Chain, place, tuple_at

pytestmark = pytest.mark.slow

FIRST = "00000000-0000-6000-8000-000000000000"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Restarted]:
    with restarted(tmp_path) as found:
        found.start()
        yield found


def written(daemon: Restarted, ledger: Path, mode: str) -> None:
    """Has two processes write."""
    with Statehouse(daemon.target) as handle:
        Chain(StatehouseSaver(handle)).add(FIRST, {"count": 0})
    command = [sys.executable, "-m", "tests.langgraph.crash.writer", daemon.target, str(ledger)]
    writers = [
        subprocess.Popen([*command, name, mode], stderr=subprocess.PIPE, cwd=REPOSITORY) for name in "ab"
    ]
    for process in writers:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr.decode()


def stored(daemon: Restarted) -> dict[str, str | None]:
    """The parent of each checkpoint."""
    with Statehouse(daemon.target) as handle:
        return {
            each.checkpoint["id"]: None
            if each.parent_config is None
            else each.parent_config["configurable"]["checkpoint_id"]
            for each in StatehouseSaver(handle).list(place())
        }


def told(rows: list[dict[str, Any]]) -> dict[str, str | None]:
    return {FIRST: None, **{row["checkpoint"]: row["parent"] for row in rows}}


def test_forks_are_all_there(daemon: Restarted, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    written(daemon, tmp_path / "ledger", "fork")
    assert stored(daemon) == told(ledger.rows("put"))
    assert len(ledger.rows("put")) == 2 * ROUNDS
    ledger.close()


@pytest.mark.parametrize("mode", ["error", "lease"])
def test_one_line_is_what_there_is_where_forks_are_not_wanted(
    daemon: Restarted, tmp_path: Path, mode: str
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    written(daemon, tmp_path / "ledger", mode)
    parents = stored(daemon)
    assert parents == told(ledger.rows("put"))
    # No checkpoint has two children.
    assert len(set(parents.values())) == len(parents) == 2 * ROUNDS + 1
    with Statehouse(daemon.target) as handle:
        newest = tuple_at(StatehouseSaver(handle), place()).checkpoint
    assert newest["channel_values"]["count"] == 2 * ROUNDS
    ledger.close()
