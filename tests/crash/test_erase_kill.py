"""A process is killed with -9 in the middle of an erase: nothing is damaged, and erasing again ends it."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from statehouse.engine import LocalEngine
from statehouse.protocol.requests import History
from tests.crash.erasing import ERASE, expected
from tests.crash.killing import REPOSITORY, open_directory
from tests.engine_faults.workload import assert_sound


def kill_after(parts: int, more_bytes: int, directory: Path, seed: int) -> None:
    """Kills a process that erases, some time after it has done so many parts."""
    command = [sys.executable, "-W", "error", "-m", "tests.crash.erasing", str(directory), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        seen = process.stdout.read(parts)
        # At an arbitrary moment of the next part, which depends on nothing but the machine.
        for _ in range(more_bytes):
            pass
        process.kill()
        assert len(seen) == parts, process.stderr.read().decode()


def judge(engine: LocalEngine, seed: int) -> int:
    """Every version is whole or erased; gives how many are erased."""
    erased = 0
    values = expected(seed)
    for key in {key for key, _ in values}:
        for entry in engine.execute(History(key)).entries:
            if entry.kind == "erased":
                erased += 1
            else:
                assert entry.payload is not None
                assert entry.payload.data == values[key, entry.version]
            assert entry.kind == "write" or not key.key.startswith("small")
    assert_sound(engine)
    return erased


def kill_and_judge(path: Path, *, cycles: int, seed: int) -> None:
    moments = random.Random(seed)
    for cycle in range(cycles):
        directory = path / f"store {cycle}"
        erased = 0
        for _ in range(moments.randint(1, 3)):
            kill_after(moments.randint(1, 25), moments.randint(0, 200_000), directory, seed + cycle)
            engine = open_directory(directory)
            now = judge(engine, seed + cycle)
            engine.close()
            assert now >= erased
            erased = now
        engine = open_directory(directory)
        erase = ERASE
        while True:
            part = engine.execute(erase)
            if part.cursor is None:
                break
            erase = replace(ERASE, cursor=part.cursor)
        judge(engine, seed + cycle)
        kinds = {
            entry.kind
            for key, _ in expected(seed + cycle)
            if key.key.startswith(ERASE.prefixes)
            for entry in engine.execute(History(key)).entries
        }
        assert kinds == {"erased"}
        engine.close()


@pytest.mark.slow
def test_a_dozen_kills_in_the_middle_of_erases(tmp_path: Path) -> None:
    """G1, G6."""
    kill_and_judge(tmp_path, cycles=12, seed=7)
