"""``statehouse-langgraph import``: a database becomes threads, also when it is stopped in between."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from statehouse import Statehouse
from statehouse.engine import open_engine
from statehouse.storage.memory import MemoryStore
from statehouse.testing.daemon import serving
from statehouse_langgraph import StatehouseSaver
from statehouse_langgraph.importing import import_threads
from tests.langgraph.cli.running import ran
from tests.langgraph.threads import config, conversation, talk


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An SQLite database of LangGraph's with two threads."""
    path = tmp_path / "checkpoints.db"
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        talk(SqliteSaver(connection), "one")
        talk(SqliteSaver(connection), "two")
    return path


def test_an_import_copies_a_database_and_counts(database: Path, tmp_path: Path) -> None:
    store = f"file:{tmp_path / 'store'}"
    before = database.read_bytes()
    first = ran("import", "--from", f"sqlite:{database}", url=store)
    assert (first.code, first.err) == (0, "")
    assert first.out == (
        "imported 16 checkpoints and the writes of 14 tasks of 2 threads; 0 checkpoints were there already\n"
    )
    again = ran("import", "--from", f"sqlite:{database}", "--json", url=store)
    assert json.loads(again.out) == {"threads": 0, "checkpoints": 0, "tasks": 0, "skipped": 16, "refused": {}}
    assert database.read_bytes() == before
    with Statehouse(store) as sh:
        state = conversation(StatehouseSaver(sh)).invoke(Command(resume="yes"), config("one"))
    assert state["messages"][-1].content == "yes"


def test_an_import_can_be_of_some_threads(database: Path, tmp_path: Path) -> None:
    store = f"file:{tmp_path / 'store'}"
    ran("import", "--from", f"sqlite:{database}", "--thread", "two", url=store)
    assert [line.split("\t")[0] for line in ran("threads", url=store).out.splitlines()] == ["two"]


def test_an_import_of_a_thread_that_is_not_there_exits_with_3(database: Path, tmp_path: Path) -> None:
    store = f"file:{tmp_path / 'store'}"
    of_two = ("--thread", "two", "--thread", "nobody")
    found = ran("import", "--from", f"sqlite:{database}", *of_two, url=store)
    assert (found.code, "has no thread nobody" in found.err) == (3, True)
    assert "of 1 threads" in found.out


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_an_import_leaves_what_it_read_and_nothing_beside_it(mode: str, tmp_path: Path) -> None:
    path = kept(tmp_path / "database", mode)
    before = path.read_bytes()
    assert ran("import", "--from", f"sqlite:{path}", url=f"file:{tmp_path / 'store'}").code == 0
    assert [each.name for each in path.parent.iterdir()] == ["checkpoints.db"]
    assert path.read_bytes() == before


def test_an_import_leaves_what_waits_beside_a_database_to_whoever_writes_to_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.db"
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        talk(SqliteSaver(connection), "one")
        wal = path.with_name("checkpoints.db-wal")
        before = path.read_bytes(), wal.read_bytes()
        assert before[1]
        found = ran("import", "--from", f"sqlite:{path}", url=f"file:{tmp_path / 'store'}")
        assert "of 1 threads" in found.out
        assert (path.read_bytes(), wal.read_bytes()) == before


@pytest.mark.needs("setpriv")
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_an_import_reads_a_database_in_a_directory_that_cannot_be_written(mode: str, tmp_path: Path) -> None:
    path = kept(tmp_path / "database", mode)
    done = imported_without_writing_in(path.parent, path, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "of 1 threads" in done.stdout


@pytest.mark.needs("setpriv")
def test_an_import_never_reads_a_database_without_what_waits_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.db"
    alone = tmp_path / "copy"
    alone.mkdir()
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        talk(SqliteSaver(connection), "one")
        for name in ("checkpoints.db", "checkpoints.db-wal"):
            (alone / name).write_bytes((tmp_path / name).read_bytes())
    done = imported_without_writing_in(alone, alone / "checkpoints.db", tmp_path)
    assert done.returncode == 5
    assert "copy it, with what is beside it, to a directory that can be written" in done.stderr


def kept(directory: Path, mode: str) -> Path:
    """Gives a database with a thread, that was closed as it should be."""
    directory.mkdir()
    path = directory / "checkpoints.db"
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        talk(SqliteSaver(connection), "one")
        connection.execute(f"PRAGMA journal_mode = {mode}")
    return path


def imported_without_writing_in(
    directory: Path, path: Path, tmp_path: Path
) -> subprocess.CompletedProcess[str]:
    """Imports in a process that may not write to a directory, not even as the superuser."""
    as_anybody = [] if os.geteuid() else ["setpriv", "--bounding-set", "-dac_override"]
    program = [sys.executable, "-m", "statehouse_langgraph", "--url", f"file:{tmp_path / 'store'}"]
    directory.chmod(0o555)
    try:
        return subprocess.run(
            [*as_anybody, *program, "import", "--from", f"sqlite:{path}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        directory.chmod(0o755)


@pytest.mark.parametrize(
    "source, said",
    [
        ("sqlite:", "names no file; write sqlite:checkpoints.db"),
        ("checkpoints.db", "did you mean sqlite:checkpoints.db ?"),
        ("mysql://u:s3cret@host/db", "'mysql://u:...@host/db' is neither"),
        ("mysql://u:s3cret/@host/db", "'mysql://u:...@host/db' is neither"),
        ("mysql://host/db?password=s3cret&x=1", "'mysql://host/db?password=...&x=1' is neither"),
    ],
)
def test_an_import_from_what_is_no_source_says_what_is_meant_and_no_password(
    source: str, said: str, tmp_path: Path
) -> None:
    found = ran("import", "--from", source, url=f"file:{tmp_path / 'store'}")
    assert (found.code, said in " ".join(found.err.split()), "s3cret" in found.err) == (2, True, False), (
        found.err
    )


def test_an_import_says_which_threads_it_could_not_take(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE checkpoints SET type = 'msgpack+aes' WHERE thread_id = 'one'")
    found = ran("import", "--from", f"sqlite:{database}", url=f"file:{tmp_path / 'store'}")
    assert found.code == 1
    assert "of 1 threads" in found.out
    assert "thread 'one' was not taken whole" in found.err
    assert "encrypted" in found.err


@pytest.mark.parametrize(
    "content, why",
    [(None, "there is no file"), (b"", "holds no checkpoints"), (b"x" * 4096, "cannot be read")],
)
def test_an_import_from_what_is_no_database_exits_with_5(
    content: bytes | None, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    found = ran("import", "--from", f"sqlite:{path}", url=f"file:{tmp_path / 'store'}")
    assert (found.code, why in found.err) == (5, True), found.err


@pytest.mark.parametrize("home", ["directory", "daemon"])
@pytest.mark.slow
def test_an_import_that_is_killed_goes_on_where_it_was(home: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.db"
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        saver = SqliteSaver(connection)
        for number in range(40):
            talk(saver, f"thread-{number}")
    with closing(open_engine(MemoryStore(), durability="none")) as engine, serving(engine) as address:
        store = f"file:{tmp_path / 'store'}" if home == "directory" else address
        kills = 0
        for wanted in (20, 60, 150):
            kills += killed_after(path, store, wanted)
        done = json.loads(ran("import", "--from", f"sqlite:{path}", "--json", url=store).out)
        assert kills
        assert done["checkpoints"] < 320
        assert done["skipped"] + done["checkpoints"] in (320, 319)
        with (
            closing(sqlite3.connect(path, check_same_thread=False)) as connection,
            Statehouse(store) as sh,
            Statehouse("memory:") as other,
        ):
            import_threads(SqliteSaver(connection), StatehouseSaver(other))
            assert everything(StatehouseSaver(sh)) == everything(StatehouseSaver(other))


def killed_after(path: Path, store: str, wanted: int) -> bool:
    """Kills an import when so many commits are in the store; says whether it was still running."""
    program = (
        "import sys, os, signal\n"
        "from statehouse_langgraph.saver.saver import StatehouseSaver\n"
        "left = int(sys.argv.pop(1))\n"
        "put = StatehouseSaver.put\n"
        "def dying(self, *given):\n"
        "    global left\n"
        "    left -= 1\n"
        "    if left < 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return put(self, *given)\n"
        "StatehouseSaver.put = dying\n"
        "from statehouse_langgraph.cli import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(wanted), "import", "--from", f"sqlite:{path}"],
        env={**os.environ, "STATEHOUSE_URL": store},
        capture_output=True,
        check=False,
    )
    return done.returncode == -signal.SIGKILL


def everything(saver: StatehouseSaver) -> list[Any]:
    return sorted(
        (
            (found.config, found.checkpoint, found.metadata, found.pending_writes)
            for found in saver.list(None)
        ),
        key=lambda row: str(row[0]),
    )


def test_ctrl_c_in_an_import_exits_with_130_and_loses_nothing(database: Path, tmp_path: Path) -> None:
    program = (
        "import _thread\n"
        "from statehouse_langgraph.saver.saver import StatehouseSaver\n"
        "put_writes = StatehouseSaver.put_writes\n"
        "def interrupted(self, *given):\n"
        "    put_writes(self, *given)\n"
        "    _thread.interrupt_main()\n"
        "StatehouseSaver.put_writes = interrupted\n"
        "from statehouse_langgraph.cli import main; main()\n"
    )
    store = f"file:{tmp_path / 'store'}"
    done = subprocess.run(
        [sys.executable, "-c", program, "import", "--from", f"sqlite:{database}"],
        env={**os.environ, "STATEHOUSE_URL": store},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    again = json.loads(ran("import", "--from", f"sqlite:{database}", "--json", url=store).out)
    assert again["checkpoints"] + again["skipped"] == 16
    assert again["skipped"] > 0
