"""The power goes out: of every file only what was synced is left.

The model (`powerloss.c`) keeps lengths: files are cut to what was synced last. Names are taken to be durable
at once: the harsher choice for logs that are deleted, and the milder one for files that are made.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from statehouse.engine.marks import newest_mark
from statehouse.protocol.requests import Status
from statehouse.storage.marks import read_marks
from statehouse.testing.checker import check_history
from tests.crash.killing import Judge, kill_after, open_directory
from tests.engine_faults.workload import assert_sound, events_of

pytestmark = pytest.mark.needs("gcc")


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled model."""
    library = tmp_path_factory.mktemp("shim") / "powerloss.so"
    source = Path(__file__).with_name("powerloss.c")
    command = ["gcc", "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


class Disk:
    """A directory whose writer can lose power."""

    def __init__(self, path: Path, shim: Path) -> None:
        self.store = path / "store"
        self.ledger = path / "ledger"
        self._synced = path / "synced"
        self._env = {**os.environ, "LD_PRELOAD": str(shim), "POWERLOSS_LOG": str(self._synced)}

    def lose_power(self, *, after_replies: int, seed: int, durability: str = "sync") -> int:
        """Loads the store, kills the process and cuts the files; says how many bytes that took."""
        self._synced.unlink(missing_ok=True)
        before = {path.stat().st_ino: path.stat().st_size for path in self._files()}
        kill_after(after_replies, self.store, self.ledger, seed=seed, durability=durability, env=self._env)
        lengths = before
        for line in self._synced.read_text().splitlines():
            _, inode, length = map(int, line.split())
            # Syncs of one file may be noted out of order.
            lengths[inode] = max(length, lengths.get(inode, 0)) if length else 0
        lost = 0
        for path in self._files():
            found = path.stat()
            kept = min(found.st_size, lengths.get(found.st_ino, 0))
            lost += found.st_size - kept
            os.truncate(path, kept)
        return lost

    def _files(self) -> list[Path]:
        return [path for path in self.store.rglob("*") if path.is_file()]


@pytest.fixture
def disk(tmp_path: Path, shim: Path) -> Disk:
    return Disk(tmp_path, shim)


def lose_power_often(disk: Disk, cycles: int, seed: int) -> None:
    judge = Judge(disk.store, disk.ledger)
    moments = random.Random(seed)
    for cycle in range(cycles):
        disk.lose_power(after_replies=moments.randint(1, 200), seed=seed + cycle)
        if moments.random() < 0.6 or cycle == cycles - 1:
            judge.judge()


def test_every_answer_survives_a_loss_of_power(disk: Disk) -> None:
    lose_power_often(disk, cycles=3, seed=10)


@pytest.mark.slow
def test_every_answer_survives_thirty_losses_of_power(disk: Disk) -> None:
    lose_power_often(disk, cycles=30, seed=2000)


def test_the_mark_is_never_ahead_of_what_was_synced(disk: Disk) -> None:
    """The mark file keeps what was written last, the log only what was synced: M1."""
    disk.lose_power(after_replies=100, seed=4)
    mark = newest_mark(read_marks(disk.store / "marks"))
    engine = open_directory(disk.store)
    assert mark is not None
    assert 0 < mark.commit_ts <= engine.execute(Status()).commit_ts
    engine.close()


def test_the_model_itself_is_seen_where_nothing_is_synced(disk: Disk) -> None:
    """The control: under durability none acknowledged commits are lost, and an epoch says so."""
    lost = disk.lose_power(after_replies=200, seed=5, durability="none")
    assert lost > 0
    engine = open_directory(disk.store)
    assert engine.execute(Status()).epoch == 2
    log = events_of(engine)
    assert_sound(engine)
    engine.close()
    violations = check_history(Judge(disk.store, disk.ledger).rows(), log)
    assert {violation.check for violation in violations} & {1}
