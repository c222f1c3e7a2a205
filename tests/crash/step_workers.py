"""A process that takes part in runs until it is killed or told that it is over, and keeps a ledger of it.

``python -m tests.crash.step_workers TARGET LEDGER NAME COLOUR LANE...`` has a thread a lane. A lane is a
number: its thread takes part in the runs of that number, that number + 2, + 4, ...; other processes that are
given the same lanes take part in the same runs. What the daemon's deaths leave open ends a run, which is then
resumed. When standard input ends, each thread finishes its run, and the process exits with 0.

Each line of the ledger is there before the next thing happens; the file is the workers' common one, so its
order is that of what they saw. For each body that runs a byte is printed.

=========================================  =======================================================
``enter NAME ENTRY RUN``                   a run is about to be entered, for the so-many-th time
``body NAME ENTRY RUN PATH``               the body of a step runs
``done NAME ENTRY RUN PATH RESULT``        a step gave this, as JSON; ``!`` for a failure
``left NAME ENTRY RUN ERROR``              the run ended by an error: the daemon was away
``finished NAME ENTRY RUN``                the run was left, and that it is finished was acknowledged
``span JSON``                              a span has ended
=========================================  =======================================================
"""

from __future__ import annotations

import faulthandler
import itertools
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from statehouse import (
    ConnectionError,
    OutcomeUnknownError,
    OverloadedError,
    Statehouse,
    StepConflictError,
    StepError,
    current_step,
)
from statehouse.testing.blocking import BackgroundLoop
from statehouse.tracing import attributes as names
from tests.steps.colours import Awaiting, Blocking, Colour
from tests.tracing.collected import fact, ids

AGAIN: Final = (ConnectionError, OutcomeUnknownError, OverloadedError)
"""What leaves a run while the daemon is away."""

LANES: Final = 2
CONNECT_S: Final = 0.3
SHARED: Final = "shared"
"""The agent whose counter all runs add to."""
_TOLD_CHARACTERS_MAX: Final = 1000

TOP_LEVEL: Final = ("count", "outer", "send", "refuse", "flaky", "talk")
ROUNDS: Final = 2
PATHS: Final = frozenset(
    [f"{name}#{number}" for name in TOP_LEVEL for number in range(1, ROUNDS + 1)]
    + [f"outer#{number}/leaf#{which}" for number in range(1, ROUNDS + 1) for which in (1, 2)]
)
"""The steps of every run."""

WITH_EFFECT: Final = frozenset({"count", "outer", "leaf", "send", "flaky"})
"""Those whose state changes belong to their record."""


class Ledger(SpanExporter):
    """The workers' common file; spans go into it, too.

    Args:
        path: Where it is.
        name: Who writes.
    """

    def __init__(self, path: str, name: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._name = name
        self.entries: dict[str, int] = {}

    def tell(self, what: str, run_id: str, *more: str) -> None:
        """Writes a line that is out before the next thing happens."""
        words = (what, self._name, str(self.entries[run_id]), run_id, *more)
        os.write(self._file, " ".join(words).encode() + b"\n")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Writes spans that say what they committed, or of which step they are."""
        for span in spans:
            trace_id, span_id = ids(span)
            facts = {
                "name": span.name,
                "trace": trace_id,
                "span": span_id,
                "commit_ts": fact(span, names.COMMIT_TS),
                "run": fact(span, names.RUN_ID),
                "step": fact(span, names.STEP_PATH),
                "status": fact(span, names.STEP_STATUS),
            }
            if facts["step"] or facts["commit_ts"]:
                os.write(self._file, b"span " + json.dumps(facts).encode() + b"\n")
        return SpanExportResult.SUCCESS


class Program:
    """What every run does: counters that show whether anything was applied twice, or not at all.

    Args:
        colour: How its steps are written.
        ledger: Where it tells of them.
    """

    def __init__(self, colour: Colour, ledger: Ledger) -> None:
        self._ledger = ledger
        many = {"conflict_retries": 10_000}
        self.count = colour.step(self._count, name="count", **many)
        self.outer = colour.step(self._outer, name="outer", **many)
        self.leaf = colour.step(self._leaf, name="leaf")
        self.send = colour.step(self._send, name="send", effect="at_most_once", if_unknown="fail")
        self.refuse = colour.step(self._refuse, name="refuse")
        self.flaky = colour.step(self._flaky, name="flaky", retries=2, backoff=0)
        self.talk = colour.step(self._talk, name="talk")

    def run(self, run_id: str) -> None:
        """Does it all."""
        conversation = [""]
        for number in range(1, ROUNDS + 1):
            self._done(run_id, f"count#{number}", self.count)
            self._done(run_id, f"outer#{number}", self.outer, number)
            self._done(run_id, f"send#{number}", self.send, number)
            self._done(run_id, f"refuse#{number}", self.refuse, number)
            self._done(run_id, f"flaky#{number}", self.flaky, number)
            conversation.append(self._done(run_id, f"talk#{number}", self.talk, conversation))

    def _done(self, run_id: str, path: str, step: Callable[..., Any], *given: Any) -> Any:
        """Calls a step and tells what it gave."""
        told, found = "!", None
        try:
            found = step(*given)
        except (ValueError, StepConflictError):
            # What a step failed with is part of the program's course.
            pass
        except StepError as error:
            # One that was cut off is taken for failed.
            if error.details.get("status") != "failed":
                raise
        else:
            told = json.dumps(found)[:_TOLD_CHARACTERS_MAX]
        self._ledger.tell("done", run_id, path, told)
        return found

    def _began(self) -> Any:
        """Tells that a body runs; gives the state of its agent, in which the step has counted itself."""
        running = current_step()
        self._ledger.tell("body", running.run_id, running.path)
        os.write(1, b".")
        state = running.state
        key = f"once/{running.run_id}/{running.path}"
        state[key] = state.get(key, 0) + 1
        return state

    def _count(self) -> int:
        """Adds to what all runs add to."""
        shared = self._began().agent(SHARED)
        shared["total"] = shared.get("total", 0) + 1
        return int(shared["total"])

    def _outer(self, number: int) -> int:
        """Conflicts with whoever counts, and has two children, which stand all the same."""
        state = self._began()
        state.agent(SHARED).get("total", 0)
        path, run_id = current_step().path, current_step().run_id
        leaves = [(f"{path}/leaf#{which}", 2 * number + which) for which in (1, 2)]
        return sum(self._done(run_id, path_of_leaf, self.leaf, leaf) for path_of_leaf, leaf in leaves)

    def _leaf(self, number: int) -> int:
        self._began()
        return number

    def _send(self, number: int) -> int:
        """May conflict; then it is not applied."""
        self._began().agent(SHARED).get("total", 0)
        return number

    def _refuse(self, number: int) -> int:
        self._began()
        raise ValueError(number)

    def _flaky(self, number: int) -> int:
        self._began()
        if current_step().attempt == 1:
            raise OSError("busy")
        return number

    def _talk(self, conversation: list[str]) -> str:
        """Its argument is soon stored by itself."""
        running = current_step()
        self._ledger.tell("body", running.run_id, running.path)
        os.write(1, b".")
        return f"{len(conversation)} {'x' * 9000}"


class Worker:
    """Takes part in the runs of its lanes.

    Args:
        sh: The store.
        colour: How steps are written.
        ledger: Where it tells of them.
        over: Set when no further run is to begin.
    """

    def __init__(self, sh: Statehouse, colour: Colour, ledger: Ledger, over: threading.Event) -> None:
        self._sh = sh
        self._colour = colour
        self._ledger = ledger
        self._program = Program(colour, ledger)
        self._over = over

    def work(self, lane: int) -> None:
        """Takes part in one run after the other."""
        for number in itertools.count(lane, LANES):
            while not self._take_part(f"run-{number}", f"agent {number % LANES}"):
                continue
            if self._over.is_set():
                return

    def _take_part(self, run_id: str, agent_id: str) -> bool:
        """Enters a run; gives whether it is finished."""
        self._ledger.entries[run_id] = self._ledger.entries.get(run_id, 0) + 1
        self._ledger.tell("enter", run_id)
        try:
            with self._colour.run(self._sh, run_id, agent_id=agent_id):
                self._program.run(run_id)
        except AGAIN as error:
            self._ledger.tell("left", run_id, type(error).__name__)
            return False
        self._ledger.tell("finished", run_id)
        return True


def main(target: str, ledger_path: str, name: str, colour: str, *lanes: str) -> None:
    """Takes part in runs until standard input ends."""
    over = threading.Event()
    ledger = Ledger(ledger_path, name)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ledger))
    trace.set_tracer_provider(provider)
    # One that hangs says where, and fails the test.
    faulthandler.dump_traceback_later(300, exit=True)
    with ExitStack() as running:
        how: Colour = Blocking()
        if colour == "awaiting":
            how = Awaiting(running.enter_context(BackgroundLoop()))
        sh = running.enter_context(Statehouse(target, connect_timeout=CONNECT_S))
        worker = Worker(sh, how, ledger, over)

        def watched(lane: int) -> None:
            try:
                worker.work(lane)
            except BaseException:  # noqa: BLE001 - whatever it is, the test is to fail, at once
                os.write(2, traceback.format_exc().encode())
                os._exit(3)

        threads = [threading.Thread(target=watched, args=(int(lane),)) for lane in lanes]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        over.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
