"""The tool-calling agent is killed at any moment, and goes on without repeating what was stored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from examples.langgraph.tool_agent import ROOT
from statehouse_langgraph import StatehouseSaver
from tests.examples.dying_langgraph_agent import PATTERN

# `make demo`, whose test is a fast one, kills it once, too.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")]

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(PATTERN))
CALLS = 2 + len(FILES)
MESSAGES = 4 + CALLS


class Place:
    """A store, and a ledger outside it."""

    def __init__(self, directory: Path) -> None:
        self.url = f"file:{directory / 'store'}"
        self.ledger = directory / "ledger"

    def run(self, what: str, when: str = "never", number: int = 0) -> int:
        """Runs the agent in a process of its own; gives its exit code."""
        command = [sys.executable, "-m", "tests.examples.dying_langgraph_agent"]
        command += [self.url, str(self.ledger), what, when, str(number)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    def called(self) -> Counter[str]:
        """How often each tool call was done."""
        return Counter(self.ledger.read_text().splitlines()) if self.ledger.exists() else Counter()

    def stored(self) -> set[str]:
        """The tool calls whose results are in the store."""
        with StatehouseSaver.from_conn_string(self.url) as saver:
            found = saver.get_tuple({"configurable": {"thread_id": "lines"}})
            if found is None:
                return set()
            messages = list(found.checkpoint["channel_values"].get("messages", []))
            for _, channel, value in found.pending_writes or ():
                messages += value if channel == "messages" else []
        calls = {call["id"]: call for message in messages for call in getattr(message, "tool_calls", [])}
        results = [calls[message.tool_call_id] for message in messages if message.type == "tool"]
        return {f"{call['name']} {next(iter(call['args'].values()))}" for call in results}

    def answer(self) -> str:
        """The last message."""
        with StatehouseSaver.from_conn_string(self.url) as saver:
            found = saver.get_tuple({"configurable": {"thread_id": "lines"}})
            assert found is not None
            return str(found.checkpoint["channel_values"]["messages"][-1].text)


def kill_and_go_on(place: Place, when: str, number: int) -> None:
    assert place.run("ask", when, number) == -signal.SIGKILL
    stored = place.stored()
    assert place.run("go-on") == 0
    called = place.called()
    assert len(called) == CALLS
    assert {call: times for call, times in called.items() if times > 1 and call in stored} == {}
    lines = sum(len((ROOT / path).read_text().splitlines()) for path in FILES)
    assert place.answer() == f"{len(FILES)} files match {PATTERN}; they have {lines} lines."


@pytest.mark.parametrize("number", range(1, CALLS + 1))
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_tool_call_it_goes_on(tmp_path: Path, when: str, number: int) -> None:
    kill_and_go_on(Place(tmp_path), when, number)


@pytest.mark.parametrize("number", range(1, MESSAGES))
def test_killed_after_any_message_it_goes_on(tmp_path: Path, number: int) -> None:
    kill_and_go_on(Place(tmp_path), "told", number)
