"""Replaying one agent, alone in a store and in a crowd."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.crowd import ONE_AGENT, ONE_AGENT_EVENTS, Crowd
from benchmarks.large import rested_copy
from benchmarks.measure import Benchmark, Figure, Sides
from benchmarks.rows.reads import million
from benchmarks.workspace import Workspace
from statehouse import Statehouse

_ALONE = Crowd(0, 0)


@contextmanager
def _replaying(workspace: Workspace, crowd: Crowd) -> Iterator[Figure]:
    """Gives what measures a replay of the one agent, in milliseconds, in a store at rest."""
    with ExitStack() as stack:
        path = stack.enter_context(workspace.directory("replayed"))
        rested_copy(crowd, workspace, path)
        agent = stack.enter_context(Statehouse(f"file:{path}")).agent(ONE_AGENT)

        def milliseconds() -> float:
            began = time.perf_counter()
            seen = sum(len(event.operations) for event in agent.replay())
            took = time.perf_counter() - began
            assert seen == ONE_AGENT_EVENTS, f"{seen} operations were replayed"
            return took * 1e3

        yield milliseconds


@contextmanager
def _alone(workspace: Workspace) -> Iterator[Sides]:
    with _replaying(workspace, _ALONE) as milliseconds:
        cold = milliseconds()
        yield Sides(milliseconds, notes=lambda: f"the first time after opening: {cold:.1f} ms")


@contextmanager
def _in_crowd(workspace: Workspace) -> Iterator[Sides]:
    with _replaying(workspace, million(workspace)) as ours, _replaying(workspace, _ALONE) as theirs:
        cold = ours(), theirs()
        yield Sides(
            ours,
            theirs,
            lambda: f"the first time after opening: {cold[0]:.1f} ms, alone {cold[1]:.1f} ms",
        )


ROWS = (
    Benchmark(
        "replay",
        "replay of 1,000 events",
        "",
        "ms",
        "lower",
        target=10,
        floor=25,
        prepare=_alone,
    ),
    Benchmark(
        "replay-in-crowd",
        "replay of 1,000 events among 1,000,000 others, time",
        "among none",
        "ms",
        "lower",
        target=1.2,
        floor=1.5,
        prepare=_in_crowd,
    ),
)
