"""The demo does what it tells, says when it does not, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from examples.research_agent.model import VARIABLE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "examples/research_agent/demo.py"]
SHORT = ("--question", "How many seconds are in 3 weeks? 2 + 2?", "--kill-after", "3")
TOGETHER = ("--together", "6 * 7?", "2 + 3?", "--pace", "0.05")


def environment(**more: str) -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name != VARIABLE} | more


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_demo_kills_resumes_and_replays_and_serves_two_at_once() -> None:
    told = demo(*SHORT, *TOGETHER)
    assert (told.returncode, told.stderr) == (0, "")
    first, second = told.stdout.split("\n6. A daemon")
    assert "-> kill -9 after step 3" in first
    assert "run demo: going on, 3 steps are done" in first
    assert "none of the finished ones again" in first
    assert "3 * 7 * 24 * 60 * 60 = 1814400" in first

    live = second.partition("\n7. ")[2].partition("\n8. ")[0]
    followed = re.findall(r"^    @(\d+) +[0-9:.]+  (left|right) +(\d\d-\w+)", live, re.MULTILINE)
    assert [int(commit_ts) for commit_ts, _, _ in followed] == list(range(1, 9))
    steps = ["01-plan", "02-calculate", "03-note", "04-answer"]
    for run in ("left", "right"):
        assert [step for _, run_id, step in followed if run_id == run] == steps
    assert "8 commits in one order, 4 of left and 4 of right" in second
    assert "6 * 7 = 42" in second
    assert "-> statehoused exited with 0" in second
    assert "has all 8 commits" in second

    langgraph, _, debugging = second.partition("\n11. ")[2].partition("\n15. ")
    assert "-> kill -9 after 3 files were counted" in langgraph
    assert "none of these tools was called again" in langgraph
    assert "$ statehousectl -n langgraph replay lines --from " in langgraph
    assert '{"writes": [{"messages": [{"type": "tool",' in langgraph
    assert '+ {"type":"ai","content":"I add them up."' in langgraph
    assert re.search(r"-> right: \d+ files match examples/langgraph/\*.py; they have \d+ lines", langgraph)
    assert langgraph.endswith("-> statehoused exited with 0\n")

    assert "the purchase failed: OverBudgetError" in debugging
    assert debugging.endswith("-> statehoused exited with 0\n")


@pytest.mark.slow
def test_the_demo_as_it_comes() -> None:
    told = demo()
    assert (told.returncode, told.stderr) == (0, "")
    assert "Here: datetime.timedelta(days=3)" in told.stdout
    assert "13 commits in one order, 4 of left and 9 of right" in told.stdout
    assert "Only bisect.bisect_right:" in told.stdout


def test_the_demo_fails_when_its_story_does_not_hold() -> None:
    told = demo("--question", "2 + 2", "--kill-after", "9")
    assert told.returncode == 1
    assert "This went wrong: it ended after 4 steps, before it could be killed" in told.stderr


def test_the_demo_begins_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep me")
    assert demo("--directory", str(tmp_path)).returncode == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_leaves_no_process_and_no_file(
    tmp_path: Path, how: signal.Signals
) -> None:
    with subprocess.Popen(
        [*COMMAND, *SHORT, "--together", "6 * 7?", "2 + 3?", "--pace", "600"],
        cwd=ROOT,
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as told:
        assert told.stdout is not None
        told_so_far = iter(told.stdout)
        daemon = next(found for line in told_so_far if (found := re.search(r"ready on .* pid (\d+)\)", line)))
        next(line for line in told_so_far if re.match(r"    @2 ", line))
        told.send_signal(how)
        _, err = told.communicate(timeout=60)
    assert (told.returncode, err.strip()) == (130, "Interrupted; nothing that was started goes on.")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(daemon[1]), 0)
