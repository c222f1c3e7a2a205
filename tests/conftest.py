"""What every test of this repository shares: strictness about skips, time limits, Hypothesis."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

SLOW_TIMEOUT_SECONDS = 900  # and faulthandler_timeout, in pyproject.toml, after it

# Reproducible, so that a commit that was green stays green; two noisy cores say nothing about deadlines.
settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# For looking for trouble: pytest --hypothesis-profile=search
settings.register_profile("search", settings.get_profile("house"), derandomize=False, max_examples=2000)

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives slow tests the time they need."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_SECONDS))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test whose tools are missing, naming them."""
    needed = [tool for marker in item.iter_markers("needs") for tool in marker.args]
    missing = [tool for tool in needed if not _is_here(tool)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def _is_here(tool: str) -> bool:
    if tool == "root":
        return hasattr(os, "geteuid") and os.geteuid() == 0
    if tool == "postgresql":
        # Debian keeps the programs of its servers off the path.
        return any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return shutil.which(tool) is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a skipped test where all of them are required."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fails a skipped module where all of them are required."""
    return _refuse_skip((yield))


def _refuse_skip(report: Report) -> Report:
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("STATEHOUSE_REQUIRE_ALL"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.outcome = "failed"
        report.longrepr = f"STATEHOUSE_REQUIRE_ALL is set, and this was skipped: {reason}"
    return report
