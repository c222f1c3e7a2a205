"""The locks: what makes them fall out of step."""

from __future__ import annotations

from pathlib import Path

import pytest

import tools.lock
from tools.lock import MARK, Lock, complaints, fingerprint

PROJECT = """
[project]
requires-python = ">=3.11"
dependencies = [{}]
[project.optional-dependencies]
testing = []
"""
PIN = "click==8.1 \\\n    --hash=sha256:00\n"
RUNTIME = Lock("runtime", projects=(".",))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tools.lock, "ROOT", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "pyproject.toml").write_text(PROJECT.format('"click"'))
    (tmp_path / "requirements/runtime.lock").write_text(f"{MARK}{fingerprint(RUNTIME)}\n{PIN}")
    return tmp_path


@pytest.mark.usefixtures("root")
def test_a_lock_made_from_its_inputs_is_in_step() -> None:
    assert complaints(RUNTIME) == []


def test_a_new_dependency_puts_a_lock_out_of_step(root: Path) -> None:
    (root / "pyproject.toml").write_text(PROJECT.format('"click", "rich"'))
    assert "not in step" in complaints(RUNTIME)[0]


def test_a_comment_does_not_put_a_lock_out_of_step(root: Path) -> None:
    own = Lock("dev")
    (root / "requirements/dev.in").write_text("mypy  # types\n")
    before = fingerprint(own)
    (root / "requirements/dev.in").write_text("# Checks.\nmypy\n")
    assert fingerprint(own) == before


def test_a_lock_like_another_falls_out_of_step_when_a_version_of_the_other_changes(root: Path) -> None:
    like = Lock("other", like="runtime")
    before = fingerprint(like)
    path = root / "requirements/runtime.lock"
    path.write_text(path.read_text().replace("click==8.1", "click==8.2"))
    assert fingerprint(like) != before


@pytest.mark.parametrize("line", ["--pre x\n", "click @ file://x \\\n", "click==8.1\n"])
def test_a_lock_that_names_an_index_a_file_or_no_hash_is_noticed(root: Path, line: str) -> None:
    path = root / "requirements/runtime.lock"
    path.write_text(path.read_text() + line)
    assert len(complaints(RUNTIME)) == 1


def test_a_missing_lock_is_noticed(root: Path) -> None:
    (root / "requirements/runtime.lock").unlink()
    assert "missing" in complaints(RUNTIME)[0]
