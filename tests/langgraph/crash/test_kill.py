"""A process is killed between any two calls of its saver: what it was told is there, whole, and done once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.crash.killing import REPOSITORY
from tests.crash.restarting import Restarted, restarted
from tests.langgraph.crash.agent import CONFIG, NODES, STEPS, graph_of
from tests.langgraph.crash.ledger import Ledger
from tests.langgraph.saver.chains import place, tuple_at

pytestmark = pytest.mark.slow


@contextmanager
def agent(url: str, ledger: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.langgraph.crash.agent", url, str(ledger)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY) as process:
        try:
            yield process
        finally:
            process.kill()


def killed(url: str, ledger: Path, replies: int) -> bool:
    """Lets an agent have so many replies and kills it; gives whether it had come to its end."""
    with agent(url, ledger) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ended = len(process.stdout.read(replies)) < replies
        if ended:
            assert process.wait(60) == 0, process.stderr.read().decode()
        return ended


def judge(handle: Statehouse, ledger: Ledger) -> None:
    """Compares what is stored with what was told."""
    saver = StatehouseSaver(handle)
    for row in ledger.rows("put"):
        found = tuple_at(saver, place(checkpoint_id=row["checkpoint"])).checkpoint
        assert sorted(found["channel_values"]) == row["channels"]
    told = ledger.rows("writes")
    for row in told:
        writes = tuple_at(saver, place(checkpoint_id=row["checkpoint"])).pending_writes or ()
        assert [channel for task, channel, _ in writes if task == row["task"]] == row["channels"]
    stored_at = {row["task"]: row["at"] for row in reversed(told)}
    again = [row for row in ledger.rows("ran") if row["at"] > stored_at.get(row["task"], sys.maxsize)]
    assert again == []
    assert set(stored_at) & {row["task"] for row in ledger.rows("ran")} or len(told) < 3
    # Every checkpoint there is can be loaded.
    for each in saver.list(None):
        assert each.parent_config is None or saver.get_tuple(each.parent_config) is not None


def judge_end(handle: Statehouse) -> None:
    """Looks at the state that the graph ended with."""
    values = graph_of(StatehouseSaver(handle)).get_state(CONFIG).values
    expected = [f"{step} {name}" for step in range(1, STEPS + 1) for name in NODES]
    assert values["done"] == values["log"] == expected


def test_an_agent_on_a_directory_is_killed_and_resumes(tmp_path: Path) -> None:
    url, ledger = f"file:{tmp_path / 'store'}", Ledger(tmp_path / "ledger")
    chance = random.Random(1)
    kills = 0
    while not killed(url, tmp_path / "ledger", chance.randint(1, 12)):
        kills += 1
        with Statehouse(url) as handle:
            judge(handle, ledger)
    with Statehouse(url) as handle:
        judge(handle, ledger)
        judge_end(handle)
    assert kills > 4
    ledger.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Restarted]:
    with restarted(tmp_path) as found:
        found.start()
        yield found


def test_an_agent_of_a_daemon_is_killed_and_resumes(daemon: Restarted, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    chance = random.Random(3)
    with Statehouse(daemon.target) as handle:
        while not killed(daemon.target, tmp_path / "ledger", chance.randint(1, 12)):
            judge(handle, ledger)
        judge(handle, ledger)
        judge_end(handle)
    ledger.close()


def test_a_daemon_is_killed_under_an_agent_which_goes_on(daemon: Restarted, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with agent(daemon.target, tmp_path / "ledger") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for replies in (3, 10, 7):
            assert len(process.stdout.read(replies)) == replies
            daemon.end(signal.SIGKILL)
            daemon.start()
        process.stdout.read()
        assert process.wait(60) == 0, process.stderr.read().decode()
    with Statehouse(daemon.target) as handle:
        judge(handle, ledger)
        judge_end(handle)
    assert len(ledger.rows("done")) == 1
    ledger.close()
