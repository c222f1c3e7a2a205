"""The table for people and the JSON for programs."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.machine import Machine
from benchmarks.measure import Benchmark, Result, Unit, Verdict

_PLAIN_WIDTH = 200
_COLOURS = {
    Verdict.MET: "green",
    Verdict.ABOVE_FLOOR: "yellow",
    Verdict.BELOW_FLOOR: "bold red",
    Verdict.FAILED: "bold red",
}
_QUICK = "QUICK: a twentieth of the data, so the figures mean nothing and there is no verdict"


def print_table(results: Sequence[Result], machine: Machine, *, rounds: int, quick: bool, to: TextIO) -> None:
    """Prints every row, what it was measured on, and what the figures do not say."""
    rich = to.isatty()
    console = Console(file=to, width=None if rich else _PLAIN_WIDTH, highlight=False)
    console.print(
        f"Median of {rounds} interleaved rounds." + (f" {_QUICK}." if quick else ""), soft_wrap=True
    )
    table = Table(box=box.HEAVY_HEAD if rich else box.MARKDOWN)
    table.add_column("row")
    table.add_column("against")
    for name in ("ours", "theirs", "ratio", "target", "floor"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for result in results:
        benchmark = result.benchmark
        ratio = result.ratio
        verdict = result.verdict
        table.add_row(
            benchmark.what,
            benchmark.against or "-",
            _figure(result.ours, benchmark.unit),
            _figure(result.theirs, benchmark.unit),
            "-" if ratio is None else f"{ratio:.2f} x",
            _bound(benchmark, benchmark.target),
            _bound(benchmark, benchmark.floor),
            "-" if quick and not result.failed else f"[{_COLOURS[verdict]}]{verdict}[/]",
        )
    console.print(table)
    for result in results:
        if result.notes:
            console.print(f"{result.benchmark.name}: {result.notes}", markup=False, soft_wrap=True)
    console.print(str(machine), markup=False, soft_wrap=True)


def _bound(benchmark: Benchmark, bound: float) -> str:
    if math.isinf(bound):
        return "-"
    number = f"{bound:.2f} x" if benchmark.against else f"{bound:g} {benchmark.unit}"
    return f"{'>=' if benchmark.better == 'higher' else '<='} {number}"


def _figure(rounds: Sequence[float], unit: Unit) -> str:
    if not rounds:
        return "-"
    median = statistics.median(rounds)
    match unit:
        case "bytes":
            return f"{median:,.0f} B"
        case "ops/s":
            return f"{median:,.0f}/s ({1e6 / median:,.1f} us)"
        case _:
            return f"{median:,.2f} {unit}"


def as_json(results: Sequence[Result], machine: Machine, *, rounds: int, quick: bool) -> dict[str, Any]:
    """Everything in the table, and the figures of every round."""
    return {
        "machine": machine.as_json(),
        "rounds": rounds,
        "quick": quick,
        "rows": [_row(result, quick=quick) for result in results],
    }


def _row(result: Result, *, quick: bool) -> dict[str, Any]:
    benchmark = result.benchmark
    return {
        "name": benchmark.name,
        "what": benchmark.what,
        "against": benchmark.against or None,
        "unit": benchmark.unit,
        "better": benchmark.better,
        "target": benchmark.target,
        "floor": benchmark.floor if math.isfinite(benchmark.floor) else None,
        "ours": statistics.median(result.ours) if result.ours else None,
        "theirs": statistics.median(result.theirs) if result.theirs else None,
        "ratio": result.ratio,
        "verdict": None if quick and not result.failed else result.verdict.value,
        "ours_rounds": list(result.ours),
        "theirs_rounds": list(result.theirs),
        "notes": result.notes,
    }


def progress(line: str) -> None:
    """Says on standard error how far it is."""
    print(line, file=sys.stderr, flush=True)
