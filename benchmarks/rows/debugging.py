"""From a span to the state that the agent saw: finding, reading as of, verifying."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

from benchmarks.large import rested_copy
from benchmarks.measure import Benchmark, Sides
from benchmarks.traced import TracedRuns
from benchmarks.values import Values
from benchmarks.workspace import Workspace
from statehouse import Run, Statehouse, current_step, debug, step

_AGENT = "planner"
_FINDS = 10_000
_KEYS = 1_000
_READS = 20
_VALUE_BYTES = 200

Find = Callable[[Statehouse, str], tuple[str, str]]
"""Gives the run and the step that a span leads to."""


@contextmanager
def _find(workspace: Workspace) -> Iterator[Sides]:
    alone: list[float] = []
    with ExitStack() as stack:

        def prepare(traced: TracedRuns, seed: int) -> Callable[[Find], float]:
            path = stack.enter_context(workspace.directory(f"traced-{traced.steps}"))
            rested_copy(traced, workspace, path)
            statehouse = stack.enter_context(Statehouse(f"file:{path}"))
            random = Values(seed).random

            def microseconds(find: Find) -> float:
                # Other spans in each round: nothing is near because the round before asked for it.
                numbers = random.choices(range(traced.steps), k=workspace.scaled(_FINDS))
                asked = [traced.origin(number) for number in numbers]
                began = time.perf_counter()
                for origin in asked:
                    assert find(statehouse, origin.span_id) == (origin.run_id, origin.step)
                return (time.perf_counter() - began) / len(asked) * 1e6

            microseconds(_step_of)
            return microseconds

        many = prepare(TracedRuns(workspace.scaled(1_000_000)), 2)
        few = prepare(TracedRuns(1_000), 3)

        def ours() -> float:
            alone.append(many(_event_of) / few(_event_of))
            return many(_step_of)

        yield Sides(
            ours,
            lambda: few(_step_of),
            lambda: f"find_events(span_id=) alone: {statistics.median(alone):.2f} x",
        )


def _step_of(statehouse: Statehouse, span_id: str) -> tuple[str, str]:
    """What `statehousectl find` shows: the run and the step, with their records."""
    found = debug.find(statehouse, span_id)
    assert found is not None
    (record,) = found.steps
    assert found.run_of(record) is not None
    return record.run_id, record.path


def _event_of(statehouse: Statehouse, span_id: str) -> tuple[str, str]:
    (event,) = statehouse.find_events(span_id=span_id)
    return event.origin.run_id, event.origin.step


def _fill(statehouse: Statehouse) -> None:
    values = Values(6)
    with statehouse.agent(_AGENT).transaction() as transaction:
        for number in range(_KEYS):
            transaction.write(f"key-{number:04d}", values.document(_VALUE_BYTES))


@step
def work(number: int) -> int:
    """Reads a key and writes it again."""
    state = current_step().state
    key = f"key-{number % _KEYS:04d}"
    document = state[key]
    state[key] = Values(number).document(_VALUE_BYTES)
    return len(document)


@contextmanager
def _as_of(workspace: Workspace) -> Iterator[Sides]:
    """All keys of the agent, as of what one step or another of a run saw, and now; in milliseconds."""
    count = workspace.scaled(5 * _KEYS)
    with ExitStack() as stack:
        path = stack.enter_context(workspace.directory("as-of"))
        statehouse = stack.enter_context(Statehouse(f"file:{path}", durability="none"))
        _fill(statehouse)
        with statehouse.run(agent_id=_AGENT) as run:
            for number in range(count):
                work(number)
            seen = [record.read_ts for record in run.steps()]
        random = Values(7).random

        def milliseconds(ats: list[int | None]) -> float:
            began = time.perf_counter()
            for at in ats:
                found = sum(
                    1 for record in statehouse.scan_prefix("", agent_id=_AGENT, at=at) if record.value
                )
                assert found == _KEYS
            return (time.perf_counter() - began) / len(ats) * 1e3

        def ours() -> float:
            return milliseconds(random.choices(seen, k=_READS))

        ours()
        yield Sides(ours, lambda: milliseconds([None] * _READS))


@contextmanager
def _verified(workspace: Workspace) -> Iterator[Sides]:
    count = workspace.scaled(1_000)

    def program(_: Run) -> None:
        for number in range(count):
            work(number)

    with ExitStack() as stack:
        path = stack.enter_context(workspace.directory("verified"))
        statehouse = stack.enter_context(Statehouse(f"file:{path}", durability="none"))
        _fill(statehouse)
        last = ""

        def seconds(bodies: Literal["pure", "all"]) -> float:
            began = time.perf_counter()
            verification = debug.verify(statehouse, last, program, bodies=bodies)
            took = time.perf_counter() - began
            assert verification.is_clean, verification
            return took

        def ours() -> float:
            return seconds("pure")

        def theirs() -> float:
            nonlocal last
            began = time.perf_counter()
            with statehouse.run(agent_id=_AGENT) as run:
                program(run)
            last = run.run_id
            return time.perf_counter() - began

        # What is verified must have run.
        theirs()
        ours()
        yield Sides(
            ours, theirs, lambda: f"with bodies=all, on the state that they saw: {seconds('all'):.2f} s"
        )


ROWS = (
    Benchmark(
        "find-span",
        "debug.find by span id among 1,000,000 commits, random spans, time",
        "among 1,000",
        "us",
        "lower",
        target=1.5,
        floor=2.5,
        prepare=_find,
    ),
    Benchmark(
        "state-as-of-run",
        "the state of 1,000 keys as of any read_ts of a run, time",
        "the latest state of the same keys",
        "ms",
        "lower",
        target=2.0,
        floor=4.0,
        prepare=_as_of,
    ),
    Benchmark(
        "verify",
        "verify of 1,000 steps, time",
        "running them, not synced",
        "s",
        "lower",
        target=0.5,
        floor=1.0,
        prepare=_verified,
    ),
)
