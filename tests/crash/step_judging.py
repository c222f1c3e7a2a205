"""Judging what workers leave in log, state and traces when they are killed, and the daemon under them.

The judge reads the ledger first and the log after it: whatever a worker was told is in the log. It keeps what
it has read of the log, round after round, and applies to a dictionary what each event did.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final, NamedTuple

from statehouse import Event, Statehouse
from statehouse.extend import run as run_flow
from statehouse.steps.reading import read_run
from tests.crash.step_workers import PATHS, SHARED, WITH_EFFECT

_RUNS: Final = "default.runs"
_STATE: Final = "default"
_TRACES_ASKED: Final = 10

Path_ = tuple[str, str]
"""A run, and the path of one of its steps."""


class Recorded(NamedTuple):
    """A step, as the log has it."""

    commit_ts: int
    facts: dict[str, Any]


class Judge:
    """Knows what every worker saw and all of the log, and compares them.

    Attributes:
        rounds: How often it has judged.
        finished: The runs whose end was acknowledged.
        statuses: How many steps there are of each status.
        conflicts: How many attempts were ended by a conflict.
        left: How often a run was left because the daemon was away, by the error.
    """

    def __init__(self, ledger: Path) -> None:
        self.rounds = 0
        self.finished: set[str] = set()
        self.statuses: Counter[str] = Counter()
        self.conflicts = 0
        self.left: Counter[str] = Counter()
        self._ledger = ledger
        self._read_bytes = 0
        self._log: list[Event] = []
        self._records: dict[Path_, Recorded] = {}
        self._state: dict[tuple[str, str], Any] = {}
        self._traces: defaultdict[str, set[int]] = defaultdict(set)
        # Positions in the ledger: where a run was entered, and from where on a step was known to be recorded.
        self._entered: dict[tuple[str, str, str], int] = {}
        self._known: dict[Path_, int] = {}
        self._own: set[tuple[str, str, str, str]] = set()
        self._given: dict[Path_, str] = {}
        self._sent: Counter[Path_] = Counter()

    def judge(self, sh: Statehouse) -> None:
        """Judges what is new; workers may be at work."""
        lines = self._new_lines()
        at = sh.status().commit_ts
        new = self._new_events(sh, at)
        for event in new:
            self._take(event)
        for position, line in lines:
            self._hear(position, line)
        size = self._ledger.stat().st_size if self._ledger.exists() else 0
        for step in self._records:
            self._known.setdefault(step, size)
        self._ask_by_trace(sh, new, at)
        for agent_id, key in [("shared", "total"), *list(self._state)[-20:]]:
            found = sh.get_state(key, agent_id=agent_id, default=None, at=at).value
            assert found == self._state.get((agent_id, key)), f"{agent_id}/{key}"
        self.rounds += 1

    def judge_the_end(self, sh: Statehouse) -> None:
        """Judges when every worker has finished its runs: all of the log again, and all of the state."""
        self.judge(sh)
        assert list(sh.replay(whole_store=True)) == self._log, "the log is not what it was"
        agents = {agent_id for agent_id, _ in self._state}
        state = {
            (agent_id, record.key): record.value
            for agent_id in agents
            for record in sh.scan_prefix("", agent_id=agent_id)
        }
        assert state == self._state
        runs = {run_id for run_id, _ in self._records}
        for run_id in runs:
            assert {path for each, path in self._records if each == run_id} == PATHS, run_id
            assert run_flow(sh, read_run(_STATE, run_id)).status == "finished", run_id
        applied = [key for key, _ in self._records.items() if key[1].startswith("count#")]
        assert self._state[SHARED, "total"] == len(applied)
        for trace_id, commits in self._traces.items():
            assert {event.commit_ts for event in sh.find_events(trace_id=trace_id)} == commits

    # The log.

    def _new_events(self, sh: Statehouse, at: int) -> list[Event]:
        """What was committed since the last time; what was there before must be there."""
        last = self._log[-1:]
        events = list(sh.replay(whole_store=True, from_ts=last[0].commit_ts if last else 1, to_ts=at))
        assert events[: len(last)] == last, "the newest commit of the last round is not what it was"
        self._log += events[len(last) :]
        return events[len(last) :]

    def _take(self, event: Event) -> None:
        """A commit of a step is its record and its state changes, and nothing else changes state."""
        origin = event.origin
        assert origin.trace_id, f"the commit {event.commit_ts} is of no trace"
        self._traces[origin.trace_id].add(event.commit_ts)
        steps = [each for each in event.operations if each.key.startswith("step/")]
        state = [each for each in event.operations if each.namespace == _STATE]
        assert len(steps) <= 1
        if not steps:
            assert state == [], f"the commit {event.commit_ts} changes state without a step"
            return
        [record] = steps
        facts, path = record.value, record.key.removeprefix("step/")
        step = (origin.run_id, path)
        assert (record.namespace, record.agent_id, origin.step) == (_RUNS, origin.run_id, path)
        assert (facts["trace"], facts["span"]) == (origin.trace_id, origin.span_id)
        assert (step in self._records, record.version) == (False, 1), f"{step} is recorded twice"
        self._records[step] = Recorded(event.commit_ts, facts)
        self.statuses[facts["status"]] += 1
        self.conflicts += facts.get("conflicts", 0)
        expected = self._effects(step) if facts["status"] == "executed" else {}
        made = {(each.agent_id, each.key): each.value for each in state}
        assert made == expected, f"{step} changed state otherwise than it was to"
        self._state |= made

    def _effects(self, step: Path_) -> dict[tuple[str, str], Any]:
        """What a step makes of the state as it is, applied once."""
        run_id, path = step
        kind = path.rpartition("/")[2].partition("#")[0]
        if kind not in WITH_EFFECT:
            return {}
        found = {(f"agent {int(run_id.removeprefix('run-')) % 2}", f"once/{run_id}/{path}"): 1}
        if kind == "count":
            found[SHARED, "total"] = self._state.get((SHARED, "total"), 0) + 1
        return found

    def _ask_by_trace(self, sh: Statehouse, new: list[Event], at: int) -> None:
        """Every commit is found by its trace, and each of a step by its span."""
        for trace_id in list(dict.fromkeys(event.origin.trace_id for event in new))[-_TRACES_ASKED:]:
            found = {each.commit_ts for each in sh.find_events(trace_id=trace_id) if each.commit_ts <= at}
            assert found == self._traces[trace_id]
        for event in [each for each in new if each.origin.step][-_TRACES_ASKED:]:
            of_the_span = sh.find_events(span_id=event.origin.span_id)
            assert event.commit_ts in [each.commit_ts for each in of_the_span]

    # The ledger.

    def _new_lines(self) -> list[tuple[int, str]]:
        """What workers told since the last time, with the places where they told it."""
        if not self._ledger.exists():
            return []
        with self._ledger.open("rb") as file:
            file.seek(self._read_bytes)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        found, position = [], self._read_bytes
        for line in data.splitlines():
            found.append((position, line.decode()))
            position += len(line) + 1
        self._read_bytes = position
        return found

    def _hear(self, position: int, line: str) -> None:
        what, _, rest = line.partition(" ")
        if what == "span":
            self._hear_of_a_span(json.loads(rest))
            return
        name, entry, run_id, *more = rest.split(" ", 4)
        match what:
            case "enter":
                self._entered[name, entry, run_id] = position
            case "body":
                self._hear_of_a_body(name, entry, run_id, more[0])
            case "done":
                self._own.add((name, entry, run_id, more[0]))
                self._hear_of_a_result(position, (run_id, more[0]), more[1])
            case "left":
                self.left[more[0]] += 1
            case "finished":
                self.finished.add(run_id)

    def _hear_of_a_body(self, name: str, entry: str, run_id: str, path: str) -> None:
        """What was recorded before a run was entered does not run in it, nor what the worker got itself."""
        step = (run_id, path)
        known = self._known.get(step)
        assert known is None or known > self._entered[name, entry, run_id], (
            f"{step} was recorded, and ran again"
        )
        assert (name, entry, run_id, path) not in self._own, (
            f"{step} ran again in the run that had its result"
        )
        if path.startswith("send#"):
            self._sent[step] += 1
            assert self._sent[step] == 1, f"{step} ran twice, and is at_most_once"

    def _hear_of_a_result(self, position: int, step: Path_, result: str) -> None:
        """What was given is recorded, and it is the same for everybody."""
        assert self._given.setdefault(step, result) == result, f"{step} gave two results"
        self._known.setdefault(step, position)
        assert step in self._records, f"{step} was acknowledged, and is lost"
        facts = self._records[step].facts
        assert (result == "!") == (facts["status"] != "executed"), step
        if result != "!" and "json" in facts["output"]:
            assert json.loads(result) == facts["output"]["json"], step

    def _hear_of_a_span(self, span: dict[str, Any]) -> None:
        """A span that names a commit names one that is there, and that has its ids."""
        commit_ts = span["commit_ts"]
        if span["status"] in ("executed", "conflicted"):
            assert commit_ts, span
        if commit_ts is None:
            return
        assert commit_ts <= len(self._log), f"a span points at a commit that is not there: {span}"
        event = self._log[commit_ts - 1]
        assert (event.commit_ts, event.origin.trace_id) == (commit_ts, span["trace"]), span
        assert event.origin.step == (span["step"] or ""), span
        if span["name"].startswith("step "):
            recorded = self._records[span["run"], span["step"]]
            assert (recorded.commit_ts, recorded.facts["status"]) == (commit_ts, span["status"]), span
            assert event.origin.span_id == span["span"], span
