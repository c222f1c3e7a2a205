"""The check of promises: what it must notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.claims import (
    Collected,
    belongs,
    complaints,
    load,
    not_passed,
    promised,
    read_outcomes,
    report_name,
)

HERE = "tests/a/test_b.py::test_c"


def test_a_promise_without_tests_is_noticed() -> None:
    assert complaints({"G1": []}, ["G1"], Collected()) == ["G1: promised, and no tests in claims.toml"]


def test_a_feature_of_the_page_without_a_claim_is_noticed() -> None:
    names = promised("Some prose.\n\n* **As of.** Every read.\n* **Replay**: live.\n")
    assert names[-2:] == ["As of", "Replay"]
    assert "Replay: promised, and no tests in claims.toml" in complaints({}, names, Collected())


def test_a_claim_that_nobody_promised_is_noticed() -> None:
    found = complaints({"G9": [HERE]}, [], Collected(runs={HERE}))
    assert found == ["G9: in claims.toml, and promised nowhere"]


def test_a_test_that_does_not_exist_is_noticed() -> None:
    found = complaints({"G1": [HERE]}, ["G1"], Collected(runs={"tests/a/test_b.py::test_cd"}))
    assert found == [f"G1: {HERE} does not exist"]


def test_a_test_that_is_set_aside_is_noticed() -> None:
    collected = Collected(runs={f"{HERE}[memory]"}, set_aside={f"{HERE}[rocksdb]": "deselected"})
    assert complaints({"G1": [HERE]}, ["G1"], collected) == [f"G1: {HERE} is deselected"]


@pytest.mark.parametrize(
    "test", ["tests/a/test_b.py", "tests/a/test_b.py::TestX", "tests/a/test_b.py::TestX::test_c"]
)
def test_a_file_a_class_and_a_test_stand_for_what_is_in_them(test: str) -> None:
    assert belongs("tests/a/test_b.py::TestX::test_c[one]", test)


def test_a_test_that_was_skipped_or_never_ran_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "fast.xml").write_text(
        '<testsuites><testsuite><testcase classname="tests.a.test_b" name="test_c[1]"/>'
        '<testcase classname="tests.a.test_b" name="test_c[2]"><skipped/></testcase></testsuite></testsuites>'
    )
    collected = Collected(runs={f"{HERE}[1]", f"{HERE}[2]", f"{HERE}[3]"})
    found = not_passed({"G1": [HERE]}, collected, read_outcomes(tmp_path))
    assert found == [f"G1: {HERE}[2] was skipped", f"G1: {HERE}[3] was not run"]


def test_a_report_names_a_node_by_dots() -> None:
    assert (
        report_name("tests/a/test_b.py::TestX::test_c[a/b.py::d]") == "tests.a.test_b.TestX.test_c[a/b.py::d]"
    )


@pytest.mark.parametrize(
    "text", ["[other.G1]\n", '[guarantees.G1]\npromise = "x"\n', "[guarantees.G1]\ntests = []\n"]
)
def test_a_claim_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither|needs"):
        load(text)
