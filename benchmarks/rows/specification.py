"""The figures that the specification names, as they are on this machine: met or not, none has a floor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

from benchmarks.daemon import daemon
from benchmarks.measure import Benchmark, Sides, Unit
from benchmarks.rows.wire import AGENT, commits, fill, per_second, read
from benchmarks.workspace import Workspace
from statehouse import Statehouse, StatehouseAsync

_ONE_BY_ONE = 300
_EVENTS = 1000

Ours = Callable[[str, Workspace], float]
"""Gives a figure of the daemon at an address."""


@contextmanager
def _daemon(workspace: Workspace, ours: Ours, *options: str) -> Iterator[Sides]:
    with ExitStack() as stack:
        path = stack.enter_context(workspace.directory("daemon"))
        address = stack.enter_context(daemon(path, *options))
        fill(address)
        yield Sides(lambda: ours(address, workspace))


async def _health(statehouse: StatehouseAsync, _: int) -> None:
    await statehouse.health()


def _milliseconds(work: Callable[[StatehouseAsync, int], object]) -> Ours:
    """Of something that one client does again and again."""
    return lambda address, workspace: (
        1e3 / per_second(address, work, workspace.scaled(_ONE_BY_ONE), in_flight=1)  # type: ignore[arg-type]
    )


def _throughput(work: Callable[[StatehouseAsync, int], object], count: int, in_flight: int) -> Ours:
    return lambda address, workspace: per_second(
        address,
        work,  # type: ignore[arg-type]
        workspace.scaled(count),
        in_flight=in_flight,
    )


def _replay(address: str, workspace: Workspace) -> float:
    events = workspace.scaled(_EVENTS)
    with Statehouse(address) as statehouse:
        agent = statehouse.agent(f"{AGENT}-replayed")
        newest = statehouse.status().commit_ts
        if not agent.list_keys():
            for number in range(events):
                agent.write(f"key-{number}", {"step": number})
        began = time.perf_counter()
        seen = sum(1 for _ in agent.replay())
        took = time.perf_counter() - began
        assert seen == events, f"{seen} events were replayed, up to commit_ts {newest}"
        return took * 1e3


def _row(  # one line a row reads best
    name: str,
    what: str,
    unit: Unit,
    better: Literal["higher", "lower"],
    target: float,
    ours: Ours,
    *options: str,
) -> Benchmark:
    return Benchmark(
        f"spec-{name}",
        f"specification: {what}",
        "",
        unit,
        better,
        target=target,
        floor=math.inf if better == "lower" else -math.inf,
        prepare=lambda workspace: _daemon(workspace, ours, *options),
    )


_UNSYNCED = ("--durability", "none")

ROWS = (
    _row("health", "health", "ms", "lower", 1, _milliseconds(_health)),
    _row("get", "get state", "ms", "lower", 2, _milliseconds(read)),
    _row("commit-1", "commit of 1 operation, synced", "ms", "lower", 5, _milliseconds(commits(1))),
    _row("commit-10", "commit of 10 operations, synced", "ms", "lower", 7, _milliseconds(commits(10))),
    _row("replay", "replay of 1,000 events", "ms", "lower", 50, _replay),
    _row("reads", "reads, 32 in flight", "ops/s", "higher", 10_000, _throughput(read, 20_000, 32)),
    _row(
        "writes", "writes, synced, 64 in flight", "ops/s", "higher", 2000, _throughput(commits(1), 6000, 64)
    ),
    _row(
        "writes-unsynced",
        "writes, not synced, in transactions of 10, 64 in flight",
        "ops/s",
        "higher",
        20_000,
        lambda address, workspace: 10 * _throughput(commits(10), 2000, 64)(address, workspace),
        *_UNSYNCED,
    ),
)
