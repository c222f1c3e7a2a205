"""The rows of the table, in its order."""

from __future__ import annotations

from benchmarks.measure import Benchmark
from benchmarks.rows import (
    commits,
    debugging,
    langgraph,
    reads,
    replays,
    sizes,
    specification,
    starts,
    steps,
    tracing,
    wire,
)

ROWS: tuple[Benchmark, ...] = (
    reads.POINT_READ,
    *commits.ROWS,
    *replays.ROWS,
    *reads.AMONG_MANY,
    *sizes.ROWS,
    *starts.ROWS,
    *wire.ROWS,
    *specification.ROWS,
    *langgraph.ROWS,
    *tracing.ROWS,
    *steps.ROWS,
    *debugging.ROWS,
)
