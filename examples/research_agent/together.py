"""The second half of the demo: a daemon, two agents that use it at once, and who watches them.

Three processes share one store here; a directory on its own belongs to one.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from examples.research_agent.__main__ import AGENT_ID
from examples.research_agent.run_log import RunLog
from examples.research_agent.stage import (
    PATIENCE_SECONDS,
    Stage,
    StoryError,
    executed,
    heading,
    require,
    started,
    without_settings,
)
from examples.research_agent.story import live_line, wrapped
from statehouse import Event, Statehouse

RUN_IDS: Final = ("left", "right")
_READY: Final = re.compile(r"statehoused \S+ ready on (\S+) ")
_LOG_LINES: Final = 8


def tell(stage: Stage, questions: Sequence[str], pace: float) -> None:
    """Tells it.

    Args:
        stage: Where.
        questions: What the two agents are asked.
        pace: How long each waits after a step, in seconds.

    Raises:
        StoryError: It did not happen as it is told.
    """
    heading("6. A daemon, and two agents that are asked at once, each in a process of its own")
    with daemon(stage, stage.served) as (served, url), ExitStack() as stack:
        ledger = stage.directory / "together.txt"
        agents = []
        for run_id, question in zip(RUN_IDS, questions, strict=True):
            print(f"    run {run_id + ':':<7}{question}")
            asked = stage.ask(
                question, run_id=run_id, url=url, pace=pace, ledger=ledger, stdout=subprocess.DEVNULL
            )
            agents.append(stack.enter_context(asked))
        heading("7. What both do, live: the replay of the whole store, followed by a third process")
        seen: list[Event] = []
        for event in _followed(url, agents):
            print(f"    {live_line(event)}", flush=True)
            seen.append(event)
        codes = [agent.wait(PATIENCE_SECONDS) for agent in agents]
        require(codes == [0, 0], f"the agents ended with exit codes {codes}")
        _check(seen, executed(ledger))
        with Statehouse(url) as sh:
            for number, run_id in enumerate(RUN_IDS, 8):
                _show_answer(sh, run_id, number)
        heading("10. SIGTERM: the daemon answers what it has begun, closes the store and ends")
        stop(served)
        _open_without_daemon(stage, len(seen))


@contextmanager
def daemon(stage: Stage, directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs ``statehoused`` on any port that is free; gives it and its URL.

    Raises:
        StoryError: It does not become ready.
    """
    command = ["--data-dir", str(directory), "--listen", "127.0.0.1:0"]
    print(f"    $ statehoused {' '.join(command)}")
    with (
        stage.log.open("w") as log,
        started(
            [sys.executable, "-m", "statehouse.daemon", *command], stderr=log, env=without_settings()
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        found = _READY.match(line)
        if found is None:
            process.kill()
            said = stage.log.read_text().splitlines()[-_LOG_LINES:]
            raise StoryError("\n".join([f"the daemon did not become ready: {line.strip()}", *said]))
        print(f"    {line}", flush=True)
        yield process, found[1]


def _followed(url: str, agents: Sequence[subprocess.Popen[str]]) -> Iterator[Event]:
    """Gives every event as it is committed, until the agents have ended and all was seen."""
    events: SimpleQueue[Event] = SimpleQueue()
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen = 0
    with Statehouse(url) as sh:

        def follow() -> None:
            # Ends when the handle is closed.
            for event in sh.replay(whole_store=True, follow=True):
                events.put(event)

        threading.Thread(target=follow, name="view", daemon=True).start()
        while any(agent.poll() is None for agent in agents) or seen < sh.status().commit_ts:
            require(time.monotonic() < deadline, f"after {PATIENCE_SECONDS} s they were not done")
            with suppress(Empty):
                yield events.get(timeout=0.1)
                seen += 1


def _check(seen: Sequence[Event], ledger: Sequence[tuple[str, int]]) -> None:
    require(
        [event.commit_ts for event in seen] == list(range(1, len(seen) + 1)),
        "the replay has gaps, or shows a commit twice",
    )
    for run_id in RUN_IDS:
        replayed = [int(event.origin.step[:2]) for event in seen if event.origin.run_id == run_id]
        require(
            replayed == [step for run, step in ledger if run == run_id],
            f"the replay of {run_id} is not what the agent did",
        )
        require(bool(replayed), f"{run_id} did nothing")
    both = " and ".join(f"{sum(run == run_id for run, _ in ledger)} of {run_id}" for run_id in RUN_IDS)
    print(f"\n    -> {len(seen)} commits in one order, {both}; each was seen once, in the order it was made")


def _show_answer(sh: Statehouse, run_id: str, number: int) -> None:
    run = RunLog(sh.agent(AGENT_ID), run_id).load()
    if run is None or run.answer is None:
        raise StoryError(f"there is no answer of {run_id}")
    heading(f"{number}. The answer of {run_id}: {run.question}")
    print(wrapped(run.answer["text"]))


def stop(process: subprocess.Popen[str]) -> None:
    """Ends a daemon as a service manager would.

    Raises:
        StoryError: It does not end as it should.
    """
    process.terminate()
    code = process.wait(PATIENCE_SECONDS)
    print(f"    -> statehoused exited with {code}")
    require(code == 0, f"the daemon ended with exit code {code}")


def _open_without_daemon(stage: Stage, commits: int) -> None:
    with Statehouse(stage.served) as sh:
        found = sh.status().commit_ts
    require(found == commits, f"the directory has {found} commits, and {commits} were seen")
    print(f"    -> its directory, opened in this process without a daemon, has all {found} commits")
