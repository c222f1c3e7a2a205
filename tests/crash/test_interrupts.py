"""Ctrl-C, a hundred times, in a program that commits all the while from its main thread and another one."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from tests.crash.killing import REPOSITORY

PROGRAM = """
    import itertools, os, random, signal, sys, threading
    from statehouse import Statehouse

    sh = Statehouse(sys.argv[1])
    pause, over = threading.Event(), threading.Event()
    interrupted, answered = 0, []

    def interrupt():
        chance = random.Random(int(sys.argv[2]))
        # Ctrl-C in the start of a thread is Python's own trouble.
        pause.wait(0.05)
        for _ in range(100):
            pause.wait(chance.random() * 0.004)
            os.kill(os.getpid(), signal.SIGINT)
        over.set()

    def disturb():
        while not over.is_set():
            sh.write("other", 1, agent_id="other")
            pause.wait(0.002)

    threads = [threading.Thread(target=disturb), threading.Thread(target=interrupt)]
    numbers = itertools.count()
    while True:
        try:
            while threads and not over.is_set():
                for thread in [thread for thread in threads if thread.ident is None]:
                    thread.start()
                number = next(numbers)
                answered.append((number, sh.write("k", number, agent_id="a")))
            for thread in threads:
                thread.join()
            break
        except KeyboardInterrupt:
            interrupted += 1
    values = {event.commit_ts: event.operations[0].value for event in sh.replay(agent_id="a")}
    assert interrupted > 10, interrupted
    assert sh.status().state == "ok", sh.status()
    assert sh.check().problems == (), sh.check()
    assert all(values[commit_ts] == number for number, commit_ts in answered)
    assert len(set(values.values())) == len(values), "a commit was applied twice"
    sh.close()
"""


def interrupt(url: str, seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), url, str(seed)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C alone")
@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_answered_is_there_and_writing_goes_on(tmp_path: Path, seed: int) -> None:
    """G1, G2, G5: also where the interrupted thread was writing the commit itself."""
    interrupt(f"file:{tmp_path / 'store'}", seed)


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C alone")
@pytest.mark.parametrize("seed", [3, 4])
def test_what_a_daemon_answered_is_there_and_the_connection_goes_on(seed: int) -> None:
    """G5: an interrupted call leaves nothing locked that the thread of the connection needs."""
    engine = open_engine(MemoryStore())
    with serving(engine) as target:
        interrupt(target, seed)
    engine.close()
