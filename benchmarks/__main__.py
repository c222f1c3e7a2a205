"""``python -m benchmarks``: measures, prints one table, and says by its exit code whether floors hold.

Exit codes: 0 every measured row is at or above its floor; 1 one is below, or could not be measured; 2 wrong
arguments; 3 ``--quick``, whatever came out.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import this_machine
from benchmarks.measure import Benchmark, Result, Verdict, measure
from benchmarks.report import as_json, print_table, progress
from benchmarks.rows import ROWS
from benchmarks.workspace import Workspace

ROUNDS = 5
BELOW_FLOOR = 1
NO_VERDICT = 3

_DIRECTORY = Path(__file__).parents[1] / "build" / "bench"


def main(arguments: Sequence[str] | None = None, rows: Sequence[Benchmark] = ROWS) -> int:
    """Measures the rows that are asked for, and gives the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.rounds < 1:
        parser.error("--rounds must be 1 or more")
    chosen = _chosen(rows, given.only)
    if given.list:
        for row in chosen:
            print(f"{row.name:22} {row.what}")
        return 0
    if not chosen:
        parser.error(f"no row is called {given.only!r}; --list shows them")
    directory: Path = given.dir.absolute()
    workspace = Workspace(directory, given.cache or directory / "cache", quick=given.quick)
    machine = this_machine()
    results = [_measured(row, workspace, given.rounds) for row in chosen]
    print_table(results, machine, rounds=given.rounds, quick=given.quick, to=sys.stdout)
    if given.json is not None:
        report = as_json(results, machine, rounds=given.rounds, quick=given.quick)
        given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return exit_code(results, quick=given.quick)


def exit_code(results: Sequence[Result], *, quick: bool) -> int:
    """What the results come to."""
    if quick:
        return NO_VERDICT
    bad = (Verdict.BELOW_FLOOR, Verdict.FAILED)
    return BELOW_FLOOR if any(result.verdict in bad for result in results) else 0


def _chosen(rows: Sequence[Benchmark], pattern: str | None) -> list[Benchmark]:
    """The row of that name; else those whose name contains or matches the pattern."""
    if pattern is None:
        return list(rows)
    named = [row for row in rows if row.name == pattern]
    return named or [row for row in rows if pattern in row.name or fnmatch.fnmatchcase(row.name, pattern)]


def _measured(row: Benchmark, workspace: Workspace, rounds: int) -> Result:
    began = time.perf_counter()
    progress(f"{row.name} ...")
    try:
        result = measure(row, workspace, rounds)
    except Exception as error:  # noqa: BLE001 - the other rows are still worth having; this one fails the run
        traceback.print_exc()
        result = Result(row, (), (), f"{type(error).__name__}: {error}", failed=True)
    said = "done" if workspace.quick and not result.failed else str(result.verdict)
    progress(f"{row.name}: {said}, {time.perf_counter() - began:.0f} s")
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures every promise of speed and size against its baseline.",
    )
    parser.add_argument(
        "--only", metavar="PATTERN", help="the row of this name, or those whose name contains or matches it"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of a row (default: %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="little data, no verdict, exit code 3: for developing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to a file, too")
    parser.add_argument(
        "--dir",
        type=Path,
        default=_DIRECTORY,
        help="where data is written; a real disk (default: build/bench)",
    )
    parser.add_argument(
        "--cache", type=Path, help="where large stores are kept; on the same disk (default: DIR/cache)"
    )
    parser.add_argument("--list", action="store_true", help="list the rows and stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
