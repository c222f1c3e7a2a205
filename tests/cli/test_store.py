"""``store status`` and ``store check``: what is there, what is damaged, what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from statehouse import Statehouse
from statehouse.storage import Table
from statehouse.storage.rocksdb import RocksStore

Run = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]


def lose_commits(directory: Path) -> None:
    """Leaves the store with the files of an earlier moment, as a bad restore does."""
    with Statehouse(directory) as sh:
        sh.write("k", 1, agent_id="a")
    shutil.copytree(directory / "rocks", directory.parent / "earlier")
    with Statehouse(directory) as sh:
        sh.write("k", 2, agent_id="a")
        sh.write("k", 3, agent_id="a")
    shutil.rmtree(directory / "rocks")
    shutil.move(directory.parent / "earlier", directory / "rocks")


def damage(directory: Path) -> None:
    """Takes the row away that says which commit wrote version 1."""
    store = RocksStore.open(directory)
    key, _ = store.scan(Table.VERSIONS, b"", b"\xff" * 16)[0]
    store.write([(Table.VERSIONS, key, None)])
    store.sync()
    store.close()


def test_status_has_what_is_to_be_kept_elsewhere(look: Run) -> None:
    found = look("store", "status", "--json").document
    assert (found["state"], found["commit_ts"], found["epoch"]) == ("ok", 6, 1)
    assert len(found["head_digest"]) == 64


def test_status_names_who_holds_the_store(directory: Path, spawn: Spawn) -> None:
    with Statehouse(directory) as sh:
        sh.write("k", 1, agent_id="a")
        out, _ = spawn("store", "status").communicate()
        assert f"process {os.getpid()}" in out.decode()


def test_check_of_a_sound_store_proves_its_head(look: Run) -> None:
    found = look("store", "check", "--json")
    assert (found.code, found.document["ok"], found.document["problems"]) == (0, True, [])
    assert found.document["head_digest"] == look("store", "status", "--json").document["head_digest"]


def test_check_finds_what_is_damaged_and_exits_with_1(run: Run, directory: Path) -> None:
    run("put", "a", "k", "1")
    damage(directory)
    found = run("store", "check", "--json")
    assert (found.code, found.document["ok"]) == (1, False)
    assert {"versions"} == {problem["table"] for problem in found.document["problems"]}


def test_check_says_each_problem_in_a_row(run: Run, directory: Path) -> None:
    run("put", "a", "k", "1")
    damage(directory)
    found = run("store", "check")
    assert found.out.startswith("1\tversions\tversion 1 of default/a/k does not lead to the event\n")
    assert "restore a backup" in found.err


def test_check_finds_commits_that_are_missing(run: Run, directory: Path) -> None:
    lose_commits(directory)
    found = run("store", "check", "--json")
    assert found.code == 1
    assert "2 acknowledged commits are missing" in found.document["problems"][0]["what"]


def test_a_read_warns_of_commits_that_are_missing(run: Run, directory: Path) -> None:
    lose_commits(directory)
    found = run("get", "a", "k")
    assert (found.code, found.out) == (0, "1\n")
    assert "warning: 2 acknowledged commits are missing" in found.err


def test_health_fails_when_commits_are_missing(run: Run, directory: Path) -> None:
    lose_commits(directory)
    assert run("health").code == 6
    assert run("store", "status", "--json").document["state"] == "commits_missing"


def test_a_write_is_refused_until_the_loss_is_accepted(run: Run, directory: Path) -> None:
    lose_commits(directory)
    assert run("put", "a", "k", "4").code == 6
    accepted = run("put", "a", "k", "4", "--accept-data-loss")
    assert accepted.code == 0
    assert "warning: statehouse begins epoch 2" in accepted.err
    assert run("health").code == 0


def test_a_directory_that_is_something_else_is_refused(run: Run, directory: Path) -> None:
    directory.mkdir()
    directory.joinpath("diary.txt").write_text("dear")
    assert run("put", "a", "k", "1").code == 2
    assert run("get", "a", "k").code == 5


def test_a_file_is_no_store(run: Run, directory: Path) -> None:
    directory.write_text("dear")
    assert run("get", "a", "k").code == 2
