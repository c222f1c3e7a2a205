"""Checks that each promise is kept by tests: ``tests/claims.toml`` against what pytest collects and ran.

A promise is a guarantee (G1 to G8, all must be there) or an item of the feature list in
``docs/features.md`` (a list item that begins with ``**Name.**``). Each names the tests that prove it, as
pytest prints them; a test without its parameters means all of them, a file all of its tests.

    python tools/claims.py                    exit 1 if a test is missing, deselected, or marked to be skipped
    python tools/claims.py --reports FOLDER   also if one did not pass in the JUnit reports there
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
CLAIMS: Final = ROOT / "tests" / "claims.toml"
FEATURES: Final = ROOT / "docs" / "features.md"
GUARANTEES: Final = tuple(f"G{number}" for number in range(1, 9))


@dataclass(slots=True)
class Collected:
    """What pytest finds, seen from inside as a plugin.

    Attributes:
        runs: The node ids of tests that will run.
        set_aside: Node ids of tests that will not, with why.
    """

    runs: set[str] = field(default_factory=set)
    set_aside: dict[str, str] = field(default_factory=dict)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Notes what an option or a plugin took out."""
        self.set_aside |= {item.nodeid: "deselected" for item in items}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Notes what is left, and what of it says that it never runs."""
        for item in session.items:
            unsure = [name for name in ("skip", "xfail") if item.get_closest_marker(name)]
            if unsure:
                self.set_aside[item.nodeid] = f"marked {unsure[0]}"
            else:
                self.runs.add(item.nodeid)


def load(text: str) -> dict[str, list[str]]:
    """Gives the tests of each promise, guarantees by number and features by name.

    Raises:
        ValueError: A table that is no promise, or a promise without a list of tests.
    """
    promises: dict[str, list[str]] = {}
    for group, members in tomllib.loads(text).items():
        if group not in {"guarantees", "features"}:
            raise ValueError(f"[{group}] is neither guarantees nor features")
        for name, claim in members.items():
            tests = claim.get("tests")
            if not isinstance(tests, list) or not isinstance(claim.get("promise"), str):
                # What is wrong is a file's contents, not an argument's type.
                raise ValueError(f"[{group}.{name}] needs a promise and a list of tests")  # noqa: TRY004
            promises[name] = tests
    return promises


def promised(features: str) -> list[str]:
    """Gives the names of everything that must be proved: the guarantees, and the features of a page."""
    return [*GUARANTEES, *re.findall(r"^[*-] \*\*(.+?)\.?\*\*", features, re.MULTILINE)]


def belongs(nodeid: str, test: str) -> bool:
    """Says whether a node is the test, or one of its parameters, or lies in the class or file."""
    return nodeid == test or nodeid.startswith((f"{test}[", f"{test}::"))


def complaints(promises: dict[str, list[str]], names: list[str], collected: Collected) -> list[str]:
    """Says which promises have no tests, and which tests will not run."""
    found = [f"{name}: promised, and no tests in claims.toml" for name in names if not promises.get(name)]
    found += [f"{name}: in claims.toml, and promised nowhere" for name in promises if name not in names]
    for name, tests in promises.items():
        for test in tests:
            aside = [why for nodeid, why in collected.set_aside.items() if belongs(nodeid, test)]
            if aside:
                found.append(f"{name}: {test} is {aside[0]}")
            elif not any(belongs(nodeid, test) for nodeid in collected.runs):
                found.append(f"{name}: {test} does not exist")
    return found


def not_passed(promises: dict[str, list[str]], collected: Collected, outcomes: dict[str, str]) -> list[str]:
    """Says which tests of a promise did not pass in the reports."""
    found = []
    for name, tests in promises.items():
        nodes = sorted(nodeid for nodeid in collected.runs if any(belongs(nodeid, test) for test in tests))
        for nodeid in nodes:
            outcome = outcomes.get(report_name(nodeid), "not run")
            if outcome != "passed":
                found.append(f"{name}: {nodeid} was {outcome}")
    return found


def report_name(nodeid: str) -> str:
    """Gives the name that a JUnit report has for a node: dotted module and classes, then the test."""
    bare, bracket, parameters = nodeid.partition("[")
    path, *inner = bare.split("::")
    return ".".join([path.removesuffix(".py").replace("/", "."), *inner]) + bracket + parameters


def read_outcomes(folder: Path) -> dict[str, str]:
    """Gives the outcome of every test in the reports of a folder."""
    outcomes: dict[str, str] = {}
    for report in sorted(folder.glob("*.xml")):
        # Written by our own pytest a moment ago, not by a stranger.
        for case in ET.parse(report).iter("testcase"):  # noqa: S314
            bad = [child.tag for child in case if child.tag in {"skipped", "failure", "error"}]
            outcomes[f"{case.get('classname')}.{case.get('name')}"] = bad[0] if bad else "passed"
    return outcomes


def main() -> int:
    """Prints what is not proved; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reports", type=Path, help="a folder of JUnit reports where each must have passed")
    arguments = parser.parse_args()
    promises = load(CLAIMS.read_text())
    names = promised(FEATURES.read_text() if FEATURES.exists() else "")
    collected = Collected()
    listing = StringIO()
    with chdir(ROOT), redirect_stdout(listing):
        code = pytest.main(
            ["--collect-only", "-qq", "--no-summary", "-pno:cacheprovider"], plugins=[collected]
        )
    if code != pytest.ExitCode.OK:
        print(f"{listing.getvalue()}\npytest cannot collect the tests: {code!r}")
        return 1
    wrong = complaints(promises, names, collected)
    if arguments.reports is not None:
        wrong += not_passed(promises, collected, read_outcomes(arguments.reports))
    print("\n".join(wrong) or f"{len(promises)} promises, each with tests")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
