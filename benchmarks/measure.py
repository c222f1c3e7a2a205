"""Measuring one row: both sides in turn, the median of the rounds, and what to say of it.

A row compares a figure of ours with a baseline's, or with a fixed number where there is no baseline. The
sides run A B A B ..., and the ratio is taken within a round: whatever slows the machine for a while slows
both sides of that round.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from benchmarks.workspace import Workspace

Unit = Literal["ops/s", "ms", "us", "s", "bytes"]
Figure = Callable[[], float]


class Verdict(StrEnum):
    """What a row came to."""

    MET = "met"
    ABOVE_FLOOR = "above floor"
    BELOW_FLOOR = "BELOW FLOOR"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides of a row, ready to be measured.

    Attributes:
        ours: Measures ours once, in the row's unit.
        theirs: Measures the baseline once; None for a row that is judged by itself.
        notes: Says, after the last round, what the figures do not.
    """

    ours: Figure
    theirs: Figure | None = None
    notes: Callable[[], str] = field(default=lambda: "")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One row of the table.

    Attributes:
        name: A short name, for ``--only``.
        what: What is measured.
        against: What it is compared with; empty for a row that is judged by itself.
        unit: Of both figures.
        better: Whether a higher ratio (or figure) is better, or a lower one.
        target: What it is meant to reach.
        floor: What it must reach.
        prepare: Makes the sides; what it made is gone when the context ends.
    """

    name: str
    what: str
    against: str
    unit: Unit
    better: Literal["higher", "lower"]
    target: float
    floor: float
    prepare: Callable[[Workspace], AbstractContextManager[Sides]]

    def verdict(self, figure: float) -> Verdict:
        """What a median (a ratio, or the figure of a row judged by itself) comes to."""
        sign = 1 if self.better == "higher" else -1
        if figure * sign >= self.target * sign:
            return Verdict.MET
        return Verdict.ABOVE_FLOOR if figure * sign >= self.floor * sign else Verdict.BELOW_FLOOR


@dataclass(frozen=True, slots=True)
class Result:
    """A row that was measured.

    Attributes:
        benchmark: The row.
        ours: Our figure of each round.
        theirs: The baseline's; empty for a row that is judged by itself.
        notes: What the figures do not say, or why it failed.
        failed: Whether it could not be measured.
    """

    benchmark: Benchmark
    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()
    notes: str = ""
    failed: bool = False

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios; None for a row without a baseline, or that failed."""
        if not self.theirs:
            return None
        return statistics.median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    @property
    def verdict(self) -> Verdict:
        """What it came to."""
        if self.failed:
            return Verdict.FAILED
        ratio = self.ratio
        return self.benchmark.verdict(statistics.median(self.ours) if ratio is None else ratio)


def measure(benchmark: Benchmark, workspace: Workspace, rounds: int) -> Result:
    """Measures a row: ours, theirs, ours, theirs, for so many rounds.

    Raises:
        Exception: Whatever preparing or measuring it raises.
    """
    ours: list[float] = []
    theirs: list[float] = []
    with benchmark.prepare(workspace) as sides:
        for _ in range(rounds):
            ours.append(sides.ours())
            if sides.theirs is not None:
                theirs.append(sides.theirs())
        notes = sides.notes()
    return Result(benchmark, tuple(ours), tuple(theirs), notes)
