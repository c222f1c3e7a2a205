"""``run export`` and ``run open``, and every other command on the file of an exported run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from statehouse import Statehouse, debug
from tests.cli.conftest import ran_in_process
from tests.debug.exported import fill, main

Run = Callable[..., Any]


URL = "memory:run-exports"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a run whose store is gone."""
    path = tmp_path_factory.mktemp("exports") / "r-1.shrun"
    with Statehouse("memory:") as sh:
        fill(sh)
        debug.export(sh, "r-1", path)
    return path


@pytest.fixture
def exported(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, alone in the working directory."""
    shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "r-1.shrun"


@pytest.fixture
def run() -> Run:
    """Runs a command, on the store of the run if it names no other."""
    return lambda *args: ran_in_process(*args, url=URL)


@pytest.fixture
def ask(run: Run, exported: Path) -> Run:
    """Runs a command on the file."""
    return lambda *args: run("--url", str(exported), *args)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The store of the run, for as long as the test."""
    monkeypatch.chdir(tmp_path)
    with Statehouse(URL) as sh:
        fill(sh)
        yield


# Writing the file.


def test_an_export_says_what_it_wrote(run: Run, kept: None, tmp_path: Path) -> None:
    ran = run("run", "export", "r-1")
    assert ran.code == 0
    assert "r-1.shrun" in ran.out
    assert "3 steps, " in ran.out
    assert (tmp_path / "r-1.shrun").exists()


def test_an_export_is_told_as_json(run: Run, kept: None) -> None:
    document = run("run", "export", "r-1", "-o", "x.shrun", "--json").document
    assert (document["run_id"], document["steps"], document["status"]) == ("r-1", 3, "finished")
    assert document["file"] == "x.shrun"


def test_a_file_is_replaced_only_by_force(run: Run, kept: None) -> None:
    run("run", "export", "r-1")
    refused = run("run", "export", "r-1")
    assert refused.code == 4
    assert "is there already; --force replaces it" in refused.err
    assert "force=True" not in refused.err
    assert run("run", "export", "r-1", "--force").code == 0


def test_an_export_goes_to_stdout(run: Run, kept: None, tmp_path: Path) -> None:
    (tmp_path / "piped").write_bytes(run("run", "export", "r-1", "-o", "-").raw)
    assert run("run", "open", "piped").code == 0


def test_a_run_that_is_not_there_is_not_exported(run: Run, kept: None, tmp_path: Path) -> None:
    assert run("run", "export", "r-9").code == 3
    assert not (tmp_path / "r-9.shrun").exists()


def test_a_run_whose_name_is_no_name_of_a_file_needs_one(run: Run, kept: None) -> None:
    refused = run("run", "export", "../r-1")
    assert refused.code == 2
    assert "-o FILE" in refused.err


def test_a_directory_that_is_not_there_is_said(run: Run, kept: None) -> None:
    refused = run("run", "export", "r-1", "-o", "nowhere/r.shrun")
    assert refused.code == 2
    assert "cannot write 'nowhere/r.shrun'" in refused.err


def test_a_file_is_copied_and_not_exported_again(ask: Run, exported: Path) -> None:
    refused = ask("run", "export", "r-1", "-o", "again.shrun")
    assert refused.code == 2
    assert "copy the file" in refused.err


# What the file is.


def test_open_says_what_the_file_is_and_how_to_go_on(run: Run, exported: Path) -> None:
    out = run("run", "open", exported.name).out
    assert "checksum  ok" in out
    assert "statehousectl --url r-1.shrun run show r-1" in out


def test_open_as_json(run: Run, exported: Path) -> None:
    document = run("run", "open", exported.name, "--json").document
    assert (document["ok"], document["run_id"], document["agent_id"]) == (True, "r-1", "planner")
    assert document["started_at"].endswith("Z")


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda data: data[:-9], "is cut"),
        (lambda data: b"", "not an exported run"),
        (lambda data: b"hello", "not an exported run"),
        (lambda data: data + data, "more after its trailer"),
    ],
)
def test_a_damaged_file_exits_with_6(
    run: Run, exported: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    exported.write_bytes(damage(exported.read_bytes()))
    for command in (("run", "open", exported.name), ("--url", exported.name, "run", "show", "r-1")):
        ran = run(*command)
        assert ran.code == 6
        assert words in ran.err
        assert ran.err.count("\n") == 1


def test_a_file_that_is_not_there_is_said(run: Run, tmp_path: Path) -> None:
    assert run("run", "open", str(tmp_path / "x.shrun")).code == 3
    ran = run("--url", str(tmp_path / "x.shrun"), "run", "list")
    assert ran.code == 5
    assert "there is no exported run" in ran.err


# The file as a store.


@pytest.mark.parametrize(
    "command",
    [
        ("run", "show", "r-1"),
        ("run", "show", "r-1", "--step", "plan#2"),
        ("run", "reads", "r-1", "plan#1"),
        ("run", "list"),
        ("blame", "planner", "seen"),
        ("find", "r-1"),
        ("get", "planner", "seen"),
        ("keys", "planner", "part/"),
        ("state", "planner", "seen"),
        ("store", "status"),
        ("store", "check"),
        ("agents",),
        ("run", "verify", "r-1", "tests.debug.exported:main"),
    ],
    ids=" ".join,
)
def test_a_command_takes_the_file_as_its_store(ask: Run, command: tuple[str, ...]) -> None:
    ran = ask(*command, "--json")
    assert ran.code == 0
    assert [json.loads(line) for line in ran.out.splitlines()]
    assert "this is the run r-1, exported" in ran.err


@pytest.mark.parametrize(
    "command",
    [
        ("get", "planner", "secret"),
        ("state", "planner"),
        ("history", "planner", "seen"),
        ("replay",),
        ("run", "show", "r-0"),
    ],
    ids=" ".join,
)
def test_what_the_file_does_not_hold_is_said_and_no_absence(ask: Run, command: tuple[str, ...]) -> None:
    ran = ask(*command)
    assert ran.code == 3
    assert "ask the store that it came from" in ran.err


def test_a_file_is_not_written_to(ask: Run, exported: Path) -> None:
    before = exported.read_bytes()
    for command in (("put", "planner", "seen", "1"), ("delete", "planner", "seen")):
        refused = ask(*command)
        assert refused.code == 2
        assert "read-only" in refused.err
    assert exported.read_bytes() == before


def test_a_file_is_known_by_what_it_is_whatever_it_is_called(run: Run, exported: Path) -> None:
    exported.rename(exported.parent / "bug-report")
    for url in ("./bug-report", "file:bug-report", f"file:{exported.parent}/bug-report"):
        assert run("--url", url, "run", "list").code == 0


@pytest.mark.slow
def test_another_machine_is_told_the_same_as_where_the_run_was(directory: Path, tmp_path: Path) -> None:
    with Statehouse(directory) as sh:
        fill(sh)
        with sh.run(agent_id="planner", run_id="r-2") as last:
            main(last)
    questions = (
        ("run", "show", "r-2", "--json"),
        ("run", "reads", "r-2", "plan#2", "--json"),
        ("blame", "planner", "seen", "--json"),
    )
    there = [ran_in_process(*question, url=f"file:{directory}").out for question in questions]
    path = tmp_path / "elsewhere" / "r-2.shrun"
    path.parent.mkdir()
    export = ("run", "export", "r-2", "-o", str(path))
    assert ran_in_process(*export, url=f"file:{directory}").code == 0
    shutil.rmtree(directory)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STATEHOUSE_")}
    for question, wanted in zip(questions, there, strict=True):
        ran = subprocess.run(
            [sys.executable, "-m", "statehouse", "--url", path.name, *question],
            cwd=path.parent,
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == wanted
