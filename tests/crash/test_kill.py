"""A loaded process is killed with -9, again and again: every answer that was given holds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash.killing import Judge, kill_after


def kill_and_judge(path: Path, *, cycles: int, seed: int) -> None:
    judge = Judge(path / "store", path / "ledger")
    moments = random.Random(seed)
    for cycle in range(cycles):
        kill_after(moments.randint(1, 250), path / "store", path / "ledger", seed=seed + cycle)
        # Now and then one killed process follows another, with nobody between them who closes cleanly.
        if moments.random() < 0.6 or cycle == cycles - 1:
            judge.judge()


def test_three_kills(tmp_path: Path) -> None:
    kill_and_judge(tmp_path, cycles=3, seed=1)


@pytest.mark.slow
def test_fifty_kills(tmp_path: Path) -> None:
    kill_and_judge(tmp_path, cycles=50, seed=1000)
