"""A full disk refuses commits, answers reads, loses nothing, and is forgotten once there is room."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.crash.killing import REPOSITORY

pytestmark = pytest.mark.needs("root", "unshare", "mount")

FILL = """
    import os, shutil, subprocess, sys, tempfile, time
    from pathlib import Path
    from statehouse.engine import open_engine
    from statehouse.errors import OverloadedError, StatehouseError
    from statehouse.protocol.names import RecordKey
    from statehouse.protocol.requests import Check, Commit, Get, LookupTxn, Status, Write
    from statehouse.protocol.values import BYTES, Payload
    from statehouse.storage.rocksdb import RocksStore
    disk = Path(sys.argv[1])
    def opened(path=disk / "store"):
        return open_engine(RocksStore.open(path, free_bytes_min=0))
    def commit_of(number):
        key = RecordKey("n", "a", f"{number}")
        return Commit(f"c {number}", (Write(key, Payload(BYTES, random[number])),))
    random = [os.urandom(60_000) for _ in range(1000)]
    def sound(engine, reached):
        page = engine.execute(Check(limit=10_000))
        read = all(
            engine.execute(Get(RecordKey("n", "a", f"{n}"))).entry.payload.data == random[n]
            for n in range(reached)
        )
        return (page.problems, engine.execute(Status()).commit_ts, read) == ((), reached, True)
    engine = opened()
    refused = None
    for number in range(1000):
        try:
            assert engine.execute(commit_of(number)).commit_ts == number + 1
        except OverloadedError as error:
            refused = error
            break
    reached = number
    assert refused is not None and refused.reason == "disk_full" and refused.retry_after > 0, refused
    assert reached > 50
    assert engine.execute(LookupTxn(f"c {reached}")).outcome == "absent"
    assert sound(engine, reached)
    assert engine.execute(Status()).state == "ok"
"""


def run(script: str, path: Path) -> str:
    """What a process prints that has a disk of 24 MiB at the path."""
    mount = f"mount -t tmpfs -o size=24m tmpfs '{path}' && exec \"$@\""
    python = [sys.executable, "-W", "error", "-c", textwrap.dedent(FILL) + textwrap.dedent(script), str(path)]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", *python],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_commits_are_refused_and_what_was_there_before_is_there_after_a_kill(tmp_path: Path) -> None:
    script = """
    # As after a kill: a copy of the files, on a disk with room.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as roomy:
        shutil.copytree(disk / "store", Path(roomy) / "store")
        again = opened(Path(roomy) / "store")
        print(sound(again, reached), again.execute(commit_of(reached)).commit_ts == reached + 1)
        again.close()
    os._exit(0 if not sys.stdout.flush() else 1)
    """
    assert run(script, tmp_path) == "True True"


@pytest.mark.slow
def test_writing_goes_on_by_itself_once_there_is_room(tmp_path: Path) -> None:
    script = """
    subprocess.run(["mount", "-o", "remount,size=128m", str(disk)], check=True)
    deadline = time.monotonic() + 60
    for number in range(reached, reached + 20):
        while True:
            try:
                assert engine.execute(commit_of(number)).commit_ts == number + 1
                break
            except OverloadedError as error:
                assert time.monotonic() < deadline
                time.sleep(min(error.retry_after, 0.1))
    assert sound(engine, reached + 20)
    # As after a kill: what the full disk cut off in the log must not stand between older and newer commits.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as roomy:
        shutil.copytree(disk / "store", Path(roomy) / "store")
        again = opened(Path(roomy) / "store")
        print(sound(again, reached + 20))
        again.close()
    engine.close()
    again = opened()
    print(sound(again, reached + 20))
    again.close()
    """
    assert run(script, tmp_path) == "True\nTrue"


def test_a_full_disk_can_be_closed_and_read_again(tmp_path: Path) -> None:
    script = """
    engine.close()
    subprocess.run(["mount", "-o", "remount,size=128m", str(disk)], check=True)
    again = opened()
    print(sound(again, reached), again.execute(commit_of(reached)).commit_ts == reached + 1)
    again.close()
    """
    assert run(script, tmp_path) == "True True"
