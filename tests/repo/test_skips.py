"""A test that could not run says so, and is a failure where all of them are required."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[1] / "conftest.py"
NEEDY = """
    import pytest

    @pytest.mark.needs("no-such-program")
    def test_x(): pass
"""


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makeini("[pytest]\nmarkers =\n    slow: x\n    needs: x\n")
    return pytester


def test_a_missing_tool_skips_the_test_by_name(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATEHOUSE_REQUIRE_ALL", raising=False)
    inner.makepyfile(NEEDY)
    result = inner.runpytest_inprocess("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*needs no-such-program*")


def test_a_skip_is_a_failure_where_all_are_required(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATEHOUSE_REQUIRE_ALL", "1")
    inner.makepyfile(NEEDY)
    result = inner.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*STATEHOUSE_REQUIRE_ALL is set, and this was skipped: *no-such-program*")


def test_a_skipped_module_is_a_failure_where_all_are_required(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATEHOUSE_REQUIRE_ALL", "1")
    inner.makepyfile("import pytest\npytest.importorskip('no_such_module')")
    result = inner.runpytest_inprocess()
    result.assert_outcomes(errors=1)


def test_an_expected_failure_stays_one(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATEHOUSE_REQUIRE_ALL", "1")
    inner.makepyfile("import pytest\n@pytest.mark.xfail\ndef test_x(): assert False")
    inner.runpytest_inprocess().assert_outcomes(xfailed=1)
