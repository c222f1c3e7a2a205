"""Who holds a directory, as others are told: the process that has it open, and no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from statehouse.storage.directory import DataDirectory
from statehouse.storage.rocksdb import RocksStore
from tests.storage.processes import killed_after, python, run


def test_another_process_is_told_who_holds_the_directory(store: RocksStore, path: Path) -> None:
    script = """
        from statehouse.errors import DirectoryLockedError
        try:
            RocksStore.open(path)
        except DirectoryLockedError as error:
            named = str(error.holder["pid"]) in str(error)
            print(error.holder["pid"], "pytest" in error.holder["command"], named)
    """
    assert run(script, path) == f"{os.getpid()} True True"


def test_the_holder_is_no_longer_named_after_close(path: Path) -> None:
    RocksStore.open(path).close()
    assert not (path / "holder").exists()


def test_a_killed_holder_does_not_keep_the_directory(path: Path) -> None:
    killed_after("store = RocksStore.open(path); print('ready', flush=True); os.read(0, 1)", path)
    left = json.loads((path / "holder").read_text())["pid"]
    store = RocksStore.open(path)
    assert json.loads((path / "holder").read_text())["pid"] == os.getpid() != left
    store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="seen in /proc")
def test_a_killed_process_that_nobody_has_waited_for_is_no_holder(path: Path) -> None:
    script = "store = RocksStore.open(path); print('ready', flush=True); os.read(0, 1)"
    with subprocess.Popen(
        [*python(script), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert DataDirectory(path).holder()["pid"] == process.pid
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert DataDirectory(path).holder() == {}


def test_nobody_holds_a_copy_of_a_directory_that_is_open(store: RocksStore, path: Path) -> None:
    shutil.copytree(path, path.with_name("copy"))
    assert DataDirectory(path).holder()["pid"] == os.getpid()
    assert DataDirectory(path.with_name("copy")).holder() == {}
