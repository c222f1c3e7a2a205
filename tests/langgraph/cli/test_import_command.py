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
    assert (
        "has no thread nobody"
        in ran("import", "--from", f"sqlite:{database}", "--thread", "nobody", url=store).err
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
