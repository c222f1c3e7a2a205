"""Single system calls fail, or the process is killed in them, with strace."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from statehouse.protocol.requests import Get, LookupTxn, Status
from tests.crash.killing import REPOSITORY, open_directory
from tests.crash.script import COMMITS, KEYS, commit_of
from tests.engine_faults.workload import assert_sound, events_of

# strace counts a call for each thread by itself.
CHANGES = ("mkdir", "rename", "ftruncate", "fsync", "fdatasync", "unlink")


@functools.cache
def can_trace() -> bool:
    """Whether this machine lets a process be traced; some containers do not."""
    return (
        subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode
        == 0
    )


@pytest.fixture(autouse=True)
def tracing() -> None:
    if not can_trace():
        pytest.skip("needs ptrace")


pytestmark = pytest.mark.needs("strace")


def script(directory: Path, calls: str, inject: str) -> list[str]:
    """The lines of a run in which system calls were tampered with."""
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}"]
    command = [*strace, "-e", f"inject={inject}", sys.executable, "-B", "-m", "tests.crash.script"]
    done = subprocess.run(
        [*command, str(directory)], capture_output=True, text=True, cwd=REPOSITORY, check=False, timeout=100
    )
    return done.stdout.splitlines()


def answers_of(lines: list[str]) -> dict[int, str]:
    pairs = (line.split(" ") for line in lines if line[:1].isdigit())
    return {int(number): answer for number, answer in pairs}


def assert_recovers(directory: Path, answers: dict[int, str]) -> None:
    """What was acknowledged is there; what is sent again is there once."""
    engine = open_directory(directory)
    assert_sound(engine)
    for number, answer in answers.items():
        found = engine.execute(LookupTxn(commit_of(number).txn_id))
        if answer.isdigit():
            assert (found.outcome, found.commit_ts) == ("committed", int(answer))
        elif answer == "refusing_writes":
            assert found.outcome == "absent"
    assert engine.execute(Status()).commit_ts <= len(answers) + 1
    for number in range(COMMITS):
        engine.execute(commit_of(number))
        assert engine.execute(Get(KEYS[number])).entry.version == 1
    assert len(events_of(engine)) == COMMITS
    assert_sound(engine)
    engine.close()


def test_without_tampering_every_commit_is_acknowledged(tmp_path: Path) -> None:
    lines = script(tmp_path / "store", "fdatasync", "fdatasync:error=EIO:when=60000")
    assert answers_of(lines) == {number: str(number + 1) for number in range(COMMITS)}
    assert lines[-3:] == [f"ok at {COMMITS} with {COMMITS}", " ".join(["committed"] * COMMITS), "closed"]
    assert_recovers(tmp_path / "store", answers_of(lines))


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("after", [0, 4])
def test_a_sync_that_fails_is_in_doubt_and_nothing_more_is_written(
    tmp_path: Path, after: int, error: str
) -> None:
    """Every sync from one on fails; the engine neither retries it nor believes a later one (G8)."""
    directory = tmp_path / "store"
    open_directory(directory).close()
    for nth in range(1, 40):
        lines = script(directory, "fdatasync,fsync", f"fdatasync:error={error}:when={nth + after}+")
        answers = answers_of(lines)
        if "outcome_unknown" in answers.values():
            break
    told = list(answers.values())
    doubt = told.index("outcome_unknown")
    assert all(answer.isdigit() for answer in told[:doubt])
    assert set(told[doubt + 1 :]) == {"refusing_writes"}
    newest = max([int(answer) for answer in told[:doubt]], default=0)
    assert lines[-3].startswith(f"refusing_writes at {newest} with {newest}")
    assert lines[-2].split()[doubt] == "unknown"
    assert_recovers(directory, answers)


@pytest.mark.parametrize("nth", [1, 4, 8, 10])
def test_killed_in_a_sync(tmp_path: Path, nth: int) -> None:
    open_directory(tmp_path / "store").close()
    lines = script(tmp_path / "store", "fdatasync", f"fdatasync:signal=KILL:when={nth}")
    assert "closed" not in lines
    assert_recovers(tmp_path / "store", answers_of(lines))


@pytest.mark.parametrize(
    "call,nth",
    [("mkdir", 1), ("mkdir", 3), ("rename", 2), ("ftruncate", 1), ("fsync", 2), ("fdatasync", 3)],
)
def test_killed_while_the_store_is_made(tmp_path: Path, call: str, nth: int) -> None:
    lines = script(tmp_path / "store", call, f"{call}:signal=KILL:when={nth}")
    assert lines == []
    assert_recovers(tmp_path / "store", {})


@pytest.mark.slow
@pytest.mark.parametrize("made", [False, True], ids=["new", "made before"])
@pytest.mark.parametrize("call", CHANGES)
def test_killed_in_every_call_that_changes_the_disk(tmp_path: Path, call: str, made: bool) -> None:
    """From the first directory that is made to the last sync of the close."""
    for nth in range(1, 100):
        directory = tmp_path / f"{nth}"
        if made:
            open_directory(directory).close()
        lines = script(directory, call, f"{call}:signal=KILL:when={nth}")
        assert_recovers(directory, answers_of(lines))
        if "closed" in lines:
            return
    raise AssertionError("no run came to its end")


@pytest.mark.slow
def test_syncs_that_take_long_are_waited_for(tmp_path: Path) -> None:
    lines = script(tmp_path / "store", "fdatasync", "fdatasync:delay_exit=200000:when=3+")
    assert answers_of(lines) == {number: str(number + 1) for number in range(COMMITS)}
    assert_recovers(tmp_path / "store", answers_of(lines))
