"""Workers are killed with -9, again and again: nothing is applied twice, lost, or run again once it is
recorded.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse.extend import run as run_flow
from statehouse.steps.reading import read_run, read_steps
from tests.crash.killing import REPOSITORY
from tests.daemon.processes import daemon
from tests.steps.agent import STEPS

Opened = Callable[[], Statehouse]


class Worker:
    """A process that takes part in a run."""

    def __init__(self, url: str, run_id: str, ledger: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.steps.agent", url, run_id, str(ledger)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
        )

        self._said = b""

    def await_news(self, count: int) -> None:
        """Returns when it has told of so much, or is at its end."""
        assert self.process.stdout is not None
        self._said += self.process.stdout.read(count)

    def kill(self) -> bool:
        """Kills it; gives whether it had finished the run before."""
        self.process.kill()
        said, wrong = self.process.communicate()
        assert wrong == b"", wrong.decode()
        return (self._said + said).endswith(b"!")


class Judge:
    """Knows what the workers of a run saw, and compares it with what the store says."""

    def __init__(self, run_id: str, ledger: Path) -> None:
        self._run_id = run_id
        self._ledger = ledger
        self._read = 0
        self._given: dict[str, str] = {}
        self._finished: set[str] = set()

    def judge(self, sh: Statehouse) -> None:
        """Judges while no worker is there."""
        lines = self._ledger.read_text().splitlines() if self._ledger.exists() else []
        for line in lines[self._read :]:
            what, path, *result = line.split(" ", 2)
            if what == "body":
                assert path not in self._finished, f"{path} was recorded, and ran again"
            else:
                assert self._given.setdefault(path, result[0]) == result[0], f"{path} gave two results"
        self._read = len(lines)
        # A commit that a killed worker had sent may be applied at any time.
        at = sh.status().commit_ts
        records = run_flow(sh, read_steps("default", self._run_id, at))
        self._finished = {record.path for record in records}
        assert self._given.keys() <= self._finished, "what was given is lost"
        assert [record.path for record in records if record.version > 1] == []
        self._judge_events(sh)
        self._judge_state(sh, at)

    def _judge_events(self, sh: Statehouse) -> None:
        """Each step is one commit, which has its state changes; a failed one has none."""
        for event in sh.find_events(run_id=self._run_id):
            recorded = [each.key for each in event.operations if each.key.startswith("step/")]
            assert recorded in ([], [f"step/{event.origin.step}"])
            applied = [each for each in event.operations if each.namespace == "default"]
            assert not applied or recorded, "state without its step"

    def _judge_state(self, sh: Statehouse, at: int) -> None:
        agent = sh.agent(f"agent of {self._run_id}")
        adds = [path for path in self._finished if path.startswith("add#")]
        log = agent.get_state("log", default=[], at=at).value
        assert log == [5 * number for number in range(len(adds))]
        leaves = [record.value for record in agent.scan_prefix("leaf/", at=at)]
        assert leaves == [1] * len([path for path in self._finished if "leaf#" in path])
        pays = len([path for path in self._finished if path.startswith("pay#")])
        assert agent.get_state("paid", default=0, at=at).value == sum(
            5 * number + 3 for number in range(pays)
        )

    def judge_the_end(self, sh: Statehouse) -> None:
        """Judges a run that a worker says is finished."""
        self.judge(sh)
        assert run_flow(sh, read_run("default", self._run_id)).status == "finished"
        assert len([path for path in self._finished if re.fullmatch(r"\w+#\d+", path)]) == STEPS


def kill_and_judge(url: str, opened: Opened, path: Path, *, cycles: int, workers: int, seed: int) -> None:
    moments = random.Random(seed)
    number = 0
    while cycles > 0:
        run_id, ledger = f"run-{number}", path / f"ledger-{number}"
        judge, finished = Judge(run_id, ledger), False
        while not finished:
            at_work = [Worker(url, run_id, ledger) for _ in range(workers)]
            moments.choice(at_work).await_news(moments.randint(1, 20 if cycles > 0 else 1000))
            # Between two lines of its program, wherever that is.
            threading.Event().wait(moments.random() * 0.003)
            ended = [each.kill() for each in at_work]
            finished = any(ended)
            with opened() as sh:
                (judge.judge_the_end if finished else judge.judge)(sh)
            cycles -= 1
        number += 1


def embedded(path: Path, *, cycles: int, seed: int) -> None:
    directory = path / "store"
    kill_and_judge(
        f"file:{directory}", lambda: Statehouse(directory), path, cycles=cycles, workers=1, seed=seed
    )


def served(path: Path, *, cycles: int, seed: int) -> None:
    with daemon(path / "log", "--data-dir", str(path / "store"), "--free-bytes-min", "0") as running:
        kill_and_judge(
            running.target, lambda: Statehouse(running.target), path, cycles=cycles, workers=2, seed=seed
        )


def test_three_kills_of_an_embedded_worker(tmp_path: Path) -> None:
    embedded(tmp_path, cycles=3, seed=1)


@pytest.mark.slow
def test_a_hundred_kills_of_an_embedded_worker(tmp_path: Path) -> None:
    embedded(tmp_path, cycles=100, seed=1000)


@pytest.mark.slow
def test_a_hundred_kills_of_two_workers_at_one_run(tmp_path: Path) -> None:
    served(tmp_path, cycles=50, seed=2000)
