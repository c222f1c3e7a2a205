"""LangGraph's own tests, unchanged, pass with ours where they pass with what it keeps in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.langgraph.upstream.exceptions import EXCEPTIONS, TIMED
from tests.langgraph.upstream.runs import PYTHON, Outcomes, run_all
from tests.langgraph.upstream.sources import Sdist, UnreachableError

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests of one sdist.

    Attributes:
        name: Of the distribution.
        tests: What pytest is given.
        at_least: How many of them have to do with savers, stores and caches in memory, about.
    """

    name: str
    tests: tuple[str, ...]
    at_least: int


SUITES = (
    Suite("langgraph", ("tests",), 1400),
    Suite("langgraph-checkpoint", ("tests/test_store.py", "tests/test_memory.py"), 120),
)

Run = Callable[[Suite, bool], dict[str, Outcomes]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a suite, strict or not, once for all tests of this module."""
    done: dict[tuple[Suite, bool], dict[str, Outcomes]] = {}

    def once(suite: Suite, strict: bool) -> dict[str, Outcomes]:
        if not PYTHON.exists():
            pytest.skip("needs .venv-upstream (make .venv-upstream/.installed)")
        if (suite, strict) not in done:
            folder = tmp_path_factory.mktemp("upstream")
            try:
                done[suite, strict] = run_all(Sdist.locked(suite.name), suite.tests, folder, strict=strict)
            except UnreachableError as error:
                pytest.skip(str(error))
        return done[suite, strict]

    return once


every_suite = pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
either_strictness = pytest.mark.parametrize("strict", [False, True], ids=["default", "strict"])


@every_suite
@either_strictness
@pytest.mark.parametrize("standing_in", ["embedded", "daemon"])
def test_what_passes_in_memory_passes_with_ours(
    run: Run, suite: Suite, strict: bool, standing_in: str
) -> None:
    outcomes = run(suite, strict)
    reference, ours = outcomes["reference"], outcomes[standing_in]
    assert len(reference.passed) >= suite.at_least
    assert reference.skipped == ours.skipped
    passed = reference.passed - TIMED
    lost = {name: ours.failed.get(name, "it did not run") for name in passed - ours.passed}
    # No more than the exceptions, and all of them: what passes by now is no exception any longer.
    assert lost.keys() == EXCEPTIONS[suite.name].keys() & reference.passed, (lost, ours.log)


@every_suite
def test_by_default_nothing_fails_in_memory(run: Run, suite: Suite) -> None:
    assert run(suite, False)["reference"].failed == {}
