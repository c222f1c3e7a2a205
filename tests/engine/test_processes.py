"""Forks, two processes on one directory, and programs that end without closing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from statehouse.engine import open_engine
from statehouse.errors import CorruptionError, DirectoryLockedError
from statehouse.protocol.requests import Health, Status
from statehouse.storage.rocksdb import RocksStore
from statehouse.testing.contracts.engine_phrases import commit, write

REPOSITORY = Path(__file__).parents[2]

HEADER = """
    import os, signal, sys, threading, warnings
    from pathlib import Path
    from statehouse.engine import open_engine
    from statehouse.errors import ForkedProcessError
    from statehouse.protocol.names import RecordKey
    from statehouse.protocol.requests import *
    from statehouse.protocol.values import BYTES, Payload
    from statehouse.storage.rocksdb import RocksStore
    # From 3.12 on Python warns of a fork among threads; that is what is tested here.
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
    signal.alarm(50)
    KEY = RecordKey("default", "a", "k")
    def put(engine, number):
        payload = Payload(BYTES, bytes((number % 256,)) * 3000)
        return engine.execute(Commit(f"commit {number}", (Write(KEY, payload),))).commit_ts
    def opened(path=Path(sys.argv[1])):
        return open_engine(RocksStore.open(path, free_bytes_min=0))
    engine = opened()
    for number in range(20):
        put(engine, number)
"""

EVERY_CALL = """
    def refused(call):
        try:
            call()
        except ForkedProcessError:
            return True
        return False
    calls = [
        lambda: put(engine, 1000),
        lambda: engine.submit(Commit("c", (Delete(KEY),))).result(5),
        lambda: engine.execute(Get(KEY)),
        lambda: engine.submit(Get(KEY)).result(5),
        lambda: engine.execute(Scan("default", "a")),
        lambda: engine.execute(Replay(wait_s=10.0)),
        lambda: engine.submit(Replay(from_ts=1000, wait_s=10.0)).result(5),
        lambda: engine.execute(Status()),
        lambda: engine.execute(Check()),
        lambda: engine.execute(LookupTxn("c")),
    ]
"""


def run(script: str, path: Path) -> str:
    """What a process of its own prints that runs the script."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(HEADER) + textwrap.dedent(script), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commits_in(path: Path) -> int:
    engine = open_engine(RocksStore.open(path, free_bytes_min=0))
    reached = engine.execute(Status()).commit_ts
    engine.close()
    return reached


def test_every_call_in_a_forked_child_is_refused_and_the_parent_goes_on(tmp_path: Path) -> None:
    script = f"""{EVERY_CALL}
    child = os.fork()
    if not child:
        good = all(refused(call) for call in calls)
        engine.close()
        repr(engine)
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    for number in range(20, 40):
        put(engine, number)
    page = engine.execute(Check(limit=10_000))
    engine.close()
    print(page.problems)
    """
    assert run(script, tmp_path / "store") == "()"
    assert commits_in(tmp_path / "store") == 40


@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)", "engine.close(); sys.exit(0)", "del engine"])
def test_a_forked_child_ends_by_itself_and_harms_nothing(tmp_path: Path, leave: str) -> None:
    script = f"""
    child = os.fork()
    if not child:
        {leave}
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    for number in range(20, 40):
        put(engine, number)
    engine.close()
    again = opened()
    print(len(again.execute(Replay()).events))
    again.close()
    """
    assert run(script, tmp_path / "store") == "40"


def test_a_reader_of_a_store_that_lost_its_log_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "store"
    run("os._exit(0)", path)
    for log in (path / "rocks").glob("*.log"):
        log.unlink()
    with pytest.raises(CorruptionError, match="20 acknowledged commits are missing") as caught:
        open_engine(RocksStore.open(path, read_only=True))
    assert (caught.value.details["commit_ts"], caught.value.details["expected_commit_ts"]) == (0, 20)


def test_a_fork_while_other_threads_commit_harms_nothing(tmp_path: Path) -> None:
    script = """
    begun = threading.Barrier(4)
    def work(first):
        begun.wait()
        for number in range(first, first + 200):
            put(engine, number)
    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    begun.wait()
    for _ in range(8):
        child = os.fork()
        if not child:
            try:
                put(engine, 9999)
            except ForkedProcessError:
                sys.exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    for thread in threads:
        thread.join()
    engine.close()
    again = opened()
    page = again.execute(Check(limit=10_000))
    print(page.problems, again.execute(Status()).commit_ts)
    again.close()
    """
    assert run(script, tmp_path / "store") == "() 620"


def test_a_child_forked_after_the_close_ends_with_its_own_status(tmp_path: Path) -> None:
    script = """
    engine.close()
    child = os.fork()
    if not child:
        print("flushed", end="")
        sys.exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run(script, tmp_path / "store") == "flushed7"


def test_two_engines_in_one_process_do_not_share_a_directory(tmp_path: Path) -> None:
    engine = open_engine(RocksStore.open(tmp_path / "store"))
    with pytest.raises(DirectoryLockedError):
        RocksStore.open(tmp_path / "store")
    assert engine.execute(Health()) == "ok"
    assert commit(engine, write()).commit_ts == 1
    engine.close()
    assert commits_in(tmp_path / "store") == 1


def test_two_processes_do_not_share_a_directory(tmp_path: Path) -> None:
    script = """
    print("ready", flush=True)
    sys.stdin.readline()
    put(engine, 20)
    engine.close()
    """
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(HEADER) + textwrap.dedent(script),
        str(tmp_path / "store"),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(DirectoryLockedError) as refused:
            RocksStore.open(tmp_path / "store")
        assert refused.value.holder["pid"] == process.pid
        process.communicate("go on\n", timeout=60)
        assert process.returncode == 0
    assert commits_in(tmp_path / "store") == 21


@pytest.mark.parametrize(
    "leave",
    [
        "pass",
        "sys.exit(0)",
        "os._exit(0)",
        "engine.submit(Replay(from_ts=1000, wait_s=600.0))",
        "threading.Thread(target=engine.execute, args=(Replay(from_ts=99, wait_s=99),), daemon=True).start()",
    ],
)
def test_a_program_that_forgot_to_close_ends_and_loses_nothing(tmp_path: Path, leave: str) -> None:
    run(f"    {leave}\n", tmp_path / "store")
    assert commits_in(tmp_path / "store") == 20
