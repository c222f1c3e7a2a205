"""Workers at their steps, and the daemon under them, are killed with -9, again and again, at random points.

No state effect is applied twice, none is lost after its acknowledgement, no span points at a commit that is
not there, every commit is found by its trace, no finished step runs again in a run that is resumed, and
several workers at one run make one history.
"""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from statehouse import Statehouse
from tests.crash.killing import REPOSITORY
from tests.crash.restarting import WAIT_S, Restarted, restarted
from tests.crash.step_judging import Judge
from tests.crash.step_workers import LANES

CREW: Final = 2


class Crew:
    """Processes that take part in the same runs.

    Args:
        target: Where the daemon is.
        ledger: Where they write what they saw.
        colour: How their steps are written.
    """

    def __init__(self, target: str, ledger: Path, colour: str) -> None:
        self._target = target
        self._ledger = ledger
        self._colour = colour
        self._started = 0
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def fill(self, judge: Judge) -> None:
        """Has as many at work as there are to be, each from the first run on that is not finished."""
        lanes = [str(self._first(lane, judge)) for lane in range(LANES)]
        for place in range(CREW):
            if place not in self._processes:
                self._processes[place] = self._start(lanes)

    def _first(self, lane: int, judge: Judge) -> int:
        return next(
            number for number in itertools.count(lane, LANES) if f"run-{number}" not in judge.finished
        )

    def _start(self, lanes: list[str]) -> subprocess.Popen[bytes]:
        self._started += 1
        command = [sys.executable, "-W", "error", "-m", "tests.crash.step_workers", self._target]
        arguments = [str(self._ledger), f"worker-{self._started}", self._colour, *lanes]
        return subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
        )

    def await_news(self, place: int, count: int) -> None:
        """Returns when bodies of one of them have run so many more times."""
        process = self._processes[place]
        assert process.stdout is not None
        seen = process.stdout.read(count)
        assert len(seen) == count, process.communicate()[1].decode()

    def kill(self, *places: int) -> None:
        """Kills some of them, at once."""
        dead = [self._processes.pop(place) for place in places]
        for process in dead:
            process.kill()
        for process in dead:
            _, said = process.communicate(timeout=WAIT_S)
            assert process.returncode == -signal.SIGKILL, said.decode()
            assert said == b"", said.decode()

    def finish(self) -> None:
        """Has them finish the runs they are at."""
        while self._processes:
            _, process = self._processes.popitem()
            _, said = process.communicate(timeout=WAIT_S)
            assert (process.returncode, said.decode()) == (0, "")

    def close(self) -> None:
        """Kills those that are there."""
        for process in self._processes.values():
            process.kill()
            process.communicate()


@contextmanager
def crew(target: str, ledger: Path, colour: str) -> Iterator[Crew]:
    """A crew that has nobody yet; killed in the end."""
    found = Crew(target, ledger, colour)
    try:
        yield found
    finally:
        found.close()


def kill(moments: random.Random, daemon: Restarted, workers: Crew) -> None:
    """Kills a worker, or the daemon, or everybody; the daemon is there again at the end."""
    workers.await_news(moments.randrange(CREW), moments.randint(1, 60))
    # Between two lines of a program, wherever that is.
    threading.Event().wait(moments.random() * 0.003)
    match moments.choice(["worker", "daemon", "daemon", "everybody"]):
        case "worker":
            workers.kill(moments.randrange(CREW))
            return
        case "daemon":
            daemon.end(signal.SIGKILL)
        case _:
            first = moments.random() < 0.5
            if first:
                workers.kill(*range(CREW))
            daemon.end(signal.SIGKILL)
            if not first:
                workers.kill(*range(CREW))
    if moments.random() < 0.1:
        # One that is killed while it starts, or just after.
        daemon.start(ready=False)
        threading.Event().wait(moments.random() * 0.3)
        daemon.end(signal.SIGKILL)
    daemon.start()


def kill_and_judge(path: Path, *, colour: str, kills: int, seed: int) -> None:
    moments = random.Random(seed)
    judge = Judge(path / "ledger")
    with (
        restarted(path) as daemon,
        crew(daemon.target, path / "ledger", colour) as workers,
        Statehouse(daemon.target) as sh,
    ):
        daemon.start()
        try:
            for _ in range(kills):
                workers.fill(judge)
                kill(moments, daemon, workers)
                judge.judge(sh)
            workers.fill(judge)
            workers.finish()
            judge.judge_the_end(sh)
        except BaseException as error:
            error.add_note(f"seed {seed}, kill {judge.rounds + 1} of {kills}")
            raise
    # All that can go wrong went wrong.
    assert len(judge.finished) > kills
    assert judge.statuses["executed"] > 10 * kills
    assert judge.statuses["conflicted"] > 0
    assert judge.conflicts > kills // 2
    assert sum(judge.left.values()) > 0


@pytest.mark.slow
def test_a_hundred_kills_of_workers_and_daemon(tmp_path: Path) -> None:
    kill_and_judge(tmp_path, colour="blocking", kills=110, seed=1000)


@pytest.mark.slow
def test_a_hundred_kills_of_workers_that_await_and_of_the_daemon(tmp_path: Path) -> None:
    kill_and_judge(tmp_path, colour="awaiting", kills=110, seed=2000)
