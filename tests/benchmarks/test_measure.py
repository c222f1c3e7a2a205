"""The harness of the benchmarks: order, medians, ratios, verdicts, exit codes."""

from __future__ import annotations

import ast
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import benchmarks.baselines
from benchmarks.__main__ import exit_code, main
from benchmarks.machine import this_machine
from benchmarks.measure import Benchmark, Result, Sides, Verdict, measure
from benchmarks.report import print_table
from benchmarks.rows import ROWS
from benchmarks.values import Values, encoded_size
from benchmarks.workspace import Workspace, copy_store, size_bytes


def rounds_of(figures: Sequence[float], said: list[str], side: str) -> Callable[[], float]:
    left = iter(figures)

    def figure() -> float:
        said.append(side)
        return next(left)

    return figure


def higher(ours: Sequence[float], theirs: Sequence[float] | None, said: list[str] | None = None) -> Benchmark:
    log = [] if said is None else said

    @contextmanager
    def prepare(_: Workspace) -> Iterator[Sides]:
        yield Sides(rounds_of(ours, log, "A"), None if theirs is None else rounds_of(theirs, log, "B"))

    return Benchmark(
        "row", "what", "against" if theirs else "", "ops/s", "higher", target=0.5, floor=0.2, prepare=prepare
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "data", tmp_path / "cache")


def test_the_sides_run_in_turn(workspace: Workspace) -> None:
    said: list[str] = []
    measure(higher([1, 1, 1], [1, 1, 1], said), workspace, 3)
    assert "".join(said) == "ABABAB"


def test_the_ratio_is_the_median_of_the_ratios_of_the_rounds(workspace: Workspace) -> None:
    result = measure(higher([10, 50, 90], [100, 100, 100]), workspace, 3)
    assert result.ratio == 0.5


def test_a_round_in_which_the_machine_was_slow_for_both_counts_as_any_other(workspace: Workspace) -> None:
    result = measure(higher([50, 5, 50], [100, 10, 100]), workspace, 3)
    assert result.ratio == 0.5


def test_a_row_without_a_baseline_is_judged_by_its_median(workspace: Workspace) -> None:
    result = measure(higher([0.1, 0.3, 9], None), workspace, 3)
    assert (result.ratio, result.verdict) == (None, Verdict.ABOVE_FLOOR)


@pytest.mark.parametrize(
    "better, figure, verdict",
    [
        ("higher", 0.50, Verdict.MET),
        ("higher", 0.49, Verdict.ABOVE_FLOOR),
        ("higher", 0.20, Verdict.ABOVE_FLOOR),
        ("higher", 0.19, Verdict.BELOW_FLOOR),
        ("lower", 1.5, Verdict.MET),
        ("lower", 1.6, Verdict.ABOVE_FLOOR),
        ("lower", 2.5, Verdict.ABOVE_FLOOR),
        ("lower", 2.6, Verdict.BELOW_FLOOR),
    ],
)
def test_a_figure_at_a_bound_still_reaches_it(better: str, figure: float, verdict: Verdict) -> None:
    target, floor = (0.5, 0.2) if better == "higher" else (1.5, 2.5)
    prepare = higher([], []).prepare
    row = Benchmark("row", "", "x", "ops/s", better, target=target, floor=floor, prepare=prepare)  # type: ignore[arg-type]
    assert row.verdict(figure) == verdict


@pytest.mark.parametrize("ours, code", [(0.6, 0), (0.3, 0), (0.1, 1)])
def test_the_exit_code_says_whether_every_floor_holds(ours: float, code: int) -> None:
    results = [Result(higher([], []), (0.9,), (1.0,)), Result(higher([], []), (ours,), (1.0,))]
    assert exit_code(results, quick=False) == code


def test_a_row_that_could_not_be_measured_fails_the_run() -> None:
    assert exit_code([Result(higher([], []), (), failed=True)], quick=False) == 1


@pytest.mark.parametrize("ours", [0.6, 0.1])
def test_a_quick_run_has_no_verdict(ours: float) -> None:
    assert exit_code([Result(higher([], []), (ours,), (1.0,))], quick=True) == 3


def test_a_run_measures_every_row_although_one_raises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [higher([], []), higher([2.0] * 5, [4.0] * 5)]
    report = tmp_path / "report.json"
    code = main(["--dir", str(tmp_path / "data"), "--json", str(report)], rows)
    found = json.loads(report.read_text())["rows"]
    assert (code, [row["verdict"] for row in found], found[1]["ratio"]) == (1, ["FAILED", "met"], 0.5)
    assert "StopIteration" in capsys.readouterr().err


def test_a_pattern_that_names_no_row_is_a_wrong_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "no such row"])
    assert (ended.value.code, "no such row" in capsys.readouterr().err) == (2, True)


def test_the_table_says_below_floor_where_it_is() -> None:
    table = io.StringIO()
    print_table([Result(higher([], []), (0.1,), (1.0,))], this_machine(), rounds=1, quick=False, to=table)
    assert "BELOW FLOOR" in table.getvalue()


def test_every_row_has_a_name_of_its_own_and_a_floor_no_better_than_its_target() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.verdict(row.target) == Verdict.MET
        assert row.verdict(row.floor) == Verdict.ABOVE_FLOOR


def test_the_baselines_import_nothing_of_ours() -> None:
    folder = Path(benchmarks.baselines.__file__).parent
    imported = set()
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert imported - sys.stdlib_module_names == {"dbos", "grpc", "langgraph", "rocksdict"}


@pytest.mark.parametrize("size", [100, 200, 1024])
def test_a_document_is_of_exactly_the_size_that_was_asked_for(size: int) -> None:
    assert encoded_size(Values(1).document(size)) == size


def test_a_copied_store_leaves_its_source_alone(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "rocks").mkdir(parents=True)
    for name in ("1.sst", "2.log"):
        (source / "rocks" / name).write_bytes(b"as it was")
    copy_store(source, target)
    (target / "rocks" / "1.sst").unlink()
    (target / "rocks" / "2.log").write_bytes(b"changed")
    assert size_bytes(source) == 18
