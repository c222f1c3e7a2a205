"""Runs of LangGraph's own tests, each in a process of its own, with one thing or another standing in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from tests.langgraph.upstream.sources import ROOT, Sdist

PYTHON: Final = ROOT / ".venv-upstream" / "bin" / "python"
STANDING_IN: Final = ("reference", "embedded", "daemon")
RUN_S: Final = 800
TEST_S: Final = 60
OF_THE_CALLER: Final = ("STATEHOUSE_", "LANGCHAIN_", "LANGGRAPH_", "LANGSMITH_")
"""Variables that would decide what the tests do."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of each test of a run.

    Attributes:
        passed: Tests that passed.
        failed: Tests that failed, or could not begin, each with the first line of why.
        skipped: Tests that LangGraph skips here.
        log: What pytest printed.
    """

    passed: frozenset[str]
    failed: dict[str, str]
    skipped: frozenset[str]
    log: Path


def run_all(sdist: Sdist, tests: Sequence[str], folder: Path, *, strict: bool) -> dict[str, Outcomes]:
    """Runs some of an sdist's tests three times at once, and gives the outcomes by what stood in.

    Raises:
        UnreachableError: The sdist cannot be had.
        TimeoutExpired: They did not end.
    """
    sources = sdist.unpacked()

    def run(standing_in: str) -> Outcomes:
        return _run(sources, tests, folder / f"{sdist.name}-{standing_in}", standing_in, strict=strict)

    # They sleep most of the time.
    with ThreadPoolExecutor(len(STANDING_IN)) as threads:
        return dict(zip(STANDING_IN, threads.map(run, STANDING_IN), strict=True))


def _run(sources: Path, tests: Sequence[str], out: Path, standing_in: str, *, strict: bool) -> Outcomes:
    out.mkdir(parents=True)
    report, log = out / "report.xml", out / "log.txt"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(OF_THE_CALLER)},
        "PYTHONPATH": str(Path(__file__).parent),
        "STATEHOUSE_STANDS_IN": standing_in,
        # Its word for: no Redis, no PostgreSQL.
        "NO_DOCKER": "true",
        "LANGGRAPH_STRICT_MSGPACK": str(strict).lower(),
        "TMPDIR": str(out),
    }
    command = [str(PYTHON), "-m", "pytest", "-p", "substitution", "-p", "no:cacheprovider"]
    command += [f"--junit-xml={report}", f"--timeout={TEST_S}", "--tb=short", "-W", "ignore", *tests]
    with log.open("w") as file:
        subprocess.run(
            command, cwd=sources, env=environment, stdout=file, stderr=file, timeout=RUN_S, check=False
        )
    assert report.exists(), f"pytest did not run: {log.read_text()[-2000:]}"
    return _outcomes(report, log)


def _outcomes(report: Path, log: Path) -> Outcomes:
    passed, failed, skipped = set(), {}, set()
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
        if wrong is not None:
            failed[name] = (wrong.get("message") or "").partition("\n")[0]
        elif case.find("skipped") is not None:
            skipped.add(name)
        else:
            passed.add(name)
    # A test may pass, and its teardown fail.
    return Outcomes(frozenset(passed - failed.keys()), failed, frozenset(skipped), log)
